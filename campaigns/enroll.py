"""UserSegment -> CampaignEnrollment: how a doctor gets into a campaign.

Everybody in the campaign's segment is enrolled who has been quiet long enough, is not under way
in this campaign, was not in it about the same subject before, and has not opted out of it. Whose
first course (session, certificate) has had its turn comes back with the next one. A rollout lets
in a stable share of them (buckets.py), and a holdout is enrolled but never written to.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction

from campaigns.buckets import BUCKETS, bucket_sql
from campaigns.models import Campaign
from messaging.due import DUE_AT
from segments.definitions import definition

# The segment as last calculated: one subject a doctor. What has no underscore is also how
# campaigns/people.py tells who would be enrolled.
MEMBERS = """
    SELECT user_id, subject, inactive_since FROM user_segments
    WHERE segment_type = %(segment)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""
_CHANNELS = """
    SELECT DISTINCT channel FROM campaign_messages
    WHERE campaign_id = %(campaign)s AND removed_at IS NULL
"""
# Members who were in the campaign about that subject: their other subjects, the best first.
_NEXT_SUBJECTS = """
    SELECT DISTINCT ON (x.doctor_id) x.doctor_id AS user_id, x.subject, x.inactive_since
    FROM ({eligible}) x
    JOIN ({had_turn}) g ON g.user_id = x.doctor_id
    WHERE NOT EXISTS (
        SELECT FROM campaign_enrollments o
        WHERE o.campaign_id = %(campaign)s AND o.user_id = x.doctor_id AND o.subject = x.subject
    )
    ORDER BY x.doctor_id, x.rank, x.subject
"""
# Whether the doctor's bucket is in the rollout's stage; whoever was let in before stays in.
IN_ROLLOUT = f"""
    {bucket_sql("'rollout:' || c.id", "e.user_id")} < %(rollout)s * {BUCKETS // 100}
"""
# Whoever was written to is no longer a doctor who never was: not even about another subject.
IN_HOLDOUT = f"""
    c.holdout_percent > 0
    AND {bucket_sql("'holdout:' || c.id", "e.user_id")} < c.holdout_percent * {BUCKETS // 100}
    AND NOT EXISTS (
        SELECT FROM campaign_enrollments w
        WHERE w.campaign_id = c.id AND w.user_id = e.user_id AND NOT w.is_holdout)
"""

# Who may be enrolled now, of candidates: doctor, subject, whether to hold out, first due.
_ELIGIBLE = f"""
    WITH closed AS (  -- whom no channel that the campaign uses reaches: opted out or suppressed
        SELECT u.user_id FROM (
            SELECT user_id, channel FROM unsubscribe_records
            WHERE revoked_at IS NULL AND (segment_type IS NULL OR segment_type = %(segment)s)
            UNION ALL
            SELECT user_id, channel FROM channel_suppressions WHERE lifted_at IS NULL
        ) u
        JOIN ({_CHANNELS}) used
          ON u.channel IS NULL OR u.channel = used.channel
        GROUP BY u.user_id
        HAVING count(DISTINCT used.channel) = (SELECT count(*) FROM ({_CHANNELS}) all_used)
    )
    SELECT campaign_id, user_id, subject, enrolled_at, is_holdout,
           CASE WHEN NOT is_holdout THEN due_at END AS next_due_at
    FROM (
    SELECT c.id AS campaign_id, e.user_id, e.subject, e.enrolled_at, {IN_HOLDOUT} AS is_holdout,
           {DUE_AT} AS due_at
    FROM campaigns c
    JOIN (
        SELECT user_id, subject, inactive_since, %(now)s::timestamptz AS enrolled_at,
               0 AS shifted_days
        FROM ({{candidates}}) candidates
    ) e ON e.inactive_since <= %(quiet_since)s
    -- there for each; LEFT, so that PostgreSQL spares itself the join where DUE_AT is not asked for
    LEFT JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT min(delay_days) AS delay_days FROM campaign_messages
        WHERE campaign_id = %(campaign)s AND removed_at IS NULL
    ) s ON s.delay_days IS NOT NULL
    WHERE c.id = %(campaign)s
      AND CASE WHEN %(rollout)s >= 100 THEN true ELSE {IN_ROLLOUT} END
      AND (%(doctors)s::int[] IS NULL OR e.user_id = ANY(%(doctors)s))
      -- strategy, Unsubscribe Handling: never re-enrol unsubscribed users automatically
      AND NOT EXISTS (SELECT FROM closed WHERE closed.user_id = e.user_id)
      AND NOT EXISTS (
        SELECT FROM campaign_enrollments o
        WHERE o.campaign_id = c.id AND o.user_id = e.user_id
          AND (o.status IN ('active', 'unsubscribed') OR o.subject = e.subject)
      )
    ) eligible
"""  # noqa: S608  only constants are put in
_ENROLL = f"""
    INSERT INTO campaign_enrollments
        (campaign_id, user_id, subject, enrolled_at, is_holdout, next_due_at)
    {_ELIGIBLE}
    ON CONFLICT DO NOTHING
"""
_COUNT = f"""
    SELECT count(*) FILTER (WHERE NOT is_holdout), count(*) FILTER (WHERE is_holdout)
    FROM ({_ELIGIBLE}) counted
"""  # noqa: S608
# Held until the enrolments are written: whoever pauses, completes or widens it waits, and is
# waited for. FOR SHARE lets two runs of enrolment go at once.
_HOLD = """
    SELECT rollout_percent FROM campaigns
    WHERE id = %(campaign)s AND status = 'active'
      AND (start_date IS NULL OR start_date <= %(now)s) AND (end_date IS NULL OR end_date > %(now)s)
    FOR SHARE
"""


