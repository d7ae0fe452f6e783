"""First of the three steps of sending: claim what is due and decide each, in one transaction.

The lock on the doctor is what makes caps and opt-outs hold: whoever writes to a doctor, or takes
an opt-out, holds it. Deliveries and doctors that somebody else has locked are left for the next
round (SKIP LOCKED), so that lanes neither wait for each other nor deadlock.
"""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import QuerySet
from uuid_utils.compat import uuid7

from messaging import undecidable
from messaging.facts import Batch, Person, Row, Step, load_batch
from messaging.links import remember
from messaging.links.target import with_query
from messaging.models import MessageDelivery
from messaging.policy import Defer, Send, Skip, Verdict, decide
from messaging.providers.base import clock
from segments.definitions import definition
from segments.models import Doctor
from segments.models.fields import array


class Claim(NamedTuple):
    """One delivery that may be handed to its provider now, by the holder of `claim_id` only."""

    delivery_id: uuid.UUID
    claim_id: uuid.UUID
    doctor_id: int
    channel: str
    recipient: str
    subject: str
    enrolled_at: datetime
    expires_at: datetime
    step: Step
    token: str
    target_url: str
    is_free_text: bool  # on WhatsApp, in an open session


@dataclass(slots=True)
class Authorized:
    """What became of a window of due deliveries."""

    claims: list[Claim] = field(default_factory=list)
    at: float = field(default_factory=clock)  # on the providers' clock, when it was committed
    deferred: int = 0
    skipped: int = 0
    left: int = 0  # due, but their doctors were locked: another lane writes to them just now

    def __bool__(self) -> bool:
        """Whether anything was due."""
        return bool(self.claims or self.deferred or self.skipped or self.left)


# A row that ended its worker is prepared among few others, and the second time alone, so that what
# was in the same window by chance is not held up by it.
_WINDOWS = {1: 30, 2: 1}


class _Sending(NamedTuple):
    row: Row
    recipient: str
    is_free_text: bool


@dataclass(slots=True)
class _Outcomes:
    send: list[_Sending] = field(default_factory=list)
    defer: list[tuple[Row, Defer]] = field(default_factory=list)
    skip: list[tuple[Row, Skip]] = field(default_factory=list)


def authorize_due(
    channel: str,
    now: datetime,
    size: int | None = None,
    account_id: int | None = None,
    *,
    crashed_first: bool = False,
) -> Authorized:
    """Claim up to `size` of what is due on a channel, else SEND_WINDOW_SIZE, and decide each.

    Writes the outcome: `sending` with claim, lease and an attempt; a later `scheduled_at` with the
    reason; or `skipped`. Returns the claims, to be handed over outside the transaction. What has
    ended a worker before comes last, or first where `crashed_first`.
    """
    size = size or settings.SEND_WINDOW_SIZE
    due = MessageDelivery.objects.due(channel, now)
    windows = [due.filter(crashes=0)[:size]]
    windows += [due.filter(crashes=n)[: min(most, size)] for n, most in _WINDOWS.items()]
    for window in reversed(windows) if crashed_first else windows:
        authorized = _authorize(window, now, account_id)
        if authorized:
            break
    return authorized


def authorize_one(
    delivery_id: uuid.UUID, channel: str, now: datetime, account_id: int | None = None
) -> Authorized:
    """The same for one given delivery, if it is due on the channel."""
    return _authorize(
        MessageDelivery.objects.due(channel, now).filter(pk=delivery_id), now, account_id
    )


def _authorize(due: QuerySet[MessageDelivery], now: datetime, account_id: int | None) -> Authorized:
    began = clock()  # before the commit: whoever is frozen after it has not just authorised
    try:
        with transaction.atomic():
            authorized = _decide_and_write(due, now, account_id)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise  # of the machine, not of a message
    except Exception as error:  # noqa: BLE001  it is found, logged and raised, or put off
        return Authorized(deferred=_set_aside(due, now, account_id, error))
    authorized.at = began
    remember.keep((c.token, c.delivery_id, c.target_url) for c in authorized.claims)
    return authorized


def _set_aside(
    due: QuerySet[MessageDelivery], now: datetime, account_id: int | None, error: Exception
) -> int:
    """Put off what raised `error`, so that the others go; raises it where it was nobody's."""

    def rehearse(delivery_ids: Sequence[uuid.UUID]) -> None:
        with transaction.atomic():
            part = MessageDelivery.objects.filter(pk__in=delivery_ids, status="scheduled")
            _decide_and_write(part, now, account_id)
            transaction.set_rollback(True)

    by_step = sorted(due.values_list("campaign_message_id", "pk"))
    count = undecidable.set_aside([pk for _, pk in by_step], now, rehearse)
    if not count:
        raise error
    return count


