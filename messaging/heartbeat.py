"""Signs of life, one row for each process and each channel's lane; health and polling read them.

A row's time is the machine's own clock. One that lies in the future is as little a sign of life as
one long past: it was written before a clock was set back.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Q

from messaging.models import Channel, Heartbeat, HeartbeatKind, MessageDelivery

# How many times in a row a lane's lag is kept, to see whether it grows.
LAGS_KEPT = 10
# A process that gave no sign for so long is forgotten.
FORGOTTEN_AFTER = timedelta(days=1)

_BEAT = """
    WITH forgotten AS (
        DELETE FROM heartbeats WHERE name IN (
            SELECT name FROM heartbeats WHERE kind <> 'lane' AND at < %(forgotten)s
            FOR UPDATE SKIP LOCKED
        )
    )
    INSERT INTO heartbeats (name, kind, at, started_at, detail)
    VALUES (%(name)s, %(kind)s, %(now)s, %(started)s, '{}')
    ON CONFLICT (name) DO UPDATE SET at = excluded.at, started_at = excluded.started_at
"""


def beat(kind: HeartbeatKind, now: datetime, started_at: datetime) -> None:
    """This process is alive, as what `kind` says. Processes of yesterday are forgotten."""
    values: dict[str, Any] = {
        "name": _own_name(kind),
        "kind": str(kind),
        "now": now,
        "started": started_at,
        "forgotten": now - FORGOTTEN_AFTER,
    }
    with connection.cursor() as cursor:
        cursor.execute(_BEAT, values)


def forget(kind: HeartbeatKind) -> None:
    """This process ends in order: nobody is to miss it."""
    Heartbeat.objects.filter(name=_own_name(kind)).delete()


def _own_name(kind: HeartbeatKind) -> str:
    return f"{kind}:{socket.gethostname()}:{os.getpid()}"


def heard_within(limit: timedelta, now: datetime) -> Q:
    """Heartbeats not older than `limit`."""
    return Q(at__range=(now - limit, now + limit))


# --- Lanes ----------------------------------------------------------------------------------
# Several lanes of a channel share its row: as long as any of them ends, the channel is served.


@dataclass(frozen=True, slots=True)
class Lane:
    """What is known of a channel's lane."""

    channel: str
    at: datetime
    running_since: datetime | None  # the run that began and has not ended
    has_ended: bool  # some run has, ever
    sent: int  # by the last run
    lags: Sequence[float]  # seconds, after each of the last runs, the newest last


_BEGIN = """
    INSERT INTO heartbeats AS h (name, kind, at, started_at, detail)
    VALUES ('lane:' || %(channel)s, 'lane', %(now)s, %(now)s, '{"is_running": true}')
    ON CONFLICT (name) DO UPDATE
    SET at = excluded.at, detail = h.detail || excluded.detail,
        started_at = CASE WHEN (h.detail->>'is_running')::bool
            THEN h.started_at ELSE excluded.started_at END
"""
_END = """
    UPDATE heartbeats SET at = %(now)s, detail = detail || jsonb_build_object(
        'is_running', false, 'sent', %(sent)s::int,
        'lags', jsonb_path_query_array(
            COALESCE(detail->'lags', '[]') || to_jsonb(%(lag)s::float), %(kept)s::jsonpath))
    WHERE name = 'lane:' || %(channel)s
"""


def begin(channel: str, now: datetime) -> None:
    """A lane of the channel begins."""
    with connection.cursor() as cursor:
        cursor.execute(_BEGIN, {"channel": channel, "now": now})


def end(channel: str, now: datetime, sent: int, lag: timedelta) -> None:
    """A lane of the channel has sent so many and ends; `lag` as lag_of() says it now."""
    values: dict[str, Any] = {
        "channel": channel,
        "now": now,
        "sent": sent,
        "lag": lag.total_seconds(),
        "kept": f"$[last - {LAGS_KEPT - 1} to last]",
    }
    with connection.cursor() as cursor:
        cursor.execute(_END, values)


def lag_of(channel: str, now: datetime) -> timedelta:
    """How long the oldest message waits that is due on the channel; zero where none is."""
    due = MessageDelivery.objects.due(channel, now).values_list("scheduled_at", flat=True)
    oldest = due.first()
    return now - oldest if oldest else timedelta(0)


def lanes() -> list[Lane]:
    """Every lane that was ever heard of, in the order of the channels."""
    found = {}
    for row in Heartbeat.objects.filter(kind=HeartbeatKind.LANE):
        channel = row.name.partition(":")[2]
        found[channel] = Lane(
            channel,
            row.at,
            row.started_at if row.detail.get("is_running") else None,
            has_ended="lags" in row.detail,
            sent=row.detail.get("sent", 0),
            lags=row.detail.get("lags", []),
        )
    return [found[channel] for channel in Channel.values if channel in found]


_WATCH = """
    INSERT INTO heartbeats (name, kind, at, started_at, detail)
    SELECT 'lane:' || c.channel, 'lane', %(now)s, %(now)s, '{}'
    FROM unnest(%(channels)s::text[]) AS c(channel)
    ON CONFLICT DO NOTHING
"""
_CLAIM = """
    UPDATE heartbeats SET at = %(now)s
    WHERE kind = 'lane' AND at NOT BETWEEN %(now)s - %(limit)s AND %(now)s + %(limit)s
    RETURNING substr(name, 6)
"""


def claim_silent(limit: timedelta, now: datetime) -> list[str]:
    """The channels on which no lane began or ended for `limit`: the caller runs them now.

    Of several callers at once each channel goes to one. A channel never heard of counts from the
    first time that somebody asks.
    """
    values: dict[str, Any] = {"channels": Channel.values, "limit": limit, "now": now}
    with connection.cursor() as cursor:
        cursor.execute(_WATCH, values)
        cursor.execute(_CLAIM, values)
        silent = {name for (name,) in cursor.fetchall()}
    return [channel for channel in Channel.values if channel in silent]
