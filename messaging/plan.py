"""What else is to go to the same doctors, and which of it has first call on the caps.

strategy and design, section 4: on a day with several channels the campaign's channel order says
who goes first, between campaigns their priority; and a message that is not its day's first
channel leaves room for the first-channel messages of the next seven days.
"""

from __future__ import annotations

import sys
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from messaging.caps import WEEK, Planned
from messaging.due import FIRST_DAY, NEXT_DAY, due_at, expires_at, own_hour
from messaging.hours import Hours
from messaging.models import Channel, DeliveryStatus
from segments.models.fields import array

# A step that fell due this long ago has expired, whatever the campaign says.
LOOK_BACK = timedelta(days=3)

SendingHours = Callable[[str, time, time], Hours | None]

# Steps of the doctors' running enrolments that are due around now, with their delivery if any. Each
# has its hour as schedule.py reckons it: a variant's once it is assigned, else the step's own.
# Times come as seconds: a window has thousands, mostly the same few, and few are looked at.
# A message is found by the day that was planned for it, which may lie long before the day that it
# was given after a pause: of enrolments that have such messages all days past are looked at.
_STEPS = f"""
    SELECT e.user_id, e.id, s.delay_days, s.channel, c.segment_type, e.subject, c.priority,
           COALESCE(array_position(c.channel_order, s.channel), 99), h.send_from, c.send_until,
           extract(epoch FROM g.due_at)::float8,
           extract(epoch FROM COALESCE(m.expires_at, {expires_at("p.due_at")}))::float8,
           m.id, m.status,
           extract(epoch FROM m.scheduled_at)::float8, c.name
    FROM (
        SELECT e.id, e.user_id, e.campaign_id, e.subject, e.enrolled_at, {FIRST_DAY} AS first_day,
               CASE WHEN e.is_spread THEN '-infinity' ELSE %(since)s::date - 1 END AS since
        FROM campaign_enrollments e
        JOIN campaigns c ON c.id = e.campaign_id AND c.status = 'active'
        JOIN doctors d ON d.id = e.user_id
        WHERE e.user_id = ANY(%(doctors)s) AND e.status = 'active' AND NOT e.is_holdout
        OFFSET 0
    ) e
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT s.*, {NEXT_DAY} AS next_day FROM campaign_messages s
        WHERE s.campaign_id IN (SELECT id FROM campaigns WHERE status = 'active')
          AND s.removed_at IS NULL
    ) s ON s.campaign_id = c.id
        AND e.first_day + s.delay_days BETWEEN e.since AND %(until)s::date + 1
    LEFT JOIN message_deliveries m ON m.enrollment_id = e.id AND m.campaign_message_id = s.id
    LEFT JOIN experiment_variants v ON v.id = m.variant_id
    CROSS JOIN LATERAL (SELECT COALESCE(v.send_from, s.send_from) AS send_from) o
    CROSS JOIN LATERAL (
        SELECT COALESCE({own_hour("o.send_from")}, c.send_from) AS send_from
    ) h
    CROSS JOIN LATERAL (
        SELECT {due_at("e.first_day")} AS due_at FROM (SELECT h.send_from) c
    ) p
    CROSS JOIN LATERAL (SELECT COALESCE(m.due_at, p.due_at) AS due_at) g
    WHERE (c.end_date IS NULL OR g.due_at < c.end_date)
      AND g.due_at BETWEEN %(since)s AND %(until)s
    ORDER BY e.user_id, e.enrolled_at, e.id, s.delay_days, s.sequence_order
"""  # noqa: S608  only constants are put in


class StepRow(NamedTuple):
    """A row of _STEPS; times are seconds since 1970."""

    doctor_id: int
    enrollment_id: uuid.UUID
    day: int
    channel: str
    segment_type: str
    subject: str
    priority: int
    place: int
    send_from: time
    send_until: time
    due: float
    expires: float
    delivery_id: uuid.UUID | None
    status: str | None
    scheduled: float | None
    campaign: str  # its name


