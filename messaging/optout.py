"""The way out, and back: an opt-out acts at once (design, section 5)."""

from __future__ import annotations

from datetime import datetime

from django.db import connection, transaction

from messaging.models import Channel, MessageDelivery, UnsubscribeRecord
from segments.models import Doctor, SegmentType

# A scheduled delivery that a standing opt-out covers; `sending` ones can't be called back.
_SKIP_COVERED = """
    UPDATE message_deliveries m
    SET status = 'skipped', skip_reason = 'unsubscribed', skip_detail = 'the doctor has opted out'
    FROM campaign_enrollments e JOIN campaigns c ON c.id = e.campaign_id
    WHERE m.user_id = %(doctor)s AND m.status = 'scheduled' AND e.id = m.enrollment_id
      AND EXISTS (
        SELECT FROM unsubscribe_records u
        WHERE u.user_id = m.user_id AND u.revoked_at IS NULL
          AND (u.channel IS NULL OR u.channel = m.channel)
          AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
      )
"""
# A running enrolment with no step left on a channel that is still open to it.
_END_EMPTIED = """
    UPDATE campaign_enrollments e
    SET status = 'unsubscribed', unsubscribed_at = %(now)s, completed_at = %(now)s,
        next_due_at = NULL
    FROM campaigns c
    WHERE e.user_id = %(doctor)s AND e.status = 'active' AND c.id = e.campaign_id
      AND NOT EXISTS (
        SELECT FROM campaign_messages s
        WHERE s.campaign_id = c.id AND NOT EXISTS (
            SELECT FROM unsubscribe_records u
            WHERE u.user_id = e.user_id AND u.revoked_at IS NULL
              AND (u.channel IS NULL OR u.channel = s.channel)
              AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
        )
      )
"""


@transaction.atomic
def opt_out(  # noqa: PLR0913  a wish has this many parts
    doctor_id: int,
    channel: Channel | str | None,
    segment_type: SegmentType | str | None,
    *,
    reason: str | None = None,
    source: str,
    now: datetime,
    delivery: MessageDelivery | None = None,
) -> UnsubscribeRecord:
    """Record that a doctor does not want to be written to, and act on it at once.

    `None` for channel or segment type means all. What is scheduled and covered is skipped, and
    enrolments that it leaves without a channel end. Saying it twice changes nothing. The doctor's
    lock is taken first, so that a message is either authorised before or not at all; with the
    record the database raises the doctor's consent counter, which proves it.
    """
    Doctor.objects.lock([doctor_id]).get()
    record, is_new = UnsubscribeRecord.objects.standing().get_or_create(
        doctor_id=doctor_id,
        channel=channel or None,
        segment_type=segment_type or None,
        defaults={
            "reason": reason,
            "source": source,
            "unsubscribed_at": now,
            "delivery": delivery,
        },
    )
    if is_new:
        with connection.cursor() as cursor:
            # Enrolment before delivery, as everywhere: nobody waits in a circle.
            cursor.execute(_END_EMPTIED, {"doctor": doctor_id, "now": now})
            cursor.execute(_SKIP_COVERED, {"doctor": doctor_id})
    return record


@transaction.atomic
def opt_in(record: UnsubscribeRecord, now: datetime) -> None:
    """Take an opt-out back. Ended enrolments stay ended: nobody is enrolled again by this."""
    Doctor.objects.lock([record.doctor_id]).get()
    UnsubscribeRecord.objects.standing().filter(pk=record.pk).update(revoked_at=now)
