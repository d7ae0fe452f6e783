"""Reports become facts: provider events, clicks and opens are stored as they come, then folded.

delivered_at, opened_at and clicked_at are filled with the earliest time reported and the status is
the highest rank reached, so late, doubled and shuffled reports change nothing.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import connection, transaction

from messaging.links import timing
from messaging.models import EventKind, MessageDelivery
from messaging.record import storable

logger = logging.getLogger(__name__)

BATCH = 5_000
MOST_KEY = 300  # characters of an event key
# An event that names a message which is not known is tried again for so long after it came.
TRY_AGAIN_FOR = timedelta(days=1)
TOKEN = re.compile(r"[\w-]{22}", re.ASCII)  # what secrets.token_urlsafe(16) gives


@dataclass(frozen=True, slots=True)
class Event:
    """One report about a message, named by our delivery id or by the provider's own id."""

    provider: str
    key: str  # unique within the provider; the same report twice has the same key
    kind: EventKind
    occurred_at: datetime
    delivery_id: uuid.UUID | None = None
    external_id: str = ""
    is_machine: bool = False
    detail: dict[str, Any] = field(default_factory=dict)  # `error` and `code`: why it failed
    verdict: str = ""  # what it says of the channel (messaging.models.Verdict)


# One parameter: an array of each column costs this process far more to write than to send.
_STORE = """
    INSERT INTO provider_events
        (provider, event_key, kind, delivery_id, external_id, occurred_at, received_at,
         is_machine, detail, verdict)
    SELECT v.provider, v.key, v.kind, m.id, v.external_id, v.occurred_at, %(now)s, v.is_machine,
           CASE WHEN v.delivery IS NULL OR m.id IS NOT NULL THEN v.detail
                ELSE v.detail || jsonb_build_object('unknown_delivery', v.delivery) END,
           v.verdict
    FROM jsonb_to_recordset(%(events)s::jsonb) AS v(
        provider text, key text, kind text, delivery uuid, external_id text,
        occurred_at timestamptz, is_machine bool, detail jsonb, verdict text)
    LEFT JOIN message_deliveries m ON m.id = v.delivery
    ORDER BY v.provider, v.key  -- the same events come twice at once: nobody waits in a circle
    ON CONFLICT (provider, event_key) DO NOTHING
"""
# As JSON writes them: NUL, and halves of a character, alone or together.
_DOUBTFUL = re.compile(r"\\u(?:0000|d[89a-f])")


def store(events: Iterable[Event], now: datetime) -> int:
    """Keep the raw events, each once; returns how many were new."""
    stored = 0
    remaining = iter(events)
    while batch := list(islice(remaining, BATCH)):
        with connection.cursor() as cursor:
            cursor.execute(_STORE, {"now": now, "events": _json([_row(event) for event in batch])})
            stored += int(cursor.rowcount)
    return stored


def _row(event: Event) -> dict[str, Any]:
    return {
        "provider": event.provider,
        "key": _fitting(event.key),
        "kind": event.kind,
        "delivery": event.delivery_id and str(event.delivery_id),
        "external_id": storable(event.external_id)[:255],
        "occurred_at": event.occurred_at.isoformat(),
        "is_machine": event.is_machine,
        "detail": event.detail,
        "verdict": event.verdict,
    }


def _json(rows: list[dict[str, Any]]) -> str:
    """As PostgreSQL can keep it; looked at value by value only where the whole is doubtful."""
    try:
        written = json.dumps(rows, allow_nan=False)
    except ValueError:
        return json.dumps(_storable(rows))
    return json.dumps(_storable(rows)) if _DOUBTFUL.search(written) else written


def _fitting(key: str) -> str:
    """A key that the column holds: a longer one is told by its digest."""
    key = storable(key)
    return key if len(key) <= MOST_KEY else hashlib.sha256(key.encode()).hexdigest()


