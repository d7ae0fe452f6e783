"""First of the three steps of sending: claim what is due and decide each, in one transaction.

The lock on the doctor is what makes caps and opt-outs hold: whoever writes to a doctor, or takes
an opt-out, holds it. Deliveries and doctors that somebody else has locked are left for the next
round (SKIP LOCKED), so that lanes neither wait for each other nor deadlock.
"""

from __future__ import annotations

import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet
from uuid_utils.compat import uuid7

from messaging.facts import Batch, Person, Row, load_batch
from messaging.models import MessageDelivery, ProviderAccount
from messaging.policy import Defer, Send, Skip, Verdict, decide
from segments.definitions import definition
from segments.models import Doctor


@dataclass(frozen=True, slots=True)
class Claim:
    """One delivery that may be handed to its provider now, by the holder of `claim_id` only."""

    delivery_id: uuid.UUID
    claim_id: uuid.UUID
    doctor_id: int
    channel: str
    recipient: str
    segment_type: str
    subject: str
    enrolled_at: datetime
    template_content: str
    subject_line: str | None
    token: str


@dataclass(slots=True)
class Authorized:
    """What became of a window of due deliveries."""

    claims: list[Claim] = field(default_factory=list)
    deferred: int = 0
    skipped: int = 0
    left: int = 0  # due, but their doctors were locked: another lane writes to them just now


@dataclass(slots=True)
class _Outcomes:
    send: list[tuple[Row, Person, str]] = field(default_factory=list)
    defer: list[tuple[Row, Defer]] = field(default_factory=list)
    skip: list[tuple[Row, Skip]] = field(default_factory=list)


def authorize_due(channel: str, now: datetime) -> Authorized:
    """Claim up to a window of what is due on a channel and decide each delivery.

    Writes the outcome: `sending` with claim, lease and an attempt; a later `scheduled_at` with the
    reason; or `skipped`. Returns the claims, to be handed over outside the transaction.
    """
    due = MessageDelivery.objects.due(channel, now)[: settings.SEND_WINDOW_SIZE]
    return _authorize(due.select_for_update(skip_locked=True, of=("self",)), now)


def authorize_one(delivery_id: uuid.UUID, channel: str, now: datetime) -> Authorized:
    """The same for one given delivery, if it is due on the channel."""
    one = MessageDelivery.objects.due(channel, now).filter(pk=delivery_id)
    return _authorize(one.select_for_update(skip_locked=True, of=("self",)), now)


@transaction.atomic
def _authorize(due: QuerySet[MessageDelivery], now: datetime) -> Authorized:
    rows = list(due.values_list("pk", "doctor_id", "channel"))
    if not rows:
        return Authorized()
    people = _lock({doctor_id for _, doctor_id, _ in rows})
    ids = [pk for pk, doctor_id, _ in rows if doctor_id in people]
    left = len(rows) - len(ids)
    if not ids:
        return Authorized(left=left)
    batch = load_batch(ids, people.values(), now)
    outcomes = _decide_all(batch)
    claims = _write_sending(outcomes.send, now, rows[0][2])
    _write_deferred(outcomes.defer)
    _write_skipped(outcomes.skip)
    return Authorized(claims, len(outcomes.defer), len(outcomes.skip), left)


def _lock(doctor_ids: set[int]) -> dict[int, Person]:
    """Lock the doctors in id order, but those that somebody else holds."""
    locked = Doctor.objects.filter(pk__any_of=doctor_ids).order_by("pk")
    locked = locked.select_for_update(no_key=True, skip_locked=True)
    people = locked.values_list("id", "timezone", "email", "phone", "whatsapp", "consent_version")
    return {row[0]: Person(*row) for row in people}


