"""What the policy needs to know of a batch of deliveries, in a fixed number of queries."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from messaging import approval, known, session
from messaging.caps import WEEK, Caps, Taken
from messaging.due import own_hour
from messaging.hours import Hours, common
from messaging.links.target import visit_query
from messaging.plan import Plan, StepRow, load_steps, moment, plan
from messaging.policy import Facts
from segments.definitions.common import time_zone
from segments.models.fields import array


class Person(NamedTuple):
    """What is needed of a doctor, read under the doctor's lock."""

    id: int
    timezone: str
    email: str | None
    phone: str | None
    whatsapp: str | None
    consent_version: int

    def address(self, channel: str) -> str | None:
        """Where a channel reaches the doctor; None: nowhere."""
        if channel == "email":
            return self.email
        return (self.whatsapp or self.phone) if channel == "whatsapp" else self.phone


class Step(NamedTuple):
    """What all deliveries of a step share: its campaign, its template and its hours."""

    campaign_status: str
    segment_type: str
    campaign_start: datetime | None
    campaign_end: datetime | None
    hours: Hours | None  # of the channel and of the campaign together
    template_content: str
    subject_line: str | None
    preheader: str
    defaults: Mapping[str, str]
    channel: str  # of its template: the step may have been given another one meanwhile
    version_id: int  # of the template as it stands here
    not_approved: str  # why the template may not go out; '': it may
    registered: approval.Registered = approval.Registered()  # what its provider knows it by
    campaign_name: str = ""
    number: int = 0  # of the step in its campaign
    may_go_as_text: bool = False  # although not approved, to whom a session is open with

    def query_on(self, channel: str) -> str:
        """What tells the platform which message a visit comes from."""
        return visit_query(channel, self.campaign_name, self.number)

    def problem_on(self, channel: str) -> str:
        """Why the template may not go out on a delivery's channel; '': it may."""
        if self.channel != channel:
            return f"the step's template is one for {self.channel} now"
        return self.not_approved


class Row(NamedTuple):
    """A delivery with what its enrolment and its step say."""

    id: uuid.UUID
    doctor_id: int
    channel: str
    expires_at: datetime
    token: str | None
    enrollment_id: uuid.UUID
    enrollment_status: str
    subject: str
    enrolled_at: datetime
    step: Step

    @property
    def segment_type(self) -> str:
        """The segment that the campaign writes to."""
        return self.step.segment_type


# Times come as seconds since 1970, which are read ten times as fast.
_ROWS = """
    SELECT m.id, m.user_id, m.channel, extract(epoch FROM m.expires_at)::float8, m.token, e.id,
           e.status, e.subject, extract(epoch FROM e.enrolled_at)::float8, m.campaign_message_id,
           m.variant_id
    FROM message_deliveries m
    JOIN campaign_enrollments e ON e.id = m.enrollment_id
    WHERE m.id = ANY(%s)
"""
# A variant of an experiment has a text, a subject or an hour of its own; what it lacks is the
# step's, but a text of its own comes with its own subject.
_STEPS = f"""
    SELECT s.id, v.id, c.name, s.sequence_order,
           c.status, c.segment_type, c.start_date, c.end_date,
           COALESCE({own_hour("h.send_from")}, c.send_from), c.send_until, t.template_content,
           COALESCE(NULLIF(v.subject_line, ''),
                    CASE WHEN v.template_id IS NULL THEN NULLIF(s.subject_line, '') END,
                    t.subject_line),
           t.preheader, t.defaults, t.channel,
           (SELECT v.id FROM template_versions v WHERE v.template_id = t.id
            ORDER BY v.number DESC LIMIT 1),
           {", ".join(f"t.{column}" for column in approval.COLUMNS)}
    FROM unnest(%s::uuid[], %s::uuid[]) AS k(step_id, variant_id)
    JOIN campaign_messages s ON s.id = k.step_id
    JOIN campaigns c ON c.id = s.campaign_id
    LEFT JOIN experiment_variants v ON v.id = k.variant_id
    CROSS JOIN LATERAL (SELECT COALESCE(v.send_from, s.send_from) AS send_from) h
    JOIN message_templates t ON t.template_key = COALESCE(v.template_id, s.template_id)
"""  # noqa: S608  names of columns


