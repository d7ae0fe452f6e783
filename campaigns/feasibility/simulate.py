"""One doctor's run through any campaigns: planned and decided by the sender's own modules.

The doctor has every address and consent, stays away, and nothing fails: whatever does not go then
goes to nobody. Messages are looked at when their time comes, a channel after the other, as the
lanes do.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from collections.abc import Sequence as Rows
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from campaigns.feasibility.sequence import PlannedStep, Sequence
from messaging.caps import WEEK, Caps, Taken
from messaging.facts import caps_from_settings, sending_hours
from messaging.models import Channel, DeliveryStatus
from messaging.plan import LOOK_BACK, Plan, StepRow, plan
from messaging.policy import Defer, Facts, Send, decide

DAY = timedelta(days=1)
# strategy, Celery Beat Schedule: the next steps are scheduled hourly.
KNOWN_AHEAD = timedelta(hours=1)


@dataclass(slots=True)
class Outcome:
    """One message of the run, and what became of it."""

    sequence: Sequence
    step: PlannedStep
    enrollment: uuid.UUID
    due_at: datetime
    expires_at: datetime
    at: datetime  # when it is looked at next; in the end when it went, or was given up
    status: str = DeliveryStatus.SCHEDULED
    reason: str = ""  # of a skip, as models.SkipReason
    why: str = ""  # the policy's own words on what held it back, last
    id: uuid.UUID = field(default_factory=uuid.uuid4)

    @property
    def went(self) -> bool:
        """Whether it was sent."""
        return self.status == DeliveryStatus.SENT

    def row(self, now: datetime) -> StepRow:
        """What the plan reads of it: what is due in over an hour has no delivery yet."""
        sequence, known = self.sequence, self.due_at <= now + KNOWN_AHEAD
        return StepRow(
            doctor_id=1,
            enrollment_id=self.enrollment,
            day=self.step.day,
            channel=self.step.channel,
            segment_type="",
            subject="",
            priority=sequence.priority,
            place=sequence.order.index(self.step.channel),
            send_from=sequence.hour_of(self.step),
            send_until=sequence.send_until,
            due=self.due_at.timestamp(),
            expires=self.expires_at.timestamp(),
            delivery_id=self.id if known else None,
            status=self.status if known else None,
            scheduled=self.at.timestamp() if known else None,
            campaign=sequence.name,
        )


def enrolled(sequence: Sequence, at: datetime, zone: ZoneInfo) -> list[Outcome]:
    """The messages of a doctor who is enrolled at `at` (aware), by day and number; none is decided.

    As messaging/due.py reckons them: day 0 is the next day for whoever comes after `send_until`.
    """
    local = at.astimezone(zone)
    first_day = local.date() + (DAY if local.time() >= sequence.send_until else timedelta(0))
    enrollment = uuid.uuid4()
    outcomes = []
    for step in sorted(sequence.steps, key=lambda step: (step.day, step.number)):
        due = max(at, _local(first_day + step.day * DAY, sequence.hour_of(step), zone))
        next_days = [
            other.day - step.day
            for other in sequence.steps
            if other.channel == step.channel and other.day > step.day
        ]
        term = min([settings.STEP_EXPIRES_AFTER, *(days * DAY for days in next_days)])
        outcomes.append(Outcome(sequence, step, enrollment, due, due + term, due))
    return outcomes


def _local(day: date, clock: time, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, tzinfo=zone).astimezone(UTC)


def simulate(
    outcomes: Iterable[Outcome],
    zone: ZoneInfo,
    *,
    caps: Caps | None = None,
    lanes: Rows[str] = tuple(Channel.values),
    latency: timedelta = timedelta(0),
) -> list[Outcome]:
    """Decide every message when its time comes; returns them all, in order of time.

    `outcomes`: of one enrolment after the other, the older one first, as messaging/plan.py asks.
    `caps`: else those in force. `lanes`: channels that are due at once are looked at in this order.
    Every look comes `latency` late.
    """
    outcomes = list(outcomes)
    history: list[Taken] = []
    caps = caps or caps_from_settings()
    while waiting := [one for one in outcomes if one.status == DeliveryStatus.SCHEDULED]:
        now = min(one.at for one in waiting) + latency
        for channel in lanes:
            lane = [one for one in waiting if one.step.channel == channel and one.at <= now]
            if lane:
                _decide(lane, now, zone, outcomes, history, caps)
    return sorted(outcomes, key=lambda one: (one.due_at, one.sequence.priority, one.step.number))


def _decide(  # noqa: PLR0913, PLR0917  one window of the sender has this many parts
    due: list[Outcome],
    now: datetime,
    zone: ZoneInfo,
    outcomes: list[Outcome],
    history: list[Taken],
    caps: Caps,
) -> None:
    """What authorize.py does with the messages of one channel that are due, in one window."""
    near = [one.row(now) for one in outcomes if now - LOOK_BACK <= one.due_at <= now + WEEK]
    planned = plan(near, now, lambda _row: True, sending_hours)
    for one in sorted(due, key=lambda one: planned.rank(1, one.id)):
        decision = decide(now, _facts(one, zone, tuple(history), planned, caps))
        one.why = decision.trace[-1].detail
        if isinstance(decision, Defer):
            one.at = decision.until
            continue
        planned.done(1, one.id)
        one.at = now
        if isinstance(decision, Send):
            one.status = DeliveryStatus.SENT
            history.append(Taken(one.step.channel, now))
        else:
            one.status, one.reason = DeliveryStatus.SKIPPED, str(decision.reason)


def _facts(
    one: Outcome, zone: ZoneInfo, history: tuple[Taken, ...], planned: Plan, caps: Caps
) -> Facts:
    sequence = one.sequence
    return Facts(
        channel=one.step.channel,
        expires_at=one.expires_at,
        zone=zone,
        hours=sending_hours(one.step.channel, sequence.hour_of(one.step), sequence.send_until),
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
        caps=caps,
        history=history,
        ahead=planned.ahead_of(1, one.id),
    )
