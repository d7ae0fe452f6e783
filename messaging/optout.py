"""The way out, and back: an opt-out acts at once (design, section 5)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection, transaction

from messaging.models import Channel, MessageDelivery, UnsubscribeRecord
from messaging.models.consent import UnsubscribeQuerySet
from segments.models import Doctor, ErasedPerson, SegmentType

# A scheduled delivery that a standing opt-out covers; `sending` ones can't be called back.
_SKIP_COVERED = """
    UPDATE message_deliveries m
    SET status = 'skipped', skip_reason = 'unsubscribed', skip_detail = 'the doctor has opted out'
    FROM campaign_enrollments e JOIN campaigns c ON c.id = e.campaign_id
    WHERE m.user_id = %(doctor)s AND m.status = 'scheduled' AND e.id = m.enrollment_id
      AND EXISTS (
        SELECT FROM unsubscribe_records u
        WHERE u.user_id = m.user_id AND u.revoked_at IS NULL AND u.paused_until IS NULL
          AND (u.channel IS NULL OR u.channel = m.channel)
          AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
      )
"""
# A running enrolment with no step left on a channel that is still open to it: neither opted out of
# nor suppressed (messaging/suppress.py).
_END_EMPTIED = """
    UPDATE campaign_enrollments e
    SET status = 'unsubscribed', unsubscribed_at = %(now)s, completed_at = %(now)s,
        next_due_at = NULL
    FROM campaigns c
    WHERE e.user_id = %(doctor)s AND e.status = 'active' AND c.id = e.campaign_id
      AND NOT EXISTS (
        SELECT FROM campaign_messages s
        WHERE s.campaign_id = c.id AND s.removed_at IS NULL AND NOT EXISTS (
            SELECT FROM unsubscribe_records u
            WHERE u.user_id = e.user_id AND u.revoked_at IS NULL AND u.paused_until IS NULL
              AND (u.channel IS NULL OR u.channel = s.channel)
              AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
        ) AND NOT EXISTS (
            SELECT FROM channel_suppressions x
            WHERE x.user_id = e.user_id AND x.lifted_at IS NULL AND x.channel = s.channel
        )
      )
"""
# What would have expired when the pause is over; what is good for longer waits (policy.decide).
_SKIP_PAUSED = """
    UPDATE message_deliveries
    SET status = 'skipped', skip_reason = 'paused', skip_detail = 'the doctor asked for a pause'
    WHERE user_id = %(doctor)s AND status = 'scheduled' AND expires_at <= %(until)s
"""
PAUSE = timedelta(days=30)
_AT_ONCE = 1000  # pauses ended in one transaction


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
    if not channel and not segment_type:
        _standing_pauses(doctor_id).update(revoked_at=now)  # it is more than the pause was
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
def opt_in(record: UnsubscribeRecord, now: datetime) -> bool:
    """Take an opt-out back. Ended enrolments stay ended: nobody is enrolled again by this.

    False: nothing was changed. It was taken back before; or the doctor was erased, and then it
    stands until somebody deletes that entry (segments/erased.py).
    """
    Doctor.objects.lock([record.doctor_id]).get()
    if ErasedPerson.objects.filter(doctor_id=record.doctor_id).exists():
        return False
    standing = UnsubscribeRecord.objects.standing().filter(pk=record.pk)
    return bool(standing.update(revoked_at=now))


@transaction.atomic
def pause(
    doctor_id: int,
    *,
    reason: str | None = None,
    source: str,
    now: datetime,
    delivery: MessageDelivery | None = None,
) -> UnsubscribeRecord:
    """Record that a doctor wants nothing for PAUSE, and act on it at once.

    An opt-out of everything with an end: nothing goes out and nobody is enrolled meanwhile, but
    enrolments go on. A step whose time ends in the pause is skipped, never sent late: a reminder of
    day 3 makes no sense on day 33. Asking again begins the pause anew; where everything has been
    opted out of, that stands and is returned.
    """
    Doctor.objects.lock([doctor_id]).get()
    standing = UnsubscribeRecord.objects.standing()
    of_all = standing.filter(doctor_id=doctor_id, channel=None, segment_type=None)
    if opted_out := of_all.filter(paused_until=None).first():
        return opted_out
    of_all.update(revoked_at=now)
    until = now + PAUSE
    record = UnsubscribeRecord.objects.create(
        doctor_id=doctor_id,
        reason=reason,
        source=source,
        unsubscribed_at=now,
        delivery=delivery,
        paused_until=until,
    )
    with connection.cursor() as cursor:
        cursor.execute(_SKIP_PAUSED, {"doctor": doctor_id, "until": until})
    return record


def end_pauses(now: datetime) -> int:
    """End the pauses whose time is over; returns how many. Until this was done, they hold."""
    ended = 0
    due = UnsubscribeRecord.objects.standing().pauses().filter(paused_until__lte=now)
    while ids := list(due.values_list("pk", "doctor_id").order_by("pk")[:_AT_ONCE]):
        with transaction.atomic():
            list(Doctor.objects.lock([doctor_id for _, doctor_id in ids]))
            ended += due.filter(pk__in=[pk for pk, _ in ids]).update(revoked_at=now)
    return ended


def _standing_pauses(doctor_id: int) -> UnsubscribeQuerySet:
    return UnsubscribeRecord.objects.standing().pauses().filter(doctor_id=doctor_id)
