"""What is still open of a campaign, for its doctors taken together who stand alike in it.

What becomes of a step that a doctor has not had depends on the doctor's time zone, first day and
what was had already: of 100,000 doctors that is some hundred kinds. Each kind is reckoned once, so
that a page can ask; who is of it is looked up where messages are written. One SQL for both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from campaigns.buckets import BUCKETS, bucket_sql
from campaigns.experiments.assign import ARMS, in_range
from campaigns.models import Campaign
from messaging.due import FIRST_DAY, NEXT_DAY, due_at, own_hour

# Each step has its bit in what a doctor is done with.
_STEPS = f"""
    SELECT s.*, {NEXT_DAY} AS next_day,
           (row_number() OVER (ORDER BY s.id))::int - 1 AS place, (count(*) OVER ())::int AS places
    FROM campaign_messages s WHERE s.campaign_id = %(campaign)s AND s.removed_at IS NULL
"""  # noqa: S608  only constants are put in
_UNDER_WAY = """
    SELECT * FROM campaign_enrollments
    WHERE campaign_id = %(campaign)s AND status = 'active' AND NOT is_holdout
"""
# So many of them, in an order that has nothing to do with when they came.
_SOME = f"{_UNDER_WAY} ORDER BY hashint4(user_id) LIMIT %(sample)s"
# Of each step that waits: the step, when it is due and its variant, in three arrays.
_WAITING = {
    "waiting": "campaign_message_id",
    "waiting_at": "due_at",
    "waiting_variants": "variant_id",
}
# What makes two doctors alike, and its type; `share`: of the days over which messages are spread.
KIND = {
    "timezone": "text",
    "first_day": "date",
    "is_spread": "boolean",
    "share": "int",
    "done": "varbit",
    "waiting": "uuid[]",
    "waiting_at": "timestamptz[]",
    "waiting_variants": "uuid[]",
    "arms": "uuid[]",
}
_KIND = ", ".join(KIND)
_PEOPLE = f"""
    steps AS MATERIALIZED ({_STEPS}),
    bits AS MATERIALIZED (
        SELECT id, set_bit(repeat('0', places)::varbit, place, 1) AS bit FROM steps
    ),
    arms AS MATERIALIZED ({ARMS}),
    under_way AS MATERIALIZED ({{under_way}}),
    had AS (
        SELECT m.enrollment_id, bit_or(b.bit) FILTER (WHERE m.status <> 'scheduled') AS done,
               {
    ", ".join(
        f"array_agg(m.{column}) FILTER (WHERE m.status = 'scheduled') AS {name}"
        for name, column in _WAITING.items()
    )
}
        FROM under_way e
        JOIN message_deliveries m ON m.enrollment_id = e.id
        JOIN bits b ON b.id = m.campaign_message_id
        GROUP BY m.enrollment_id
    ),
    people AS MATERIALIZED (
        SELECT e.id AS enrollment_id, e.user_id, e.enrolled_at, e.is_spread, d.timezone,
               {FIRST_DAY} AS first_day,
               CASE WHEN %(days)s > 0
                   THEN {bucket_sql("'spread'", "e.user_id")} * %(days)s / {BUCKETS} ELSE 0
               END::int AS share,
               COALESCE(h.done, none.done) AS done,
               {", ".join(f"COALESCE(h.{name}, '{{{{}}}}') AS {name}" for name in _WAITING)},
               ARRAY(SELECT a.variant_id FROM arms a WHERE {in_range("a", "e.user_id")}) AS arms
        FROM under_way e
        JOIN campaigns c ON c.id = e.campaign_id
        JOIN doctors d ON d.id = e.user_id
        CROSS JOIN (SELECT repeat('0', count(*)::int)::varbit AS done FROM steps) none
        LEFT JOIN had h ON h.enrollment_id = e.id
    ),
    kinds AS MATERIALIZED (
        SELECT row_number() OVER () AS kind, {_KIND}, count(*) AS people FROM people GROUP BY {
    _KIND
}
    )
"""  # noqa: S608
PEOPLE = _PEOPLE.format(under_way=_UNDER_WAY)
SAMPLE = _PEOPLE.format(under_way=_SOME)
# The same kinds, of a reading before.
READ = f"""
    steps AS MATERIALIZED ({_STEPS}),
    arms AS MATERIALIZED ({ARMS}),
    kinds AS MATERIALIZED (
        SELECT * FROM jsonb_to_recordset(%(kinds)s::jsonb) AS k (
            kind int, people int, {", ".join(f"{name} {type_}" for name, type_ in KIND.items())}
        )
    )
