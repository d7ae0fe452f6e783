"""What became of the messages: the daily roll-up, and the strategy's KPIs read from it."""

from __future__ import annotations

import uuid
from dataclasses import astuple, dataclass
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Count, F, Q, QuerySet, Sum
from django.utils import timezone

from campaigns.models import (
    Campaign,
    CampaignAnalytics,
    CampaignEnrollment,
    CampaignStatus,
    EnrollmentStatus,
)
from messaging.models import Channel
from segments.models import UserSegment

# strategy, Channel Performance: open and click rates in percent, at least.
CHANNEL_TARGETS: dict[str, tuple[int, int]] = {
    "whatsapp": (80, 25),
    "sms": (75, 15),
    "email": (30, 8),
}

# Two roll-ups at once would both be right but for the moment at which each looked.
_ROLL_UP_LOCK = 7_205_001

# A fact counts on the local day on which it happened. The days' present rows go in as nothing,
# so that a day that lost its facts is written down to 0.
_ROLL_UP = """
    WITH facts AS (
        SELECT s.campaign_id, d.channel, f.kind, (f.at AT TIME ZONE %(zone)s)::date AS day
        FROM message_deliveries d
        JOIN campaign_messages s ON s.id = d.campaign_message_id
        CROSS JOIN LATERAL (VALUES
            ('sent', d.sent_at), ('delivered', d.delivered_at), ('opened', d.opened_at),
            ('clicked', d.clicked_at), ('failed', d.failed_at)
        ) AS f (kind, at)
        WHERE (
                (d.sent_at >= %(start)s AND d.sent_at < %(end)s)
                OR (d.delivered_at >= %(start)s AND d.delivered_at < %(end)s)
                OR (d.opened_at >= %(start)s AND d.opened_at < %(end)s)
                OR (d.clicked_at >= %(start)s AND d.clicked_at < %(end)s)
                OR (d.failed_at >= %(start)s AND d.failed_at < %(end)s)
            )
            AND f.at >= %(start)s AND f.at < %(end)s
        UNION ALL
        SELECT DISTINCT ON (d.id, (u.unsubscribed_at AT TIME ZONE %(zone)s)::date)
            s.campaign_id, d.channel, 'unsubscribed',
            (u.unsubscribed_at AT TIME ZONE %(zone)s)::date
        FROM unsubscribe_records u
        JOIN message_deliveries d ON d.id = u.delivery_id
        JOIN campaign_messages s ON s.id = d.campaign_message_id
        WHERE u.unsubscribed_at >= %(start)s AND u.unsubscribed_at < %(end)s
            AND u.paused_until IS NULL
        UNION ALL
        SELECT campaign_id, channel, 'nothing', date
        FROM campaign_analytics WHERE date BETWEEN %(first)s AND %(last)s
    )
    INSERT INTO campaign_analytics AS a (
        campaign_id, date, channel, total_sent, total_delivered, total_opened, total_clicked,
        total_failed, total_unsubscribed, updated_at
    )
    SELECT campaign_id, day, channel,
        count(*) FILTER (WHERE kind = 'sent'),
        count(*) FILTER (WHERE kind = 'delivered'),
        count(*) FILTER (WHERE kind = 'opened'),
        count(*) FILTER (WHERE kind = 'clicked'),
        count(*) FILTER (WHERE kind = 'failed'),
        count(*) FILTER (WHERE kind = 'unsubscribed'),
        now()
    FROM facts
    GROUP BY campaign_id, day, channel
    ON CONFLICT (campaign_id, date, channel) DO UPDATE SET
        total_sent = excluded.total_sent,
        total_delivered = excluded.total_delivered,
        total_opened = excluded.total_opened,
        total_clicked = excluded.total_clicked,
        total_failed = excluded.total_failed,
        total_unsubscribed = excluded.total_unsubscribed,
        updated_at = excluded.updated_at
    WHERE (a.total_sent, a.total_delivered, a.total_opened, a.total_clicked, a.total_failed,
            a.total_unsubscribed)
        IS DISTINCT FROM (excluded.total_sent, excluded.total_delivered, excluded.total_opened,
            excluded.total_clicked, excluded.total_failed, excluded.total_unsubscribed)
"""


_SUMS = [
    Sum(f"total_{name}")
    for name in ("sent", "delivered", "opened", "clicked", "failed", "unsubscribed")
]


def roll_up(day_from: date, day_to: date) -> int:
    """Count the days again, both ends included, in the settings' time zone.

    Returns how many rows (campaign, day, channel) are new or changed: a second run gives 0.
    """
    start, end = local_span(day_from, day_to)
    parameters: dict[str, str | date] = {
        "zone": settings.TIME_ZONE,
        "start": start,
        "end": end,
        "first": day_from,
        "last": day_to,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        # The lock is a statement of its own: the count must look after it is held.
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_ROLL_UP_LOCK])
        cursor.execute(_ROLL_UP, parameters)
        return int(cursor.rowcount)


def local_span(day_from: date, day_to: date) -> tuple[datetime, datetime]:
    """First moment of `day_from` and of the day after `day_to`, in the settings' time zone."""
    zone = timezone.get_default_timezone()
    return (
        datetime.combine(day_from, time(), zone),
        datetime.combine(day_to + timedelta(days=1), time(), zone),
    )


