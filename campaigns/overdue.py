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

from django.db import connection, models, transaction

from campaigns.alike import (
    OPEN,
    PEOPLE,
    PLACED,
    READ,
    SINCE,
    TODAY,
    is_of_kind,
    paused_since,
    read_kinds,
    values_of,
)
from campaigns.models import Campaign
from campaigns.schedule import replan
from campaigns.transition import NotReady
from messaging.due import expires_at

__all__ = [
    "IS_LEFT",
    "MOST_DAYS",
    "Choice",
    "Outcome",
    "Overdue",
    "apply",
    "overdue",
    "paused_since",
    "shifted",
    "take_back",
]

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


def shifted(moment: str, row: str) -> str:
    """SQL for a moment of a row of OPEN, by the days of the pause later, at the same local hour."""
    zone, days = f"{row}.timezone", f"make_interval(days => {row}.days)"
    return f"(({moment} AT TIME ZONE {zone}) + {days}) AT TIME ZONE {zone}"


# After a shift: a step without a delivery whose day has passed all the same. It was missed before
# the pause, with no machine to schedule it, or taken back after it was spread; it is not caught up.
IS_LEFT = "(is_overdue AND NOT is_waiting AND day + days < today)"
_FIGURES = f"""
    WITH {READ}, open AS MATERIALIZED ({OPEN}),
    held AS (
        SELECT kind, min(people) AS people, bool_or(is_overdue) AS is_overdue
        FROM open GROUP BY kind
    )
    SELECT COALESCE(sum(people) FILTER (WHERE is_overdue), 0)::int,
           (SELECT COALESCE(sum(people), 0)::int FROM held WHERE is_overdue),
           COALESCE(sum(people), 0)::int, (SELECT COALESCE(sum(people), 0)::int FROM held),
           COALESCE(max(days), 0),
           max(day) FILTER (WHERE NOT is_overdue AND is_before_end),
           max(day + days) FILTER (WHERE end_date IS NULL OR {shifted("at", "open")} < end_date)
    FROM open
"""  # noqa: S608  only constants are put in


def _skip(of: str) -> str:
    """SQL that skips each message of OPEN that is `of`, and writes down those without a row."""
    return f"""
    WITH {PEOPLE}, open AS ({OPEN}),
    overdue AS MATERIALIZED (
        SELECT o.*, people.enrollment_id, people.user_id,
               GREATEST(o.at, people.enrolled_at) AS due_at
        FROM open o {is_of_kind("o")} WHERE {of}
    ),
    skipped AS (
        UPDATE message_deliveries m
        SET status = 'skipped', skip_reason = 'campaign_paused', skip_detail = %(why)s
        FROM overdue o
        WHERE o.is_waiting AND m.enrollment_id = o.enrollment_id
          AND m.campaign_message_id = o.step_id AND m.status = 'scheduled'
        RETURNING 1
    ), written AS (
        INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel,
            due_at, scheduled_at, expires_at, status, skip_reason, skip_detail)
        SELECT s.enrollment_id, s.step_id, s.user_id, s.channel, s.due_at, s.due_at,
               {expires_at("s.due_at")}, 'skipped', 'campaign_paused', %(why)s
        FROM overdue s WHERE NOT s.is_waiting
        ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
        RETURNING 1
    )
    SELECT (SELECT count(*) FROM skipped) + (SELECT count(*) FROM written)
"""  # noqa: S608


_SKIP = _skip("is_overdue")
# After a shift, when the days of the pause are in the steps' days already: IS_LEFT.
_SKIP_LEFT = _skip("is_overdue AND NOT is_waiting")
# The holdout is shifted with the others, so that both are watched for as long.
_SHIFT = f"""
    WITH {PEOPLE}, open AS MATERIALIZED ({OPEN}),
    moved AS (
        UPDATE message_deliveries m
        SET due_at = {shifted("m.due_at", "o")}, scheduled_at = {shifted("m.due_at", "o")},
            expires_at = {shifted("m.expires_at", "o")}, trace = NULL
        FROM open o {is_of_kind("o")}
        WHERE o.is_waiting AND m.enrollment_id = people.enrollment_id
          AND m.campaign_message_id = o.step_id AND m.status = 'scheduled' AND o.days > 0
    ), shifted AS (
        UPDATE campaign_enrollments e
        SET shifted_days = e.shifted_days + {TODAY} - {SINCE}
        FROM doctors d
        WHERE e.campaign_id = %(campaign)s AND e.status = 'active' AND d.id = e.user_id
          AND {TODAY} <> {SINCE}
    )
    SELECT COALESCE(sum(people) FILTER (WHERE days > 0 AND NOT {IS_LEFT}), 0) FROM open
"""  # noqa: S608
_SPREAD = f"""
    WITH {PEOPLE}, open AS MATERIALIZED ({OPEN}), {PLACED},
    given AS MATERIALIZED (
        SELECT p.*, people.enrollment_id, people.user_id FROM placed p {is_of_kind("p")}
    ),
    moved AS (
        UPDATE message_deliveries m
        SET due_at = s.goes_at, scheduled_at = s.goes_at, trace = NULL,
            expires_at = {expires_at("s.goes_at")}
        FROM given s
        WHERE s.is_waiting AND m.enrollment_id = s.enrollment_id
          AND m.campaign_message_id = s.step_id AND m.status = 'scheduled'
        RETURNING 1
    ), written AS (
        INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel,
            variant_id, due_at, scheduled_at, expires_at)
        SELECT s.enrollment_id, s.step_id, s.user_id, s.channel, s.variant_id, s.goes_at,
               s.goes_at, {expires_at("s.goes_at")}
        FROM given s WHERE NOT s.is_waiting
        ON CONFLICT (enrollment_id, campaign_message_id) DO NOTHING
        RETURNING 1
    ), marked AS (  -- messaging/plan.py looks further back for them
        UPDATE campaign_enrollments e SET is_spread = true
        FROM (SELECT DISTINCT enrollment_id FROM given) s
        WHERE e.id = s.enrollment_id AND NOT e.is_spread
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


def overdue(campaign: Campaign, now: datetime, kinds: str | None = None) -> Overdue:
    """What a resumption at `now` would find, and what each choice would make of it.

    `kinds`: those of alike.read_kinds, where they were just read.
    """
    kinds = kinds or read_kinds(campaign, now)
    with connection.cursor() as cursor:
        cursor.execute(_FIGURES, {**values_of(campaign, now), "kinds": kinds})
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
    values = values_of(campaign, now, days if choice == Choice.SPREAD else 0)
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


def _run(statement: str, values: dict[str, Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])
