"""What was said is kept for settings.RETENTION; what happened, and every figure, stays.

In batches with a transaction each, newest first: a run that is cut off goes on the next night.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection

from messaging.privacy import files

BATCH = 5_000
WINDOWS = 200  # each of up to a thousand messages
# Reports are many, and those of former nights are empty: so many batches with nothing to do in a
# row, and the rest is.
QUIET = 20


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were emptied or deleted."""

    windows: int
    reports: int
    messages: int
    replies: int
    sandbox: int
    rejected: int
    uploads: int


_WINDOWS = """
    DELETE FROM handed_over WHERE claim_id IN (
        SELECT claim_id FROM handed_over WHERE at < %(before)s ORDER BY at DESC LIMIT %(batch)s)
"""
# Keys grow with time, so the primary key finds what is old.
_REPORTS = """
    WITH seen AS MATERIALIZED (
        SELECT id, detail, processed_at FROM provider_events
        WHERE id < %(below)s ORDER BY id DESC LIMIT %(batch)s
    ), emptied AS (
        UPDATE provider_events p
        SET detail = jsonb_strip_nulls(jsonb_build_object(
            'link', s.detail->'link', 'machine', s.detail->'machine', 'pruned', true))
        FROM seen s
        WHERE p.id = s.id AND s.detail <> '{}' AND NOT s.detail ?| '{pruned,erased}'
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM emptied), (SELECT id FROM seen ORDER BY id LIMIT 1)
"""
_MESSAGES = """
    UPDATE inbound_messages SET text = '', button = '', sender = ''
    WHERE id IN (
        SELECT id FROM inbound_messages
        WHERE received_at < %(before)s AND (text <> '' OR button <> '' OR sender <> '')
        LIMIT %(batch)s)
"""
_REPLIES = """
    UPDATE inbound_replies SET text = '', error = ''
    WHERE id IN (
        SELECT id FROM inbound_replies
        WHERE written_at < %(before)s AND (text <> '' OR error <> '')
        LIMIT %(batch)s)
"""
_SANDBOX = """
    UPDATE sandbox_messages SET recipient = '', subject = '', text = '', html = ''
    WHERE id IN (
        SELECT id FROM sandbox_messages WHERE accepted_at < %(before)s AND recipient <> ''
        LIMIT %(batch)s)
"""
_REJECTED = """
    UPDATE import_rejections SET value = '' WHERE id IN (
        SELECT r.id FROM import_rejections r JOIN import_runs i ON i.id = r.run_id
        WHERE i.started_at < %(before)s AND r.value <> '' LIMIT %(batch)s)
"""


def prune(now: datetime) -> Pruned:
    """Drop what messages said, raw reports, doctors' messages and answers, and rejected cells."""
    before = now - settings.RETENTION
    return Pruned(
        windows=_repeat(_WINDOWS, before, WINDOWS),
        reports=_reports(before),
        messages=_repeat(_MESSAGES, before),
        replies=_repeat(_REPLIES, before),
        sandbox=_repeat(_SANDBOX, before),
        rejected=_repeat(_REJECTED, before),
        uploads=files.drop_uploads(files.FORGOTTEN_AFTER),
    )


def first_key(at: datetime) -> uuid.UUID:
    """The smallest time-ordered key of a millisecond (RFC 9562, version 7)."""
    return uuid.UUID(int=int(at.timestamp() * 1000) << 80 | 0x7 << 76 | 0x2 << 62)


def _repeat(statement: str, before: datetime, batch: int = BATCH) -> int:
    done = 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(statement, {"before": before, "batch": batch})
            done += int(cursor.rowcount)
            if cursor.rowcount < batch:
                return done


def _reports(before: datetime) -> int:
    """Empty raw reports, going back in time until there have been none for a while."""
    done, quiet = 0, 0
    below: uuid.UUID | None = first_key(before)
    while below is not None and quiet < QUIET:
        emptied, below = _emptied(below)
        quiet = 0 if emptied else quiet + 1
        done += emptied
    return done


def _emptied(below: uuid.UUID) -> tuple[int, uuid.UUID | None]:
    """How many of the batch before this key were emptied, and the batch's first key."""
    with connection.cursor() as cursor:
        cursor.execute(_REPORTS, {"below": below, "batch": BATCH})
        emptied, first = cursor.fetchone()
    return int(emptied), first
