"""Texts of others that name a doctor: what they wrote, and reports that belong to no message.

They stay, without what names the doctor. All of them are read once, so that is done before any lock
is taken; under the lock only what has come meanwhile.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection
from psycopg import sql

from messaging.models import EventKind, ProviderEvent
from messaging.privacy.retention import first_key

MASK = "…"  # instead of what names the person
# Columns of text in which anybody may be named. Errors of deliveries speak of their own doctor.
TEXTS = {
    "inbound_messages": ("text", "button"),
    "inbound_replies": ("text",),
    "sandbox_messages": ("subject", "text", "html"),
    "unsubscribe_records": ("reason",),
}
REPORTS = "provider_events"
# In JSON a line break is written with a letter, which is no part of the word after it.
_BEGINS, _BEGINS_IN_JSON = r"(?<!\w)", r"(?:(?<!\w)|(?<=\\[bfnrt]))"

Found = Mapping[str, Sequence[uuid.UUID]]  # keys of rows, by table


def find(pattern: str, since: datetime | None = None) -> Found:
    """Rows whose texts the pattern (holdings.pattern) finds; `since`: that came from then on."""
    first = first_key(since) if since else uuid.UUID(int=0)  # keys grow with time
    found: dict[str, Sequence[uuid.UUID]] = {}
    with connection.cursor() as cursor:
        for table, columns in TEXTS.items():
            said = sql.SQL(", ").join(map(sql.Identifier, columns))
            cursor.execute(
                sql.SQL(
                    "SELECT id FROM {} WHERE id >= %s AND concat_ws(chr(10), {}) ~* %s ORDER BY id"
                ).format(sql.Identifier(table), said),
                [first, pattern],
            )
            found[table] = [key for (key,) in cursor.fetchall()]
        cursor.execute(
            "SELECT id FROM provider_events WHERE delivery_id IS NULL AND id >= %s "
            "AND detail::text ~* %s ORDER BY id",
            [first, pattern.replace(_BEGINS, _BEGINS_IN_JSON)],
        )
        found[REPORTS] = [key for (key,) in cursor.fetchall()]
    return found


def mask(found: Found, pattern: str) -> None:
    """Take out of these rows what the pattern finds; they are locked in the order of their keys."""
    with connection.cursor() as cursor:
        for table, columns in TEXTS.items():
            if found[table]:
                cursor.execute(
                    _masking(table, columns), {"keys": list(found[table]), "named": pattern}
                )
    named = re.compile(pattern, re.IGNORECASE)
    events = ProviderEvent.objects.filter(pk__in=found[REPORTS]).order_by("pk").select_for_update()
    for event in events.iterator(chunk_size=100):
        waits_of = _waits_of(event)
        event.detail = mapped(event.detail, lambda text: named.sub(MASK, text)) | waits_of
        event.save(update_fields=["detail"])


def _waits_of(event: ProviderEvent) -> dict[str, Any]:
    """Whose message it is that nobody has taken in yet: of somebody else who has the number too.

    Those of the erased person alone are empty by now (forget.by_name).
    """
    if event.kind != EventKind.INBOUND or event.processed_at is not None:
        return {}
    return {name: value for name, value in event.detail.items() if name == "from"}


def _masking(table: str, columns: Sequence[str]) -> sql.Composed:
    changes = sql.SQL(", ").join(
        sql.SQL("{0} = regexp_replace(t.{0}, %(named)s, {1}, 'gi')").format(
            sql.Identifier(column), sql.Literal(MASK)
        )
        for column in columns
    )
    return sql.SQL(
        "WITH held AS MATERIALIZED (SELECT id FROM {0} WHERE id = ANY(%(keys)s) ORDER BY id "
        "FOR NO KEY UPDATE) UPDATE {0} t SET {1} FROM held WHERE t.id = held.id"
    ).format(sql.Identifier(table), changes)


def mapped(value: Any, change: Callable[[str], str]) -> Any:
    """JSON with each of its texts changed; the names of values stay."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [mapped(inner, change) for inner in value]
    if isinstance(value, dict):
        return {name: mapped(inner, change) for name, inner in value.items()}
    return value
