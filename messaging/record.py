"""Third of the three steps of sending: write what became of each hand-off.

The claim id is the fencing token: a result counts only where the delivery still carries the
claim under which it was handed over.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple, TypeVar

from django.db import InterfaceError, OperationalError, connection, transaction

from messaging.models import AttemptOutcome, DeliveryAttempt, DeliveryStatus, SkipReason
from messaging.providers.base import Accepted, NotSent, Receipt, Refused
from messaging.retry import next_try
from segments.models.fields import array

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Waits before an answer is written again that the database did not take: 25 s in all, which ends
# before the lease does.
PATIENCE = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 9.0)


@dataclass(slots=True)
class Tally:
    """How many deliveries ended in which way."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    unknown: int = 0
    deferred: int = 0
    skipped: int = 0
    given_back: int = 0  # authorised, but not begun: the provider was too slow, or unwell
    left: int = 0  # due, but left for the next round since their doctors were locked

    def __bool__(self) -> bool:
        return any(
            (self.sent, self.failed, self.retried, self.unknown, self.deferred, self.skipped)
        )

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            *(mine + more for mine, more in zip(astuple(self), astuple(other), strict=True))
        )


class _Outcome(NamedTuple):
    status: str
    attempt: str
    code: str = ""
    error: str = ""
    retry_at: datetime | None = None
    missing: str | None = None  # the variables without a value, where it is skipped for that


class Result(NamedTuple):
    """What became of one claimed delivery, ready to be written."""

    delivery_id: uuid.UUID
    claim_id: uuid.UUID
    outcome: _Outcome
    external_id: str | None = None
    sms_parts: int | None = None  # of an SMS that was handed over


_SENT = _Outcome(DeliveryStatus.SENT, AttemptOutcome.ACCEPTED)
_NOT_SENT = _Outcome(DeliveryStatus.SCHEDULED, AttemptOutcome.RELEASED)


def answered(
    delivery_id: uuid.UUID,
    claim_id: uuid.UUID,
    receipt: Receipt,
    retry_at: datetime | None = None,
) -> Result:
    """What a provider's receipt means; `retry_at`: when a refusal for now is tried again."""
    if isinstance(receipt, Accepted):
        return Result(delivery_id, claim_id, _SENT, storable(receipt.external_id)[:255])
    if isinstance(receipt, NotSent):
        return Result(delivery_id, claim_id, _NOT_SENT)
    if isinstance(receipt, Refused):
        return Result(delivery_id, claim_id, _refused(receipt, retry_at))
    words = storable(receipt.error) or "No clear answer."
    unknown = _Outcome(DeliveryStatus.UNKNOWN, AttemptOutcome.UNKNOWN, error=words)
    return Result(delivery_id, claim_id, unknown)


def _refused(receipt: Refused, retry_at: datetime | None) -> _Outcome:
    words = storable(f"{receipt.message} ({receipt.code})")
    if retry_at is None and not receipt.permanent:
        words = f"No further try is left. The last answer: {words}"
    status = DeliveryStatus.SCHEDULED if retry_at else DeliveryStatus.FAILED
    attempt = AttemptOutcome.RELEASED if is_of_all(receipt) else AttemptOutcome.REFUSED
    return _Outcome(status, attempt, storable(receipt.code)[:50], words, retry_at)


def is_of_all(refusal: Refused) -> bool:
    """Whether it says nothing of the message: then it does not use up one of its tries."""
    return refusal.is_outage or refusal.is_throttle


