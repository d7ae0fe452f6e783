"""The roll-up of people: enrolments and how far each came -> campaign_cohorts."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import date

from django.conf import settings
from django.db import connection, transaction

from campaigns.analytics.roll_up import lock

# A cohort is a campaign and the local day of enrolment; it is always counted whole. The present
# rows go in as nobody, so that a cohort that lost its people is written down to 0.
_COUNT = """
    WITH asked AS (
        SELECT * FROM unnest(%(campaigns)s::uuid[], %(days)s::date[]) AS k (campaign_id, day)
    ), picked AS MATERIALIZED (
        SELECT e.id, e.campaign_id, k.day, e.is_holdout, e.status, e.converted_at,
            e.unsubscribed_at,
            GREATEST(0, ceil(extract(epoch FROM e.converted_at - e.enrolled_at) / 86400))::int
                AS returned_day
        FROM campaign_enrollments e
        JOIN asked k ON k.campaign_id = e.campaign_id
            AND e.enrolled_at >= k.day::timestamp AT TIME ZONE %(zone)s
            AND e.enrolled_at < (k.day + 1)::timestamp AT TIME ZONE %(zone)s
    ), reached AS (
        SELECT d.enrollment_id, bool_or(d.sent_at IS NOT NULL) AS sent,
            bool_or(d.delivered_at IS NOT NULL) AS delivered,
            bool_or(d.opened_at IS NOT NULL) AS opened,
            bool_or(d.clicked_at IS NOT NULL) AS clicked
        FROM message_deliveries d JOIN picked p ON p.id = d.enrollment_id
        GROUP BY d.enrollment_id
    ), people AS (
        SELECT p.*, r.sent, r.delivered, r.opened, r.clicked
        FROM picked p LEFT JOIN reached r ON r.enrollment_id = p.id
    ), returns AS (
        SELECT campaign_id, day, is_holdout,
            jsonb_object_agg(returned_day, people) AS returned_after
        FROM (
            SELECT campaign_id, day, is_holdout, returned_day, count(*) AS people
            FROM picked WHERE converted_at IS NOT NULL
            GROUP BY campaign_id, day, is_holdout, returned_day
        ) by_day
        GROUP BY campaign_id, day, is_holdout
    ), counted AS (
        SELECT campaign_id, day, is_holdout,
            count(*) AS enrolled,
            count(*) FILTER (WHERE status = 'active') AS under_way,
            count(*) FILTER (WHERE sent) AS sent,
            count(*) FILTER (WHERE delivered) AS delivered,
            count(*) FILTER (WHERE opened) AS opened,
            count(*) FILTER (WHERE clicked) AS clicked,
            count(converted_at) AS returned,
            count(converted_at) FILTER (WHERE clicked) AS returned_clicked,
            count(unsubscribed_at) AS unsubscribed
        FROM people GROUP BY campaign_id, day, is_holdout
        UNION ALL
        SELECT h.campaign_id, h.date, h.is_holdout, 0, 0, 0, 0, 0, 0, 0, 0, 0
        FROM campaign_cohorts h JOIN asked k ON k.campaign_id = h.campaign_id AND k.day = h.date
    ), summed AS (
        SELECT campaign_id, day, is_holdout, sum(enrolled) AS enrolled,
            sum(under_way) AS under_way, sum(sent) AS sent, sum(delivered) AS delivered,
            sum(opened) AS opened, sum(clicked) AS clicked, sum(returned) AS returned,
            sum(returned_clicked) AS returned_clicked, sum(unsubscribed) AS unsubscribed
        FROM counted GROUP BY campaign_id, day, is_holdout
    )
    INSERT INTO campaign_cohorts AS h (campaign_id, date, is_holdout, {names}, returned_after)
    SELECT s.campaign_id, s.day, s.is_holdout, {names}, COALESCE(r.returned_after, '{{}}')
    FROM summed s LEFT JOIN returns r USING (campaign_id, day, is_holdout)
    ON CONFLICT (campaign_id, date, is_holdout) DO UPDATE SET {update}
    WHERE {differs}
"""
PEOPLE = (
    "enrolled",
    "under_way",
    "sent",
    "delivered",
    "opened",
    "clicked",
    "returned",
    "returned_clicked",
    "unsubscribed",
)
_WRITTEN = (*PEOPLE, "returned_after")
_COUNT = _COUNT.format(
    names=", ".join(PEOPLE),
    update=", ".join(f"{name} = excluded.{name}" for name in _WRITTEN),
    differs=f"({', '.join(f'h.{name}' for name in _WRITTEN)}) IS DISTINCT FROM "
    f"({', '.join(f'excluded.{name}' for name in _WRITTEN)})",
)
_ALL = """
    SELECT campaign_id, (enrolled_at AT TIME ZONE %s)::date AS day
    FROM campaign_enrollments GROUP BY 1, 2
    UNION SELECT campaign_id, date FROM campaign_cohorts
"""

Cohort = tuple[uuid.UUID, date]  # campaign, local day of enrolment


def count_cohorts(cohorts: Collection[Cohort]) -> int:
    """Count these again; returns how many rows are new or changed."""
    if not cohorts:
        return 0
    in_order = sorted(cohorts)
    with transaction.atomic(), connection.cursor() as cursor:
        lock()
        cursor.execute(
            _COUNT,
            {
                "zone": settings.TIME_ZONE,
                "campaigns": [campaign for campaign, _ in in_order],
                "days": [day for _, day in in_order],
            },
        )
        return int(cursor.rowcount)


def all_cohorts() -> set[Cohort]:
    """Every cohort there is, or that has figures."""
    with connection.cursor() as cursor:
        cursor.execute(_ALL, [settings.TIME_ZONE])
        return set(cursor.fetchall())
