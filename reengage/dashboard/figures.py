"""Cards and rows of the dashboard: each figure with its denominator, light and rows behind it."""

from __future__ import annotations

import uuid
from decimal import Decimal
from functools import partial

from django.urls import reverse

from campaigns.admin import rows
from campaigns.admin.results_money import roi_measure, rupees
from campaigns.admin.results_text import goal
from campaigns.analytics.figures import (
    MESSAGE_COLUMNS,
    Card,
    Measure,
    Rate,
    Row,
    measure,
    message_measures,
)
from campaigns.analytics.kpis import EnrollmentFigures, Kpis
from campaigns.analytics.review import results_page
from campaigns.analytics.roi import Cost, Roi
from messaging.models import Channel
from reengage.dashboard.choice import Choice

CAMPAIGN_COLUMNS = ("Campaign", "Enrolled", "Under way now", "Came back", "Goal", "ROI")
SENT_COLUMNS = ("Campaign", *MESSAGE_COLUMNS)
CHANNEL_COLUMNS = ("Channel", *MESSAGE_COLUMNS)
Costs = dict[uuid.UUID, Cost]
_CAMPAIGNS = "#campaigns"  # of the dashboard: each with its own
_ACCOUNTS = "admin:messaging_provideraccount_changelist"


def cards(figures: Kpis, costs: Costs, choice: Choice) -> list[Card]:
    """The strategy's campaign-level metrics over the chosen campaigns."""
    total = figures.total
    enrolled = sum(one.enrolled for one in figures.enrollments)
    returned = sum(one.converted for one in figures.enrollments)
    rate = sum((one.enrollment_rate for one in figures.enrollments), Rate(0, 0))
    span = (choice.period.first, choice.period.last)
    behind = partial(rows.deliveries, day_from=span[0], day_to=span[1], campaign=choice.campaign)
    who = partial(rows.enrollments, *span, choice.campaign)
    opened = measure(
        figures.open_rate(),
        "delivered by WhatsApp and e-mail",
        link=rows.opened(*span, choice.campaign),
    )
    failed = Rate(total.failed, total.sent + total.failed)
    return [
        Card("Enrolled", Measure(f"{enrolled:,}", _under_way(rate), None, who())),
        Card(
            "Came back",
            measure(Rate(returned, enrolled), "enrolled", link=who(reached="returned")),
        ),
        Card("Sent", Measure(f"{total.sent:,}", "messages", None, behind("sent"))),
        Card("Delivered", measure(total.delivery_rate, "sent", link=behind("delivered"))),
        Card("Opened", opened),
        Card("Clicked", measure(total.click_rate, "delivered", link=behind("clicked"))),
        Card("Failed", measure(failed, "sent or failed", link=behind("failed"))),
        Card(
            "Opted out",
            measure(total.unsubscribe_rate, "delivered", link=behind("unsubscribed")),
        ),
        Card("ROI", _roi(figures, costs)),
    ]


def _under_way(rate: Rate) -> str:
    return f"{rate.part:,} under way now, of {rate.whole:,} eligible"


def _roi(figures: Kpis, costs: Costs) -> Measure:
    """Of the campaigns that say what a return is worth."""
    valued = [one for one in figures.enrollments if one.campaign.value_per_return is not None]
    if not valued:
        return Measure("–", "no campaign says what a return is worth", link=_CAMPAIGNS)
    worth = sum(
        (one.converted * (one.campaign.value_per_return or Decimal(0)) for one in valued),
        Decimal(0),
    )
    spent = sum(
        (costs[one.campaign.pk].amount for one in valued if one.campaign.pk in costs), Decimal(0)
    )
    if not spent:
        return Measure("–", "no message has a price yet", link=reverse(_ACCOUNTS))
    others = len(figures.enrollments) - len(valued)
    note = f"; {others} without a value left out" if others else ""
    basis = f"{rupees(worth)} for {rupees(spent)}{note}"
    return Measure(f"{worth / spent:,.1f} ×", basis, link=_CAMPAIGNS)


def campaign_row(one: EnrollmentFigures, costs: Costs, choice: Choice) -> Row:
    """One campaign: who is in it, who came back against its goal, and what that brought."""
    under_way = one.enrollment_rate
    span = (choice.period.first, choice.period.last)
    who = partial(rows.enrollments, *span, one.campaign)
    found = Roi(one.converted, one.campaign.value_per_return, costs.get(one.campaign.pk, Cost()))
    return Row(
        str(one.campaign),
        one.campaign.get_status_display(),
        results_page(one.campaign),
        [
            Measure(f"{one.enrolled:,}", "in this period", None, who()),
            Measure(
                f"{under_way.part:,}",
                f"of {under_way.whole:,} eligible",
                None,
                rows.under_way(one.campaign),
            ),
            measure(one.conversion_rate, "enrolled", link=who(reached="returned")),
            goal(one, rows.in_time(one, span[0])),
            roi_measure(one.campaign, found, f"{results_page(one.campaign)}?{choice.query}#money"),
        ],
    )


def sent_row(figures: Kpis, one: EnrollmentFigures, choice: Choice) -> Row:
    """What became of one campaign's messages."""
    total = figures.of_campaign(one.campaign)
    span = (choice.period.first, choice.period.last)
    behind = partial(rows.deliveries, day_from=span[0], day_to=span[1], campaign=one.campaign)
    failed = Rate(total.failed, total.sent + total.failed)
    opened = rows.opened(*span, one.campaign)
    return Row(
        str(one.campaign),
        "",
        results_page(one.campaign),
        [
            Measure(f"{total.sent:,}", "messages", None, behind("sent")),
            measure(total.delivery_rate, "sent", link=behind("delivered")),
            measure(figures.open_rate(one.campaign), "delivered, without SMS", link=opened),
            measure(total.click_rate, "delivered", link=behind("clicked")),
            measure(failed, "sent or failed", link=behind("failed")),
            measure(total.unsubscribe_rate, "delivered", link=behind("unsubscribed")),
        ],
    )


def channel_row(figures: Kpis, channel: Channel, choice: Choice) -> Row:
    """One channel over the chosen campaigns, against the strategy's targets."""
    behind = partial(
        rows.deliveries,
        day_from=choice.period.first,
        day_to=choice.period.last,
        campaign=choice.campaign,
        channel=channel.value,
    )
    return Row(
        channel.label, "", "", message_measures(figures.of_channel(channel), behind, channel)
    )
