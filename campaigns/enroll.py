"""UserSegment -> CampaignEnrollment: how a doctor gets into a campaign.

Everybody in the campaign's segment is enrolled who has been quiet long enough, is not under way
in this campaign, was not in it about the same subject before, and has not opted out of it. Whose
first course (session, certificate) has had its turn comes back with the next one.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection

from campaigns.models import Campaign
from messaging.due import DUE_AT
from segments.definitions import definition

# The segment as last calculated: one subject a doctor.
_MEMBERS = """
    SELECT user_id, subject, inactive_since FROM user_segments
    WHERE segment_type = %(segment)s AND (expires_at IS NULL OR expires_at > %(now)s)
"""
# Members who were in the campaign about that subject: their other subjects, the best first.
_NEXT_SUBJECTS = """
    SELECT DISTINCT ON (x.doctor_id) x.doctor_id AS user_id, x.subject, x.inactive_since
    FROM ({eligible}) x
    JOIN ({done}) g ON g.user_id = x.doctor_id
    WHERE NOT EXISTS (
        SELECT FROM campaign_enrollments o
        WHERE o.campaign_id = %(campaign)s AND o.user_id = x.doctor_id AND o.subject = x.subject
    )
    ORDER BY x.doctor_id, x.rank, x.subject
"""
_DONE = f"""
    SELECT g.user_id FROM ({_MEMBERS}) g
    JOIN campaign_enrollments o ON o.campaign_id = %(campaign)s AND o.user_id = g.user_id
        AND o.subject = g.subject AND o.status NOT IN ('active', 'unsubscribed')
    WHERE g.subject <> ''
"""  # noqa: S608  only constants are put in

_ENROLL = f"""
    WITH closed AS (  -- whom no channel that the campaign uses reaches: opted out or suppressed
        SELECT u.user_id FROM (
            SELECT user_id, channel FROM unsubscribe_records
            WHERE revoked_at IS NULL AND (segment_type IS NULL OR segment_type = %(segment)s)
            UNION ALL
            SELECT user_id, channel FROM channel_suppressions WHERE lifted_at IS NULL
        ) u
        JOIN (SELECT DISTINCT channel FROM campaign_messages WHERE campaign_id = %(campaign)s) used
          ON u.channel IS NULL OR u.channel = used.channel
        GROUP BY u.user_id
        HAVING count(DISTINCT used.channel) = (
            SELECT count(DISTINCT channel) FROM campaign_messages WHERE campaign_id = %(campaign)s
        )
    )
    INSERT INTO campaign_enrollments (campaign_id, user_id, subject, enrolled_at, next_due_at)
    SELECT c.id, e.user_id, e.subject, e.enrolled_at, {DUE_AT}
    FROM campaigns c
    JOIN (
        SELECT user_id, subject, inactive_since, %(now)s::timestamptz AS enrolled_at
        FROM ({{candidates}}) candidates
    ) e ON e.inactive_since <= %(quiet_since)s
    JOIN doctors d ON d.id = e.user_id
    JOIN (
        SELECT min(delay_days) AS delay_days FROM campaign_messages WHERE campaign_id = %(campaign)s
    ) s ON s.delay_days IS NOT NULL
    WHERE c.id = %(campaign)s AND c.status = 'active'
      AND (%(doctors)s::int[] IS NULL OR e.user_id = ANY(%(doctors)s))
      -- strategy, Unsubscribe Handling: never re-enrol unsubscribed users automatically
      AND NOT EXISTS (SELECT FROM closed WHERE closed.user_id = e.user_id)
      AND NOT EXISTS (
        SELECT FROM campaign_enrollments o
        WHERE o.campaign_id = c.id AND o.user_id = e.user_id
          AND (o.status IN ('active', 'unsubscribed') OR o.subject = e.subject)
      )
    ON CONFLICT DO NOTHING
"""  # noqa: S608  only constants are put in


def enroll(campaign: Campaign, now: datetime, doctor_ids: Sequence[int] | None = None) -> int:
    """Enrol everybody in the campaign's segment (or those of `doctor_ids`) who may be.

    Running it again, or twice at once, changes nothing. Returns how many were enrolled; none
    where the campaign is not running.
    """
    if not Campaign.objects.running(now).filter(pk=campaign.pk).exists():
        return 0
    values: dict[str, Any] = {
        "campaign": campaign.pk,
        "segment": campaign.segment_type,
        "now": now,
        "quiet_since": now - timedelta(days=campaign.inactivity_days),
        "doctors": None if doctor_ids is None else list(doctor_ids),
    }
    with connection.cursor() as cursor:
        cursor.execute(_ENROLL.format(candidates=_MEMBERS), values)
        enrolled = int(cursor.rowcount)
        cursor.execute(f"SELECT EXISTS ({_DONE})", values)
        if cursor.fetchone()[0]:
            cursor.execute(_ENROLL.format(candidates=_next_subjects(campaign, now)), values)
            enrolled += int(cursor.rowcount)
    return enrolled


def _next_subjects(campaign: Campaign, now: datetime) -> str:
    query = definition(campaign.segment_type).eligible(now).query
    eligible = connection.ops.compose_sql(  # type: ignore[attr-defined]  # PostgreSQL's own
        *query.sql_with_params()
    )
    return _NEXT_SUBJECTS.format(eligible=eligible.replace("%", "%%"), done=_DONE)


def enroll_running(now: datetime) -> dict[uuid.UUID, int]:
    """Enrol for every running campaign, the one with the best priority first."""
    running = Campaign.objects.running(now).order_by("priority", "name")
    return {campaign.pk: enroll(campaign, now) for campaign in running}
