"""Why (not)? A doctor's messages to come, each decided ahead by the sender's own policy.

Read only: no lock, no write. The forecast knows what is known now: it takes the doctor to stay
away, consents, opt-outs and what is known of the doctor to stay as they are, paused accounts to
stay paused, and every message that is handed over to arrive. Messages of all the doctor's campaigns
run together, since they use up the same caps.
"""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils.text import get_text_list

from messaging import accounts, render
from messaging.caps import WEEK, Taken
from messaging.catalogue import with_defaults
from messaging.due import FIRST_DAY, NEXT_DAY, due_at, expires_at, own_hour
from messaging.facts import (
    Batch,
    Person,
    Row,
    batch_of,
    load_step_facts,
    sending_hours,
)
from messaging.models import Channel, DeliveryStatus, ProviderAccount, SkipReason
from messaging.plan import LOOK_BACK, StepRow, moment, plan
from messaging.policy import Decision, Defer, Send, Skip, Verdict, decide
from segments.definitions import definition
from segments.definitions.base import Subject
from segments.models import Doctor

# What is due in over an hour has no delivery yet (campaigns/schedule.py), and contends with none.
KNOWN_AHEAD = timedelta(hours=1)
PAUSED = "the account of the channel is paused by hand"
_OWN = len(StepRow._fields)  # columns of _COMING that plan.py has, too

# Steps of one enrolment, whatever its state, and of the doctor's running ones, that are not over:
# with their delivery if it waits, and with the hour of their own or of their variant: one that is
# not assigned yet is given in %(variants)s. A holdout is written nothing.
_COMING = f"""
    SELECT e.user_id, e.id, s.delay_days, s.channel, c.segment_type, e.subject, c.priority,
           COALESCE(array_position(c.channel_order, s.channel), 99), h.send_from, c.send_until,
           extract(epoch FROM COALESCE(m.due_at, p.due_at))::float8,
           extract(epoch FROM COALESCE(m.expires_at, {expires_at("p.due_at")}))::float8,
           m.id, m.status, extract(epoch FROM m.scheduled_at)::float8, c.name,
           s.id, COALESCE(m.variant_id, a.variant_id), e.status,
           extract(epoch FROM e.enrolled_at)::float8
    FROM (
        SELECT e.*, {FIRST_DAY} AS first_day FROM campaign_enrollments e
        JOIN campaigns c ON c.id = e.campaign_id
        JOIN doctors d ON d.id = e.user_id
        WHERE e.user_id = %(doctor)s AND NOT e.is_holdout
          AND (e.id = %(enrollment)s OR (c.status = 'active' AND e.status = 'active'))
    ) e
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT s.*, {NEXT_DAY} AS next_day FROM campaign_messages s WHERE s.removed_at IS NULL
          AND s.campaign_id IN (SELECT campaign_id FROM campaign_enrollments
                                WHERE user_id = %(doctor)s)
    ) s ON s.campaign_id = e.campaign_id
    LEFT JOIN message_deliveries m ON m.enrollment_id = e.id AND m.campaign_message_id = s.id
    LEFT JOIN unnest(%(steps)s::uuid[], %(variants)s::uuid[]) AS a (step_id, variant_id)
        ON a.step_id = s.id AND m.id IS NULL
    LEFT JOIN experiment_variants v ON v.id = COALESCE(m.variant_id, a.variant_id)
    CROSS JOIN LATERAL (SELECT COALESCE(v.send_from, s.send_from) AS send_from) o
    CROSS JOIN LATERAL (
        SELECT COALESCE({own_hour("o.send_from")}, c.send_from) AS send_from
    ) h
    CROSS JOIN LATERAL (
        SELECT {due_at("e.first_day")} AS due_at FROM (SELECT h.send_from) c
    ) p
    WHERE m.id IS NULL OR m.status = 'scheduled'
    ORDER BY e.user_id, e.enrolled_at, e.id, s.delay_days, s.sequence_order
"""  # noqa: S608  only constants are put in