@dataclass(frozen=True, slots=True)
class Rate:
    """A share that says of what."""

    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """Percent, or None where there is nothing to take a share of."""
        return 100 * self.part / self.whole if self.whole else None


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
        """Opened of delivered."""
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
class ChannelFigures:
    """One channel of one campaign over the period."""

    campaign: Campaign
    channel: str
    figures: Figures


@dataclass(frozen=True, slots=True)
class EnrollmentFigures:
    """Who got into a campaign in the period, and who came back."""

    campaign: Campaign
    eligible: int = 0  # in the campaign's segment now
    under_way: int = 0  # enrolled and not ended, now
    enrolled: int = 0  # in the period
    converted: int = 0  # of those enrolled in the period, by now
    ripe: int = 0  # of those, enrolled at least goal_days ago
    converted_in_time: int = 0  # of the ripe ones, came back within goal_days

    @property
    def enrollment_rate(self) -> Rate:
        """Under way, of those under way and those who wait in the segment."""
        return Rate(self.under_way, max(self.eligible, self.under_way))

    @property
    def conversion_rate(self) -> Rate:
        """Came back so far, of those enrolled in the period."""
        return Rate(self.converted, self.enrolled)

    @property
    def goal(self) -> Rate:
        """Came back in time, of those whose time is over: what `goal_rate` is measured by."""
        return Rate(self.converted_in_time, self.ripe)


@dataclass(frozen=True, slots=True)
class Kpis:
    """The strategy's key figures of a period."""

    channels: list[ChannelFigures]  # by campaign, then channel; only where something happened
    enrollments: list[EnrollmentFigures]  # every campaign that is not a draft


def kpis(day_from: date, day_to: date, campaign: Campaign | None = None, *, now: datetime) -> Kpis:
    """Key figures of the days, both ends included: of one campaign, or of all but drafts."""
    campaigns = [campaign] if campaign else list(_launched())
    return Kpis(
        channels=_channel_figures(day_from, day_to, campaigns),
        enrollments=_enrollment_figures(day_from, day_to, campaigns, now),
    )


def _launched() -> QuerySet[Campaign]:
    return Campaign.objects.exclude(status=CampaignStatus.DRAFT)


def by_day(day_from: date, day_to: date) -> dict[date, Figures]:
    """All campaigns together, for each of the days on which something happened."""
    rows = CampaignAnalytics.objects.filter(date__range=(day_from, day_to)).order_by("date")
    return {row[0]: Figures(*row[1:]) for row in rows.values_list("date").annotate(*_SUMS)}


def _channel_figures(
    day_from: date, day_to: date, campaigns: list[Campaign]
) -> list[ChannelFigures]:
    rows = CampaignAnalytics.objects.filter(date__range=(day_from, day_to), campaign__in=campaigns)
    sums = {
        (row[0], row[1]): Figures(*row[2:])
        for row in rows.order_by().values_list("campaign_id", "channel").annotate(*_SUMS)
    }
    return [
        ChannelFigures(campaign, channel, sums[campaign.pk, channel])
        for campaign in campaigns
        for channel in Channel.values
        if (campaign.pk, channel) in sums
    ]


def _enrollment_figures(
    day_from: date, day_to: date, campaigns: list[Campaign], now: datetime
) -> list[EnrollmentFigures]:
    in_segment = _members([campaign.segment_type for campaign in campaigns], now)
    under_way = dict(
        CampaignEnrollment.objects.filter(campaign__in=campaigns, status=EnrollmentStatus.ACTIVE)
        .order_by()
        .values_list("campaign_id")
        .annotate(Count("pk"))
    )
    counted = {row[0]: row[1:] for row in _cohorts(day_from, day_to, campaigns, now)}
    return [
        EnrollmentFigures(
            campaign,
            in_segment.get(campaign.segment_type, 0),
            under_way.get(campaign.pk, 0),
            *counted.get(campaign.pk, ()),
        )
        for campaign in campaigns
    ]


def _members(segment_types: list[str], now: datetime) -> dict[str, int]:
    """Doctors in each segment now."""
    return dict(
        UserSegment.objects.filter(segment_type__in=segment_types)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .order_by()
        .values_list("segment_type")
        .annotate(Count("pk"))
    )


def _cohorts(
    day_from: date, day_to: date, campaigns: list[Campaign], now: datetime
) -> list[tuple[uuid.UUID, int, int, int, int]]:
    """Per campaign: enrolled in the period, of those came back, ripe, and came back in time."""
    start, end = local_span(day_from, day_to)
    ripe, in_time = Q(pk__in=[]), Q(pk__in=[])
    for campaign in campaigns:
        if campaign.goal_days:
            term = timedelta(days=campaign.goal_days)
            is_ripe = Q(campaign=campaign, enrolled_at__lte=now - term)
            ripe |= is_ripe
            in_time |= is_ripe & Q(converted_at__lte=F("enrolled_at") + term)
    return list(
        CampaignEnrollment.objects.filter(
            campaign__in=campaigns, enrolled_at__gte=start, enrolled_at__lt=end
        )
        .order_by()
        .values_list("campaign_id")
        .annotate(
            enrolled=Count("pk"),
            converted=Count("pk", filter=Q(converted_at__isnull=False)),
            ripe=Count("pk", filter=ripe),
            in_time=Count("pk", filter=in_time),
        )
    )
