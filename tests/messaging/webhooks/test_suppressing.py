"""Channels that no longer reach a doctor are closed, and enrolments that lose all of them end."""

import pytest
from django.contrib.auth.models import User

from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import reports, suppress
from messaging.audit.consent import opted_out
from messaging.audit.finding import Scope
from messaging.authorize import authorize_due
from messaging.models import (
    DeliveryAttempt,
    MessageDelivery,
    ProviderEvent,
    Suppression,
    SuppressionReason,
    UnsubscribeRecord,
    Verdict,
)
from messaging.optout import opt_out
from messaging.track import Event, store
from segments.models import Doctor
from tests.engine import DAY, NOW, enrolled, send_all, statuses
from tests.messaging.together import at_once
from tests.webhook_calls import interakt, interakt_report, ses, ses_event, status

pytestmark = pytest.mark.django_db


def sent(*channels):
    """A message on the first channel has gone out; the others wait for another day."""
    enrolled(days=(0, 3), channels=channels)
    send_all(NOW)
    MessageDelivery.objects.update(external_id=None)  # the report comes before our own record
    return MessageDelivery.objects.get(channel=channels[0], status="sent")


def reason():
    return Suppression.objects.values_list("reason", flat=True).get()


def bounce(delivery, kind="Permanent", message_id="n-1"):
    bounced = {
        "bounceType": kind,
        "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": "x"}],
    }
    ses(ses_event("Bounce", delivery.pk, bounce=bounced), message_id)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("21610", "provider_opt_out"),
        ("21211", "invalid"),
        ("21614", "invalid"),
        ("21635", "invalid"),
        ("30005", "invalid"),
        ("30006", "invalid"),
    ],
)
def test_each_code_of_twilios_that_speaks_of_the_number_closes_the_channel(code, expected):
    delivery = sent("sms")
    status("SM1", "failed", delivery.pk, ErrorCode=code)
    reports.take(NOW)
    assert reason() == expected
    assert Suppression.objects.get().event == ProviderEvent.objects.get()
    assert UnsubscribeRecord.objects.exists() == (expected == "provider_opt_out")


@pytest.mark.parametrize(
    ("code", "expected"), [("63014", "provider_opt_out"), ("63024", "not_on_channel")]
)
def test_what_twilio_says_of_whatsapp_closes_whatsapp_alone(code, expected):
    delivery = sent("whatsapp", "sms")
    MessageDelivery.objects.update(channel="sms")
    status("SM1", "failed", delivery.pk, ErrorCode=code)
    reports.take(NOW)
    assert not Suppression.objects.exists()
    MessageDelivery.objects.update(channel="whatsapp")
    status("SM2", "failed", delivery.pk, ErrorCode=code)
    reports.take(NOW)
    assert Suppression.objects.values_list("channel", "reason").get() == ("whatsapp", expected)


def test_a_report_with_the_id_of_another_message_is_not_applied(caplog):
    delivery = sent("sms")
    MessageDelivery.objects.update(external_id="SM-ours")
    status("SM-other", "failed", delivery.pk, ErrorCode="30005")
    suppress.settle(NOW)  # another worker, before the report was looked at
    reports.take(NOW)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_message) == ("sent", None)
    assert not Suppression.objects.exists()
    event = ProviderEvent.objects.get()
    assert (event.delivery_id, event.parked_at) == (None, NOW)
    assert event.detail["other_delivery"] == str(delivery.pk)
    assert "1 reports named a delivery and another one's id" in caplog.text
    DeliveryAttempt.objects.update(external_id="SM-other")  # an earlier hand-off of another message
    reports.retry(NOW)
    assert not Suppression.objects.exists()


def test_a_report_of_an_earlier_hand_off_is_applied():
    delivery = sent("sms")
    MessageDelivery.objects.update(external_id="SM-second")
    DeliveryAttempt.objects.update(external_id="SM-first")
    status("SM-first", "delivered", delivery.pk)
    reports.take(NOW)
    delivery.refresh_from_db()
    assert delivery.status == "delivered"


