"""The admin's first page: the strategy's KPIs, what is wrong, and what goes out next.

Every figure says of what it is a share. All are read from the daily roll-up or counted by an
index; none reads the deliveries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Count, Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from campaigns import analytics
from campaigns.analytics import EnrollmentFigures, Figures, Kpis, Rate
from campaigns.models import Campaign, CampaignAnalytics, CampaignStatus
from messaging import heartbeat
from messaging.models import Channel, DeliveryStatus, Heartbeat, HeartbeatKind, MessageDelivery
from reengage import health, machines, promises

RANGES = (7, 30, 90)
# Fewer than this say nothing about a rate: one more click would move it by three points.
ENOUGH = 30
# Within this share of its target a rate is close, not low.
CLOSE = 0.8


@dataclass(frozen=True, slots=True)
class Light:
    """A traffic light that also says its colour in words."""

    level: str  # success, warning, danger or default
    text: str


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure, what it is a share of, and how it compares with its target."""

    value: str
    basis: str = ""
    light: Light | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A headline figure."""

    title: str
    measure: Measure
    link: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A campaign or a channel, and its measures in the order of the columns."""

    name: str
    note: str
    link: str
    measures: list[Measure]


CAMPAIGN_COLUMNS = (
    "Campaign",
    "Under way now",
    "Enrolled",
    "Came back",
    "Goal",
    "Sent",
    "Delivered",
    "Opened",
    "Clicked",
    "Opted out",
)
CHANNEL_COLUMNS = ("Channel", "Sent", "Delivered", "Opened", "Clicked", "Opted out")
MACHINE_COLUMNS = ("Machine", "Last sign of life", "How it does")
# A process that is silent for longer was stopped, and nobody misses it.
MISSED_FOR = timedelta(hours=1)


def context(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Fill the admin's first page (the theme's DASHBOARD_CALLBACK)."""
    context["title"] = "Dashboard"
    if not request.user.has_perm("campaigns.view_campaignanalytics"):
        return context
    days = _chosen_days(request)
    now = timezone.now()
    today = timezone.localdate(now)
    first = today - timedelta(days=days - 1)
    figures = analytics.kpis(first, today, now=now)
    context["dashboard"] = {
        "days": days,
        "ranges": RANGES,
        "first": first,
        "today": today,
        "counted_at": CampaignAnalytics.objects.aggregate(at=Max("updated_at"))["at"],
        "problems": health.problems(now) if figures.enrollments else [],
        "is_running": _is_running(figures),
        "drafts": list(Campaign.objects.filter(status=CampaignStatus.DRAFT)),
        "cards": _cards(figures),
        "next": _next_day(now),
        "chart": _chart(first, today, analytics.by_day(first, today)),
        "campaign_columns": CAMPAIGN_COLUMNS,
        "campaigns": [_campaign_row(figures, one) for one in figures.enrollments],
        "channel_columns": CHANNEL_COLUMNS,
        "channels": [_channel_row(figures, channel) for channel in Channel],
        "machine_columns": MACHINE_COLUMNS,
        "machines": [*_lane_rows(now), *_process_rows(now)],
        "promises": promises.panel(request),
    }
    return context


def _chosen_days(request: HttpRequest) -> int:
    chosen = request.GET.get("days", "")
    return int(chosen) if chosen in map(str, RANGES) else 30


def _is_running(figures: Kpis) -> bool:
    return any(one.campaign.status == CampaignStatus.ACTIVE for one in figures.enrollments)


def measure(rate: Rate, of_what: str, target: float | None = None) -> Measure:
    """A rate in words: "81.3 %", "1,204 of 1,481 delivered", and its light."""
    if rate.percent is None:
        return Measure("–", f"none {of_what} yet")
    basis = f"{rate.part:,} of {rate.whole:,} {of_what}"
    return Measure(f"{rate.percent:.1f} %", basis, light(rate, target) if target else None)


def light(rate: Rate, target: float) -> Light:
    """How a rate compares with its target, both in percent."""
    goal = f"{target:g} %"
    if rate.percent is None or rate.whole < ENOUGH:
        return Light("default", f"Too few to tell (target {goal})")
    if rate.percent >= target:
        return Light("success", f"On target ({goal})")
    if rate.percent >= target * CLOSE:
        return Light("warning", f"Close to {goal}")
    return Light("danger", f"Below {goal}")


def _sum(parts: Sequence[Figures]) -> Figures:
    return sum(parts, Figures())


def _cards(figures: Kpis) -> list[Card]:
    """The strategy's campaign-level metrics over all campaigns."""
    total = _sum([one.figures for one in figures.channels])
    enrolled = sum(one.enrolled for one in figures.enrollments)
    returned = sum(one.converted for one in figures.enrollments)
    under_way = sum(one.under_way for one in figures.enrollments)
    deliveries = reverse("admin:messaging_messagedelivery_changelist")
    enrollments = reverse("admin:campaigns_campaignenrollment_changelist")
    return [
        Card("Enrolled", Measure(f"{enrolled:,}", f"{under_way:,} under way now"), enrollments),
        Card(
            "Came back",
            measure(Rate(returned, enrolled), "enrolled"),
            f"{enrollments}?status__exact=converted",
        ),
        Card("Sent", Measure(f"{total.sent:,}", f"and {total.failed:,} failed"), deliveries),
        Card("Delivered", measure(total.delivery_rate, "sent")),
        Card("Opened", measure(total.open_rate, "delivered")),
        Card("Clicked", measure(total.click_rate, "delivered")),
        Card(
            "Opted out",
            measure(total.unsubscribe_rate, "delivered"),
            reverse("admin:messaging_unsubscriberecord_changelist"),
        ),
    ]