def load_rows(delivery_ids: Sequence[uuid.UUID]) -> list[Row]:
    """The deliveries, with what belongs to them, in two queries."""
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [array(delivery_ids)])
        found = cursor.fetchall()
    steps = load_step_facts({row[9:] for row in found})
    return [
        Row._make((*row[:3], moment(row[3]), *row[4:8], moment(row[8]), steps[row[9:]]))
        for row in found
    ]


Pair = tuple[uuid.UUID, uuid.UUID | None]  # a step and the variant that takes its place, if any


def load_step_facts(pairs: Iterable[Pair]) -> dict[Pair, Step]:
    """The steps, each with its variant, in one query."""
    pairs = list(pairs)
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, [[step for step, _ in pairs], [variant for _, variant in pairs]])
        return {row[:2]: _step(row[2:]) for row in cursor.fetchall()}


def _step(columns: tuple[Any, ...]) -> Step:
    """A row of _STEPS without its ids."""
    own, registration = columns[2:14], columns[14:]
    status, segment_type, start, end, send_from, send_until, *texts, channel, version_id = own
    content, subject, preheader, defaults = texts
    problem = approval.problem_of_columns(registration) or ""
    return Step(
        status,
        segment_type,
        start,
        end,
        sending_hours(channel, send_from, send_until),
        content,
        subject,
        preheader,
        json.loads(defaults),
        channel,
        version_id,
        problem,
        approval.registered_of_columns(registration),
        campaign_name=columns[0],
        number=columns[1],
        may_go_as_text=bool(problem) and approval.may_go_as_text(registration),
    )


def caps_from_settings() -> Caps:
    """The frequency caps in force (strategy, Message Frequency Caps)."""
    return Caps(settings.CAP_PER_DAY, settings.CAP_PER_WEEK, settings.CAP_CHANNEL_INTERVAL)


@cache
def sending_hours(channel: str, send_from: time, send_until: time) -> Hours | None:
    """Hours of the channel and of the campaign together."""
    return common((Hours(*settings.SEND_HOURS[channel]), Hours(send_from, send_until)))


