"""A campaign's money and lift in words, each with the rows behind it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.urls import reverse

from campaigns.admin import rows
from campaigns.admin.period import Period
from campaigns.analytics.figures import Measure, Rate
from campaigns.analytics.kpis import EnrollmentFigures
from campaigns.analytics.roi import ChannelCost, Cost, Lift, Roi
from campaigns.models import Campaign
from messaging.models import Channel


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence, and where to look or what to set."""

    title: str
    text: str
    link: str = ""
    link_text: str = ""


def rupees(amount: Decimal) -> str:
    """Such as ₹ 1,204 or ₹ 0.35."""
    return f"₹ {amount:,.2f}" if abs(amount) < 100 else f"₹ {amount:,.0f}"


def roi_measure(campaign: Campaign, found: Roi, link: str) -> Measure:
    """The ratio, or what is missing for it; `link`: to what it is made of."""
    if found.ratio is None:
        missing = {
            "value": ("set what a return is worth", edit_page(campaign)),
            "messages": ("nothing was sent yet", ""),
            "price": ("set what a message costs", _accounts()),
        }
        words, link = missing[found.missing]
        return Measure("–", words, link=link)
    basis = f"{rupees(found.value or Decimal(0))} for {rupees(found.cost.amount)}"
    return Measure(f"{found.ratio:,.1f} ×", basis, link=link)


def roi_lines(campaign: Campaign, found: Roi, chosen: Period) -> list[Line]:
    """Cost, value, and the ratio of both."""
    cost = found.cost
    span = (chosen.first, chosen.last, campaign)
    sent = rows.deliveries("sent", *span) if cost.messages else ""
    text = f"{rupees(cost.amount)} for {_messages(cost.messages)} sent"
    lines = [Line("Cost", text, sent, "Open the messages")]
    lines += [
        Line(
            "",
            f"{Channel(channel).label}: {_spent(channel, cost.by_channel[channel])}",
            rows.deliveries("sent", *span, channel=channel),
            "Open",
        )
        for channel in Channel.values
        if channel in cost.by_channel
    ]
    lines += _assumed(cost)
    if found.value is None:
        text = f"{found.returned:,} came back; what one is worth is not set"
        return [*lines, Line("Value", text, edit_page(campaign), "Set it")]
    worth = f"{found.returned:,} came back × {rupees(found.value_each or Decimal(0))}"
    who = rows.enrollments(*span, reached="returned")
    lines.append(Line("Value", f"{rupees(found.value)} ({worth})", who, "Open the doctors"))
    if found.ratio is not None:
        lines.append(Line("ROI", f"{found.ratio:,.1f} ₹ of value for each ₹ spent"))
    return lines


def _spent(channel: str, cost: ChannelCost) -> str:
    parts = f", {cost.units:,} part{'' if cost.units == 1 else 's'}"
    return (
        f"{rupees(cost.amount)} for {_messages(cost.messages)}"
        f"{parts if channel == Channel.SMS else ''}"
    )


def _assumed(cost: Cost) -> list[Line]:
    """What is not known of messages, and how they count therefore."""
    lines = []
    if cost.unpriced:
        without = " and ".join(sorted(cost.unpriced))
        text = f"{without} counted as free: no price is set."
        lines.append(Line("", text, _accounts(), "Set prices"))
    if cost.at_present_price:
        count = f"{cost.at_present_price:,} of {_messages(cost.messages)}"
        lines.append(
            Line(
                "",
                f"{count} went out before a price was kept: counted at today's.",
                _accounts(),
                "Prices",
            )
        )
    if cost.unmeasured:
        count = "count as one part each" if cost.unmeasured > 1 else "counts as one part"
        lines.append(Line("", f"{cost.unmeasured:,} SMS of unknown length {count}."))
    return lines


def _messages(count: int) -> str:
    return f"{count:,} message{'' if count == 1 else 's'}"


def lift_lines(
    campaign: Campaign, gain: Lift | None, found: Roi, one: EnrollmentFigures, chosen: Period
) -> list[Line]:
    """What the messages brought beyond what comes by itself."""
    if gain is None:
        text = "No holdout: what would have come by itself is not known."
        return [Line("", text, edit_page(campaign), "Set a holdout share")]
    span = (chosen.first, chosen.last, campaign)
    held_out = rows.enrollments(*span, reached="returned", is_holdout__exact="1")
    # Only the days on which somebody was held out count: the list shows them if these are all.
    is_everybody = gain.written_to.whole == one.enrolled
    written_to = rows.enrollments(*span, reached="returned") if is_everybody else ""
    groups = [
        Line("Written to", _share(gain.written_to), written_to, "Open them"),
        Line("Holdout", _share(gain.holdout), held_out, "Open them"),
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
    among = f" of {gain.came_back:,} who came back" if likeliest >= 0 else ""
    between = f"{likeliest:,}{among} (95 % sure: {fewest:,} to {most:,})"
    lines.append(Line("Brought back by the messages", between))
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


def edit_page(campaign: Campaign) -> str:
    """The campaign's own page in the admin."""
    return reverse("admin:campaigns_campaign_change", args=[campaign.pk])


def _accounts() -> str:
    return reverse("admin:messaging_provideraccount_changelist")
