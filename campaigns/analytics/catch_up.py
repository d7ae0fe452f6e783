"""Keeps the roll-up exact: which days and cohorts have facts that are not counted yet?

A report may come weeks after what it tells of. So nothing is guessed from the calendar: what was
written since the last run says which days and cohorts it touches; those are counted again.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Min
from django.db.models.functions import Least
from django.utils import timezone

from campaigns.analytics.people import all_cohorts, count_cohorts
from campaigns.analytics.roll_up import lock, roll_up
from campaigns.models import RollUpMark
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.track import TRY_AGAIN_FOR

# Whoever wrote at a time may commit later, and clocks differ. Counting again costs little.
MARGIN = timedelta(hours=1)

# Deliveries with late facts, and all days that theirs are or were on: a report of an earlier open
# takes the open away from the day that it was on before, which another report or the attempt tells.
# Events have keys in the order in which they came; `since` is before the oldest that was open then.
_TOUCHED = """
    CREATE TEMPORARY TABLE touched ON COMMIT DROP AS
    SELECT DISTINCT e.delivery_id AS id FROM provider_events e
    WHERE e.id >= %(first_event)s AND e.processed_at >= %(since)s AND e.delivery_id IS NOT NULL
"""
_DAYS = """
    SELECT DISTINCT (t.at AT TIME ZONE %(zone)s)::date FROM (
        SELECT e.occurred_at FROM provider_events e JOIN touched x ON x.id = e.delivery_id
        UNION ALL
        SELECT f.at FROM message_deliveries d JOIN touched x ON x.id = d.id
        CROSS JOIN LATERAL (VALUES (d.sent_at), (d.delivered_at), (d.opened_at), (d.clicked_at),
            (d.failed_at)) AS f (at)
        UNION ALL
        SELECT f.at FROM delivery_attempts a JOIN touched x ON x.id = a.delivery_id
        CROSS JOIN LATERAL (VALUES (a.finished_at), (a.authorised_at + interval '1 day')) AS f (at)
        UNION ALL
        SELECT u.unsubscribed_at FROM unsubscribe_records u
        WHERE u.delivery_id IN (SELECT delivery_id FROM unsubscribe_records
                                WHERE id >= %(first_key)s AND delivery_id IS NOT NULL)
    ) AS t (at)
    WHERE t.at IS NOT NULL
"""
_COHORTS = """
    SELECT DISTINCT e.campaign_id, (e.enrolled_at AT TIME ZONE %(zone)s)::date
    FROM campaign_enrollments e
    WHERE e.enrolled_at >= %(since)s OR e.completed_at >= %(since)s
        OR e.converted_at >= %(since)s OR e.unsubscribed_at >= %(since)s
        OR e.id IN (
            SELECT d.enrollment_id FROM message_deliveries d
            WHERE d.sent_at >= %(since)s OR d.delivered_at >= %(since)s
                OR d.opened_at >= %(since)s OR d.clicked_at >= %(since)s
                OR d.failed_at >= %(since)s
            UNION ALL
            SELECT d.enrollment_id FROM message_deliveries d JOIN touched x ON x.id = d.id
        )
"""
_OLDEST_OPEN = """
    SELECT least(
        (SELECT id FROM provider_events WHERE processed_at IS NULL AND parked_at IS NULL
         ORDER BY id LIMIT 1),
        (SELECT id FROM provider_events WHERE processed_at IS NULL AND parked_at IS NOT NULL
         AND received_at > %(tried_again_since)s ORDER BY id LIMIT 1)
    )
"""


@transaction.atomic
def catch_up(now: datetime, look_back_days: int = 0) -> int:
    """Count what happened since the last run, on whatever days it happened.

    With `look_back_days`, so many days before today are counted again in any case. The first run
    counts everything. Returns how many rows of figures are new or changed.
    """
    lock()
    mark = RollUpMark.objects.first()
    oldest_open = _oldest_open(now)
    today = timezone.localdate(now)
    if mark is None:
        days, cohorts = _every_day(today), all_cohorts()
    else:
        since = min(mark.counted_at, now) - MARGIN
        first = min(timezone.localdate(since), today - timedelta(days=look_back_days))
        late, cohorts = _late(since, mark.oldest_open)
        days = {*late, *_span(first, today)}
    changed = sum(roll_up(first, last) for first, last in _runs(days)) + count_cohorts(cohorts)
    RollUpMark.objects.update_or_create(
        id=1, defaults={"counted_at": now, "oldest_open": oldest_open}
    )
    return changed


def count_everything(now: datetime) -> int:
    """Forget how far it had counted, and count it all; returns how many rows changed."""
    with transaction.atomic():
        RollUpMark.objects.all().delete()
        return catch_up(now)


def _oldest_open(now: datetime) -> uuid.UUID | None:
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_OPEN, {"tried_again_since": now - TRY_AGAIN_FOR - MARGIN})
        found: uuid.UUID | None = cursor.fetchone()[0]
        return found


def _late(since: datetime, oldest_open: uuid.UUID | None) -> tuple[set[date], set[Any]]:
    """Days and cohorts that something written since then touches."""
    first_key = _first_key(since)
    values: dict[str, Any] = {
        "zone": settings.TIME_ZONE,
        "since": since,
        "first_key": first_key,
        "first_event": min(first_key, oldest_open) if oldest_open else first_key,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TOUCHED, values)
        cursor.execute(_DAYS, values)
        days = {row[0] for row in cursor.fetchall()}
        cursor.execute(_COHORTS, values)
        cohorts = set(cursor.fetchall())
        cursor.execute("DROP TABLE touched")
    return days, cohorts


def _first_key(moment: datetime) -> uuid.UUID:
    """The smallest version 7 UUID that is made at or after the moment (RFC 9562)."""
    return uuid.UUID(int=int(moment.timestamp() * 1000) << 80)


def _every_day(today: date) -> set[date]:
    """From the first fact to today."""
    deliveries = MessageDelivery.objects.aggregate(
        at=Min(Least("sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at"))
    )
    opt_outs = UnsubscribeRecord.objects.filter(delivery__isnull=False).aggregate(
        at=Min("unsubscribed_at")
    )
    known = [found["at"] for found in (deliveries, opt_outs) if found["at"]]
    return set(_span(timezone.localdate(min(known)), today)) if known else set()


def _span(first: date, last: date) -> Iterator[date]:
    """Each day, both ends included."""
    return (first + timedelta(days=n) for n in range((last - first).days + 1))


def _runs(days: Iterable[date]) -> Iterator[tuple[date, date]]:
    """Days that follow each other, as first and last: 1, 2, 3, 7 -> 1-3, 7-7."""
    run: list[date] = []
    for day in sorted(days):
        if run and day != run[-1] + timedelta(days=1):
            yield run[0], run[-1]
            run = []
        run.append(day)
    if run:
        yield run[0], run[-1]