def _storable(value: Any) -> Any:
    """What PostgreSQL can keep of a report's detail: one that it refuses would hold up the rest."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None  # which JSON has no word for
    if isinstance(value, dict):
        return {_storable(name): _storable(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(inner) for inner in value]
    return value


# Events are claimed with SKIP LOCKED, so that two lanes never fold the same ones; folding them
# twice would change nothing. One that names no message that is known and on its way is put aside
# and tried again: our own record of the call may not be written yet.
# A report that names our delivery and another id than any of its hand-offs had is about another
# message: it counts for the one that has the id, or for none. An id that is not written yet may be.
# A click means that it was read, and an open that it arrived, whatever else was reported.
# What a person sends again is `scheduled` once more: a report that the first copy arrived settles
# it, and the second one stays here.
_APPLY = """
    WITH picked AS MATERIALIZED (
        SELECT * FROM provider_events
        WHERE processed_at IS NULL AND kind <> 'inbound' AND {which} AND id > %(after)s
        ORDER BY id LIMIT %(limit)s
        FOR UPDATE SKIP LOCKED
    ), named AS MATERIALIZED (
        SELECT p.*, m.id AS target,
               p.delivery_id IS NOT NULL AND p.delivery_id IS DISTINCT FROM o.id AS is_other,
               p.is_machine OR p.provider = 'link' AND {by_machine} AS by_machine
        FROM picked p
        LEFT JOIN LATERAL (
            SELECT p.delivery_id AS id WHERE p.external_id = '' OR EXISTS (
                SELECT FROM message_deliveries x
                WHERE x.id = p.delivery_id AND (
                    x.external_id IS NULL OR x.external_id = p.external_id OR EXISTS (
                        SELECT FROM delivery_attempts w
                        WHERE w.delivery_id = x.id AND (w.external_id = p.external_id
                            OR w.external_id IS NULL
                            AND w.outcome IN ('pending', 'unknown', 'written_off')))))
        ) o ON true
        LEFT JOIN message_deliveries m
          ON m.id = COALESCE(o.id, (
                SELECT x.id FROM message_deliveries x
                WHERE p.external_id <> '' AND x.external_id = p.external_id LIMIT 1))
    ), folded AS (
        SELECT target,
               min(occurred_at) AS first_at,
               min(occurred_at) FILTER (WHERE kind IN ('delivered', 'opened', 'clicked'))
                   AS delivered_at,
               min(occurred_at) FILTER (WHERE kind IN ('opened', 'clicked')) AS opened_at,
               min(occurred_at) FILTER (WHERE kind = 'clicked') AS clicked_at,
               min(occurred_at) FILTER (WHERE kind = 'failed') AS failed_at,
               max(NULLIF(detail->>'error', '')) FILTER (WHERE kind = 'failed') AS error
        FROM named WHERE NOT by_machine AND target IS NOT NULL
        GROUP BY target
    ), locked AS MATERIALIZED (  -- in key order, as in record.py
        SELECT f.*, m.status FROM folded f JOIN message_deliveries m ON m.id = f.target
        WHERE {open}
        ORDER BY m.id FOR NO KEY UPDATE OF m
    ), facts AS (
        UPDATE message_deliveries m
        SET sent_at = COALESCE(m.sent_at, f.first_at),
            delivered_at = LEAST(m.delivered_at, f.delivered_at),
            opened_at = LEAST(m.opened_at, f.opened_at),
            clicked_at = LEAST(m.clicked_at, f.clicked_at),
            failed_at = LEAST(m.failed_at, f.failed_at),
            error_message = CASE
                WHEN f.failed_at IS NULL THEN m.error_message
                ELSE COALESCE(m.error_message, f.error, 'The provider could not deliver it.') END,
            status = CASE
                WHEN COALESCE(m.clicked_at, f.clicked_at) IS NOT NULL THEN 'clicked'
                WHEN COALESCE(m.opened_at, f.opened_at) IS NOT NULL THEN 'opened'
                WHEN COALESCE(m.delivered_at, f.delivered_at) IS NOT NULL THEN 'delivered'
                WHEN COALESCE(m.failed_at, f.failed_at) IS NOT NULL THEN 'failed'
                ELSE 'sent' END
        FROM locked f
        WHERE m.id = f.target AND {open}
        RETURNING m.id
    ), arrived AS (  -- by the status under the lock: a lane may just have authorised it anew
        UPDATE delivery_attempts a SET outcome = 'accepted', counts = true
        FROM locked f
        WHERE f.status = 'scheduled' AND a.id = (
            SELECT w.id FROM delivery_attempts w
            WHERE w.delivery_id = f.target AND w.outcome = 'written_off'
            ORDER BY w.id DESC LIMIT 1)
    ), done AS (
        SELECT n.id, n.target, n.by_machine, n.is_other,
               n.target IS NOT NULL AND (n.by_machine OR f.id IS NOT NULL) AS is_done
        FROM named n LEFT JOIN facts f ON f.id = n.target
    ), marked AS (
        UPDATE provider_events e
        SET processed_at = CASE WHEN d.is_done THEN %(now)s::timestamptz END,
            parked_at = COALESCE(e.parked_at, CASE WHEN NOT d.is_done THEN %(now)s END),
            delivery_id = CASE WHEN d.is_other THEN d.target
                ELSE COALESCE(e.delivery_id, d.target) END,
            detail = CASE WHEN d.is_other
                THEN e.detail || jsonb_build_object('other_delivery', e.delivery_id)
                ELSE e.detail END,
            is_machine = d.by_machine
        FROM done d WHERE e.id = d.id
    )
    SELECT count(*), count(*) FILTER (WHERE is_done),
           (SELECT id FROM picked ORDER BY id DESC LIMIT 1), count(*) FILTER (WHERE is_other)
    FROM done