@dataclass(slots=True)
class Message:
    """One message to come, and what is foreseen of it.

    `at`: when it goes, or is given up; where it is held without end, when it would be looked at.
    `first`: what the policy says when it is first looked at; `decision`: what it says last.
    """

    row: Row
    step: StepRow
    step_id: uuid.UUID
    at: datetime
    is_scheduled: bool  # it has a delivery already
    status: str = DeliveryStatus.SCHEDULED
    first: Decision | None = None
    decision: Decision | None = None
    held_by: list[str] = field(default_factory=list)  # the gates, in order
    absent: Sequence[str] = ()  # variables of its text that have no value for the doctor

    @property
    def goes(self) -> bool:
        """Whether it is foreseen to go."""
        return self.status == DeliveryStatus.SENT

    @property
    def waits_or_goes(self) -> bool:
        """Whether it is not foreseen to be skipped."""
        return self.status != DeliveryStatus.SKIPPED

    @property
    def label(self) -> str:
        """Such as “SMS of day 3”."""
        return f"{Channel(self.step.channel).label} of day {self.step.day}"

    def as_planned(self, now: datetime) -> StepRow:
        """What the plan reads of it at `now`."""
        if not self.is_scheduled and self.step.due > (now + KNOWN_AHEAD).timestamp():
            return self.step
        return self.step._replace(
            delivery_id=self.row.id, status=self.status, scheduled=self.at.timestamp()
        )


def forecast(
    doctor: Doctor,
    now: datetime,
    enrollment_id: uuid.UUID | None = None,
    variants: Mapping[uuid.UUID, uuid.UUID] | None = None,
) -> list[Message]:
    """The doctor's messages that have not gone, in order of time, each with what is foreseen.

    Those of running campaigns, and those of `enrollment_id` whatever its state. `variants`: which
    variant of an A/B test the doctor will get of a step that has no delivery yet. A fixed number of
    queries; for a message that is due now, the verdict is the one that the sender would give now.
    """
    messages = _coming(doctor.pk, now, enrollment_id, variants or {})
    person = Person(
        doctor.pk,
        doctor.timezone,
        doctor.email,
        doctor.phone,
        doctor.whatsapp,
        doctor.consent_version,
    )
    rows = [one.row for one in messages]
    batch = batch_of(rows, [one.step for one in messages], {doctor.pk: person}, now)
    _look_for_values(messages, now)
    _run(messages, batch, doctor.pk, _paused_accounts())
    return sorted(messages, key=lambda one: (one.step.due, one.step.priority, one.step.place))


def _coming(
    doctor_id: int,
    now: datetime,
    enrollment_id: uuid.UUID | None,
    variants: Mapping[uuid.UUID, uuid.UUID],
) -> list[Message]:
    values: dict[str, Any] = {
        "doctor": doctor_id,
        "steps": list(variants),
        "variants": list(variants.values()),
        "enrollment": enrollment_id,
        "expires": settings.STEP_EXPIRES_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_COMING, values)
        found = cursor.fetchall()
    steps = load_step_facts({(row[_OWN], row[_OWN + 1]) for row in found})
    messages = []
    for columns in found:
        step = StepRow._make(columns[:_OWN])
        step_id, variant_id, status, enrolled_at = columns[_OWN:]
        row = Row(
            id=step.delivery_id or uuid.uuid4(),
            doctor_id=doctor_id,
            channel=step.channel,
            expires_at=moment(step.expires),
            token=None,
            enrollment_id=step.enrollment_id,
            enrollment_status=status,
            subject=step.subject,
            enrolled_at=moment(enrolled_at),
            step=steps[step_id, variant_id],
        )
        at = moment(step.due if step.scheduled is None else step.scheduled)
        is_scheduled = step.delivery_id is not None
        messages.append(Message(row, step, step_id, max(at, now), is_scheduled))
    return messages


def _look_for_values(messages: Sequence[Message], now: datetime) -> None:
    """Note which variables have no value, as the sender would find (send.py) if it went now.

    A fixed number of queries for each segment. Of a broken text nothing is said here: the
    pre-flight of its campaign says it.
    """
    by_segment: dict[str, list[Message]] = defaultdict(list)
    for one in messages:
        by_segment[one.row.segment_type].append(one)
    for segment_type, group in by_segment.items():
        rows = [one.row for one in group]
        subjects = [Subject(row.doctor_id, row.subject, row.enrolled_at) for row in rows]
        known = definition(segment_type).variables(subjects, now)
        for one, variables in zip(group, known, strict=True):
            one.absent = _absent(one.row, variables)


