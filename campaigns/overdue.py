"""What was to go out while a campaign was paused, and what to do with it when it is resumed.

Overdue is a message whose day, in the doctor's time zone, passed in the pause. A person says what
becomes of these: they are skipped, everybody's sequence is shifted by the days of the pause, or
they are spread over the next days. What is still of today simply goes on. Machines that stood still
need no such question: the sender keeps to each step's `expires_at` and says what came too late.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.db import connection, models, transaction
from django.utils import timezone

from campaigns.buckets import BUCKETS, bucket_sql
from campaigns.experiments.assign import ARMS, in_range
from campaigns.models import Campaign
from campaigns.schedule import replan
from campaigns.transition import NotReady
from messaging.due import DUE_AT, NEXT_DAY, expires_at

MOST_DAYS = 30  # over which overdue messages may be spread


class Choice(models.TextChoices):
    """What becomes of what is overdue."""

    SKIP = "skip", "Skip"
    SHIFT = "shift", "Shift the rest"
    SPREAD = "spread", "Spread"


@dataclass(frozen=True, slots=True)
class Overdue:
    """What a pause has held up; `last_day` of each choice: when the last message goes out."""

    since: datetime
    messages: int  # overdue
    people: int  # who have overdue messages
    to_come: int  # messages still open, overdue ones among them
    people_to_come: int
    days: int  # by which the rest would be shifted
    last_day_skipped: date | None
    last_day_shifted: date | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How many messages were skipped, and how many have another day now."""

    skipped: int = 0
    moved: int = 0


def _local(moment: str) -> str:
    return f"({moment} AT TIME ZONE d.timezone)::date"


def shifted(moment: str, row: str) -> str:
    """SQL for a moment of a row of OPEN, by the days of the pause later, at the same local hour."""
    zone, days = f"{row}.timezone", f"make_interval(days => {row}.days)"
    return f"(({moment} AT TIME ZONE {zone}) + {days}) AT TIME ZONE {zone}"


_TODAY = _local("%(now)s::timestamptz")
_SINCE = _local("%(since)s::timestamptz")
# After a shift: a step without a delivery whose day has passed all the same. It was missed before
# the pause, with no machine to schedule it, and is not caught up.
IS_LEFT = "(delivery_id IS NULL AND day + days < today)"
# Every step that the doctors under way have not had, with its delivery, if there is one.
OPEN = f"""
    SELECT e.id AS enrollment_id, e.user_id, d.timezone, c.send_from, s.id AS step_id, s.channel,
           s.delay_days, s.next_day, p.due_at, m.id AS delivery_id, {_TODAY} AS today,
           {_TODAY} - {_SINCE} AS days, {_local("COALESCE(m.due_at, p.due_at)")} AS day,
           COALESCE(m.due_at, p.due_at) AS at, c.end_date,
           c.end_date IS NULL OR COALESCE(m.due_at, p.due_at) < c.end_date AS is_before_end,
           {_SINCE} < {_TODAY}
               AND {_local("COALESCE(m.due_at, p.due_at)")} < {_TODAY} AS is_overdue
    FROM campaign_enrollments e
    JOIN campaigns c ON c.id = e.campaign_id
    JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT s.*, {NEXT_DAY} AS next_day FROM campaign_messages s
        WHERE s.campaign_id = %(campaign)s AND s.removed_at IS NULL
    ) s ON s.campaign_id = c.id
    CROSS JOIN LATERAL (SELECT {DUE_AT} AS due_at) p
    LEFT JOIN message_deliveries m ON m.enrollment_id = e.id AND m.campaign_message_id = s.id
    WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND NOT e.is_holdout
      AND (m.id IS NULL OR m.status = 'scheduled')
"""  # noqa: S608  only constants are put in
_FIGURES = f"""
    SELECT count(*) FILTER (WHERE is_overdue), count(DISTINCT user_id) FILTER (WHERE is_overdue),
           count(*), count(DISTINCT user_id), COALESCE(max(days), 0),
           max(day) FILTER (WHERE NOT is_overdue AND is_before_end),
           max(day + days) FILTER (WHERE end_date IS NULL OR {shifted("at", "open")} < end_date)
    FROM ({OPEN}) open
"""  # noqa: S608
_SKIP = f"""
    WITH overdue AS MATERIALIZED (SELECT * FROM ({OPEN}) open WHERE is_overdue),
    skipped AS (
        UPDATE message_deliveries m
        SET status = 'skipped', skip_reason = 'campaign_paused', skip_detail = %(why)s
        FROM overdue o WHERE m.id = o.delivery_id AND m.status = 'scheduled'
        RETURNING 1
    ), written AS (
        INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel,
            due_at, scheduled_at, expires_at, status, skip_reason, skip_detail)
        SELECT s.enrollment_id, s.step_id, s.user_id, s.channel, s.due_at, s.due_at,
               {expires_at("s.due_at")}, 'skipped', 'campaign_paused', %(why)s
        FROM overdue s WHERE s.delivery_id IS NULL
        ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM skipped) + (SELECT count(*) FROM written)
"""  # noqa: S608


# The holdout is shifted with the others, so that both are watched for as long.
_SHIFT = f"""
    WITH open AS MATERIALIZED ({OPEN}),
    moved AS (
        UPDATE message_deliveries m
        SET due_at = {shifted("m.due_at", "o")}, scheduled_at = {shifted("m.due_at", "o")},
            expires_at = {shifted("m.expires_at", "o")}, trace = NULL
        FROM open o
        WHERE m.id = o.delivery_id AND m.status = 'scheduled' AND o.days > 0
    ), shifted AS (
        UPDATE campaign_enrollments e
        SET shifted_days = e.shifted_days + {_TODAY} - {_SINCE}
        FROM doctors d
        WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND d.id = e.user_id
    )
    SELECT count(*) FILTER (WHERE days > 0 AND NOT {IS_LEFT}) FROM open
"""  # noqa: S608

