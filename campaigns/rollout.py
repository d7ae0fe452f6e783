"""A campaign reaches 10, 25, 50 and 100 % of its doctors, and stops where its health fails.

strategy, Success Metrics & Timeline: a soft launch with 10 %, then all. Who is in a stage says
enroll.py; here is when the next one comes: by hand, or after `rollout_days` in good health.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models.functions import Now

from campaigns.launch import pause
from campaigns.models import ROLLOUT_STAGES, Campaign, CampaignStatus
from campaigns.transition import NotReady, lock
from messaging.models import Channel

ALL = 100
TOLD_BY = 30  # messages: a share of fewer says nothing
SETTLED_AFTER = timedelta(hours=24)  # by then a message was delivered, or will hardly be
LOOK_BACK = timedelta(days=7)  # once everybody is in, health is that of the last week

State = Literal["good", "broken", "too few"]


@dataclass(frozen=True, slots=True)
class Measure:
    """One rate of the messages sent in this stage, in percent, against its limit."""

    name: str
    part: int
    whole: int
    limit: Decimal
    of_what: str
    is_floor: bool = False  # the limit is the least, not the most
    stops_sending: bool = False

    @property
    def percent(self) -> float | None:
        """Percent, or None where there is nothing to take a share of."""
        return 100 * self.part / self.whole if self.whole else None

    @property
    def state(self) -> State:
        """Whether it keeps its limit. One message alone breaks none: that may be chance."""
        if self.whole < TOLD_BY:
            return "too few"
        rate = Decimal(100 * self.part) / self.whole
        if self.is_floor:
            return "broken" if rate < self.limit else "good"
        return "broken" if rate > self.limit and self.part > 1 else "good"

    def __str__(self) -> str:
        if self.percent is None:
            return f"{self.name}: nothing {self.of_what} yet"
        bound = "at least" if self.is_floor else "at most"
        return (
            f"{self.name}: {self.percent:.2f} % ({self.part:,} of {self.whole:,} {self.of_what}), "
            f"{bound} {self.limit:.2f} % is the limit"
        )


@dataclass(frozen=True, slots=True)
class Health:
    """The four rates since the stage began, and what they leave out."""

    since: datetime
    measures: tuple[Measure, ...]
    unreported: tuple[str, ...] = ()  # channels whose provider says nothing of delivery
    is_mute: bool = False  # no channel says anything of it: that rate can't ever be told

    @property
    def broken(self) -> list[Measure]:
        """The rates beyond their limits."""
        return [measure for measure in self.measures if measure.state == "broken"]

    @property
    def state(self) -> State:
        """All together: too few where one that has messages at all can't be told yet."""
        if self.broken:
            return "broken"
        told = all(m.state == "good" for m in self.measures if not m.is_floor or not self.is_mute)
        return "good" if told else "too few"


_COUNTS = """
    WITH mine AS MATERIALIZED (
        SELECT m.id, m.channel, m.sent_at, m.sent_at IS NOT NULL AS is_sent,
               m.sent_at <= %(settled)s AS is_settled,
               COALESCE(m.delivered_at, m.opened_at, m.clicked_at) IS NOT NULL AS is_delivered,
               m.failed_at IS NOT NULL AS has_failed
        FROM message_deliveries m
        JOIN campaign_messages s ON s.id = m.campaign_message_id
        WHERE s.campaign_id = %(campaign)s
          AND (m.sent_at >= %(since)s OR m.failed_at >= %(since)s)
    ), out AS (
        SELECT DISTINCT u.delivery_id FROM unsubscribe_records u
        WHERE u.delivery_id IN (SELECT id FROM mine) AND u.paused_until IS NULL
    ), spam AS (
        SELECT DISTINCT v.delivery_id FROM provider_events v
        WHERE v.delivery_id IN (SELECT id FROM mine)
          AND (v.kind = 'complained' OR v.verdict = 'complaint')
    )
    SELECT m.channel, count(*) FILTER (WHERE is_sent OR has_failed),
           count(*) FILTER (WHERE has_failed), count(*) FILTER (WHERE is_sent AND NOT has_failed),
           count(*) FILTER (WHERE is_settled), count(*) FILTER (WHERE is_settled AND is_delivered),
           count(*) FILTER (WHERE is_delivered), count(out.delivery_id), count(spam.delivery_id)
    FROM mine m
    LEFT JOIN out ON out.delivery_id = m.id
    LEFT JOIN spam ON spam.delivery_id = m.id
    GROUP BY m.channel
"""


@dataclass(slots=True)
class _Counts:
    """Sums over the channels."""

    tried: int = 0
    failed: int = 0
    settled: int = 0
    settled_delivered: int = 0
    reached: int = 0
    opted_out: int = 0
    complained: int = 0


