"""One doctor's run through any campaigns, planned and decided by the real modules, no database."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from messaging.caps import WEEK, Caps, Taken
from messaging.facts import sending_hours
from messaging.hours import Hours
from messaging.plan import LOOK_BACK, StepRow, plan
from messaging.policy import Defer, Facts, Send, decide

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
KOLKATA = ZoneInfo("Asia/Kolkata")
HOURS = Hours(time(10), time(21))
CHANNELS = ("whatsapp", "sms", "email")
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
DUE = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)  # 10:00 in Kolkata
OPEN = Facts(
    channel="whatsapp",
    expires_at=datetime(2026, 3, 3, 4, 30, tzinfo=UTC),
    zone=KOLKATA,
    hours=HOURS,
    campaign_status="active",
    campaign_start=None,
    campaign_end=None,
    enrollment_status="active",
    has_returned=False,
    in_segment=True,
    opted_out=False,
    has_consent=True,
    has_address=True,
    template_problem="",
    caps=Caps(),
)


@dataclass(frozen=True)
class Campaign:
    """Steps as (day, channel); `order` is the campaign's channel order."""

    steps: tuple[tuple[int, str], ...]
    priority: int = 10
    order: tuple[str, ...] = CHANNELS
    send_from: time = time(10)
    send_until: time = time(21)


@dataclass
class Delivery:
    """One step of one enrolment under way."""

    campaign: Campaign
    enrollment: uuid.UUID
    day: int
    channel: str
    due_at: datetime
    expires_at: datetime
    at: datetime  # when it is looked at next; in the end, when it went
    status: str = "scheduled"
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def is_first(self) -> bool:
        """Whether the campaign's order puts its channel first on its day."""
        channels = [channel for day, channel in self.campaign.steps if day == self.day]
        return min(channels, key=self.campaign.order.index) == self.channel

    def row(self, now: datetime) -> StepRow:
        """What the plan reads of it; what is due in over an hour has no delivery yet."""
        campaign, known = self.campaign, self.due_at <= now + HOUR
        return StepRow(
            doctor_id=1,
            enrollment_id=self.enrollment,
            day=self.day,
            channel=self.channel,
            segment_type="any",
            subject="",
            priority=campaign.priority,
            place=campaign.order.index(self.channel),
            send_from=campaign.send_from,
            send_until=campaign.send_until,
            due=self.due_at.timestamp(),
            expires=self.expires_at.timestamp(),
            delivery_id=self.id if known else None,
            status=self.status if known else None,
            scheduled=self.at.timestamp() if known else None,
        )


def fixture_campaigns() -> dict[str, Campaign]:
    """The four campaigns of the strategy, by name."""
    loaded: list[dict[str, Any]] = yaml.safe_load((FIXTURES / "campaigns.yaml").read_text())
    return {
        one["name"]: Campaign(
            tuple((step["delay_days"], step["channel"]) for step in one["steps"]), one["priority"]
        )
        for one in loaded
    }


def enrol(campaign: Campaign, at: datetime, zone: ZoneInfo) -> list[Delivery]:
    """The campaign's deliveries for a doctor enrolled at `at`."""
    local = at.astimezone(zone)
    first_day = local.date() + (DAY if local.time() >= campaign.send_until else timedelta(0))
    enrollment = uuid.uuid4()
    deliveries = []
    for day, channel in campaign.steps:
        due = max(at, _local(first_day + day * DAY, campaign.send_from, zone))
        later = [other - day for other, used in campaign.steps if used == channel and other > day]
        expires = due + min([2, *later]) * DAY
        deliveries.append(Delivery(campaign, enrollment, day, channel, due, expires, due))
    return deliveries


def _local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def run(
    deliveries: Sequence[Delivery],
    zone: ZoneInfo = KOLKATA,
    latency: timedelta = timedelta(0),
    lanes: Sequence[str] = CHANNELS,
) -> None:
    """Decide each delivery when its time comes; all channels are looked at in order of `lanes`.

    Every look comes `latency` late.
    """
    history: list[Taken] = []
    while waiting := [one for one in deliveries if one.status == "scheduled"]:
        now = min(one.at for one in waiting) + latency
        for channel in lanes:
            lane = [one for one in waiting if one.channel == channel]
            _decide_due(lane, now, zone, deliveries, history)


def _decide_due(
    waiting: list[Delivery],
    now: datetime,
    zone: ZoneInfo,
    deliveries: Sequence[Delivery],
    history: list[Taken],
) -> None:
    """What authorize.py does with the deliveries of one channel that are due, in one batch."""
    rows = [one.row(now) for one in deliveries if now - LOOK_BACK <= one.due_at <= now + WEEK]
    planned = plan(rows, now, lambda _step: True, sending_hours)
    due = [one for one in waiting if one.at <= now]
    for one in sorted(due, key=lambda one: planned.rank(1, one.id)):
        facts = replace(
            OPEN,
            channel=one.channel,
            expires_at=one.expires_at,
            zone=zone,
            hours=sending_hours(one.channel, one.campaign.send_from, one.campaign.send_until),
            history=tuple(history),
            ahead=planned.ahead_of(1, one.id),
        )
        decision = decide(now, facts)
        if isinstance(decision, Defer):
            assert decision.until > now
            one.at = decision.until
            continue
        planned.done(1, one.id)
        if isinstance(decision, Send):
            one.status, one.at = "sent", now
            history.append(Taken(one.channel, now))
        else:
            one.status = str(decision.reason)