def _decide_and_write(
    due: QuerySet[MessageDelivery], now: datetime, account_id: int | None
) -> Authorized:
    due = due.select_for_update(skip_locked=True, of=("self",))
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
    claims = _write_sending(outcomes.send, now, rows[0][2], account_id)
    _write_deferred(outcomes.defer)
    _write_skipped(outcomes.skip)
    return Authorized(claims, deferred=len(outcomes.defer), skipped=len(outcomes.skip), left=left)


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
            recipient = person.address(row.channel) or ""
            outcomes.send.append(_Sending(row, recipient, batch.goes_as_text(row)))
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


_SENDING = """
    WITH held AS (
        INSERT INTO send_windows
            (claim_id, channel, account_id, delivery_ids, authorised_at, lease_expires_at)
        VALUES (%(claim)s, %(channel)s, %(account)s, %(ids)s::uuid[], %(now)s, %(lease)s)
    ), sending AS (
        UPDATE message_deliveries m
        SET status = 'sending', claim_id = %(claim)s, trace = NULL, token = v.token,
            target_url = v.target
        FROM unnest(%(ids)s::uuid[], %(tokens)s::text[], %(targets)s::text[])
            AS v(id, token, target)
        WHERE m.id = v.id
        RETURNING m.id, m.user_id
    )
    INSERT INTO delivery_attempts
        (delivery_id, user_id, channel, claim_id, account_id, authorised_at, consent_version,
         timezone, price)
    SELECT s.id, d.id, %(channel)s, %(claim)s, %(account)s, %(now)s, d.consent_version, d.timezone,
           (SELECT NULLIF(price_per_message, 0) FROM provider_accounts WHERE id = %(account)s)
    FROM sending s JOIN doctors d ON d.id = s.user_id
"""


def _write_sending(
    send: Sequence[_Sending], now: datetime, channel: str, account_id: int | None
) -> list[Claim]:
    """Write window, claim, link and attempt of each, before any provider hears of them."""
    if not send:
        return []
    claim_id = uuid7()
    claims = [
        _claim(sending, claim_id, token)
        for sending, token in zip(send, _tokens(len(send)), strict=True)
    ]
    values: dict[str, Any] = {
        "claim": claim_id,
        "channel": channel,
        "account": account_id,
        "now": now,
        "lease": now + settings.SEND_LEASE,
        "ids": array(claim.delivery_id for claim in claims),
        "tokens": array(claim.token for claim in claims),
        "targets": array(claim.target_url for claim in claims),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SENDING, values)
    return claims


def _claim(sending: _Sending, claim_id: uuid.UUID, token: str) -> Claim:
    row, recipient, is_free_text = sending
    return Claim(
        row.id,
        claim_id,
        row.doctor_id,
        row.channel,
        recipient,
        row.subject,
        row.enrolled_at,
        row.expires_at,
        row.step,
        row.token or token,
        with_query(
            definition(row.segment_type).cta_url(row.subject), row.step.query_on(row.channel)
        ),
        is_free_text,
    )


def _tokens(count: int) -> list[str]:
    """So many of what secrets.token_urlsafe(16) gives, with one call to the system."""
    drawn = secrets.token_bytes(16 * count)
    return [
        base64.urlsafe_b64encode(drawn[at : at + 16])[:22].decode()
        for at in range(0, 16 * count, 16)
    ]


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


_EXPIRED = """
    WITH late AS MATERIALIZED (
        SELECT id FROM message_deliveries
        WHERE status = 'scheduled' AND channel = %(channel)s AND scheduled_at <= %(now)s
          AND expires_at <= %(now)s
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE message_deliveries m
    SET status = 'skipped', skip_reason = 'too_late', skip_detail = left(%(why)s, 200),
        trace = jsonb_build_array(
            jsonb_build_object('gate', 'account', 'verdict', 'defer', 'detail', %(why)s),
            jsonb_build_object('gate', 'in time', 'verdict', 'skip', 'detail', ''))
    FROM late WHERE m.id = late.id
"""


def skip_expired(channel: str, now: datetime, why: str) -> int:
    """Skip what expired while the channel's account waited; `why` says for what. How many."""
    with connection.cursor() as cursor:
        cursor.execute(_EXPIRED, {"channel": channel, "now": now, "why": why})
        return int(cursor.rowcount)


_HAND_OVER = """
    WITH held AS (
        UPDATE send_windows SET handed_over_at = %(now)s
        WHERE claim_id = %(claim)s AND lease_expires_at > %(now)s AND handed_over_at IS NULL
        RETURNING claim_id
    )
    INSERT INTO handed_over (claim_id, at, contents)
    SELECT claim_id, %(now)s, %(contents)s::jsonb FROM held
"""


def hand_over(claim_id: uuid.UUID, now: datetime, contents: str = "{}") -> bool:
    """Mark that providers may hear of the window from now on, and keep what they will hear.

    `contents`: as HandedOver has it, in JSON. False: the window was taken away, or may be at any
    moment, since its lease is over.
    """
    with connection.cursor() as cursor:
        cursor.execute(_HAND_OVER, {"claim": claim_id, "now": now, "contents": contents})
        return bool(cursor.rowcount)
