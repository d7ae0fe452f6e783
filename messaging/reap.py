"""Windows whose worker is gone: what nobody heard of goes back, the rest is unknown.

A worker may be only frozen. Whether a window was handed over is decided by one row, which the
worker marks before its first call and the reaper takes away: only one of the two can win.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

from django.db import connection, transaction

# A delivery whose preparation ended its worker so often has failed.
MOST_CRASHES = 3

_TAKE = """
    DELETE FROM send_windows WHERE claim_id IN (
        SELECT claim_id FROM send_windows WHERE lease_expires_at < %(now)s
        ORDER BY claim_id FOR UPDATE SKIP LOCKED
    )
    RETURNING claim_id, delivery_ids, handed_over_at IS NOT NULL
"""
# All rows are locked first, in key order as in record.py and track.py: nobody waits in a circle.
_LOCK = """
    SELECT FROM message_deliveries WHERE id = ANY(%(ids)s) AND claim_id = ANY(%(claims)s)
    ORDER BY id FOR NO KEY UPDATE
"""
# A report may have come first: then the delivery is past `sending` and keeps what it says, and
# only its attempt is settled.
_LOST = """
    WITH attempts AS (
        UPDATE delivery_attempts
        SET outcome = 'unknown', finished_at = %(now)s,
            error_message = 'The sender stopped in the middle.'
        WHERE delivery_id = ANY(%(ids)s) AND claim_id = ANY(%(claims)s) AND outcome = 'pending'
    )
    UPDATE message_deliveries
    SET status = 'unknown',
        error_message = 'The sender stopped in the middle; it may have gone out.'
    WHERE id = ANY(%(ids)s) AND claim_id = ANY(%(claims)s) AND status = 'sending'
"""
_GIVEN_BACK = """
    WITH attempts AS (
        UPDATE delivery_attempts
        SET outcome = 'released', counts = false, finished_at = %(now)s,
            error_message = 'The sender stopped before it called the provider.'
        WHERE delivery_id = ANY(%(ids)s) AND claim_id = ANY(%(claims)s) AND outcome = 'pending'
    )
    UPDATE message_deliveries
    SET crashes = crashes + 1,
        status = CASE WHEN crashes + 1 < %(most)s THEN 'scheduled' ELSE 'failed' END,
        failed_at = CASE WHEN crashes + 1 < %(most)s THEN failed_at ELSE %(now)s END,
        error_message = CASE WHEN crashes + 1 < %(most)s THEN NULL
            ELSE 'The sender stopped ' || %(most)s || ' times while it prepared this message.' END
    WHERE id = ANY(%(ids)s) AND claim_id = ANY(%(claims)s) AND status = 'sending'
"""


@transaction.atomic
def reap(now: datetime) -> int:
    """Take every window whose lease ran out from its worker.

    Handed over: it may have reached the provider, so it is unknown and never sent again on its
    own. Not handed over: it goes back, and is prepared alone from then on, so that a message that
    ends its workers takes no other with it; after the third time it has failed. Returns how many
    deliveries became unknown.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, {"now": now})
        windows: list[tuple[uuid.UUID, list[uuid.UUID], bool]] = cursor.fetchall()
        cursor.execute(_LOCK, _rows(windows, now))
        cursor.execute(_LOST, _rows([w for w in windows if w[2]], now))
        count = int(cursor.rowcount)
        cursor.execute(_GIVEN_BACK, _rows([w for w in windows if not w[2]], now))
    return count


def _rows(windows: list[tuple[uuid.UUID, list[uuid.UUID], bool]], now: datetime) -> dict[str, Any]:
    return {
        "claims": [claim_id for claim_id, _, _ in windows],
        "ids": [delivery_id for _, ids, _ in windows for delivery_id in ids],
        "now": now,
        "most": MOST_CRASHES,
    }