def health(campaign: Campaign, now: datetime) -> Health:
    """How the messages fare that the campaign sent since its stage began.

    The delivery rate counts those sent more than a day ago. A channel without a single report of
    delivery is left out of it, and its accepted messages count as having reached their doctors.
    """
    since = stage_since(campaign)
    if campaign.rollout_percent >= ALL:
        since = max(since, now - LOOK_BACK)
    with connection.cursor() as cursor:
        values = {"campaign": campaign.pk, "since": since, "settled": now - SETTLED_AFTER}
        cursor.execute(_COUNTS, values)
        rows = cursor.fetchall()
    counts, unreported = _Counts(), []
    for channel, tried, failed, accepted, settled, good, delivered, out, spam in rows:
        counts.tried += tried
        counts.failed += failed
        counts.reached += delivered or accepted
        counts.opted_out += out
        counts.complained += spam
        if delivered or failed:
            counts.settled += settled
            counts.settled_delivered += good
        elif settled:
            unreported.append(Channel(channel).label)
    return Health(
        since,
        tuple(_measures(campaign, counts)),
        tuple(sorted(unreported)),
        is_mute=bool(rows) and len(unreported) == len(rows),
    )


def _measures(campaign: Campaign, counts: _Counts) -> Iterator[Measure]:
    yield Measure(
        "Delivered",
        counts.settled_delivered,
        counts.settled,
        campaign.min_delivery_rate,
        "sent more than 24 hours ago",
        is_floor=True,
    )
    yield Measure(
        "Failed",
        counts.failed,
        counts.tried,
        campaign.max_failure_rate,
        "sent or failed",
        stops_sending=True,
    )
    reached = partial(Measure, whole=counts.reached, of_what="delivered")
    yield reached("Opted out", counts.opted_out, limit=campaign.max_unsubscribe_rate)
    yield reached(
        "Complaints", counts.complained, limit=campaign.max_complaint_rate, stops_sending=True
    )


def stage_since(campaign: Campaign) -> datetime:
    """Since when it is at its stage; of one launched before this was kept, since it began."""
    since = campaign.rollout_since or campaign.start_date or campaign.created_at
    assert since is not None  # noqa: S101  the database fills in created_at
    return since


def next_stage(campaign: Campaign) -> int | None:
    """The share that comes next; None: everybody is in."""
    return next((stage for stage in ROLLOUT_STAGES if stage > campaign.rollout_percent), None)


_LIVE = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)


@transaction.atomic
def advance(campaign: Campaign, now: datetime, to: int) -> None:
    """Let the next share in, `to` percent, as the person saw it: two clicks are one step.

    The doctors are enrolled within the hour. There is no way back: whoever is in stays in.
    """
    lock(campaign)
    if campaign.rollout_halted:
        raise NotReady([f"The rollout was stopped: {campaign.rollout_halted} Resume it first."])
    if to <= campaign.rollout_percent:
        why = (
            f"The rollout is at {campaign.rollout_percent} % already. It never goes back: "
            "whoever is enrolled stays. Pause the campaign to hold its messages."
        )
        raise NotReady([why])
    if to != next_stage(campaign):
        raise NotReady(
            [f"The stage after {campaign.rollout_percent} % is {next_stage(campaign)} %."]
        )
    _write(campaign, rollout_percent=to, rollout_since=now)


@transaction.atomic
def resume_rollout(campaign: Campaign, now: datetime) -> None:
    """Go on after a halt, at the same stage, whose days and figures begin anew."""
    lock(campaign)
    if not campaign.rollout_halted:
        raise NotReady(["The rollout goes on already."])
    _write(campaign, rollout_halted="", rollout_since=now)


def _write(campaign: Campaign, **fields: Any) -> None:
    live = Campaign.objects.filter(pk=campaign.pk, status__in=_LIVE)
    if not live.update(**fields, updated_at=Now()):
        state = campaign.get_status_display().lower()
        raise NotReady([f"The campaign is {state}: its rollout goes on while it runs."])
    campaign.refresh_from_db()


@dataclass(frozen=True, slots=True)
class Step:
    """What a look at one rollout came to."""

    campaign: Campaign
    what: Literal["advanced", "halted", "too few", "waits"]


def step_all(now: datetime) -> list[Step]:
    """Look at every rollout under way: halt what is unwell, advance what had its days.

    Where failures or complaints are beyond their limits the campaign is paused as well, so that no
    doctor gets what others complain of; somebody has to look, and resume it.
    """
    under_way = Campaign.objects.running(now).filter(rollout_percent__lt=ALL, rollout_halted="")
    return [step(campaign, now) for campaign in under_way]


@transaction.atomic
def step(campaign: Campaign, now: datetime) -> Step:
    """One rollout; a look that comes while somebody else changes it waits, and looks anew."""
    lock(campaign)
    is_open = campaign.status == CampaignStatus.ACTIVE and not campaign.rollout_halted
    to = next_stage(campaign)
    if not is_open or to is None:
        return Step(campaign, "waits")
    found = health(campaign, now)
    if found.broken:
        _halt(campaign, now, found)
        return Step(campaign, "halted")
    days = campaign.rollout_days
    if days is None or now < stage_since(campaign) + timedelta(days=days):
        return Step(campaign, "waits")
    if found.state != "good":
        return Step(campaign, "too few")
    advance(campaign, now, to)
    return Step(campaign, "advanced")


def _halt(campaign: Campaign, now: datetime, found: Health) -> None:
    why = "; ".join(map(str, found.broken)) + "."
    _write(campaign, rollout_halted=why)
    if any(measure.stops_sending for measure in found.broken):
        pause(campaign, now)
