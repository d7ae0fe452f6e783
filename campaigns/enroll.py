"""UserSegment -> CampaignEnrollment: how a doctor gets into a campaign.

Everybody in the campaign's segment is enrolled who has been quiet long enough, is not under way
in this campaign, was not in it about the same subject before, and has not opted out.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import connection

from campaigns.models import Campaign
from messaging.due import DUE_AT

_ENROLL = f"""
    INSERT INTO campaign_enrollments (campaign_id, user_id, subject, enrolled_at, next_due_at)
    SELECT c.id, e.user_id, e.subject, e.enrolled_at, {DUE_AT}
    FROM campaigns c
    JOIN LATERAL (
        SELECT g.user_id, g.subject, %(now)s::timestamptz AS enrolled_at
        FROM user_segments g
        WHERE g.segment_type = c.segment_type
          AND (g.expires_at IS NULL OR g.expires_at > %(now)s)
          AND g.inactive_since <= %(quiet_since)s
          AND (%(doctors)s::int[] IS NULL OR g.user_id = ANY(%(doctors)s))
    ) e ON true
    JOIN doctors d ON d.id = e.user_id
    JOIN LATERAL (
        SELECT min(delay_days) AS delay_days FROM campaign_messages WHERE campaign_id = c.id
    ) s ON s.delay_days IS NOT NULL
    WHERE c.id = %(campaign)s
      -- strategy, Unsubscribe Handling: never re-enrol unsubscribed users automatically
      AND NOT EXISTS (
        SELECT FROM unsubscribe_records u
        WHERE u.user_id = e.user_id AND u.channel IS NULL AND u.revoked_at IS NULL
          AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
      )
      AND NOT EXISTS (
        SELECT FROM campaign_enrollments o
        WHERE o.campaign_id = c.id AND o.user_id = e.user_id
          AND (o.status IN ('active', 'unsubscribed') OR o.subject = e.subject)
      )
    ON CONFLICT DO NOTHING
"""  # noqa: S608  only constants are put in


def enroll(campaign: Campaign, now: datetime, doctor_ids: Sequence[int] | None = None) -> int:
    """Enrol everybody in the campaign's segment (or those of `doctor_ids`) who may be.

    One statement; running it again, or twice at once, changes nothing. Returns how many were
    enrolled; none where the campaign is not running.
    """
    if not Campaign.objects.running(now).filter(pk=campaign.pk).exists():
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            _ENROLL,
            {
                "campaign": campaign.pk,
                "now": now,
                "quiet_since": now - timedelta(days=campaign.inactivity_days),
                "doctors": None if doctor_ids is None else list(doctor_ids),
            },
        )
        return int(cursor.rowcount)


def enroll_running(now: datetime) -> dict[uuid.UUID, int]:
    """Enrol for every running campaign, the one with the best priority first."""
    running = Campaign.objects.running(now).order_by("priority", "name")
    return {campaign.pk: enroll(campaign, now) for campaign in running}