@lru_cache(maxsize=4096)
def moment(seconds: float) -> datetime:
    """Seconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(seconds, UTC)


Rank = tuple[int, int, float, int]


class Label(NamedTuple):
    """What a message is called by another that waits for it; put into words where that is shown."""

    row: StepRow
    waits: StepRow

    def __str__(self) -> str:
        """Such as “WhatsApp of day 5”, with its campaign where the other is of another one."""
        words = f"{Channel(self.row.channel).label} of day {self.row.day}"
        is_own = self.row.enrollment_id == self.waits.enrollment_id
        return words if is_own else f"{words} of “{self.row.campaign}”"


class Step(NamedTuple):
    """One step to come and its claim on the doctor's caps."""

    row: StepRow
    is_first: bool  # its day's first channel among those that reach the doctor
    hours: Hours
    place: int  # among all rows, which come in order: the older enrolment's first

    @property
    def rank(self) -> Rank:
        """Priority of the campaign, place of the channel, due, older enrolment: smaller goes first.

        No two are alike, so that nobody goes first by chance.
        """
        return (self.row.priority, self.row.place, self.row.due, self.place)

    def is_ahead_of(self, other: Step, now: float) -> bool:
        """Whether this step has first call where both want the same room."""
        if self is other:
            return False
        if self.is_first != other.is_first:
            return self.is_first
        contends = self.row.scheduled is not None and self.row.scheduled <= now
        return contends and self.rank < other.rank

    def planned(self, waits: Step) -> Planned:
        """The step as the caps see it that leave it room before another, which `waits` for it."""
        row = self.row
        return Planned(
            channel=row.channel,
            due_at=moment(row.due if row.scheduled is None else row.scheduled),
            expires_at=moment(row.expires),
            hours=self.hours,
            label=Label(row, waits.row),
            is_first=self.is_first,
            rank=self.rank,
        )


@dataclass(slots=True)
class Plan:
    """The steps to come of each doctor of a batch."""

    now: datetime
    steps: dict[int, list[Step]]

    def ahead_of(self, doctor_id: int, delivery_id: uuid.UUID) -> tuple[Planned, ...]:
        """The messages that have first call on the doctor's caps before this delivery."""
        steps = self.steps.get(doctor_id, ())
        own = self._own(doctor_id, delivery_id)
        if own is None or len(steps) == 1:
            return ()
        now = self.now.timestamp()
        return tuple(step.planned(own) for step in steps if step.is_ahead_of(own, now))

    def rank(self, doctor_id: int, delivery_id: uuid.UUID) -> Rank:
        """The delivery's rank among the doctor's; one that is not in the plan goes last."""
        own = self._own(doctor_id, delivery_id)
        return own.rank if own else (sys.maxsize, 0, 0.0, delivery_id.int)

    def done(self, doctor_id: int, delivery_id: uuid.UUID) -> None:
        """The delivery was authorised: it is no longer to come."""
        own = self._own(doctor_id, delivery_id)
        if own is not None:
            self.steps[doctor_id].remove(own)

    def _own(self, doctor_id: int, delivery_id: uuid.UUID) -> Step | None:
        for step in self.steps.get(doctor_id, ()):
            if step.row.delivery_id == delivery_id:
                return step
        return None


def load_steps(doctor_ids: Sequence[int], now: datetime) -> list[StepRow]:
    """The steps of the doctors' running enrolments in the next seven days, in one query."""
    window: dict[str, Any] = {
        "doctors": array(doctor_ids),
        "since": now - LOOK_BACK,
        "until": now + WEEK,
        "expires": settings.STEP_EXPIRES_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, window)
        return [StepRow._make(row) for row in cursor.fetchall()]


def plan(
    rows: Sequence[StepRow], now: datetime, may_go: Callable[[StepRow], bool], hours: SendingHours
) -> Plan:
    """Order the steps to come; `may_go` says of one whether it could reach its doctor at all.

    What can never go takes no room from what can. The rows come by doctor, the older enrolment
    first (of two as old, the smaller id), by day and by number: that settles what is else equal.
    """
    steps: dict[int, list[Step]] = defaultdict(list)
    place = 0
    for (doctor_id, _, _), group in groupby(rows, key=itemgetter(0, 1, 2)):
        of_day = list(group)
        steps[doctor_id] += _steps_of_day(of_day, place, may_go, hours)
        place += len(of_day)
    return Plan(now, steps)


def _steps_of_day(
    rows: list[StepRow], place: int, may_go: Callable[[StepRow], bool], hours: SendingHours
) -> list[Step]:
    """The steps to come of one enrolment's day, the first channel marked; `place` of its first."""
    alive = [row for row in rows if row.status not in GONE and may_go(row)]
    first = min((row.place for row in alive), default=None)
    return [
        Step(row, row.place == first, shared, at)
        for at, row in enumerate(alive, start=place)
        if row.status in TO_COME
        and (shared := hours(row.channel, row.send_from, row.send_until)) is not None
    ]


GONE = frozenset({DeliveryStatus.SKIPPED, DeliveryStatus.FAILED})
TO_COME = frozenset({None, DeliveryStatus.SCHEDULED})