def _decide_all(batch: Batch) -> _Outcomes:
    """Decide each delivery, a doctor's better-ranked ones first; what is sent counts at once."""
    outcomes = _Outcomes()

    in_rank = sorted(batch.rows.values(), key=lambda row: batch.plan.rank(row.doctor_id, row.id))
    for row in in_rank:
        decision = decide(batch.now, batch.facts(row))
        if isinstance(decision, Send):
            person = batch.people[row.doctor_id]
            outcomes.send.append((row, person, person.address(row.channel) or ""))
            batch.took(row)
        elif isinstance(decision, Defer):
            outcomes.defer.append((row, decision))
        else:
            outcomes.skip.append((row, decision))
            batch.plan.done(row.doctor_id, row.id)  # it takes no room from the doctor's others
    return outcomes


def trace_json(trace: Sequence[Verdict]) -> str:
    """The gates' verdicts as the JSON that the admin shows."""
    return json.dumps([{"gate": v.gate, "verdict": v.verdict, "detail": v.detail} for v in trace])


def _write_sending(
    send: Sequence[tuple[Row, Person, str]], now: datetime, channel: str
) -> list[Claim]:
    """Write claim, lease, link and attempt of each, before any provider hears of them."""
    if not send:
        return []
    claim_id = uuid7()
    claims = [_claim(row, recipient, claim_id) for row, _, recipient in send]
    targets = [definition(row.segment_type).cta_url(row.subject) for row, _, _ in send]
    account = ProviderAccount.objects.filter(
        channel=channel, provider=settings.MESSAGE_PROVIDERS[channel]
    ).values_list("pk", flat=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE message_deliveries m
            SET status = 'sending', claim_id = %s, lease_expires_at = %s, trace = NULL,
                token = v.token, target_url = v.target
            FROM unnest(%s::uuid[], %s::text[], %s::text[]) AS v(id, token, target)
            WHERE m.id = v.id
            """,
            [
                claim_id,
                now + settings.SEND_LEASE,
                [claim.delivery_id for claim in claims],
                [claim.token for claim in claims],
                targets,
            ],
        )
        cursor.execute(
            """
            INSERT INTO delivery_attempts
                (delivery_id, user_id, channel, claim_id, account_id, authorised_at,
                 consent_version, timezone)
            SELECT v.id, v.doctor, %s, %s, %s, %s, v.version, v.zone
            FROM unnest(%s::uuid[], %s::int[], %s::int[], %s::text[])
                AS v(id, doctor, version, zone)
            """,
            [
                channel,
                claim_id,
                account.first(),
                now,
                [row.id for row, _, _ in send],
                [row.doctor_id for row, _, _ in send],
                [person.consent_version for _, person, _ in send],
                [person.timezone for _, person, _ in send],
            ],
        )
    return claims


def _claim(row: Row, recipient: str, claim_id: uuid.UUID) -> Claim:
    return Claim(
        delivery_id=row.id,
        claim_id=claim_id,
        doctor_id=row.doctor_id,
        channel=row.channel,
        recipient=recipient,
        segment_type=row.segment_type,
        subject=row.subject,
        enrolled_at=row.enrolled_at,
        template_content=row.template_content,
        subject_line=row.subject_line,
        token=row.token or secrets.token_urlsafe(16),
    )


def _write_deferred(defer: Sequence[tuple[Row, Defer]]) -> None:
    if not defer:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE message_deliveries m SET scheduled_at = v.until, trace = v.trace::jsonb
            FROM unnest(%s::uuid[], %s::timestamptz[], %s::text[]) AS v(id, until, trace)
            WHERE m.id = v.id
            """,
            [
                [row.id for row, _ in defer],
                [decision.until for _, decision in defer],
                [trace_json(decision.trace) for _, decision in defer],
            ],
        )


def _write_skipped(skip: Sequence[tuple[Row, Skip]]) -> None:
    if not skip:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE message_deliveries m
            SET status = 'skipped', skip_reason = v.reason, skip_detail = v.detail,
                trace = v.trace::jsonb
            FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[])
                AS v(id, reason, detail, trace)
            WHERE m.id = v.id
            """,
            [
                [row.id for row, _ in skip],
                [str(decision.reason) for _, decision in skip],
                [decision.trace[-1].detail[:200] for _, decision in skip],
                [trace_json(decision.trace) for _, decision in skip],
            ],
        )
