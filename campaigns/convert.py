"""Who came back, and who is done: the ways in which an enrolment ends."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus, EnrollmentStatus
from segments.definitions import definition

# What is still scheduled of ended enrolments; `sending` ones can't be called back.
_SKIP_SCHEDULED = """
    UPDATE message_deliveries
    SET status = 'skipped', skip_reason = %(reason)s, skip_detail = %(detail)s
    WHERE enrollment_id = ANY(%(enrollments)s) AND status = 'scheduled'
"""
_END_FINISHED = """
    WITH done AS MATERIALIZED (
        SELECT e.id FROM campaign_enrollments e JOIN campaigns c ON c.id = e.campaign_id
        WHERE e.status = 'active'
          AND (e.next_due_at IS NULL OR c.status = 'completed' OR c.end_date <= %(now)s)
          AND (c.status <> 'paused' OR c.end_date <= %(now)s)
          AND e.enrolled_at + make_interval(days => COALESCE(c.goal_days, 0)) <= %(now)s
          AND (c.status = 'completed' OR c.end_date <= %(now)s
            OR e.enrolled_at + %(expires)s + make_interval(days => e.shifted_days + COALESCE((
                SELECT max(s.delay_days) FROM campaign_messages s
                WHERE s.campaign_id = c.id AND s.removed_at IS NULL), 0)) <= %(now)s)
          AND (NOT e.is_holdout OR c.status = 'completed' OR c.end_date <= %(now)s
            OR NOT EXISTS (
                SELECT FROM campaign_enrollments o
                WHERE o.campaign_id = c.id AND o.status = 'active' AND o.is_spread))
          AND NOT EXISTS (
            SELECT FROM message_deliveries m
            WHERE m.enrollment_id = e.id AND m.status IN ('scheduled', 'sending')
          )
        ORDER BY e.id FOR NO KEY UPDATE OF e SKIP LOCKED
    )
    UPDATE campaign_enrollments e
    SET status = 'completed', completed_at = %(now)s, next_due_at = NULL
    FROM done WHERE e.id = done.id
"""


def end_converted(now: datetime) -> int:
    """End every enrolment whose doctor reached the goal, and skip what was still to come.

    Returns how many ended.
    """
    with_enrollments = Campaign.objects.exclude(status=CampaignStatus.DRAFT)
    return sum(_end_converted(campaign, now) for campaign in with_enrollments)


@transaction.atomic
def _end_converted(campaign: Campaign, now: datetime) -> int:
    under_way = CampaignEnrollment.objects.filter(campaign=campaign, status=EnrollmentStatus.ACTIVE)
    came_back: QuerySet[Any] = definition(campaign.segment_type).returned(under_way, now)
    # In key order, and what another run holds is left to it: two runs never wait in a circle.
    free = came_back.order_by("pk").select_for_update(of=("self",), skip_locked=True)
    rows = list(free.values_list("pk", "returned_at"))
    if not rows:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE campaign_enrollments e
            SET status = 'converted', converted_at = v.at, completed_at = %s, next_due_at = NULL
            FROM unnest(%s::uuid[], %s::timestamptz[]) AS v(id, at)
            WHERE e.id = v.id AND e.status = 'active'
            """,
            [now, [pk for pk, _ in rows], [at for _, at in rows]],
        )
        ended = int(cursor.rowcount)
    _skip_scheduled([pk for pk, _ in rows], "converted", "the doctor has come back")
    return ended


def end_finished(now: datetime) -> int:
    """End the enrolments that have nothing more to come; returns how many ended.

    Done means: all steps scheduled or the campaign over, none waiting or in the air, the goal's
    days over, since a doctor who comes back on the last of them still counts, and the time of the
    last step over, when its message would be too late. That last is asked of those written to and
    of the holdout alike: a lift compares people who had as long. So the holdout stays, too, while
    anybody still gets what was spread after a pause. A pause holds: nobody's time ends in it.

    In key order, and what somebody else holds is left to the next run: nobody waits in a circle
    with a pause or an edit, which hold everybody under way (transition.hold_people).
    """
    values: dict[str, Any] = {"now": now, "expires": settings.STEP_EXPIRES_AFTER}
    with connection.cursor() as cursor:
        cursor.execute(_END_FINISHED, values)
        return int(cursor.rowcount)


@transaction.atomic
def end_all(enrollments: QuerySet[CampaignEnrollment], now: datetime) -> tuple[int, int]:
    """End these enrolments because their campaign is over.

    Returns how many ended, and how many scheduled messages were skipped.
    """
    active = enrollments.filter(status=EnrollmentStatus.ACTIVE).select_for_update()
    ids = list(active.order_by("pk").values_list("pk", flat=True))
    ended = CampaignEnrollment.objects.filter(pk__in=ids).update(
        status=EnrollmentStatus.COMPLETED, completed_at=now, next_due_at=None
    )
    return ended, _skip_scheduled(ids, "campaign_over", "the campaign was completed")


def _skip_scheduled(enrollment_ids: list[Any], reason: str, detail: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            _SKIP_SCHEDULED,
            {"enrollments": enrollment_ids, "reason": reason, "detail": detail},
        )
        return int(cursor.rowcount)
