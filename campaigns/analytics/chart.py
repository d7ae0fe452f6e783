"""Messages by day as a picture: bars and lines in percent of it, drawn by the template as SVG."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from campaigns.analytics.figures import Figures

MOST_LABELS = 6


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart; all lengths are percent of the picture."""

    day: date
    figures: Figures
    x: float
    width: float
    height: float
    words: str

    @property
    def y(self) -> float:
        """Top of the bar."""
        return 100 - self.height


@dataclass(frozen=True, slots=True)
class Chart:
    """Messages sent a day as bars; opened and clicked as lines."""

    ticks: list[tuple[float, str]]  # of the upright axis: percent from above, number
    labels: list[tuple[float, date]]  # of the lower axis: percent from the left
    bars: list[Bar]
    opened: str
    clicked: str

    @property
    def days(self) -> list[Bar]:
        """Those on which something happened, for the table."""
        return [bar for bar in self.bars if bar.figures != Figures()]


def chart(first: date, last: date, days: dict[date, Figures]) -> Chart | None:
    """Draw the days; None where nothing happened."""
    if not any(figures != Figures() for figures in days.values()):
        return None
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    figures = [days.get(day, Figures()) for day in span]
    top = _round_up(max(max(one.sent, one.opened, one.clicked) for one in figures))
    step = 100 / len(span)
    return Chart(
        [(0, f"{top:,}"), (50, f"{top / 2:,g}"), (100, "0")],
        _labels(span),
        [
            Bar(
                day,
                one,
                round(n * step + step * 0.1, 3),
                round(step * 0.8, 3),
                _high(one.sent, top),
                _words(day, one),
            )
            for n, (day, one) in enumerate(zip(span, figures, strict=True))
        ],
        _line([one.opened for one in figures], top),
        _line([one.clicked for one in figures], top),
    )


def _round_up(value: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 30, 40, 50 and so on: half of it is a whole number."""
    scale = 1
    while True:
        for leading in (2, 4, 6, 8, 10) if scale == 1 else (2, 3, 4, 5, 6, 8, 10):
            if value <= leading * scale:
                return leading * scale
        scale *= 10


def _labels(span: list[date]) -> list[tuple[float, date]]:
    """Some of the days, evenly, each where its bar is."""
    every = -(-len(span) // MOST_LABELS)
    return [
        (round(100 * (n + 0.5) / len(span), 2), day) for n, day in enumerate(span) if n % every == 0
    ]


def _high(value: int, top: int) -> float:
    return round(100 * value / top, 2)


def _line(values: list[int], top: int) -> str:
    """Points of an SVG polyline, one in the middle of each day."""
    step = 100 / len(values)
    return " ".join(
        f"{n * step + step / 2:.2f},{100 - _high(value, top):.2f}" for n, value in enumerate(values)
    )


def _words(day: date, figures: Figures) -> str:
    return (
        f"{day:%d %b %Y}: {figures.sent:,} sent, {figures.delivered:,} delivered, "
        f"{figures.opened:,} opened, {figures.clicked:,} clicked, {figures.failed:,} failed"
    )