def _campaign_row(figures: Kpis, one: EnrollmentFigures) -> Row:
    """One campaign: who is in it, who came back against its goal, what its messages did."""
    total = _sum([part.figures for part in figures.channels if part.campaign == one.campaign])
    under_way = one.enrollment_rate
    return Row(
        str(one.campaign),
        one.campaign.get_status_display(),
        reverse("admin:campaigns_campaign_change", args=[one.campaign.pk]),
        [
            Measure(f"{under_way.part:,}", f"of {under_way.whole:,} in the segment"),
            Measure(f"{one.enrolled:,}"),
            measure(one.conversion_rate, "enrolled"),
            _goal(one),
            Measure(f"{total.sent:,}", f"and {total.failed:,} failed"),
            measure(total.delivery_rate, "sent"),
            measure(total.open_rate, "delivered"),
            measure(total.click_rate, "delivered"),
            measure(total.unsubscribe_rate, "delivered"),
        ],
    )


def _goal(one: EnrollmentFigures) -> Measure:
    """The campaign's goal, measured on those whose days are over."""
    campaign = one.campaign
    if not campaign.goal_rate or not campaign.goal_days:
        return Measure("–", "no goal is set")
    if not one.ripe:
        text = f"nobody enrolled {campaign.goal_days} days ago yet"
        return Measure("–", text, Light("default", f"Too early (goal {campaign.goal_rate} %)"))
    basis = f"came back within {campaign.goal_days} days"
    return measure(one.goal, basis, campaign.goal_rate)


def _channel_row(figures: Kpis, channel: Channel) -> Row:
    """One channel over all campaigns, against the strategy's targets."""
    total = _sum([part.figures for part in figures.channels if part.channel == channel])
    open_target, click_target = analytics.CHANNEL_TARGETS[channel]
    opened = measure(total.open_rate, "delivered", open_target)
    if channel == Channel.SMS and total.delivered and not total.opened:
        untold = Light("default", f"Target {open_target} %")
        opened = Measure("–", "an SMS does not report opening", untold)
    return Row(
        channel.label,
        "",
        "",
        [
            Measure(f"{total.sent:,}", f"and {total.failed:,} failed"),
            measure(total.delivery_rate, "sent"),
            opened,
            measure(total.click_rate, "delivered", click_target),
            measure(total.unsubscribe_rate, "delivered"),
        ],
    )


def _lane_rows(now: datetime) -> list[Row]:
    """Each channel's lane: when it last sent, and whether messages wait."""
    lanes = {lane.channel: lane for lane in heartbeat.lanes()}
    rows = []
    for check in machines.checks(now):
        lane = lanes.get(check.channel)
        if lane is None:
            continue
        sign = Measure(machines.ago(lane.at, now), f"{lane.sent:,} sent by its last run")
        state = Light("success", "Sends") if check.is_ok else Light("danger", "Look at it")
        name = f"{Channel(check.channel).label} lane"
        rows.append(Row(name, "", "", [sign, Measure("", check.why, state)]))
    return rows


def _process_rows(now: datetime) -> list[Row]:
    """Scheduler, workers and web servers, as far as they were heard of lately."""
    heard = heartbeat.heard_within(MISSED_FOR, now)
    processes = Heartbeat.objects.filter(heard).exclude(kind=HeartbeatKind.LANE)
    rows = []
    for process in processes.order_by("kind", "name"):
        host, _, number = process.name.partition(":")[2].rpartition(":")
        is_alive = machines.is_recent(process.at, machines.SCHEDULER_SILENT, now)
        light = Light("success", "Runs") if is_alive else Light("warning", "Silent")
        sign = Measure(machines.ago(process.at, now))
        began = Measure("", f"started {machines.ago(process.started_at, now)}", light)
        label = HeartbeatKind(process.kind).label
        rows.append(Row(label, f"process {number} on {host}", "", [sign, began]))
    return rows


def _next_day(now: datetime) -> dict[str, Any]:
    """What is planned for the next 24 hours (idx_message_deliveries_lane)."""
    planned = dict(
        MessageDelivery.objects.filter(
            status=DeliveryStatus.SCHEDULED, scheduled_at__lt=now + timedelta(hours=24)
        )
        .order_by()
        .values_list("channel")
        .annotate(Count("pk"))
    )
    return {
        "total": f"{sum(planned.values()):,}",
        "channels": [(channel.label, f"{planned.get(channel, 0):,}") for channel in Channel],
        "link": reverse("admin:messaging_messagedelivery_changelist") + "?status__exact=scheduled",
    }


# --- chart: an SVG of 100 by 100, stretched to its place ------------------------------------


@dataclass(frozen=True, slots=True)
class Bar:
    """One day of the chart; all lengths are percent of the picture."""

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

    top: str
    bars: list[Bar]
    opened: str
    clicked: str
    first: date
    last: date


def _chart(first: date, last: date, days: dict[date, Figures]) -> Chart | None:
    """Draw the days; None where nothing happened."""
    if not days:
        return None
    span = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    figures = [days.get(day, Figures()) for day in span]
    top = max(1, *(max(one.sent, one.opened, one.clicked) for one in figures))
    step = 100 / len(span)
    bars = [
        Bar(round(n * step + step * 0.1, 2), round(step * 0.8, 2), _high(one.sent, top), words)
        for n, (one, words) in enumerate(zip(figures, map(_words, span, figures), strict=True))
    ]
    return Chart(
        f"{top:,}",
        bars,
        _line([one.opened for one in figures], top),
        _line([one.clicked for one in figures], top),
        first,
        last,
    )


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
