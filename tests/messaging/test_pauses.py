"""A pause: nothing goes out, nobody is enrolled, and it ends by itself."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import tasks
from messaging.audit.consent import opted_out
from messaging.audit.finding import Scope
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.optout import PAUSE, end_pauses, opt_in, opt_out, pause
from tests.engine import DAY, NOW, campaign, enrolled, member, send_all, statuses

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def enrollment():
    (enrollment,) = enrolled(days=(0, 40), channels=("sms",))
    schedule_due(NOW)
    return enrollment


def paused(enrollment, now=NOW, **fields):
    return pause(enrollment.doctor_id, source="test", now=now, **fields)


def test_pause_skips_what_expires_in_it_and_ends_no_enrolment(enrollment):
    paused(enrollment)
    assert statuses() == {"sms 0": "paused"}
    enrollment.refresh_from_db()
    assert enrollment.status == "active"


def test_what_outlasts_the_pause_waits_and_says_why(enrollment):
    MessageDelivery.objects.update(expires_at=NOW + PAUSE + DAY)
    record = paused(enrollment)
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    assert (delivery.status, delivery.scheduled_at) == ("scheduled", record.paused_until)
    gate = delivery.trace[-1]
    assert (gate["gate"], gate["verdict"]) == ("doctor's pause", "defer")
    assert "the doctor asked for a pause until" in gate["detail"]
    over = record.paused_until + MINUTE
    send_all(over)  # not ended yet: it holds
    assert MessageDelivery.objects.get().status == "scheduled"
    assert end_pauses(over) == 1
    send_all(over + timedelta(hours=1))
    assert MessageDelivery.objects.get().status == "sent"


def test_sequence_goes_on_after_the_pause(enrollment):
    paused(enrollment)
    over = NOW + PAUSE + MINUTE
    end_pauses(over)
    send_all(NOW + 40 * DAY)
    assert statuses() == {"sms 0": "paused", "sms 40": "sent"}
    assert not opted_out(Scope(NOW + 41 * DAY)).rows


def test_scheduled_in_the_pause_is_skipped_by_the_sender(enrollment):
    paused(enrollment, NOW + 20 * DAY)
    send_all(NOW + 40 * DAY)
    delivery = MessageDelivery.objects.get(campaign_message__delay_days=40)
    assert (delivery.status, delivery.skip_reason) == ("skipped", "paused")
    assert delivery.trace[-1]["gate"] == "doctor's pause"


def test_nobody_is_enrolled_in_a_pause():
    owner = member()
    made = campaign(days=(0,), channels=("sms",))
    pause(owner.pk, source="test", now=NOW)
    assert enroll(made, NOW) == 0
    end_pauses(NOW + PAUSE)
    assert enroll(made, NOW + PAUSE) == 1


def test_pause_asked_for_again_begins_anew(enrollment):
    first = paused(enrollment)
    second = paused(enrollment, NOW + DAY)
    first.refresh_from_db()
    assert first.revoked_at == NOW + DAY
    assert second.paused_until == NOW + DAY + PAUSE


def test_stopping_everything_is_more_than_a_pause(enrollment):
    record = paused(enrollment)
    out = opt_out(enrollment.doctor_id, None, None, source="test", now=NOW + DAY)
    assert out.paused_until is None
    record.refresh_from_db()
    assert record.revoked_at == NOW + DAY
    assert CampaignEnrollment.objects.get().status == "unsubscribed"
    assert paused(enrollment, NOW + 2 * DAY) == out  # nothing is left to pause
    assert end_pauses(NOW + 60 * DAY) == 0


def test_opting_out_of_a_channel_in_a_pause_is_not_everything(enrollment):
    MessageDelivery.objects.update(expires_at=NOW + PAUSE + DAY)
    paused(enrollment)
    opt_out(enrollment.doctor_id, "email", None, source="test", now=NOW)
    assert statuses() == {"sms 0": "scheduled"}
    assert CampaignEnrollment.objects.get().status == "active"


def test_ending_pauses_ends_those_that_are_over_once(enrollment):
    record = paused(enrollment)
    assert end_pauses(record.paused_until - MINUTE) == 0
    assert end_pauses(record.paused_until) == 1
    assert end_pauses(record.paused_until) == 0
    assert not UnsubscribeRecord.objects.standing().exists()


def test_worker_whose_clock_is_ahead_ends_no_pause(enrollment, monkeypatch):
    now = timezone.now()
    paused(enrollment, now)
    monkeypatch.setattr(timezone, "now", lambda: now + PAUSE + DAY)
    tasks.apply_reports()
    assert UnsubscribeRecord.objects.standing().exists()


def test_pause_can_be_ended_early(enrollment):
    opt_in(paused(enrollment), NOW + DAY)
    assert not UnsubscribeRecord.objects.standing().exists()