@dataclass(slots=True)
class Batch:
    """Facts of a batch; `took` keeps them true while the batch itself spends room."""

    now: datetime
    rows: dict[uuid.UUID, Row]
    people: dict[int, Person]
    caps: Caps
    history: dict[int, list[Taken]]
    optouts: dict[int, list[tuple[str | None, str | None]]]
    pauses: dict[int, datetime]
    consents: dict[tuple[int, str], bool]
    suppressed: dict[tuple[int, str], str]  # doctor and channel: why
    returned: set[uuid.UUID]
    eligible: set[tuple[str, int, str]]
    sessions: set[str]  # numbers to which WhatsApp takes free text now
    consent_required: frozenset[str]
    plan: Plan = field(init=False)

    def opted_out(self, doctor_id: int, channel: str, segment_type: str) -> bool:
        """Whether a standing opt-out covers the channel and the kind of campaign."""
        if doctor_id not in self.optouts:
            return False
        return any(
            out_channel in (None, channel) and out_segment in (None, segment_type)
            for out_channel, out_segment in self.optouts[doctor_id]
        )

    def has_consent(self, doctor_id: int, channel: str) -> bool:
        """Consent where the channel needs it; a withdrawn one counts on every channel."""
        return self.consents.get((doctor_id, channel), channel not in self.consent_required)

    def in_segment(self, item: Row | StepRow) -> bool:
        """Whether the doctor is in the segment with this subject still."""
        return (item.segment_type, item.doctor_id, item.subject) in self.eligible

    def may_go(self, step: StepRow) -> bool:
        """Whether the step could reach its doctor at all, whatever the time."""
        return (
            bool(self.people[step.doctor_id].address(step.channel))
            and self.has_consent(step.doctor_id, step.channel)
            and not self.opted_out(step.doctor_id, step.channel, step.segment_type)
            and (step.doctor_id, step.channel) not in self.suppressed
            and step.enrollment_id not in self.returned
            and self.in_segment(step)
        )

    def goes_as_text(self, row: Row) -> bool:
        """Whether it goes as free text: its template may not, and the doctor's session is open."""
        step = row.step
        if not step.may_go_as_text or step.channel != row.channel:
            return False
        return self.people[row.doctor_id].address(row.channel) in self.sessions

    def facts(self, row: Row) -> Facts:
        """Everything that decide() looks at for one delivery."""
        person = self.people[row.doctor_id]
        return Facts(
            channel=row.channel,
            expires_at=row.expires_at,
            zone=time_zone(person.timezone),
            hours=row.step.hours,
            campaign_status=row.step.campaign_status,
            campaign_start=row.step.campaign_start,
            campaign_end=row.step.campaign_end,
            enrollment_status=row.enrollment_status,
            has_returned=row.enrollment_id in self.returned,
            in_segment=self.in_segment(row),
            opted_out=self.opted_out(row.doctor_id, row.channel, row.segment_type),
            has_consent=self.has_consent(row.doctor_id, row.channel),
            has_address=bool(person.address(row.channel)),
            suppressed=self.suppressed.get((row.doctor_id, row.channel), ""),
            template_problem="" if self.goes_as_text(row) else row.step.problem_on(row.channel),
            caps=self.caps,
            history=tuple(self.history.get(row.doctor_id, ())),
            ahead=self.plan.ahead_of(row.doctor_id, row.id),
            paused_until=self.pauses.get(row.doctor_id),
        )

    def took(self, row: Row) -> None:
        """A delivery of this batch was authorised: it counts for the doctor's others."""
        self.history[row.doctor_id].append(Taken(row.channel, self.now))
        self.plan.done(row.doctor_id, row.id)


def load_batch(delivery_ids: Sequence[uuid.UUID], people: Iterable[Person], now: datetime) -> Batch:
    """Read what decide() needs for these deliveries, whose doctors are locked by the caller."""
    persons = {person.id: person for person in people}
    return batch_of(load_rows(delivery_ids), load_steps(list(persons), now), persons, now)


def batch_of(
    found: Iterable[Row], steps: Sequence[StepRow], persons: dict[int, Person], now: datetime
) -> Batch:
    """Read what decide() needs of the doctors of these messages; `steps`: what else is to come."""
    doctor_ids = list(persons)
    rows = {row.id: row for row in found}
    caps = caps_from_settings()
    concerned: list[known.Concerned] = [*rows.values(), *steps]
    optouts, pauses = known.optouts(doctor_ids)
    batch = Batch(
        now=now,
        rows=rows,
        people=persons,
        caps=caps,
        history=known.history(doctor_ids, now - max(WEEK, caps.channel_interval)),
        optouts=optouts,
        pauses=pauses,
        consents=known.consents(doctor_ids, now),
        suppressed=known.suppressed(doctor_ids),
        returned=known.returned(concerned, now),
        eligible=known.eligible(concerned, now),
        sessions=_sessions(rows.values(), persons, now),
        consent_required=settings.CONSENT_REQUIRED,
    )
    batch.plan = plan(steps, now, batch.may_go, sending_hours)
    return batch


def _sessions(rows: Iterable[Row], people: Mapping[int, Person], now: datetime) -> set[str]:
    """Asked only where a template may not go: as long as all may, this costs no query."""
    wanted = (people[row.doctor_id].address(row.channel) for row in rows if row.step.may_go_as_text)
    return session.open_numbers(set(filter(None, wanted)), now)
