"""Shares that say of what, sums of the roll-up, and how they compare with their targets. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import astuple, dataclass

from messaging.models import Channel

# strategy, Channel Performance: open and click rates in percent, at least.
CHANNEL_TARGETS: dict[str, tuple[int, int]] = {
    Channel.WHATSAPP: (80, 25),
    Channel.SMS: (75, 15),
    Channel.EMAIL: (30, 8),
}
# strategy, Campaign-Level Metrics: the open rate is that of WhatsApp and e-mail.
REPORTS_OPENING = (Channel.WHATSAPP, Channel.EMAIL)
# Fewer than this say nothing about a rate: one more click would move it by three points.
ENOUGH = 30
# Within this share of its target a rate is close, not low.
CLOSE = 0.8


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that says of what."""

    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """Percent, or None where there is nothing to take a share of."""
        return 100 * self.part / self.whole if self.whole else None

    @property
    def is_enough(self) -> bool:
        """Enough to say something by."""
        return self.whole >= ENOUGH

    def __add__(self, other: Rate) -> Rate:
        """Both together."""
        return Rate(self.part + other.part, self.whole + other.whole)


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the messages. Skipped ones are in none of these."""

    sent: int = 0
    delivered: int = 0
    opened: int = 0
    clicked: int = 0
    failed: int = 0
    unsubscribed: int = 0

    def __add__(self, other: Figures) -> Figures:
        """Both together."""
        return Figures(*map(int.__add__, astuple(self), astuple(other)))

    @property
    def delivery_rate(self) -> Rate:
        """Delivered of sent."""
        return Rate(self.delivered, self.sent)

    @property
    def open_rate(self) -> Rate:
        """Opened of delivered: for a channel that reports opening (see `REPORTS_OPENING`)."""
        return Rate(self.opened, self.delivered)

    @property
    def click_rate(self) -> Rate:
        """Clicked of delivered."""
        return Rate(self.clicked, self.delivered)

    @property
    def unsubscribe_rate(self) -> Rate:
        """Opted out by a message's link, of delivered."""
        return Rate(self.unsubscribed, self.delivered)


@dataclass(frozen=True, slots=True)
class Light:
    """A traffic light that also says its colour in words."""

    level: str  # success, warning, danger or default
    text: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure, what it is a share of, how it compares with its target, and the rows behind it."""

    value: str
    basis: str = ""
    light: Light | None = None
    link: str = ""


def measure(rate: Rate, of_what: str, target: float | None = None, link: str = "") -> Measure:
    """A rate in words: "81.3 %", "1,204 of 1,481 delivered", and its light."""
    if rate.percent is None:
        return Measure("–", f"none {of_what} yet")
    basis = f"{rate.part:,} of {rate.whole:,} {of_what}"
    return Measure(f"{rate.percent:.1f} %", basis, light(rate, target) if target else None, link)


def light(rate: Rate, target: float) -> Light:
    """How a rate compares with its target, both in percent."""
    goal = f"{target:g} %"
    if rate.percent is None or not rate.is_enough:
        return Light("default", f"Too few to tell (target {goal})")
    if rate.percent >= target:
        return Light("success", f"On target ({goal})")
    if rate.percent >= target * CLOSE:
        return Light("warning", f"Close to {goal}")
    return Light("danger", f"Below {goal}")


def open_measure(channel: str, figures: Figures, link: str = "") -> Measure:
    """A channel's open rate against its target; an SMS has none, which is not 0 %."""
    target, _ = CHANNEL_TARGETS[channel]
    if channel in REPORTS_OPENING:
        return measure(figures.open_rate, "delivered", target, link)
    return Measure("–", "an SMS does not report opening", Light("default", f"Target {target} %"))


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure."""

    title: str
    measure: Measure


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign, a channel or a step, and its measures in the order of the columns."""

    name: str
    note: str
    link: str
    measures: list[Measure]


MESSAGE_COLUMNS = ("Sent", "Delivered", "Opened", "Clicked", "Failed", "Opted out")


def message_measures(figures: Figures, link: Callable[[str], str], channel: str) -> list[Measure]:
    """What MESSAGE_COLUMNS say of a channel's messages, against its targets.

    `link` gives the address of the rows behind a figure by the figure's name.
    """
    failed = Rate(figures.failed, figures.sent + figures.failed)
    return [
        Measure(f"{figures.sent:,}", "", None, link("sent") if figures.sent else ""),
        measure(figures.delivery_rate, "sent", link=link("delivered")),
        open_measure(channel, figures, link("opened")),
        measure(figures.click_rate, "delivered", CHANNEL_TARGETS[channel][1], link("clicked")),
        measure(failed, "sent or failed", link=link("failed")),
        measure(figures.unsubscribe_rate, "delivered", link=link("unsubscribed")),
    ]
