"""Third of the three steps of sending: write what became of each hand-off.

The claim id is the fencing token: a result counts only where the delivery still carries the
claim under which it was handed over.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection

from messaging.authorize import Claim
from messaging.models import AttemptOutcome, DeliveryStatus
from messaging.providers.base import Accepted, Receipt, Refused

# Wait before a message is offered again that the provider refused for now.
RETRY_AFTER = timedelta(minutes=5)


@dataclass(slots=True)
class Tally:
    """How many deliveries ended in which way."""

    sent: int = 0
    failed: int = 0
    retried: int = 0
    unknown: int = 0
    deferred: int = 0
    skipped: int = 0
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
    external_id: str | None
    code: str
    error: str
    retry_at: datetime | None


def _outcome(receipt: Receipt, now: datetime) -> _Outcome:
    """What a receipt means for the delivery and its attempt."""
    if isinstance(receipt, Accepted):
        return _Outcome(
            DeliveryStatus.SENT, AttemptOutcome.ACCEPTED, receipt.external_id, "", "", None
        )
    if isinstance(receipt, Refused):
        words = f"{receipt.message} ({receipt.code})"
        if receipt.permanent:
            return _Outcome(
                DeliveryStatus.FAILED, AttemptOutcome.REFUSED, None, receipt.code, words, None
            )
        retry_at = now + (receipt.retry_after or RETRY_AFTER)
        return _Outcome(
            DeliveryStatus.SCHEDULED, AttemptOutcome.REFUSED, None, receipt.code, words, retry_at
        )
    return _Outcome(DeliveryStatus.UNKNOWN, AttemptOutcome.UNKNOWN, None, "", receipt.error, None)


# A callback may have come first: then the delivery is past `sending` and keeps what it says.
# Rows are locked in key order, here and in track.py, so that the two never wait in a circle.
_RECORD = """
    WITH v AS (
        SELECT * FROM unnest(
            %(ids)s::uuid[], %(status)s::text[], %(attempt)s::text[], %(external_id)s::text[],
            %(code)s::text[], %(error)s::text[], %(retry_at)s::timestamptz[]
        ) AS v(id, status, attempt, external_id, code, error, retry_at)
    ), locked AS MATERIALIZED (
        SELECT v.* FROM v JOIN message_deliveries m ON m.id = v.id
        WHERE m.claim_id = %(claim)s
        ORDER BY m.id FOR NO KEY UPDATE OF m
    ), attempts AS (
        UPDATE delivery_attempts a
        SET outcome = v.attempt, counts = v.attempt <> 'refused',
            finished_at = %(now)s, external_id = v.external_id, error_code = v.code,
            error_message = v.error
        FROM v
        WHERE a.delivery_id = v.id AND a.claim_id = %(claim)s
          AND a.outcome IN ('pending', 'unknown')
    ), deliveries AS (
        UPDATE message_deliveries m
        SET status = CASE WHEN m.status IN ('sending', 'unknown') THEN v.status ELSE m.status END,
            sent_at = CASE WHEN v.status = 'sent' THEN COALESCE(m.sent_at, %(now)s) END,
            external_id = COALESCE(v.external_id, m.external_id),
            error_message = CASE WHEN m.status IN ('sending', 'unknown')
                THEN NULLIF(v.error, '') ELSE m.error_message END,
            failed_at = CASE WHEN v.status = 'failed' THEN %(now)s ELSE m.failed_at END,
            scheduled_at = COALESCE(v.retry_at, m.scheduled_at),
            lease_expires_at = NULL
        FROM locked v
        WHERE m.id = v.id AND m.claim_id = %(claim)s
          AND (m.status IN ('sending', 'unknown') OR v.status = 'sent')
        RETURNING v.status
    )
    SELECT status, count(*) FROM deliveries GROUP BY status
