"""I8: the database itself refuses what must not be.

Asked of its catalogue, and tried: what the catalogue promises may still be switched off.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg import Error as PostgresError

from messaging.audit.finding import Found, Row, Scope


@dataclass(frozen=True, slots=True)
class Unique:
    """A unique index as it has to be. `where`: as PostgreSQL writes its condition."""

    table: str
    columns: tuple[str, ...]
    where: str | None = None
    nulls_are_equal: bool = False


UNIQUE = {
    "message_deliveries_step_once": Unique(
        "message_deliveries", ("campaign_message_id", "enrollment_id")
    ),
    "message_deliveries_token_once": Unique(
        "message_deliveries", ("token",), "(token IS NOT NULL)"
    ),
    "delivery_attempts_once": Unique("delivery_attempts", ("delivery_id",), "counts"),
    "unsubscribe_records_standing_once": Unique(
        "unsubscribe_records",
        ("user_id", "channel", "segment_type"),
        "(revoked_at IS NULL)",
        nulls_are_equal=True,
    ),
    "provider_events_event_once": Unique("provider_events", ("provider", "event_key")),
    "channel_suppressions_standing_once": Unique(
        "channel_suppressions", ("user_id", "channel"), "(lifted_at IS NULL)"
    ),
    # Who is enrolled twice for one thing gets each message twice.
    "campaign_enrollments_subject_once": Unique(
        "campaign_enrollments", ("campaign_id", "user_id", "subject")
    ),
}
TRIGGERS = {
    "message_deliveries_legal_status": "message_deliveries",
    "delivery_attempts_legal_outcome": "delivery_attempts",
    "unsubscribe_records_raise_consent": "unsubscribe_records",
    "unsubscribe_records_revoke_consent": "unsubscribe_records",
    "channel_suppressions_raise_consent": "channel_suppressions",
    "channel_suppressions_lift_consent": "channel_suppressions",
    "consent_records_raise_consent": "consent_records",
    "consent_records_change_consent": "consent_records",
}
CHECKS = {
    "message_deliveries_skipped_says_why": "message_deliveries",
    "message_deliveries_failed_says_why": "message_deliveries",
}

_INDEXES = """
    SELECT i.relname, t.relname, pg_get_expr(x.indpred, x.indrelid), x.indnullsnotdistinct,
           x.indisunique AND x.indisvalid AND x.indisready AND x.indislive AND x.indimmediate,
           ARRAY(SELECT a.attname::text FROM unnest(x.indkey) WITH ORDINALITY AS k(number, place)
                 JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = k.number
                 ORDER BY k.place)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    WHERE i.relname = ANY(%s) AND pg_table_is_visible(t.oid)
"""
# O: fires on what clients do; A: always. The others do not fire for us.
_TRIGGERS = """
    SELECT g.tgname, t.relname FROM pg_trigger g JOIN pg_class t ON t.oid = g.tgrelid
    WHERE g.tgname = ANY(%s) AND g.tgenabled IN ('O', 'A') AND pg_table_is_visible(t.oid)
"""
_CHECKS = """
    SELECT c.conname, t.relname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid
    WHERE c.conname = ANY(%s) AND c.contype = 'c' AND c.convalidated
      AND pg_table_is_visible(t.oid)
"""


def unguarded(scope: Scope) -> Found:  # noqa: ARG001  the schema has no age
    """Guards that are missing, other than they should be, or switched off."""
    with connection.cursor() as cursor:
        missing = [*_indexes(cursor), *_named(cursor, "trigger", _TRIGGERS, TRIGGERS)]
        missing += _named(cursor, "check", _CHECKS, CHECKS)
    missing += _tried()
    return Found(len(missing), tuple(missing))


def _indexes(cursor: CursorWrapper) -> Iterator[Row]:
    cursor.execute(_INDEXES, [list(UNIQUE)])
    there = {
        name: (Unique(table, tuple(columns), where, nulls_are_equal), is_sound)
        for name, table, where, nulls_are_equal, is_sound, columns in cursor.fetchall()
    }
    for name, wanted in UNIQUE.items():
        if name not in there:
            yield Row("schema", name, f"The unique index of {wanted.table} is missing.")
        elif there[name] != (wanted, True):
            yield Row("schema", name, f"The unique index of {wanted.table} does not hold.")


def _named(
    cursor: CursorWrapper, kind: str, statement: str, wanted: dict[str, str]
) -> Iterator[Row]:
    cursor.execute(statement, [list(wanted)])
    there = set(cursor.fetchall())
    for name, table in wanted.items():
        if (name, table) not in there:
            yield Row("schema", name, f"The {kind} of {table} is missing or switched off.")


# --- Trying -----------------------------------------------------------------------------------
# On the oldest rows, which nobody is likely to be at work on; what is locked is left alone.

_A_DELIVERY = """
    SELECT id, CASE status WHEN 'scheduled' THEN 'sent' ELSE 'sending' END
    FROM message_deliveries WHERE status <> 'sending'
    ORDER BY id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
"""
_AN_ATTEMPT = """
    SELECT id FROM delivery_attempts WHERE counts ORDER BY id LIMIT 1 FOR KEY SHARE SKIP LOCKED
"""
_SECOND_ATTEMPT = """
    INSERT INTO delivery_attempts
        (delivery_id, user_id, channel, claim_id, authorised_at, consent_version, timezone)
    SELECT delivery_id, user_id, channel, claim_id, authorised_at, consent_version, timezone
    FROM delivery_attempts WHERE id = %s
"""


def _tried() -> Iterator[Row]:
    """Do what must be refused, and take it back, refused or not."""
    with _taken_back() as cursor:
        cursor.execute(_A_DELIVERY)
        for key, illegal in cursor.fetchall():
            change = "UPDATE message_deliveries SET status = %s WHERE id = %s"
            if not _is_refused(cursor, "message_deliveries_legal_status", change, [illegal, key]):
                what = f"The database let it become {illegal} (taken back)."
                yield Row("delivery", str(key), what)
        cursor.execute(_AN_ATTEMPT)
        for (key,) in cursor.fetchall():
            if not _is_refused(cursor, "delivery_attempts_once", _SECOND_ATTEMPT, [key]):
                what = "The database took a second counted attempt (taken back)."
                yield Row("schema", "delivery_attempts_once", what)


@contextmanager
def _taken_back() -> Iterator[CursorWrapper]:
    with transaction.atomic(), connection.cursor() as cursor:
        yield cursor
        transaction.set_rollback(True)


def _is_refused(cursor: CursorWrapper, guard: str, statement: str, values: list[Any]) -> bool:
    """Whether this guard, and no other, refuses it."""
    try:
        with transaction.atomic():
            cursor.execute(statement, values)
    except IntegrityError as error:
        cause = error.__cause__
        return isinstance(cause, PostgresError) and cause.diag.constraint_name == guard
    return False
