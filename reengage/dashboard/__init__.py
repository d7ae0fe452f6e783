"""The admin's first page: the strategy's KPIs, what is wrong, and what goes out next.

Every figure says of what it is a share. All are read from the daily roll-up or counted by an
index; none reads the deliveries. figures.py has the rows, machines.py the processes, export.py the
download.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from campaigns import analytics
from campaigns.admin import rows
from campaigns.admin.period import RANGES
from campaigns.admin.results import DAY_COLUMNS
from campaigns.admin.results_text import day_rows
from campaigns.analytics.chart import chart
from campaigns.analytics.kpis import UNLAUNCHED
from campaigns.models import Campaign, CampaignStatus, RollUpMark
from messaging.models import Channel, DeliveryStatus, MessageDelivery
from reengage import health, promises
from reengage.dashboard import machines
from reengage.dashboard.choice import Choice, chosen
from reengage.dashboard.figures import (
    CAMPAIGN_COLUMNS,
    CHANNEL_COLUMNS,
    SENT_COLUMNS,
    campaign_row,
    cards,
    channel_row,
    sent_row,
)

MAY_SEE = "campaigns.view_campaignanalytics"


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's first page (the theme's DASHBOARD_CALLBACK)."""
    context["title"] = "Dashboard"
    if not request.user.has_perm(MAY_SEE):
        return context
    now = timezone.now()
    choice = chosen(request, now)
    everybody = list(Campaign.objects.all())  # one query for all that is asked of them
    launched = [one for one in everybody if one.status not in UNLAUNCHED]
    first, last = choice.period.first, choice.period.last
    figures = analytics.kpis(first, last, choice.campaign, now=now, among=launched)
    costs = analytics.costs(first, last, [one.campaign for one in figures.enrollments])
    days = analytics.by_day(first, last, choice.campaign)

    def of_day(figure: str, day: date) -> str:
        return rows.deliveries(figure, day, day, choice.campaign)

    context["dashboard"] = {
        **_choices(choice, launched),
        "mark": RollUpMark.objects.first(),
        "problems": health.problems(now) if figures.enrollments else [],
        "is_running": any(one.status == CampaignStatus.ACTIVE for one in everybody),
        "drafts": [one for one in everybody if one.status == CampaignStatus.DRAFT],
        "cards": cards(figures, costs, choice),
        "next": _next_day(now),
        "chart": chart(first, last, days),
        "day_columns": DAY_COLUMNS,
        "day_rows": day_rows(days, of_day),
        "campaign_columns": CAMPAIGN_COLUMNS,
        "campaigns": [campaign_row(one, costs, choice) for one in figures.enrollments],
        "sent_columns": SENT_COLUMNS,
        "sent": [sent_row(figures, one, choice) for one in figures.enrollments],
        "channel_columns": CHANNEL_COLUMNS,
        "channels": [channel_row(figures, channel, choice) for channel in Channel],
        "machine_columns": machines.COLUMNS,
        "machines": machines.rows(now),
        "promises": promises.panel(request),
    }
    return context


def _choices(choice: Choice, launched: list[Campaign]) -> dict[str, Any]:
    """What the form above the figures needs."""
    return {
        "period": choice.period,
        "ranges": RANGES,
        "campaign": choice.campaign,
        "offered": launched,
        "kept_query": urlencode({"campaign": choice.campaign.pk}) if choice.campaign else "",
        "csv": f"{reverse('dashboard_csv')}?{choice.query}",
    }


def _next_day(now: datetime) -> dict[str, Any]:
    """What is planned for the next 24 hours (idx_message_deliveries_lane)."""
    until = now + timedelta(hours=24)
    planned = dict(
        MessageDelivery.objects.filter(status=DeliveryStatus.SCHEDULED, scheduled_at__lt=until)
        .order_by()
        .values_list("channel")
        .annotate(Count("pk"))
    )
    query = {
        "status__exact": DeliveryStatus.SCHEDULED.value,
        "scheduled_at__lt": until.isoformat(),
    }
    link = f"{reverse('admin:messaging_messagedelivery_changelist')}?{urlencode(query)}"
    return {
        "total": f"{sum(planned.values()):,}",
        "channels": [
            (channel.label, f"{planned.get(channel, 0):,}", f"{link}&channel__exact={channel}")
            for channel in Channel
        ],
        "link": link,
    }