@pytest.mark.parametrize("code", ["30007", "63016", "21408", "30003", "99999", ""])
def test_what_speaks_of_the_message_closes_nothing(code):
    delivery = sent("sms")
    status("SM1", "failed", delivery.pk, ErrorCode=code)
    reports.take(NOW)
    assert not Suppression.objects.exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"channel_error_code": "131026"}, "not_on_channel"),
        ({"channel_failure_reason": "131026: Message undeliverable"}, "not_on_channel"),
        ({"channel_failure_reason": "(131050) stopped marketing"}, "provider_opt_out"),
    ],
)
def test_interakts_failures_close_whatsapp(words, expected):
    delivery = sent("whatsapp")
    interakt(interakt_report("message_api_failed", delivery.pk, **words))
    reports.take(NOW)
    assert reason() == expected


def test_a_hard_bounce_closes_email_at_once_and_ends_what_has_no_other_channel():
    delivery = sent("email")
    schedule_due(NOW + 3 * DAY)
    bounce(delivery)
    reports.take(NOW)
    assert reason() == "hard_bounce"
    enrollment = CampaignEnrollment.objects.get()
    assert (enrollment.status, enrollment.completed_at, enrollment.next_due_at) == (
        "bounced",
        NOW,
        None,
    )
    assert statuses() == {"email 0": "failed", "email 3": "suppressed"}


def test_an_enrolment_with_another_channel_goes_on_without_the_closed_one():
    delivery = sent("email", "sms")
    bounce(delivery)
    reports.take(NOW)
    assert CampaignEnrollment.objects.get().status == "active"
    for day in range(8):
        send_all(NOW + day * DAY)
    after = statuses()
    assert after["email 3"] == "suppressed"
    assert after["sms 3"] == "sent"
    skipped = MessageDelivery.objects.get(status="skipped", campaign_message__delay_days=3)
    assert skipped.skip_detail.startswith("Hard bounce, 04 Mar 2026")
    assert skipped.trace[-1]["gate"] == "suppression"


def test_a_channel_without_an_address_is_none_that_is_left():
    delivery = sent("email", "sms")
    Doctor.objects.update(phone=None, whatsapp=None)
    bounce(delivery)
    reports.take(NOW)
    assert CampaignEnrollment.objects.get().status == "bounced"


def test_an_opt_out_of_the_last_open_channel_ends_it_as_opted_out():
    delivery = sent("email", "sms")
    bounce(delivery)
    reports.take(NOW)
    opt_out(delivery.doctor_id, "sms", None, source="test", now=NOW)
    assert CampaignEnrollment.objects.get().status == "unsubscribed"


def test_a_complaint_closes_the_channel_and_is_an_opt_out_of_it():
    delivery = sent("email", "sms")
    ses(
        ses_event(
            "Complaint", delivery.pk, complaint={"complainedRecipients": [{"emailAddress": "x"}]}
        )
    )
    reports.take(NOW)
    assert reason() == "complaint"
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type, record.source) == ("email", None, "provider")
    assert CampaignEnrollment.objects.get().status == "active"
    delivery.refresh_from_db()
    assert delivery.status == "sent"  # it arrived, or nobody could complain of it


def test_soft_bounces_close_the_channel_with_the_third_message_in_thirty_days():
    enrollment = enrolled(days=tuple(range(0, 40, 2)), channels=("email",))[0]
    for day, closed in ((0, 0), (32, 0), (34, 0), (36, 1)):
        at = NOW + day * DAY
        send_all(at)
        delivery = MessageDelivery.objects.filter(status="sent").latest("sent_at")
        event = Event("test", f"{day}", "failed", at, delivery.pk, verdict=Verdict.SOFT_BOUNCE)
        store([event], at)
        reports.take(at)
        assert Suppression.objects.count() == closed
    assert reason() == "soft_bounces"
    enrollment.refresh_from_db()
    assert enrollment.status == "bounced"


