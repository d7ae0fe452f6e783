"""How much of what is spread after a pause the frequency caps will not let out.

Each doctor's messages to come, of all campaigns, are run through by the sender's own policy
(feasibility/simulate.py), with what the doctor got in the last week. Doctors whose messages are
alike are reckoned once. It is known what is known now: who opts out or comes back later gets less.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from math import ceil
from operator import attrgetter
from typing import Any, NamedTuple

from django.db import connection

from campaigns.alike import OPEN, PLACED, READ, SAMPLE, is_of_kind, values_of
from campaigns.feasibility.sequence import PlannedStep
from campaigns.feasibility.sequence import Sequence as Steps
from campaigns.feasibility.simulate import Outcome, simulate
from campaigns.models import Campaign
from messaging.caps import WEEK
from messaging.due import expires_at
from messaging.facts import Batch, Person, batch_of
from messaging.models import Channel, DeliveryStatus
from messaging.plan import GONE, TO_COME, StepRow, load_steps, moment
from segments.definitions.common import time_zone
from segments.models.fields import array

# Doctors who are looked at, and different runs of them, some milliseconds each. What is left out
# is reckoned to fare as those do, and told.
MOST_DOCTORS = 2_000
MOST_RUNS = 200
LATENCY = timedelta(seconds=30)  # about when a lane looks at what is due
SETTLED = 2 * WEEK  # after the last spread day: by then the sequence goes on as planned


@dataclass(frozen=True, slots=True)
class Room:
    """`messages` find no room under the caps, of those that are spread.

    `reckoned` of `people` doctors were run through; the figure is for all of them.
    """

    messages: int
    reckoned: int
    people: int

    @property
    def is_exact(self) -> bool:
        """Every doctor was run through."""
        return self.reckoned == self.people


# How many doctors are under way, and how many of them have overdue messages.
_COUNT = f"""
    WITH {READ}
    SELECT COALESCE(sum(people), 0)::int, COALESCE(sum(people) FILTER (
               WHERE kind IN (SELECT kind FROM ({OPEN}) open WHERE is_overdue)), 0)::int
    FROM kinds
"""  # noqa: S608  only constants are put in
# Of a sample, the messages of this campaign as they would be.
_OWN = f"""
    WITH {SAMPLE}, open AS MATERIALIZED ({OPEN}), {PLACED},
    coming AS (
        SELECT o.*, COALESCE(p.goes_at, o.at) AS goes_at, p.goes_at IS NOT NULL AS is_moved
        FROM open o LEFT JOIN placed p USING (kind, step_id)
        WHERE o.kind IN (SELECT kind FROM placed)
    )
    SELECT people.user_id, people.enrollment_id, s.delay_days, s.channel, e.subject,
           COALESCE(array_position(c.channel_order, s.channel), 99), s.goes_from,
           extract(epoch FROM {expires_at("s.goes_at")})::float8,
           extract(epoch FROM s.goes_at)::float8, s.is_moved,
           c.end_date IS NULL OR s.goes_at < c.end_date
    FROM coming s {is_of_kind("s")}
    JOIN campaign_enrollments e ON e.id = people.enrollment_id
    JOIN campaigns c ON c.id = e.campaign_id
    ORDER BY hashint4(people.user_id), s.delay_days
"""  # noqa: S608
_PEOPLE = """
    SELECT id, timezone, email, phone, whatsapp, consent_version FROM doctors WHERE id = ANY(%s)
