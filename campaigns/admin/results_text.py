"""A campaign's figures in words: cards, funnel, money and lift, each with the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse

from campaigns.admin import rows
from campaigns.admin.period import Period
from campaigns.analytics.figures import Card, Light, Measure, Rate, measure
from campaigns.analytics.funnel import Funnel, Stage
from campaigns.analytics.kpis import EnrollmentFigures, Kpis
from campaigns.analytics.roi import Lift, Roi
from campaigns.models import Campaign
from messaging.models import Channel


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, and where to look or what to set."""

    title: str
    text: str
    link: str = ""
    link_text: str = ""


@dataclass(frozen=True, slots=True)
class FunnelRow:
    """A stage as a bar, in percent of the first, and its shares in words."""

    title: str
    note: str
    people: str
    width: float
    shares: str
    link: str


def rupees(amount: Decimal) -> str:
    """Such as ₹ 1,204 or ₹ 0.35."""
    return f"₹ {amount:,.2f}" if abs(amount) < 100 else f"₹ {amount:,.0f}"


def cards(figures: Kpis, found: Roi, people: Funnel, chosen: Period) -> list[Card]:
    """The seven campaign metrics of the strategy, and the goal."""
    (one,) = figures.enrollments
    total = figures.total

    def behind(figure: str) -> str:
        return rows.deliveries(figure, chosen.first, chosen.last, one.campaign)

    def who(**filters: str) -> str:
        return rows.enrollments(chosen.first, chosen.last, one.campaign, **filters)

    eligible = people.stages[0].people
    opened = measure(figures.open_rate(), "delivered by WhatsApp and e-mail")
    return [
        Card("Enrolled", measure(Rate(one.enrolled, eligible), "eligible", link=who())),
        Card("Delivered", measure(total.delivery_rate, "sent", link=behind("delivered"))),
        Card("Opened", opened),
        Card("Clicked", measure(total.click_rate, "delivered", link=behind("clicked"))),
        Card("Came back", measure(one.conversion_rate, "enrolled", link=who(reached="returned"))),
        Card("Goal", goal(one)),
        Card(
            "Opted out", measure(total.unsubscribe_rate, "delivered", link=behind("unsubscribed"))
        ),
        Card("ROI", roi_measure(one.campaign, found)),
    ]


def goal(one: EnrollmentFigures) -> Measure:
    """The campaign's goal, measured on those whose days are over."""
    campaign = one.campaign
    if not campaign.goal_rate or not campaign.goal_days:
        return Measure("–", "no goal is set", link=_change(campaign))
    if not one.ripe:
        text = f"nobody enrolled {campaign.goal_days} days ago yet"
        return Measure("–", text, Light("default", f"Too early (goal {campaign.goal_rate} %)"))
    return measure(one.goal, f"back within {campaign.goal_days} days", campaign.goal_rate)


def roi_measure(campaign: Campaign, found: Roi) -> Measure:
    """The ratio, or what is missing for it."""
    if found.ratio is None:
        missing = {
            "value": ("set what a return is worth", _change(campaign)),
            "messages": ("nothing was sent yet", ""),
            "price": ("set what a message costs", _accounts()),
        }
        words, link = missing[found.missing]
        return Measure("–", words, link=link)
    basis = f"{rupees(found.value or Decimal(0))} for {rupees(found.cost.amount)}"
    return Measure(f"{found.ratio:,.1f} ×", basis)


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
        if before is None:
            found.append((stage.title, stage.people, None, None, None, None))
        elif stage.is_part_of_before:
            whom = "the stage before"
            found.append((stage.title, stage.people, before.whole, whom, None, None))
        else:
            whole = _of_enrolled(stage, people).whole
            clicked = (before.part, before.whole)
            found.append((stage.title, stage.people, whole, "enrolled", *clicked))
    return found


def roi_lines(campaign: Campaign, found: Roi) -> list[Line]:
    """Cost, value, and the ratio of both."""
    cost = found.cost
    parts = [
        f"{Channel(channel).label} {rupees(sum_)}" for channel, sum_ in cost.by_channel.items()
    ]
    spent = f"{rupees(cost.amount)} for {cost.messages:,} messages sent"
    lines = [Line("Cost", f"{spent} ({', '.join(sorted(parts))})" if parts else spent)]
    if cost.unpriced:
        without = " and ".join(sorted(cost.unpriced))
        lines.append(
            Line("", f"{without} counted as free: no price is set.", _accounts(), "Set prices")
        )
    if "sms" in cost.by_channel:
        lines.append(Line("", "Each SMS counts as one message: how many parts it had is not kept."))
    if found.value is None:
        text = f"{found.returned:,} came back; what one is worth is not set"
        return [*lines, Line("Value", text, _change(campaign), "Set it")]
    worth = f"{found.returned:,} came back × {rupees(found.value_each or Decimal(0))}"
    lines.append(Line("Value", f"{rupees(found.value)} ({worth})"))
    if found.ratio is not None:
        lines.append(Line("ROI", f"{found.ratio:,.1f} ₹ of value for each ₹ spent"))
    return lines


def lift_lines(campaign: Campaign, gain: Lift | None, found: Roi) -> list[Line]:
    """What the messages brought beyond what comes by itself."""
    if gain is None:
        text = "No holdout: what would have come by itself is not known."
        return [Line("", text, _change(campaign), "Set a holdout share")]
    groups = [
        Line("Written to", _share(gain.written_to)),
        Line("Holdout", _share(gain.holdout)),
    ]
    if not gain.is_enough:
        return [*groups, Line("", "Too few to tell: each group needs 30 people at least.")]
    low, middle, high = (f"{100 * x:+.1f}" for x in (gain.low, gain.middle, gain.high))
    lines = [
        *groups,
        Line("Difference", f"{middle} percentage points (95 % sure: {low} to {high})"),
        Line("", _verdict(gain)),
    ]
    fewest, likeliest, most = gain.returns()
    span = f"{likeliest:,} (95 % sure: {fewest:,} to {most:,})"
    lines.append(Line("Brought back by the messages", span))
    if (ratio := found.of(likeliest)) is not None:
        ends = f"{found.of(fewest):,.1f} to {found.of(most):,.1f}"
        lines.append(Line("ROI of these", f"{ratio:,.1f} ₹ for each ₹ spent (95 % sure: {ends})"))
    return lines


def _verdict(gain: Lift) -> str:
    if not gain.is_told_from_chance:
        return "Too few to tell: the difference may be chance."
    if gain.low > 0:
        return "The messages bring doctors back: more came back than of the holdout."
    return "Fewer came back than of the holdout: the messages seem to do harm."


def _share(rate: Rate) -> str:
    if rate.percent is None:
        return "nobody"
    return f"{rate.percent:.1f} % came back ({rate.part:,} of {rate.whole:,} enrolled)"


def _change(campaign: Campaign) -> str:
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def _accounts() -> str:
    return reverse("admin:messaging_provideraccount_changelist")