def test_soft_bounces_of_one_message_are_one():
    delivery = sent("email")
    for number in range(3):
        bounce(delivery, "Transient", f"n-{number}")
    reports.take(NOW)
    assert ProviderEvent.objects.filter(verdict="soft_bounce").count() == 3
    assert not Suppression.objects.exists()


def test_whoever_is_closed_is_not_enrolled_again():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    suppress.suppress(enrollment.doctor_id, "sms", SuppressionReason.INVALID, now=NOW)
    CampaignEnrollment.objects.all().delete()
    assert enroll(enrollment.campaign, NOW) == 0
    suppress.lift(Suppression.objects.get(), NOW)
    assert enroll(enrollment.campaign, NOW) == 1


def test_closing_and_opening_raise_the_consent_counter_and_the_audit_reads_it():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    doctor = enrollment.doctor
    held = suppress.suppress(doctor.pk, "sms", SuppressionReason.INVALID, now=NOW)
    assert suppress.suppress(doctor.pk, "sms", SuppressionReason.HARD_BOUNCE, now=NOW) == held
    somebody = User.objects.create_user("support")
    assert suppress.lift(held, NOW + DAY, somebody)
    assert not suppress.lift(held, NOW + DAY, somebody)
    held.refresh_from_db()
    doctor.refresh_from_db()
    assert (held.consent_version, held.revoked_version, doctor.consent_version) == (2, 3, 3)
    assert (held.lifted_at, held.lifted_by) == (NOW + DAY, somebody)
    assert opted_out(Scope(NOW + DAY)).count == 0


def test_the_audit_finds_what_went_out_on_a_closed_channel():
    delivery = sent("sms")
    suppress.suppress(delivery.doctor_id, "sms", SuppressionReason.INVALID, now=NOW)
    assert opted_out(Scope(NOW)).count == 0
    DeliveryAttempt.objects.update(consent_version=2)
    found = opted_out(Scope(NOW))
    assert found.count == 1
    assert "suppressed" in found.rows[0].what


def test_a_report_from_before_the_lifting_does_not_close_it_again():
    delivery = sent("email")
    bounce(delivery)
    held = suppress.suppress(delivery.doctor_id, "email", SuppressionReason.INVALID, now=NOW)
    suppress.lift(held, ProviderEvent.objects.get().received_at + DAY)
    reports.take(NOW)
    assert not Suppression.objects.standing().exists()
    assert ProviderEvent.objects.get().settled_at == NOW


def test_a_refusal_at_hand_off_closes_the_channel():
    delivery = sent("sms")
    suppress.note_refusal(delivery.pk, Verdict.INVALID, NOW, "21614 not mobile")
    assert (reason(), Suppression.objects.get().detail) == ("invalid", "21614 not mobile")
    suppress.note_refusal(delivery.pk, Verdict.SOFT_BOUNCE, NOW)
    assert Suppression.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_settle_each_report_once():
    enrolled(20, days=(0,), channels=("sms",))
    send_all(NOW)
    for number, delivery in enumerate(MessageDelivery.objects.all()):
        store([Event("test", f"{number}", "failed", NOW, delivery.pk, verdict="invalid")], NOW)
    reports.track.apply_events(NOW)
    assert sum(at_once(*[lambda: suppress.settle(NOW)] * 3)) == 20
    assert Suppression.objects.count() == 20


def test_nothing_is_authorised_on_a_closed_channel():
    (enrollment,) = enrolled(days=(0,), channels=("sms", "email"))
    schedule_due(NOW)
    MessageDelivery.objects.filter(channel="sms").update(scheduled_at=NOW)
    Suppression.objects.create(
        doctor=enrollment.doctor, channel="sms", reason="invalid", since=NOW
    )  # by the database alone: nothing was skipped
    assert not authorize_due("sms", NOW).claims
    assert statuses(channel="sms") == {"sms 0": "suppressed"}