def storable(text: str) -> str:
    """What PostgreSQL can keep of a text from outside: a provider's garbage costs no answer."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode(errors="replace").decode()


def without_value(delivery_id: uuid.UUID, claim_id: uuid.UUID, names: Iterable[str]) -> Result:
    """A delivery that is skipped since variables have no value; nobody heard of it."""
    missing = ", ".join(names)
    skipped = _Outcome(
        DeliveryStatus.SKIPPED, AttemptOutcome.RELEASED, error=missing, missing=missing[:200]
    )
    return Result(delivery_id, claim_id, skipped)


def not_prepared(
    delivery_id: uuid.UUID, claim_id: uuid.UUID, why: str, retry_at: datetime | None = None
) -> Result:
    """A delivery that could not be prepared: for good, or until `retry_at`."""
    status = DeliveryStatus.SCHEDULED if retry_at else DeliveryStatus.FAILED
    outcome = _Outcome(status, AttemptOutcome.RELEASED, error=why, retry_at=retry_at)
    return Result(delivery_id, claim_id, outcome)


def retries(
    refused: Sequence[tuple[uuid.UUID, datetime, Refused]], now: datetime
) -> dict[uuid.UUID, datetime | None]:
    """When each delivery that was refused for now is tried again; None: never.

    `refused`: delivery, its expiry and the refusal. What an outage or a throttle refuses does not
    fail by it: at the latest it comes back when it expires, to be skipped as too late.
    """
    if not refused:
        return {}
    tried: dict[uuid.UUID, int] = {}
    attempts = DeliveryAttempt.objects.filter(
        delivery_id__any_of=[delivery_id for delivery_id, _, _ in refused],
        outcome=AttemptOutcome.REFUSED,
    )
    earlier = attempts.order_by().values_list("delivery_id", flat=True)
    for delivery_id in _persistently(lambda: list(earlier)):
        tried[delivery_id] = tried.get(delivery_id, 0) + 1
    return {
        delivery_id: next_try(1, now, expires_at, refusal.retry_after) or expires_at
        if is_of_all(refusal)
        else next_try(tried.get(delivery_id, 0) + 1, now, expires_at, refusal.retry_after)
        for delivery_id, expires_at, refusal in refused
    }


# A window has few outcomes and many deliveries, so each outcome is said once.
# A callback may have come first: then the delivery is past `sending` and keeps what it says. One
# that was given back meanwhile is no longer this claim's, although it still carries its id.
# Rows are locked in key order, here, in reap.py and in track.py, so that no two wait in a circle.
# An attempt that reached nobody does not count for the caps.
_RECORD = """
    WITH v AS (
        SELECT r.id, NULLIF(r.external_id, '') AS external_id,
            NULLIF(r.sms_parts, 0) AS sms_parts, o.*
        FROM unnest(%(ids)s::uuid[], %(external_ids)s::text[], %(outcomes)s::int[],
                    %(sms_parts)s::smallint[])
            AS r(id, external_id, outcome, sms_parts)
        JOIN unnest(%(status)s::text[], %(attempt)s::text[], %(code)s::text[], %(error)s::text[],
                    %(retry_at)s::timestamptz[], %(missing)s::text[])
            WITH ORDINALITY AS o(status, attempt, code, error, retry_at, missing, number)
          ON o.number = r.outcome
    ), locked AS MATERIALIZED (
        SELECT v.* FROM v JOIN message_deliveries m ON m.id = v.id
        WHERE m.claim_id = %(claim)s AND m.status NOT IN ('scheduled', 'skipped')
        ORDER BY m.id FOR NO KEY UPDATE OF m
    ), attempts AS (
        UPDATE delivery_attempts a
        SET outcome = v.attempt, counts = v.attempt NOT IN ('refused', 'released'),
            finished_at = %(now)s, external_id = v.external_id, error_code = v.code,
            error_message = v.error, sms_parts = COALESCE(v.sms_parts, a.sms_parts)
        FROM v
        WHERE a.delivery_id = v.id AND a.claim_id = %(claim)s
          AND a.outcome IN ('pending', 'unknown')
    ), deliveries AS (
        UPDATE message_deliveries m
        SET status = CASE WHEN m.status IN ('sending', 'unknown') THEN v.status ELSE m.status END,
            sent_at = CASE WHEN v.status = 'sent' THEN COALESCE(m.sent_at, %(now)s)
                           ELSE m.sent_at END,
            external_id = COALESCE(v.external_id, m.external_id),
            error_message = CASE WHEN m.status IN ('sending', 'unknown')
                THEN CASE WHEN v.missing IS NULL THEN NULLIF(v.error, '') END
                ELSE m.error_message END,
            skip_reason = CASE WHEN v.missing IS NOT NULL THEN %(missing_reason)s END,
            skip_detail = COALESCE(v.missing, ''),
            failed_at = CASE WHEN v.status = 'failed' THEN %(now)s ELSE m.failed_at END,
            scheduled_at = COALESCE(v.retry_at, m.scheduled_at)
        FROM locked v
        WHERE m.id = v.id
          AND (m.status IN ('sending', 'unknown') OR v.status = 'sent')
        RETURNING v.status, v.attempt
    )
    SELECT status, attempt, count(*) FROM deliveries GROUP BY status, attempt
"""


def record(results: Sequence[Result], now: datetime, tally: Tally, *, is_all: bool = True) -> None:
    """Write results, those of one claim all or none, and add them to the tally.

    `is_all`: with them the claim's window is done; else it stays its worker's, for the rest of it.
    Tried again for a while where the database is away: the answers are known nowhere else. A
    database error that lasts is raised; then the deliveries end as unknown.
    """
    for claim_id in dict.fromkeys(result.claim_id for result in results):
        values = _columns([result for result in results if result.claim_id == claim_id])
        values |= {"claim": claim_id, "now": now, "is_all": is_all}
        for status, attempt, count in _persistently(partial(_write, values)):
            _add(tally, status, attempt, count)


def _columns(results: Sequence[Result]) -> dict[str, Any]:
    """The parameters of _RECORD: deliveries, and the outcomes that they have by number, from 1."""
    numbers: dict[_Outcome, int] = {}
    outcomes = [numbers.setdefault(result.outcome, len(numbers) + 1) for result in results]
    said = dict(zip(_Outcome._fields, map(list, zip(*numbers, strict=True)), strict=True))
    return {
        "ids": array(result.delivery_id for result in results),
        "external_ids": array(result.external_id or "" for result in results),
        "outcomes": array(outcomes),
        "sms_parts": array(result.sms_parts or 0 for result in results),
        "missing_reason": SkipReason.MISSING_VARIABLE,
        **said,
    }


def _add(tally: Tally, status: str, attempt: str, count: int) -> None:
    if status == DeliveryStatus.SENT:
        tally.sent += count
    elif status == DeliveryStatus.FAILED:
        tally.failed += count
    elif status == DeliveryStatus.SKIPPED:
        tally.skipped += count
    elif status == DeliveryStatus.UNKNOWN:
        tally.unknown += count
    elif attempt == AttemptOutcome.REFUSED:
        tally.retried += count
    else:
        tally.given_back += count


def _persistently(work: Callable[[], T]) -> T:
    for wait in PATIENCE:
        try:
            return work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:  # the caller's transaction is lost with it
                raise
            logger.warning("results of a window not written yet: %s", type(error).__name__)
            connection.close()
            time.sleep(wait)
    return work()


def _write(values: dict[str, Any]) -> list[tuple[str, str, int]]:
    with transaction.atomic(), connection.cursor() as cursor:
        # The window first, as the reaper does.
        if values["is_all"]:
            cursor.execute("DELETE FROM send_windows WHERE claim_id = %(claim)s", values)
        else:
            cursor.execute("SELECT FROM send_windows WHERE claim_id = %(claim)s FOR UPDATE", values)
        cursor.execute(_RECORD, values)
        return list(cursor.fetchall())