# A doctor's overdue days keep their order, and doctors share out over the days by their bucket.
# What comes to a doctor on one day by one channel comes a minute apart: it is decided in its order.
PLACED = f"""
    overdue AS MATERIALIZED (
        SELECT o.*, dense_rank() OVER (PARTITION BY enrollment_id ORDER BY delay_days) AS place
        FROM ({OPEN}) o WHERE is_overdue
    ), arms AS MATERIALIZED ({ARMS}),
    dated AS (
        SELECT s.*, s.today + 1 + floor(
                (s.place - 1 + {bucket_sql("'spread'", "s.user_id")} / {BUCKETS}.0) * %(days)s
                / max(s.place) OVER (PARTITION BY s.enrollment_id))::int AS goes_on
        FROM overdue s
    ),
    placed AS MATERIALIZED (
        SELECT s.*, a.variant_id, (s.goes_on + s.send_from + make_interval(mins => (row_number()
                OVER (PARTITION BY s.enrollment_id, s.channel, s.goes_on ORDER BY s.delay_days,
                      s.step_id) - 1)::int)
            ) AT TIME ZONE s.timezone AS goes_at
        FROM dated s
        LEFT JOIN arms a ON a.step_id = s.step_id AND {in_range("a", "s.user_id")}
    )
"""  # noqa: S608
_SPREAD = f"""
    WITH {PLACED}, moved AS (
        UPDATE message_deliveries m
        SET due_at = s.goes_at, scheduled_at = s.goes_at, trace = NULL,
            expires_at = {expires_at("s.goes_at")}
        FROM placed s WHERE m.id = s.delivery_id AND m.status = 'scheduled'
        RETURNING 1
    ), written AS (
        INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel,
            variant_id, due_at, scheduled_at, expires_at)
        SELECT s.enrollment_id, s.step_id, s.user_id, s.channel, s.variant_id, s.goes_at,
               s.goes_at, {expires_at("s.goes_at")}
        FROM placed s WHERE s.delivery_id IS NULL
        ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM moved) + (SELECT count(*) FROM written)
"""  # noqa: S608


# Never authorised, so no provider and no link knows of them: plans, and no history.
_TAKE_BACK = """
    DELETE FROM message_deliveries m USING campaign_messages s
    WHERE s.campaign_id = %(campaign)s AND m.campaign_message_id = s.id
      AND m.status = 'scheduled' AND m.token IS NULL
"""


def take_back(campaign: Campaign) -> int:
    """Undo the scheduling of a campaign that is paused, so that nothing expires meanwhile.

    Each step without a delivery is found again when it is resumed. What was authorised before and
    put off stays: it waits, or expires and says so. Returns how many were taken back.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_BACK, {"campaign": campaign.pk})
        taken = int(cursor.rowcount)
    replan(campaign.pk)
    return taken


def paused_since(campaign: Campaign) -> datetime:
    """Since when it is paused; of one that was paused before this was kept, its last change."""
    return campaign.paused_at or campaign.updated_at or timezone.now()


def overdue(campaign: Campaign, now: datetime) -> Overdue:
    """What a resumption at `now` would find, and what each choice would make of it."""
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, values_of(campaign, now))
        return Overdue(paused_since(campaign), *cursor.fetchone())


@transaction.atomic
def apply(campaign: Campaign, now: datetime, choice: Choice | None, days: int) -> Outcome:
    """Do it, for a paused campaign that the caller holds. NotReady: a choice is missing or wrong.

    `days`: over how many to spread, from tomorrow on, 1 to MOST_DAYS; the caps hold, and what finds
    no room is skipped by them. Afterwards each doctor's next step is found anew.
    """
    if choice is None and (held := overdue(campaign, now)).messages:
        why = (
            f"The day of {held.messages:,} messages passed in the pause: say whether to skip "
            "them, to shift the rest, or to spread them."
        )
        raise NotReady([why])
    if choice == Choice.SPREAD and not 1 <= days <= MOST_DAYS:
        raise NotReady([f"Spread over 1 to {MOST_DAYS} days, not {days}."])
    values = {**values_of(campaign, now), "days": days}
    outcome = Outcome()
    if choice == Choice.SKIP:
        outcome = Outcome(skipped=_run(_SKIP, values))
    elif choice == Choice.SPREAD:
        outcome = Outcome(moved=_run(_SPREAD, values))
    elif choice == Choice.SHIFT:
        moved = _run(_SHIFT, values)
        outcome = Outcome(skipped=_run(_SKIP_LEFT, values), moved=moved)
    replan(campaign.pk)
    return outcome


# After a shift, when the days of the pause are in the steps' days already: IS_LEFT.
_SKIP_LEFT = _SKIP.replace("WHERE is_overdue)", "WHERE is_overdue AND delivery_id IS NULL)")


def _run(statement: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])


def values_of(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What OPEN and PLACED are asked with."""
    since = paused_since(campaign)
    first, last = timezone.localdate(since), timezone.localdate(now)
    return {
        "campaign": campaign.pk,
        "since": since,
        "now": now,
        "expires": settings.STEP_EXPIRES_AFTER,
        "why": f"the campaign was paused from {first:%d %b %Y} to {last:%d %b %Y}",
    }
