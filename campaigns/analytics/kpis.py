"""The strategy's key figures of a period, read from the roll-up.

The holdout is in none of the figures of people except those eligible: it is what they are compared
with (roi.py).
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.core.cache import cache
from django.db.models import Count, Q, QuerySet, Sum
from django.utils import timezone

from campaigns.analytics.figures import REPORTS_OPENING, Figures, Rate
from campaigns.analytics.roll_up import TOTALS
from campaigns.models import Campaign, CampaignAnalytics, CampaignStatus, CohortAnalytics
from messaging.models import Channel
from segments.models import UserSegment

KEPT = 60  # seconds; segments are calculated at night
SUMS = [Sum(name) for name in TOTALS]
UNLAUNCHED = (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW)


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
    ripe: int = 0  # of those, on days that are goal_days over
    converted_in_time: int = 0  # of the ripe ones, came back within goal_days
    unsubscribed: int = 0  # of those enrolled in the period
    ripe_until: date | None = None  # the last day of the ripe ones; None: there is none

    @property
    def enrollment_rate(self) -> Rate:
        """Under way now, of the doctors in the segment now, whether they wait, are held out or have
        had their turn; of those under way where these are more, as some have left the segment.
        """
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
    enrollments: list[EnrollmentFigures]  # every campaign that was launched

    @property
    def total(self) -> Figures:
        """All channels of all campaigns."""
        return sum((one.figures for one in self.channels), Figures())

    def of_channel(self, channel: str) -> Figures:
        """One channel over all campaigns."""
        parts = (one.figures for one in self.channels if one.channel == channel)
        return sum(parts, Figures())

    def of_campaign(self, campaign: Campaign) -> Figures:
        """All channels of one campaign."""
        parts = (one.figures for one in self.channels if one.campaign == campaign)
        return sum(parts, Figures())

    def open_rate(self, campaign: Campaign | None = None) -> Rate:
        """Opened of delivered, on the channels that report opening."""
        parts = (
            one.figures.open_rate
            for one in self.channels
            if one.channel in REPORTS_OPENING and campaign in (None, one.campaign)
        )
        return sum(parts, Rate(0, 0))


def kpis(
    day_from: date,
    day_to: date,
    campaign: Campaign | None = None,
    *,
    now: datetime,
    among: Sequence[Campaign] | None = None,
) -> Kpis:
    """Key figures of the days, both ends included: of one campaign, or of all launched ones.

    `among`: the launched ones, where the caller has them already.
    """
    campaigns = [campaign] if campaign else list(launched() if among is None else among)
    return Kpis(
        channels=_channel_figures(day_from, day_to, campaigns),
        enrollments=_enrollment_figures(day_from, day_to, campaigns, now),
    )


def launched() -> QuerySet[Campaign]:
    """Campaigns that have figures, or may have."""
    return Campaign.objects.exclude(status__in=UNLAUNCHED)


def by_day(
    day_from: date, day_to: date, campaign: Campaign | None = None, **filters: str
) -> dict[date, Figures]:
    """Campaigns together, or one, for each of the days on which something happened."""
    rows = CampaignAnalytics.objects.filter(date__range=(day_from, day_to), **filters)
    if campaign:
        rows = rows.filter(campaign=campaign)
    days = rows.order_by("date").values_list("date").annotate(*SUMS)
    return {row[0]: Figures(*row[1:]) for row in days}


def _channel_figures(
    day_from: date, day_to: date, campaigns: list[Campaign]
) -> list[ChannelFigures]:
    rows = CampaignAnalytics.objects.filter(date__range=(day_from, day_to), campaign__in=campaigns)
    sums = {
        (row[0], row[1]): Figures(*row[2:])
        for row in rows.order_by().values_list("campaign_id", "channel").annotate(*SUMS)
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
    in_segment = _members(campaigns, now)
    written_to = CohortAnalytics.objects.filter(campaign__in=campaigns, is_holdout=False)
    under_way = dict(
        written_to.order_by().values_list("campaign_id").annotate(people=Sum("under_way"))
    )
    cohorts: dict[uuid.UUID, list[CohortAnalytics]] = defaultdict(list)
    for cohort in written_to.filter(date__range=(day_from, day_to)):
        cohorts[cohort.campaign_id].append(cohort)
    today = timezone.localdate(now)
    return [
        EnrollmentFigures(
            campaign,
            in_segment[campaign.pk],
            under_way.get(campaign.pk, 0),
            sum(cohort.enrolled for cohort in cohorts[campaign.pk]),
            sum(cohort.returned for cohort in cohorts[campaign.pk]),
            *_in_time(cohorts[campaign.pk], campaign.goal_days, today),
            sum(cohort.unsubscribed for cohort in cohorts[campaign.pk]),
            _ripe_until(campaign.goal_days, day_from, day_to, today),
        )
        for campaign in campaigns
    ]


def _members(campaigns: Sequence[Campaign], now: datetime) -> dict[uuid.UUID, int]:
    """Doctors in each campaign's segment now; `KEPT` seconds old at most."""
    keys = {one: f"segment-members:{one.pk}:{one.segment_type}" for one in campaigns}
    kept: dict[str, int] = cache.get_many(keys.values())
    if missing := {one: key for one, key in keys.items() if key not in kept}:
        counts = _count_members({one.segment_type for one in missing}, now)
        new = {key: counts.get(one.segment_type, 0) for one, key in missing.items()}
        cache.set_many(new, KEPT)
        kept |= new
    return {one.pk: kept[key] for one, key in keys.items()}


def _count_members(segment_types: Collection[str], now: datetime) -> dict[str, int]:
    return dict(
        UserSegment.objects.filter(segment_type__in=segment_types)
        .filter(Q(expires_at=None) | Q(expires_at__gt=now))
        .order_by()
        .values_list("segment_type")
        .annotate(Count("pk"))
    )


def _in_time(
    cohorts: Sequence[CohortAnalytics], goal_days: int | None, today: date
) -> tuple[int, int]:
    """Of the cohorts whose days are over for all: enrolled, and back within the days."""
    if not goal_days:
        return 0, 0
    ripe = [cohort for cohort in cohorts if cohort.date <= _last_ripe(goal_days, today)]
    return sum(cohort.enrolled for cohort in ripe), sum(
        returned_within(cohort, goal_days) for cohort in ripe
    )


def _last_ripe(goal_days: int, today: date) -> date:
    """Who was enrolled up to this day has had all the days."""
    return today - timedelta(days=goal_days + 1)


def _ripe_until(goal_days: int | None, first: date, last: date, today: date) -> date | None:
    if not goal_days:
        return None
    found = min(last, _last_ripe(goal_days, today))
    return found if found >= first else None


def returned_within(cohort: CohortAnalytics, days: int) -> int:
    """How many came back up to so many times 24 hours after their enrolment."""
    return sum(people for day, people in cohort.returned_after.items() if int(day) <= days)