"""


_OPEN = """(m.status NOT IN ('scheduled', 'skipped')
            OR m.status = 'scheduled' AND f.delivered_at IS NOT NULL AND EXISTS (
                SELECT FROM delivery_attempts w
                WHERE w.delivery_id = m.id AND w.outcome = 'written_off'))"""
# A hit on a link is judged by the hits around it (links/timing.py), so it waits until those are in.
_NEW = "parked_at IS NULL AND (provider <> 'link' OR is_machine OR received_at <= %(settled)s)"
_PARKED = "parked_at IS NOT NULL AND received_at > %(since)s"
_APPLY_NEW = _APPLY.format(which=_NEW, open=_OPEN, by_machine=timing.BY_MACHINE)
_APPLY_PARKED = _APPLY.format(which=_PARKED, open=_OPEN, by_machine=timing.BY_MACHINE)


def apply_events(now: datetime) -> int:
    """Fold every new event into its delivery; returns how many were applied.

    One that names nothing that is on its way is put aside, for `retry_parked()`.
    """
    return _apply(_APPLY_NEW, now)


def retry_parked(now: datetime) -> int:
    """Look again, for a day, at what was put aside; returns how many were applied."""
    return _apply(_APPLY_PARKED, now)


def _apply(statement: str, now: datetime) -> int:
    applied = 0
    after: uuid.UUID | None = uuid.UUID(int=0)
    while after is not None:
        values: dict[str, Any] = {
            "now": now,
            "since": now - TRY_AGAIN_FOR,
            "settled": now - timing.SETTLES,
            **timing.values(),
            "after": after,
            "limit": BATCH,
        }
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement, values)
            picked, done, last, others = cursor.fetchone()
        if others:
            logger.warning("%s reports named a delivery and another one's id", others)
        applied += int(done)
        after = last if picked == BATCH else None
    return applied


def find_by_token(token: str) -> MessageDelivery | None:
    """The delivery that a link names; None: nobody's link."""
    if not TOKEN.fullmatch(token):
        return None
    return MessageDelivery.objects.filter(token=token).first()
