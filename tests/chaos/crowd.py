"""Whom the messages of a chaos run are for: doctors whom two campaigns want on the same day."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from campaigns.enroll import enroll
from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging.models import Channel, ProviderAccount
from reengage.initial import create_missing
from segments.identify import identify
from segments.models import Doctor, SegmentType, Session
from tests import engine
from tests.office import midday_zone

DAY = timedelta(days=1)
CAMPAIGNS = 2  # with a message on each channel
PER_DOCTOR = CAMPAIGNS * len(Channel.values)  # deliveries
# Due for so long that a worker whose clock is an hour late sends them, too.
DUE_SINCE = timedelta(minutes=65)

_DOCTORS = """
    INSERT INTO doctors (external_id, title, first_name, last_name, email, phone,
                         whatsapp, specialty, location, timezone)
    SELECT 'd' || n, 'Dr.', 'Anita', 'Rao' || n, 'd' || n || '@example.com',
           '+91' || (9800000000 + n), '+91' || (9700000000 + n), '', '', %(zone)s
    FROM generate_series(1, %(count)s) n
"""
_CERTIFICATES = """
    INSERT INTO certificates (external_id, doctor_id, session_id, issued_at, expires_at)
    SELECT 'c' || d.id, d.id, s.id, %(issued)s, %(expires)s FROM doctors d CROSS JOIN sessions s
"""
_CONSENT = """
    INSERT INTO consent_records (user_id, channel, is_given, recorded_at, source, text_shown)
    SELECT id, 'whatsapp', true, %(issued)s, 'chaos', '' FROM doctors WHERE id %% 3 > 0
"""

# What runs every minute, or more rarely, runs every few seconds.
SECONDS = {
    "messaging.tasks.dispatch_due": 1,
    "messaging.tasks.reap_expired_leases": 1,
    "messaging.tasks.apply_reports": 2,
    "messaging.tasks.reconcile_unknown": 4,
    "campaigns.tasks.schedule_campaign_messages": 5,
    "campaigns.tasks.end_finished_enrollments": 5,
    "campaigns.tasks.count_today": 10,
}


class Crowd:
    """Doctors who enter the campaigns a few at a time."""

    def __init__(self, count: int) -> None:
        """Write them all, and the campaigns."""
        now = timezone.now()
        self._write(count, now)
        # With the caps, each channel has somebody: SMS those who did not consent to WhatsApp.
        self.campaigns = [
            engine.campaign(days=(0,), start_date=now - DAY, channel_order=list(order))
            for order in (Channel.values, reversed(Channel.values))
        ]
        self.doctors = list(Doctor.objects.order_by("pk").values_list("pk", flat=True))
        self.entered = 0

    def _write(self, count: int, now: datetime) -> None:
        Session.objects.create(
            external_id="s1",
            title="Heart failure",
            starts_at=now - 3 * DAY,
            ends_at=now - 3 * DAY + timedelta(hours=1),
        )
        values = {
            "zone": midday_zone(),
            "count": count,
            "issued": now - 2 * DAY,
            "expires": now + 60 * DAY,
        }
        with connection.cursor() as cursor:
            for statement in (_DOCTORS, _CERTIFICATES, _CONSENT):
                cursor.execute(statement, values)
        identify(SegmentType.UNCLAIMED_CERTIFICATES, now)

    def enter(self, count: int) -> list[int]:
        """The next doctors are enrolled and their messages due; raises where the database is away.

        Nobody is left out: those of a failed call come with the next one.
        """
        ids = self.doctors[self.entered : self.entered + count]
        if ids:
            since = timezone.now() - DUE_SINCE
            for campaign in self.campaigns:
                enroll(campaign, since, ids)
            schedule_due(timezone.now())
            self.entered += len(ids)
        return ids


def set_up(count: int) -> Crowd:
    """Schedules, accounts and doctors, in an empty, migrated database."""
    create_missing()
    Campaign.objects.all().delete()  # the strategy's own, drafts
    PeriodicTask.objects.update(enabled=False)
    for task, seconds in SECONDS.items():
        every, _ = IntervalSchedule.objects.get_or_create(every=seconds, period="seconds")
        row = PeriodicTask.objects.get(task=task)
        row.crontab, row.interval, row.enabled = None, every, True
        row.save()
    ProviderAccount.objects.all().delete()
    ProviderAccount.objects.create(channel="whatsapp", provider="peer")
    ProviderAccount.objects.create(
        channel="sms", provider="asked", rate_per_second=100, burst=100, tokens=100
    )
    ProviderAccount.objects.create(channel="email", provider="smtp")
    return Crowd(count)