def _absent(row: Row, variables: Mapping[str, Any]) -> Sequence[str]:
    step = row.step
    texts = render.texts_of(
        with_defaults(variables, step.defaults), render.links(_TOKEN, row.channel)
    )
    try:
        return render.compile_message(
            row.channel, step.template_content, step.subject_line, step.preheader
        ).missing(texts)
    except render.TemplateError:
        return ()


_TOKEN = "x" * 22  # of no delivery


def _paused_accounts() -> dict[str, str]:
    """Channels whose account somebody paused, and why nothing goes out. One query."""
    paused = ProviderAccount.objects.filter(is_paused=True)
    return {one.channel: PAUSED for one in paused if accounts.is_used(one)}


def _run(
    messages: Sequence[Message], batch: Batch, doctor_id: int, paused: Mapping[str, str]
) -> None:
    """Decide every message when its time comes, a channel after the other, as the lanes do."""
    began = batch.now
    while waiting := [one for one in messages if one.status == DeliveryStatus.SCHEDULED]:
        now = min(one.at for one in waiting)
        batch.now = now
        pause = batch.pauses.get(doctor_id)
        if pause is not None and pause <= now and now > began:
            del batch.pauses[doctor_id]  # it is taken back the minute after its end
        for channel in Channel.values:
            lane = [one for one in waiting if one.step.channel == channel and one.at <= now]
            if lane:
                _decide(lane, messages, batch, paused.get(channel, ""))


def _decide(
    lane: list[Message], messages: Iterable[Message], batch: Batch, account_waits: str
) -> None:
    """What authorize.py does with the messages of one channel that are due, in one window."""
    now = batch.now
    since, until = (now - LOOK_BACK).timestamp(), (now + WEEK).timestamp()
    near = [
        one.as_planned(now)
        for one in messages
        if since <= one.step.due <= until
        and one.row.enrollment_status == one.row.step.campaign_status == "active"
        and one.status != _HELD
        and not _ends_before(one)
    ]
    batch.plan = plan(near, now, batch.may_go, sending_hours)
    for one in sorted(lane, key=lambda one: batch.plan.rank(one.row.doctor_id, one.row.id)):
        decision = _beyond_policy(one, decide(now, batch.facts(one.row)), account_waits)
        one.first = one.first or decision
        one.decision = decision
        if isinstance(decision, Defer):
            _defer(one, decision)
        elif isinstance(decision, Send):
            one.at, one.status = now, DeliveryStatus.SENT
            batch.history[one.row.doctor_id].append(Taken(one.row.channel, now))
            batch.plan.done(one.row.doctor_id, one.row.id)
        else:
            one.at, one.status = now, DeliveryStatus.SKIPPED
            one.held_by.append(decision.trace[-1].gate)
            batch.plan.done(one.row.doctor_id, one.row.id)


def _beyond_policy(one: Message, decision: Decision, account_waits: str) -> Decision:
    """What a message that may go meets after that: its channel's account, and its own text."""
    if not isinstance(decision, Send):
        return decision
    if account_waits:
        waits = Verdict("account", "defer", account_waits)
        return Defer(one.row.expires_at, account_waits, (*decision.trace, waits))
    if one.absent:
        names = get_text_list([f"{{{{{name}}}}}" for name in one.absent], "and")
        detail = f"the text has {names}, for which there is no value of this doctor"
        lacks = Verdict("variables", "skip", detail)
        return Skip(SkipReason.MISSING_VARIABLE, (*decision.trace, lacks))
    return decision


_HELD = "held"  # until somebody does something: nobody can say when


def _ends_before(one: Message) -> bool:
    end = one.row.step.campaign_end
    return end is not None and one.step.due >= end.timestamp()


def _defer(one: Message, decision: Defer) -> None:
    gates = [verdict.gate for verdict in decision.trace if verdict.verdict == "defer"]
    one.held_by += [gate for gate in gates if gate not in one.held_by]
    if "pause" in gates or "account" in gates:
        one.status = _HELD
    else:
        one.at = decision.until


def refusal(decision: Decision | None) -> str:
    """What the gate that refused or held it said; '' where none did."""
    if isinstance(decision, (Defer, Skip)):
        said = [verdict for verdict in decision.trace if verdict.verdict != "pass"]
        return "; ".join(dict.fromkeys(verdict.detail for verdict in said if verdict.detail))
    return ""