"""  # noqa: S608


def is_of_kind(table: str) -> str:
    """SQL that joins `table`, which has the columns of a kind, to the doctors of it."""
    return f"JOIN people ON {' AND '.join(f'people.{name} = {table}.{name}' for name in KIND)}"


def _local(moment: str) -> str:
    return f"({moment} AT TIME ZONE d.timezone)::date"


TODAY = _local("%(now)s::timestamptz")
SINCE = _local("%(since)s::timestamptz")
# Every step that the doctors under way have not had. `is_waiting`: it has a delivery, due then. One
# that was spread and taken back by a pause, however short, has lost its day: it is asked about.
OPEN = f"""
    SELECT k.*, c.send_from, s.id AS step_id, s.channel, s.delay_days, s.next_day, h.goes_from,
           a.variant_id, w.due_at IS NOT NULL AS is_waiting, g.at, t.day, t.today,
           t.today - t.since AS days, c.end_date,
           c.end_date IS NULL OR g.at < c.end_date AS is_before_end,
           t.day < t.today AND (t.since < t.today OR (k.is_spread AND w.due_at IS NULL))
               AS is_overdue
    FROM kinds k
    JOIN campaigns c ON c.id = %(campaign)s
    JOIN steps s ON get_bit(k.done, s.place) = 0
    LEFT JOIN LATERAL (
        SELECT * FROM unnest(k.waiting, k.waiting_at, k.waiting_variants)
            AS w (step_id, due_at, variant_id) WHERE w.step_id = s.id
    ) w ON true
    LEFT JOIN experiment_variants v ON v.id = w.variant_id
    LEFT JOIN arms a ON a.step_id = s.id AND w.due_at IS NULL AND a.variant_id = ANY(k.arms)
    CROSS JOIN LATERAL (SELECT COALESCE(a.send_from, v.send_from, s.send_from) AS send_from) o
    CROSS JOIN LATERAL (
        SELECT COALESCE({own_hour("o.send_from")}, c.send_from) AS goes_from
    ) h
    CROSS JOIN LATERAL (
        SELECT COALESCE(w.due_at, {due_at("e.first_day")}) AS at
        FROM (SELECT '-infinity'::timestamptz AS enrolled_at, k.first_day) e,
             (SELECT k.timezone) d, (SELECT h.goes_from AS send_from) c
        OFFSET 0
    ) g
    CROSS JOIN LATERAL (
        SELECT {_local("g.at")} AS day, {TODAY} AS today, {SINCE} AS since
        FROM (SELECT k.timezone) d
        OFFSET 0
    ) t
"""  # noqa: S608
# A doctor's overdue days keep their order, and doctors share out over the days by their bucket: a
# whole bucket of a day has the same place. What comes to a doctor on one day by one channel comes a
# minute apart and in its order, none before its own hour.
PLACED = """
    ranked AS (
        SELECT o.*, dense_rank() OVER (PARTITION BY kind ORDER BY delay_days) AS place
        FROM open o WHERE is_overdue
    ),
    dated AS (
        SELECT r.*, r.today + 1 + (((r.place - 1) * %(days)s + r.share)
                / max(r.place) OVER (PARTITION BY r.kind))::int AS goes_on
        FROM ranked r
    ),
    placed AS MATERIALIZED (
        SELECT d.*, (d.goes_on + max(d.goes_from) OVER earlier
                + make_interval(mins => (row_number() OVER earlier - 1)::int)
            ) AT TIME ZONE d.timezone AS goes_at
        FROM dated d
        WINDOW earlier AS (PARTITION BY d.kind, d.channel, d.goes_on
                           ORDER BY d.delay_days, d.step_id)
    )
"""


def read_kinds(campaign: Campaign, now: datetime, days: int = 0) -> str:
    """The kinds of the campaign's doctors under way, for READ. `days`: over how many to spread.

    One look at every doctor and delivery of the campaign: what asks several things asks it once.
    """
    found = "SELECT COALESCE(jsonb_agg(to_jsonb(k)), '[]')::text FROM kinds k"
    statement = f"WITH {PEOPLE} {found}"
    with connection.cursor() as cursor:
        cursor.execute(statement, values_of(campaign, now, days))
        return str(cursor.fetchone()[0])


def paused_since(campaign: Campaign) -> datetime:
    """Since when it is paused; of one that was paused before this was kept, its last change."""
    return campaign.paused_at or campaign.updated_at or timezone.now()


def values_of(campaign: Campaign, now: datetime, days: int = 0) -> dict[str, Any]:
    """What the SQL here and overdue.py's is asked with."""
    since = paused_since(campaign)
    first, last = timezone.localdate(since), timezone.localdate(now)
    return {
        "campaign": campaign.pk,
        "since": since,
        "now": now,
        "days": days,
        "expires": settings.STEP_EXPIRES_AFTER,
        "why": f"the campaign was paused from {first:%d %b %Y} to {last:%d %b %Y}",
    }
