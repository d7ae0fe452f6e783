"""What is shown of the checks of a message that went out: by the records, and what they lack."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import launch, overdue
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import gates, optout, suppress
from messaging.authorize import authorize_one
from messaging.models import (
    ConsentRecord,
    DeliveryAttempt,
    HandedOver,
    MessageDelivery,
    SuppressionReason,
    UnsubscribeRecord,
)
from messaging.policy import GATES
from messaging.send import send_due
from tests.engine import DAY, NOW, enrolled, send_all

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def sent(channel="sms"):
    enrolled(1, days=(0,), channels=(channel,))
    schedule_due(NOW)
    assert send_due(channel, NOW).sent == 1
    return reread()


def reread():
    delivery = MessageDelivery.objects.select_related(
        "doctor", "enrollment", "campaign_message__campaign"
    ).get()
    return delivery, DeliveryAttempt.objects.get()


def told(delivery, attempt, gate):
    (found,) = [g for g in gates.passed(delivery, attempt) if g.check == gates.CHECKS[gate]]
    return found


def test_gates_have_words_for_every_gate_of_the_policy():
    asked = [*(name for name, _ in GATES), "pause", "doctor's pause", "hours", "caps"]
    assert list(gates.CHECKS) == asked


def test_gates_of_a_sent_message_are_all_met():
    delivery, attempt = sent()
    found = gates.passed(delivery, attempt)
    assert [gate.check for gate in found] == list(gates.CHECKS.values())
    assert {(gate.answer, gate.is_doubted) for gate in found} == {("yes", False)}
    unknown = [gate.check for gate in found if gate.because == gates.NOT_KEPT]
    assert unknown == [gates.CHECKS[g] for g in ("segment", "pause")]
    assert told(delivery, attempt, "hours").because.startswith(
        "12:00 for the doctor (Asia/Kolkata)"
    )
    assert told(delivery, attempt, "caps").because.startswith("Had 0 of 2 in 24 hours and 0 of 5")


def test_gates_show_where_it_went_and_how():
    delivery, attempt = sent()
    went_to, delivery.doctor.phone = delivery.doctor.phone, "+919811111111"
    assert told(delivery, attempt, "address").because == f"It went to {went_to}."
    assert told(delivery, attempt, "template").because.startswith("It went as approved")
    kept = list(HandedOver.objects.content(attempt.claim_id, delivery.pk))
    HandedOver.objects.update(contents={str(delivery.pk): [*kept[:4], True]})
    assert "as free text" in told(delivery, attempt, "template").because


def test_gates_show_where_an_old_message_went_as_far_as_the_record_tells():
    delivery, attempt = sent()
    kept = list(HandedOver.objects.content(attempt.claim_id, delivery.pk))
    HandedOver.objects.update(contents={str(delivery.pk): kept[:3]})
    assert told(delivery, attempt, "template").because == gates.NOT_KEPT
    doctor = delivery.doctor
    doctor.updated_at = attempt.authorised_at - HOUR
    words = told(delivery, attempt, "address").because
    assert f"The number on record now is {doctor.phone}" in words
    assert "before" in words
    doctor.updated_at = attempt.authorised_at + HOUR
    assert "another then" in told(delivery, attempt, "address").because
    attempt.channel, doctor.whatsapp = "whatsapp", "+919811111111"
    assert "+919811111111" in told(delivery, attempt, "address").because
    attempt.channel, doctor.email = "email", None
    assert "None is on record any more" in told(delivery, attempt, "address").because


def test_gates_tell_of_wishes_in_plain_words():
    delivery, attempt = sent()
    attempt.consent_version = 1
    words = told(delivery, attempt, "opt-out").because
    assert "had had 1 change, and no opt-out was in force" in words
    assert "counter" not in " ".join(gate.because for gate in gates.passed(delivery, attempt))


@pytest.mark.parametrize("channel", [None, "sms"])
def test_gates_leave_out_what_the_doctor_wished_afterwards(channel):
    delivery, attempt = sent()
    optout.opt_out(delivery.doctor_id, channel, None, source="admin", now=NOW - HOUR)
    suppress.suppress(delivery.doctor_id, "sms", SuppressionReason.INVALID, now=NOW - HOUR)
    # By the clock both were before it, by the counter after it: the counter is right.
    assert not told(delivery, attempt, "opt-out").is_doubted
    assert not told(delivery, attempt, "suppression").is_doubted


def test_gates_name_an_opt_out_and_a_suppression_that_stood():
    delivery, attempt = sent()
    optout.opt_out(delivery.doctor_id, "sms", None, source="admin", now=NOW)
    suppress.suppress(delivery.doctor_id, "sms", SuppressionReason.INVALID, now=NOW)
    attempt.consent_version += 2
    out, held = told(delivery, attempt, "opt-out"), told(delivery, attempt, "suppression")
    assert (out.is_doubted, held.is_doubted) == (True, True)
    assert "Opt-out of SMS" in out.because
    assert "No such number" in held.because


def test_gates_leave_out_an_opt_out_of_another_channel_and_one_taken_back():
    delivery, attempt = sent()
    optout.opt_out(delivery.doctor_id, "email", None, source="admin", now=NOW)
    optout.opt_in(optout.opt_out(delivery.doctor_id, "sms", None, source="admin", now=NOW), NOW)
    attempt.consent_version = UnsubscribeRecord.objects.get(channel="sms").revoked_version
    assert not told(delivery, attempt, "opt-out").is_doubted


def test_gates_tell_a_pause_from_an_opt_out():
    delivery, attempt = sent()
    optout.pause(delivery.doctor_id, source="link", now=NOW)
    attempt.consent_version += 1
    assert told(delivery, attempt, "doctor's pause").is_doubted
    assert not told(delivery, attempt, "opt-out").is_doubted


def test_gates_show_which_consent_counted():
    delivery, attempt = sent("whatsapp")
    assert "Given 04 Dec 2025" in told(delivery, attempt, "consent").because
    ConsentRecord.objects.all().delete()
    assert told(delivery, attempt, "consent").is_doubted


def test_gates_count_what_the_caps_counted():
    delivery, attempt = sent()
    for hours, outcome, counts in (
        (3, "accepted", True),
        (50, "unknown", True),
        (60, "refused", 0),
    ):
        DeliveryAttempt.objects.create(
            delivery=MessageDelivery.objects.create(
                enrollment=CampaignEnrollment.objects.create(
                    campaign=delivery.campaign_message.campaign,
                    doctor_id=delivery.doctor_id,
                    status="completed",
                    subject=f"another {hours}",
                ),
                campaign_message=delivery.campaign_message,
                doctor_id=delivery.doctor_id,
                channel="email",
                scheduled_at=NOW,
                due_at=NOW,
                expires_at=NOW,
            ),
            doctor_id=delivery.doctor_id,
            channel="email",
            claim_id=attempt.claim_id,
            authorised_at=NOW - hours * HOUR,
            outcome=outcome,
            counts=counts,
            consent_version=0,
            timezone="Asia/Kolkata",
        )
    assert "1 of 2 in 24 hours and 2 of 5 in 7 days" in told(delivery, attempt, "caps").because


def test_gates_point_out_what_was_authorised_too_late_or_at_night():
    delivery, attempt = sent()
    delivery.expires_at = NOW - HOUR
    attempt.authorised_at = NOW + 12 * HOUR  # midnight in Kolkata
    assert told(delivery, attempt, "in time").is_doubted
    assert told(delivery, attempt, "hours").is_doubted


def test_gates_say_that_a_return_came_afterwards():
    delivery, attempt = sent()
    delivery.enrollment.converted_at = delivery.enrollment.completed_at = NOW + DAY
    assert "afterwards" in told(delivery, attempt, "returned").because
    delivery.enrollment.converted_at = delivery.enrollment.completed_at = NOW - HOUR
    assert told(delivery, attempt, "returned").is_doubted
    assert told(delivery, attempt, "enrolment").is_doubted


def test_gates_take_five_queries():
    delivery, attempt = sent()
    with CaptureQueriesContext(connection) as queries:
        gates.passed(delivery, attempt)
    assert len(queries) == 5


def test_gates_of_a_held_back_message_are_its_trace():
    delivery, _ = sent()
    delivery.trace = [
        {"gate": "caps", "verdict": "defer", "detail": "2 messages in 24 hours"},
        {"gate": "account", "verdict": "skip", "detail": ""},
    ]
    assert gates.recorded(delivery) == [
        gates.Gate("There is room under the caps", "not yet", "2 messages in 24 hours"),
        gates.Gate("The channel's account sends", "no", ""),
    ]


def put_off() -> MessageDelivery:
    """An e-mail that the caps hold until tomorrow."""
    enrolled(days=(0,))
    send_all(NOW)
    delivery = MessageDelivery.objects.get(status="scheduled")
    assert gates.recorded(delivery)[-1].answer == "not yet"
    return delivery


def test_gates_of_what_was_skipped_after_a_look_end_with_why():
    delivery = put_off()
    optout.opt_out(delivery.doctor_id, None, None, source="test", now=NOW + HOUR)
    delivery.refresh_from_db()
    last = gates.recorded(delivery)[-1]
    assert last == gates.Gate(
        "Nothing else stood in its way",
        "no",
        "The doctor has opted out. It was skipped for that, after the checks above.",
    )


def test_gates_of_what_was_overdue_after_a_pause_end_with_the_pause():
    delivery = put_off()
    MessageDelivery.objects.filter(pk=delivery.pk).update(token="t" * 22)  # kept by a pause
    campaign = delivery.enrollment.campaign
    launch.pause(campaign, NOW + HOUR)
    launch.resume(campaign, NOW + 5 * DAY, overdue.Choice.SKIP)
    delivery.refresh_from_db()
    assert delivery.skip_reason == "campaign_paused"
    assert gates.recorded(delivery)[-1].because.startswith("The campaign was paused from 04 Mar")


def test_gates_of_what_found_no_room_say_when_that_was_and_how_it_stood():
    delivery = put_off()
    MessageDelivery.objects.update(expires_at=NOW + 20 * HOUR)
    MessageDelivery.objects.filter(pk=delivery.pk).update(scheduled_at=NOW + HOUR)
    authorize_one(delivery.pk, "email", NOW + HOUR)
    delivery.refresh_from_db()
    assert delivery.skip_reason == "frequency_cap"
    found = {gate.check: gate.because for gate in gates.recorded(delivery)}
    assert found["It is in time"] == (
        "Looked at on 04 Mar 2026, 13:00 IST, when the doctor had had 2 of 2 messages in 24 hours "
        "and 2 of 5 in 7 days; good until 05 Mar 2026, 08:00 IST"
    )
    assert found["There is room under the caps"] == (
        "2 messages in 24 hours; no other room before it expires on 05 Mar 2026, 08:00 IST"
    )
