"""Definition -> UserSegment: who is in a segment now, written set-based."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from segments.definitions import definition
from segments.models import UserSegment

# Two nights and two hours: a segment survives one night in which its task did not run, and is
# empty after two.
KEPT = timedelta(hours=50)
# A row in which nothing differs is written anew only when it is older than this: the nightly
# tasks move every row's end, the one that runs every ten minutes does so twice a day.
RENEWED_AFTER = timedelta(hours=12)
CLEANUP_BATCH = 5000


class IdentifyReport(NamedTuple):
    """How many rows of user_segments one run wrote."""

    inserted: int
    updated: int
    removed: int


_IDENTIFY = """
    WITH wanted AS (
        SELECT DISTINCT ON (doctor_id) doctor_id, subject, inactive_since, segment_data
        FROM ({eligible}) AS eligible
        ORDER BY doctor_id, rank, subject
    ), written AS (
        INSERT INTO user_segments AS held
            (user_id, segment_type, subject, inactive_since, segment_data,
             calculated_at, expires_at)
        SELECT w.doctor_id, %s, w.subject, w.inactive_since, w.segment_data, %s, %s
        FROM wanted w
        LEFT JOIN user_segments old ON old.user_id = w.doctor_id AND old.segment_type = %s
        WHERE old.id IS NULL
           OR (old.expires_at < %s) IS NOT FALSE
           OR (old.subject, old.inactive_since, old.segment_data)
              IS DISTINCT FROM (w.subject, w.inactive_since, w.segment_data)
        ON CONFLICT (user_id, segment_type) DO UPDATE SET
            subject = excluded.subject,
            inactive_since = excluded.inactive_since,
            segment_data = excluded.segment_data,
            calculated_at = excluded.calculated_at,
            expires_at = excluded.expires_at
        RETURNING xmax = 0 AS is_new
    ), removed AS (
        DELETE FROM user_segments held
        WHERE held.segment_type = %s
          AND NOT EXISTS (SELECT FROM wanted w WHERE w.doctor_id = held.user_id)
        RETURNING 1
    )
    SELECT count(*) FILTER (WHERE is_new), count(*) FILTER (WHERE NOT is_new),
           (SELECT count(*) FROM removed)
    FROM written
"""


@transaction.atomic
def identify(segment_type: str, now: datetime) -> IdentifyReport:
    """Make user_segments say who is in the segment at `now`, one row a doctor.

    A doctor with several subjects is in it with the one of the smallest rank. Rows in which
    nothing differs are left alone until they are RENEWED_AFTER old; a second run at the same
    `now` writes nothing. Runs of one segment type wait for each other.
    """
    eligible, params = definition(segment_type).eligible(now).query.sql_with_params()
    renew_before = now + KEPT - RENEWED_AFTER
    values: list[Any] = [segment_type, now, now + KEPT, segment_type, renew_before, segment_type]
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [f"identify {segment_type}"]
        )
        # Its snapshot is taken after the lock, so that it sees what a run before it wrote.
        cursor.execute(_IDENTIFY.format(eligible=eligible), [*params, *values])
        inserted, updated, removed = cursor.fetchone()
    return IdentifyReport(inserted, updated, removed)


def cleanup_expired(now: datetime) -> int:
    """Delete the rows that expired by `now`, some thousands at a time; returns how many."""
    expired = UserSegment.objects.filter(expires_at__lte=now).order_by("expires_at")
    total = 0
    while True:
        batch = expired.values("pk")[:CLEANUP_BATCH]
        deleted, _ = UserSegment.objects.filter(pk__in=batch).delete()
        total += deleted
        if deleted < CLEANUP_BATCH:
            return total