"""


def record(
    claims: Sequence[Claim], receipts: Sequence[Receipt], now: datetime, tally: Tally
) -> None:
    """Write one receipt for each claim of a window and add them to the tally."""
    outcomes = [_outcome(receipt, now) for receipt in receipts]
    columns = dict(zip(_Outcome._fields, map(list, zip(*outcomes, strict=True)), strict=True))
    ids = [claim.delivery_id for claim in claims]
    with connection.cursor() as cursor:  # one statement: both tables or neither
        cursor.execute(_RECORD, {**columns, "ids": ids, "claim": claims[0].claim_id, "now": now})
        counts: dict[str, int] = dict(cursor.fetchall())
    tally.sent += counts.get(DeliveryStatus.SENT, 0)
    tally.failed += counts.get(DeliveryStatus.FAILED, 0)
    tally.retried += counts.get(DeliveryStatus.SCHEDULED, 0)
    tally.unknown += counts.get(DeliveryStatus.UNKNOWN, 0)


@dataclass(frozen=True, slots=True)
class Unsent:
    """A claimed delivery that no provider heard of, and why."""

    claim: Claim
    status: DeliveryStatus  # skipped (a variable is missing), failed (broken), scheduled (retry)
    detail: str


# The attempt reached nobody, so it does not count for the caps.
_RECORD_UNSENT = """
    WITH v AS (
        SELECT * FROM unnest(%(ids)s::uuid[], %(status)s::text[], %(detail)s::text[])
            AS v(id, status, detail)
    ), attempts AS (
        UPDATE delivery_attempts a
        SET outcome = 'released', counts = false, finished_at = %(now)s, error_message = v.detail
        FROM v
        WHERE a.delivery_id = v.id AND a.claim_id = %(claim)s AND a.outcome = 'pending'
    ), deliveries AS (
        UPDATE message_deliveries m
        SET status = v.status, lease_expires_at = NULL,
            skip_reason = CASE WHEN v.status = 'skipped' THEN 'missing_variable' END,
            skip_detail = CASE WHEN v.status = 'skipped' THEN left(v.detail, 200) ELSE '' END,
            error_message = CASE WHEN v.status = 'failed' THEN v.detail END,
            failed_at = CASE WHEN v.status = 'failed' THEN %(now)s::timestamptz END,
            scheduled_at = CASE
                WHEN v.status = 'scheduled' THEN %(retry_at)s ELSE m.scheduled_at END
        FROM v
        WHERE m.id = v.id AND m.claim_id = %(claim)s AND m.status = 'sending'
        RETURNING v.status
    )
    SELECT status, count(*) FROM deliveries GROUP BY status
"""


def record_unsent(unsent: Sequence[Unsent], now: datetime, tally: Tally) -> None:
    """Write what became of claims of one window that were not handed over."""
    values: dict[str, Any] = {
        "ids": [item.claim.delivery_id for item in unsent],
        "status": [str(item.status) for item in unsent],
        "detail": [item.detail for item in unsent],
        "claim": unsent[0].claim.claim_id,
        "now": now,
        "retry_at": now + RETRY_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECORD_UNSENT, values)
        counts: dict[str, int] = dict(cursor.fetchall())
    tally.skipped += counts.get(DeliveryStatus.SKIPPED, 0)
    tally.failed += counts.get(DeliveryStatus.FAILED, 0)
    tally.retried += counts.get(DeliveryStatus.SCHEDULED, 0)


def reap(now: datetime) -> int:
    """Turn every `sending` whose lease ran out into `unknown`: its worker died or hangs.

    It may have reached the provider, so it is never sent again on its own. Returns how many.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH expired AS MATERIALIZED (
                SELECT id FROM message_deliveries
                WHERE status = 'sending' AND lease_expires_at < %(now)s
                ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
            ), lost AS (
                UPDATE message_deliveries m
                SET status = 'unknown', lease_expires_at = NULL,
                    error_message = 'The sender stopped in the middle; it may have gone out.'
                FROM expired WHERE m.id = expired.id
                RETURNING m.id, m.claim_id
            ), attempts AS (
                UPDATE delivery_attempts a SET outcome = 'unknown', finished_at = %(now)s
                FROM lost
                WHERE a.delivery_id = lost.id AND a.claim_id = lost.claim_id
                  AND a.outcome = 'pending'
            )
            SELECT count(*) FROM lost
            """,
            {"now": now},
        )
        (count,) = cursor.fetchone()
    return int(count)
