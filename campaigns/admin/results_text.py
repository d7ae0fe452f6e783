"""A campaign's figures in words: cards, funnel and days, each with the rows behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from campaigns.admin import rows
from campaigns.admin.period import Period
from campaigns.admin.results_money import edit_page, roi_measure
from campaigns.admin.spreadsheet import numbers
from campaigns.analytics.cohorts import CohortTable, WeekCohort
from campaigns.analytics.figures import Card, Figures, Light, Measure, Rate, Row, measure
from campaigns.analytics.funnel import Funnel, Stage
from campaigns.analytics.kpis import EnrollmentFigures, Kpis
from campaigns.analytics.roi import Roi
from campaigns.models import Campaign


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """A stage as a bar, in percent of the first, and its shares in words."""

    title: str
    note: str
    people: str
    width: float
    shares: str
    link: str


def cards(figures: Kpis, found: Roi, people: Funnel, chosen: Period) -> list[Card]:
    """The seven campaign metrics of the strategy, and the goal."""
    (one,) = figures.enrollments
    total = figures.total

    def behind(figure: str) -> str:
        return rows.deliveries(figure, chosen.first, chosen.last, one.campaign)

    def who(**filters: str) -> str:
        return rows.enrollments(chosen.first, chosen.last, one.campaign, **filters)

    eligible = people.stages[0].people
    opened = measure(
        figures.open_rate(),
        "delivered by WhatsApp and e-mail",
        link=rows.opened(chosen.first, chosen.last, one.campaign),
    )
    return [
        Card("Enrolled", measure(Rate(one.enrolled, eligible), "eligible", link=who())),
        Card("Delivered", measure(total.delivery_rate, "sent", link=behind("delivered"))),
        Card("Opened", opened),
        Card("Clicked", measure(total.click_rate, "delivered", link=behind("clicked"))),
        Card("Came back", measure(one.conversion_rate, "enrolled", link=who(reached="returned"))),
        Card("Goal", goal(one, rows.in_time(one, chosen.first))),
        Card(
            "Opted out", measure(total.unsubscribe_rate, "delivered", link=behind("unsubscribed"))
        ),
        Card("ROI", roi_measure(one.campaign, found, "#money")),
    ]


def goal(one: EnrollmentFigures, link: str) -> Measure:
    """The campaign's goal, measured on those whose days are over; `link`: to those in time."""
    campaign = one.campaign
    if not campaign.goal_rate or not campaign.goal_days:
        return Measure("–", "no goal is set", link=edit_page(campaign))
    if not one.ripe:
        text = f"nobody enrolled {campaign.goal_days} days ago yet"
        return Measure("–", text, Light("default", f"Too early (goal {campaign.goal_rate} %)"))
    return measure(
        one.goal,
        f"whose {campaign.goal_days} days are over",
        campaign.goal_rate,
        link,
    )


def funnel_rows(campaign: Campaign, people: Funnel, chosen: Period) -> list[FunnelRow]:
    """Each stage with its shares of others."""
    found = []
    for stage in people.stages:
        reached = {} if stage.key == "enrolled" else {"reached": stage.key}
        link = rows.enrollments(chosen.first, chosen.last, campaign, **reached) if stage.key else ""
        found.append(
            FunnelRow(
                stage.title,
                stage.note,
                f"{stage.people:,}",
                round(stage.of_first.percent or 0, 2),
                _shares(stage, people),
                link,
            )
        )
    return found


def _shares(stage: Stage, people: Funnel) -> str:
    """Of whom the stage's people are a share; beside those who came back, how many had clicked."""
    before = stage.of_before
    if before is None:
        return f"{_percent(stage.of_first)} of the eligible"
    if stage.key == "opened" and people.has_sms:
        return (
            f"{_percent(stage.of_first)} of the eligible; no share of the stage before, "
            "since an SMS does not report opening"
        )
    if stage.is_part_of_before:
        whole = f" of {before.whole:,}" if before.whole else ""
        return (
            f"{_percent(stage.of_first)} of the eligible; "
            f"{_percent(before)}{whole} of the stage before"
        )
    enrolled = _of_enrolled(stage, people)
    whole = f" of {enrolled.whole:,}" if enrolled.whole else ""
    return (
        f"{_percent(enrolled)}{whole} enrolled; "
        f"of those who clicked: {before.part:,} of {before.whole:,}"
    )


def _percent(rate: Rate) -> str:
    return "–" if rate.percent is None else f"{rate.percent:.1f} %"


def _of_enrolled(stage: Stage, people: Funnel) -> Rate:
    (enrolled,) = (one.people for one in people.stages if one.key == "enrolled")
    return Rate(stage.people, enrolled)


# `people` are a part of `of`, and "also clicked" of those who clicked.
FUNNEL_COLUMNS = ("stage", "people", "of", "of whom", "also clicked", "of those who clicked")


def funnel_numbers(people: Funnel) -> list[tuple[str | int | None, ...]]:
    """The funnel with bare numbers, in the order of FUNNEL_COLUMNS."""
    found: list[tuple[str | int | None, ...]] = []
    for stage in people.stages:
        before = stage.of_before
        if before is None or (stage.key == "opened" and people.has_sms):
            found.append((stage.title, stage.people, None, None, None, None))
        elif stage.is_part_of_before:
            whom = "the stage before"
            found.append((stage.title, stage.people, before.whole, whom, None, None))
        else:
            whole = _of_enrolled(stage, people).whole
            clicked = (before.part, before.whole)
            found.append((stage.title, stage.people, whole, "enrolled", *clicked))
    return found


def day_rows(days: dict[date, Figures], link: Callable[[str, date], str]) -> list[Row]:
    """Each day's counts; `link` gives the address of the rows behind a figure of a day."""
    names = ("sent", "delivered", "opened", "clicked", "failed", "unsubscribed")
    return [
        Row(
            f"{day.day} {day:%b %Y}",
            "",
            "",
            [
                Measure(f"{count:,}", link=link(name, day) if count else "")
                for name, count in zip(names, numbers(figures), strict=True)
            ],
        )
        for day, figures in days.items()
        if figures != Figures()
    ]


def cohort_rows(table: CohortTable, campaign: Campaign, chosen: Period) -> list[Row]:
    """Each week's people, and what share of them was back after so many days."""
    return [_cohort_row(week, table.columns, campaign, chosen) for week in table.weeks]


def _cohort_row(week: WeekCohort, columns: list[int], campaign: Campaign, chosen: Period) -> Row:
    span = (max(week.monday, chosen.first), min(week.sunday, chosen.last), campaign)
    first, last = week.monday, week.sunday
    shares = [
        Measure("not yet")
        if rate is None
        else measure(rate, "enrolled", link=rows.enrollments(*span, came_back=str(days)))
        for days, rate in zip(columns, week.returned, strict=True)
    ]
    return Row(
        f"{first.day} {first:%b} to {last.day} {last:%b %Y}",
        "",
        "",
        [Measure(f"{week.enrolled:,}", link=rows.enrollments(*span)), *shares],
    )
