"""Reports become facts: provider events, clicks and opens are stored as they come, then folded.

delivered_at, opened_at and clicked_at are filled with the earliest time reported and the status is
the highest rank reached, so late, doubled and shuffled reports change nothing.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, transaction

from messaging.models import EventKind, MessageDelivery

BATCH = 5_000
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
    detail: dict[str, Any] = field(default_factory=dict)


_STORE = """
    INSERT INTO provider_events
        (provider, event_key, kind, delivery_id, external_id, occurred_at, received_at,
         is_machine, detail)
    SELECT v.provider, v.key, v.kind, v.delivery, v.external_id, v.occurred_at, %(now)s,
           v.is_machine, v.detail::jsonb
    FROM unnest(
        %(provider)s::text[], %(key)s::text[], %(kind)s::text[], %(delivery)s::uuid[],
        %(external_id)s::text[], %(occurred_at)s::timestamptz[], %(is_machine)s::bool[],
        %(detail)s::text[]
    ) AS v(provider, key, kind, delivery, external_id, occurred_at, is_machine, detail)
    ON CONFLICT (provider, event_key) DO NOTHING
"""


def store(events: Iterable[Event], now: datetime) -> int:
    """Keep the raw events, each once; returns how many were new."""
    stored = 0
    remaining = iter(events)
    while batch := list(islice(remaining, BATCH)):
        values: dict[str, Any] = {
            "now": now,
            "provider": [event.provider for event in batch],
            "key": [event.key for event in batch],
            "kind": [str(event.kind) for event in batch],
            "delivery": [event.delivery_id for event in batch],
            "external_id": [event.external_id for event in batch],
            "occurred_at": [event.occurred_at for event in batch],
            "is_machine": [event.is_machine for event in batch],
            "detail": [json.dumps(event.detail) for event in batch],
        }
        with connection.cursor() as cursor:
            cursor.execute(_STORE, values)
            stored += int(cursor.rowcount)
    return stored


# Events are claimed with SKIP LOCKED, so that two lanes never fold the same ones; folding them
# twice would change nothing. One that names no known delivery stays open and is found later.
# A click means that it was read, and an open that it arrived, whatever else was reported.
_APPLY = """
    WITH named AS (
        SELECT o.id, o.kind, o.occurred_at, o.is_machine, o.detail,
               COALESCE(o.delivery_id, m.id) AS target
        FROM provider_events o
        LEFT JOIN message_deliveries m
          ON o.delivery_id IS NULL AND o.external_id <> '' AND m.external_id = o.external_id
        WHERE o.processed_at IS NULL AND (o.delivery_id IS NOT NULL OR m.id IS NOT NULL)
        ORDER BY o.id LIMIT %(limit)s
        FOR UPDATE OF o SKIP LOCKED
    ), folded AS (
        SELECT target,
               min(occurred_at) AS first_at,
               min(occurred_at) FILTER (WHERE kind IN ('delivered', 'opened', 'clicked'))
                   AS delivered_at,
               min(occurred_at) FILTER (WHERE kind IN ('opened', 'clicked')) AS opened_at,
               min(occurred_at) FILTER (WHERE kind = 'clicked') AS clicked_at,
               min(occurred_at) FILTER (WHERE kind = 'failed') AS failed_at,
               max(detail->>'error') FILTER (WHERE kind = 'failed') AS error
        FROM named WHERE NOT is_machine
        GROUP BY target
    ), locked AS MATERIALIZED (  -- in key order, as in record.py
        SELECT f.* FROM folded f JOIN message_deliveries m ON m.id = f.target
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
            lease_expires_at = NULL,
            status = CASE
                WHEN COALESCE(m.clicked_at, f.clicked_at) IS NOT NULL THEN 'clicked'
                WHEN COALESCE(m.opened_at, f.opened_at) IS NOT NULL THEN 'opened'
                WHEN COALESCE(m.delivered_at, f.delivered_at) IS NOT NULL THEN 'delivered'
                WHEN COALESCE(m.failed_at, f.failed_at) IS NOT NULL THEN 'failed'
                ELSE 'sent' END
        FROM locked f
        WHERE m.id = f.target AND m.status NOT IN ('scheduled', 'skipped')
        RETURNING m.id
    ), done AS (
        UPDATE provider_events e SET processed_at = %(now)s, delivery_id = n.target
        FROM named n WHERE e.id = n.id
    )
    SELECT count(*) FROM named
"""


def apply_events(now: datetime) -> int:
    """Fold every stored event into its delivery; returns how many were applied."""
    applied: int = 0
    while True:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(_APPLY, {"now": now, "limit": BATCH})
            (named,) = cursor.fetchone()
        applied += int(named)
        if named < BATCH:
            return applied


def find_by_token(token: str) -> MessageDelivery | None:
    """The delivery that a link names; None: nobody's link."""
    if not TOKEN.fullmatch(token):
        return None
    return MessageDelivery.objects.filter(token=token).first()
