"""Enrolment x step -> delivery: the rows of all steps that fall due before the next run."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from campaigns.experiments.assign import ARMS, in_range
from campaigns.models import Campaign
from messaging.due import DUE_AT, FIRST_DAY, due_at, own_hour

# strategy, Celery Beat Schedule: hourly. Steps due before the next run are scheduled now.
HORIZON = timedelta(hours=1)

# What the steps of one campaign are, with the day on which the channel's next step comes.
_STEPS = """
    SELECT s.id, s.channel, s.delay_days, s.send_from,
           (SELECT min(n.delay_days) FROM campaign_messages n
            WHERE n.campaign_id = s.campaign_id AND n.channel = s.channel
              AND n.delay_days > s.delay_days AND n.removed_at IS NULL) AS next_day
    FROM campaign_messages s WHERE s.campaign_id = %(campaign)s AND s.removed_at IS NULL
"""

DUE_ON_DAY = due_at("e.first_day")

# An experiment's variants, and a step with an hour of its own, go out later on the same day; but
# they are scheduled with the others, so that all doctors of a day are shared out at one moment.
_AT_ITS_HOUR = f"""
    SELECT {due_at("e.first_day")}
    FROM (SELECT g.enrolled_at, g.first_day) e, (SELECT g.timezone) d, (SELECT own.send_from) c
"""  # noqa: S608  only constants are put in

# Two runs at once give the same rows as one: enrolments that the other run holds are left to it,
# and (enrollment, campaign_message) is unique.
_SCHEDULE = f"""
    WITH steps AS MATERIALIZED ({_STEPS}),
    arms AS MATERIALIZED ({ARMS}),
    due AS MATERIALIZED (
        SELECT e.id, e.user_id, e.enrolled_at, d.timezone, {FIRST_DAY} AS first_day
        FROM campaign_enrollments e
        JOIN doctors d ON d.id = e.user_id
        JOIN campaigns c ON c.id = e.campaign_id
        WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND NOT e.is_holdout
          AND e.next_due_at < %(until)s
        FOR UPDATE OF e SKIP LOCKED
    ),
    dated AS MATERIALIZED (  -- a row for each day of the campaign, not for each step
        SELECT e.id AS enrollment_id, e.user_id, s.delay_days, {DUE_ON_DAY} AS due_at,
               e.enrolled_at, e.first_day, e.timezone
        FROM due e
        CROSS JOIN (SELECT DISTINCT delay_days FROM steps) s
        CROSS JOIN (SELECT send_from FROM campaigns WHERE id = %(campaign)s) c
        CROSS JOIN LATERAL (SELECT e.timezone) d
    ),
    inserted AS (
        INSERT INTO message_deliveries
            (enrollment_id, campaign_message_id, user_id, channel, variant_id, due_at,
             scheduled_at, expires_at)
        SELECT g.enrollment_id, s.id, g.user_id, s.channel, a.variant_id, p.due_at, p.due_at,
               p.due_at + LEAST(%(expires)s, make_interval(days => s.next_day - s.delay_days))
        FROM dated g JOIN steps s USING (delay_days)
        CROSS JOIN (SELECT send_from, send_until FROM campaigns WHERE id = %(campaign)s) c
        LEFT JOIN arms a ON a.step_id = s.id AND {in_range("a", "g.user_id")}
        CROSS JOIN LATERAL (SELECT COALESCE(a.send_from, s.send_from) AS send_from) h
        CROSS JOIN LATERAL (SELECT {own_hour("h.send_from")} AS send_from) own
        CROSS JOIN LATERAL (
            SELECT CASE WHEN own.send_from IS NULL THEN g.due_at ELSE ({_AT_ITS_HOUR}) END AS due_at
        ) p
        WHERE g.due_at < %(until)s
        ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
        RETURNING 1
    ),
    moved AS (
        UPDATE campaign_enrollments e SET next_due_at = n.next_due_at
        FROM (
            SELECT enrollment_id, min(due_at) FILTER (WHERE due_at >= %(until)s) AS next_due_at
            FROM dated GROUP BY enrollment_id
        ) n
        WHERE e.id = n.enrollment_id
    )
    SELECT count(*) FROM inserted
"""  # noqa: S608  only constants are put in

_HOLD = "SELECT 1 FROM campaigns WHERE id = %(campaign)s AND status = 'active' FOR SHARE"


def schedule_due(now: datetime, horizon: timedelta = HORIZON) -> int:
    """Schedule every step due before `now + horizon` in running campaigns; returns how many.

    A run over enrolments with nothing due looks at one index. Whoever came back meanwhile is
    found by the sender, and by convert.py.
    """
    return sum(
        schedule_campaign(campaign_id, now + horizon)
        for campaign_id in Campaign.objects.running(now).values_list("pk", flat=True)
    )


def schedule_campaign(campaign_id: uuid.UUID, until: datetime) -> int:
    """Insert the deliveries of one campaign that fall due before `until`; returns how many.

    However late: a step that nobody scheduled for days gets its row, and its reason. None where it
    is not active: whoever pauses, completes or changes it waits for this, and is waited for.
    """
    values: dict[str, Any] = {
        "campaign": campaign_id,
        "until": until,
        "expires": settings.STEP_EXPIRES_AFTER,
    }
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_HOLD, values)
        if cursor.fetchone() is None:
            return 0
        cursor.execute(_SCHEDULE, values)
        (inserted,) = cursor.fetchone()
    return int(inserted)


def replan(campaign_id: uuid.UUID) -> int:
    """After steps or hours changed: find each running enrolment's next step anew.

    What fell due during a pause is still to come, as is a step added to a day past: if that was
    too long ago, the sender says so. Returns how many enrolments got another next step.
    """
    with connection.cursor() as cursor:
        cursor.execute(_REPLAN, {"campaign": campaign_id})
        return int(cursor.rowcount)


_REPLAN = f"""
    UPDATE campaign_enrollments target SET next_due_at = n.next_due_at
    FROM (
        SELECT e.id, min(p.due_at) FILTER (WHERE m.id IS NULL) AS next_due_at
        FROM campaign_enrollments e
        JOIN campaigns c ON c.id = e.campaign_id
        JOIN doctors d ON d.id = e.user_id
        JOIN campaign_messages s ON s.campaign_id = c.id AND s.removed_at IS NULL
        CROSS JOIN LATERAL (SELECT {DUE_AT} AS due_at) p
        LEFT JOIN message_deliveries m ON m.enrollment_id = e.id AND m.campaign_message_id = s.id
        WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND NOT e.is_holdout
        GROUP BY e.id
    ) n
    WHERE target.id = n.id AND target.next_due_at IS DISTINCT FROM n.next_due_at
"""  # noqa: S608  only constants are put in