class Waiting(NamedTuple):
    """How many may be enrolled now."""

    written_to: int
    holdout: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.written_to + self.holdout


@transaction.atomic
def enroll(campaign: Campaign, now: datetime, doctor_ids: Sequence[int] | None = None) -> int:
    """Enrol everybody in the campaign's segment (or those of `doctor_ids`) who may be.

    Of these, those in the share that the rollout has reached; the holdout among them is never
    written to. Running it again, or twice at once, changes nothing. Returns how many were
    enrolled; none where the campaign is not running.
    """
    values = _values(campaign, now, doctor_ids)
    enrolled = 0
    with connection.cursor() as cursor:
        cursor.execute(_HOLD, values)
        held = cursor.fetchone()
        if held is None:
            return 0
        values["rollout"] = held[0]
        for candidates in _candidates(campaign, now, values):
            cursor.execute(_ENROLL.format(candidates=candidates), values)
            enrolled += int(cursor.rowcount)
    return enrolled


def waiting(campaign: Campaign, now: datetime, rollout_percent: int | None = None) -> Waiting:
    """How many would be enrolled at `now` if it ran, at its stage of the rollout or another."""
    values = _values(campaign, now, None)
    values["rollout"] = rollout_percent or campaign.rollout_percent
    found = Waiting(0, 0)
    with connection.cursor() as cursor:
        for candidates in _candidates(campaign, now, values):
            cursor.execute(_COUNT.format(candidates=candidates), values)
            found = Waiting(*map(int.__add__, found, cursor.fetchone()))
    return found


def _values(campaign: Campaign, now: datetime, doctor_ids: Sequence[int] | None) -> dict[str, Any]:
    return {
        "campaign": campaign.pk,
        "segment": campaign.segment_type,
        "now": now,
        "quiet_since": now - timedelta(days=campaign.inactivity_days),
        "doctors": None if doctor_ids is None else list(doctor_ids),
    }


def _candidates(campaign: Campaign, now: datetime, values: dict[str, Any]) -> Iterator[str]:
    """SQL of whom to look at: the segment's members, then their other subjects, if any wait."""
    yield MEMBERS
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT EXISTS ({had_their_turn(MEMBERS)})", values)
        has_done = cursor.fetchone()[0]
    if has_done:
        yield next_subjects(campaign, now, MEMBERS)


def had_their_turn(members: str) -> str:
    """SQL: who of `members`, a query as MEMBERS is, was in the campaign about that subject."""
    return f"""
        SELECT g.user_id FROM ({members}) g
        JOIN campaign_enrollments o ON o.campaign_id = %(campaign)s AND o.user_id = g.user_id
            AND o.subject = g.subject AND o.status NOT IN ('active', 'unsubscribed')
        WHERE g.subject <> ''
    """  # noqa: S608  only constants are put in


def next_subjects(campaign: Campaign, now: datetime, members: str) -> str:
    """SQL: the best other subject of those of `members` whose first one had its turn, if any."""
    query = definition(campaign.segment_type).eligible(now).query
    eligible = connection.ops.compose_sql(  # type: ignore[attr-defined]  # PostgreSQL's own
        *query.sql_with_params()
    )
    return _NEXT_SUBJECTS.format(
        eligible=eligible.replace("%", "%%"), had_turn=had_their_turn(members)
    )


def enroll_running(now: datetime) -> dict[uuid.UUID, int]:
    """Enrol for every running campaign, the one with the best priority first."""
    running = Campaign.objects.running(now).order_by("priority", "name")
    return {campaign.pk: enroll(campaign, now) for campaign in running}