"""


class _Coming(NamedTuple):
    """A message to come: when it is looked at first, and whether it is one that is spread."""

    step: StepRow
    at: float
    is_moved: bool


def room_for(campaign: Campaign, now: datetime, days: int, kinds: str) -> Room:
    """Reckon the messages of a paused campaign that would be spread over `days`.

    `kinds`: of its doctors (alike.py).
    """
    values = {**values_of(campaign, now, days), "kinds": kinds}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, values)
        under_way, people = cursor.fetchone()
        # As many of all as it takes to find so many who have something overdue.
        is_part = people > MOST_DOCTORS
        values["sample"] = ceil(MOST_DOCTORS * under_way / people) if is_part else None
        cursor.execute(_OWN, values)
        rows = cursor.fetchall()
        doctor_ids = list(dict.fromkeys(row[0] for row in rows))[:MOST_DOCTORS]
        cursor.execute(_PEOPLE, [array(doctor_ids)])
        persons = {row[0]: Person(*row) for row in cursor.fetchall()}
    coming = [_own(campaign, row) for row in rows if row[-1] and row[0] in persons]
    for step in _others(doctor_ids, now, days):
        at = step.due if step.scheduled is None else step.scheduled
        coming.append(_Coming(step, at, is_moved=False))
    batch = batch_of([], [one.step for one in coming], persons, now)
    return _reckon(coming, batch, people)


def _own(campaign: Campaign, row: tuple[Any, ...]) -> _Coming:
    doctor_id, enrollment_id, day, channel, subject, place, hour, expires, at, is_moved, _ = row
    step = StepRow(
        doctor_id=doctor_id,
        enrollment_id=enrollment_id,
        day=day,
        channel=channel,
        segment_type=campaign.segment_type,
        subject=subject,
        priority=campaign.priority,
        place=place,
        send_from=hour,
        send_until=campaign.send_until,
        due=at,
        expires=expires,
        delivery_id=None,
        status=None,
        scheduled=None,
        campaign=campaign.name,
    )
    return _Coming(step, at, is_moved)


def _others(doctor_ids: Sequence[int], now: datetime, days: int) -> Iterable[StepRow]:
    """The steps of their other running campaigns, until all that is spread has settled.

    Those that went out count as their day's first channel, if they were.
    """
    found: dict[tuple[Any, ...], StepRow] = {}
    at, end = now, now + timedelta(days=days) + SETTLED
    while at < end:
        for step in load_steps(doctor_ids, at):
            found[step.enrollment_id, step.channel, step.day, step.due] = step
        at += WEEK
    return [step for step in found.values() if step.status not in GONE]


def _reckon(coming: Iterable[_Coming], batch: Batch, people: int) -> Room:
    by_doctor: dict[int, list[_Coming]] = defaultdict(list)
    for one in sorted(coming, key=_IN_PLAN):
        if batch.may_go(one.step):  # what reaches nobody is not skipped for want of room
            by_doctor[one.step.doctor_id].append(one)
    runs: dict[Any, int] = {}
    reckoned = lost = 0
    for doctor_id, person in batch.people.items():
        messages = by_doctor.get(doctor_id, [])
        history = sorted((item.channel, _hour(item.at)) for item in batch.history[doctor_id])
        key = (person.timezone, tuple(history), _alike(messages))
        if key not in runs:
            if len(runs) == MOST_RUNS:
                continue
            runs[key] = _lost(messages, history, person.timezone, batch.now)
        reckoned += 1
        lost += runs[key]
    return Room(round(lost * people / reckoned) if reckoned else 0, reckoned, people)


# As the plan has them: the older enrolment's first, each day's together.
_IN_PLAN = attrgetter("step.enrollment_id", "step.day")


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


_NOBODY = uuid.UUID(int=0)


def _alike(messages: Sequence[_Coming]) -> tuple[Any, ...]:
    """What decides a doctor's run, whoever it is."""
    enrollments: dict[uuid.UUID, int] = {}
    return tuple(
        (
            enrollments.setdefault(one.step.enrollment_id, len(enrollments)),
            one.step._replace(doctor_id=0, enrollment_id=_NOBODY, subject="", delivery_id=None),
            one.at,
            one.is_moved,
        )
        for one in messages
    )


def _lost(
    messages: Sequence[_Coming],
    history: Sequence[tuple[str, datetime]],
    timezone: str,
    now: datetime,
) -> int:
    """How many of the messages that are spread do not go out to such a doctor."""
    outcomes = [_outcome(one, now) for one in messages]
    moved = [outcome for outcome, one in zip(outcomes, messages, strict=True) if one.is_moved]
    had = (_had(channel, at) for channel, at in history)
    simulate([*had, *outcomes], time_zone(timezone), latency=LATENCY)
    return sum(not outcome.went for outcome in moved)


def _outcome(one: _Coming, now: datetime) -> Outcome:
    step = one.step
    order = (*[""] * step.place, step.channel)
    sequence = Steps("", (), step.priority, order, step.send_from, step.send_until)
    return Outcome(
        sequence,
        PlannedStep(0, step.day, step.channel),
        step.enrollment_id,
        moment(step.due),
        moment(step.expires),
        max(moment(one.at), now),
        status=DeliveryStatus.SCHEDULED if step.status in TO_COME else DeliveryStatus.SENT,
    )


_ANY_HOUR = Steps("", (), 0, tuple(Channel.values), time(0), time(23, 59, 59))


def _had(channel: str, at: datetime) -> Outcome:
    """A message that the doctor has had already: it counts, and nothing goes before it."""
    end = at + timedelta(hours=1)
    return Outcome(_ANY_HOUR, PlannedStep(0, 0, channel), uuid.uuid4(), at, end, at)
