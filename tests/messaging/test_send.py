"""The three steps on a real database: what goes out, what waits, what is skipped and why."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment, CampaignMessage
from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due, hand_over
from messaging.models import (
    ConsentRecord,
    DeliveryAttempt,
    MessageDelivery,
    MessageTemplate,
    ProviderAccount,
    SandboxMessage,
)
from messaging.optout import opt_out
from messaging.providers import base, provider_for
from messaging.reap import reap
from messaging.record import Tally, answered, record
from messaging.retry import JITTER, LADDER
from messaging.send import run_lane, send_due, send_one
from segments.models import Certificate, Doctor
from tests.engine import (
    DAY,
    NOW,
    campaign,
    certificate,
    doctor,
    enrolled,
    member,
    send_all,
    statuses,
)

pytestmark = pytest.mark.django_db


def test_first_day_sends_whatsapp_and_sms_and_defers_the_email():
    enrolled(days=(0,))
    send_all(NOW)
    assert statuses() == {"whatsapp 0": "sent", "sms 0": "sent", "email 0": "scheduled"}
    email = MessageDelivery.objects.get(channel="email")
    assert email.scheduled_at == NOW + DAY
    assert email.trace[-1] == {
        "gate": "caps",
        "verdict": "defer",
        "detail": "2 messages in 24 hours",
    }
    send_all(NOW + DAY)
    assert statuses()["email 0"] == "sent"


def test_lanes_give_the_same_in_any_order():
    enrolled(days=(0,))
    schedule_due(NOW)
    for channel in ("email", "sms", "whatsapp"):
        send_due(channel, NOW)
    assert statuses() == {"whatsapp 0": "sent", "sms 0": "sent", "email 0": "scheduled"}


def test_sent_message_is_the_template_filled_in_with_its_way_out():
    person = doctor(first_name="Meera", last_name="Iyer")
    member(person)
    enrolled(0, days=(0,), channels=("sms",))
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    text = SandboxMessage.objects.get().text
    link = f"http://127.0.0.1:8000/r/{delivery.token}"
    out = f"http://127.0.0.1:8000/u/{delivery.token}"
    assert text == f"Dr. Iyer, Heart failure: {link} -CLIRNET\nStop: {out}"
    assert SandboxMessage.objects.get().recipient == person.phone
    subject = CampaignEnrollment.objects.get().subject
    assert delivery.target_url.partition("?")[0].endswith(f"/certificates/{subject}")
    assert len(delivery.token) == 22
    assert delivery.external_id == f"sandbox-{delivery.pk}"
    assert delivery.sent_at == NOW


def test_attempt_is_written_with_what_it_saw():
    person = doctor(timezone="Asia/Kolkata", consent_version=4)  # and its consent is the fifth
    member(person)
    enrolled(0, days=(0,), channels=("sms",))
    ProviderAccount.objects.create(channel="sms", provider="sandbox")
    send_all(NOW)
    attempt = DeliveryAttempt.objects.get()
    assert (attempt.outcome, attempt.authorised_at, attempt.finished_at) == ("accepted", NOW, NOW)
    assert (attempt.consent_version, attempt.timezone) == (5, "Asia/Kolkata")
    assert attempt.account.channel == "sms"


def at_night(*people):
    """They moved to where it is night, after their messages were scheduled."""
    Doctor.objects.filter(pk__in=people).update(timezone="America/New_York")


def test_a_window_says_how_many_went_waited_and_were_skipped():
    enrollments = enrolled(4, days=(0,), channels=("sms",))
    schedule_due(NOW)
    first, second, third, _ = [enrollment.doctor_id for enrollment in enrollments]
    at_night(first, second)
    Doctor.objects.filter(pk=third).update(phone=None)
    assert send_due("sms", NOW) == Tally(sent=1, deferred=2, skipped=1)


def test_a_window_in_which_all_must_wait_does_not_end_the_lane(settings):
    enrollments = enrolled(4, days=(0,), channels=("sms",))
    schedule_due(NOW)
    *first, _ = [enrollment.doctor_id for enrollment in enrollments]
    at_night(*first)
    in_line = MessageDelivery.objects.filter(doctor__in=first)
    in_line.update(scheduled_at=NOW - timedelta(minutes=1))
    settings.SEND_WINDOW_SIZE = 3
    assert run_lane("sms", lambda: NOW, NOW + DAY) == Tally(sent=1, deferred=3)


def test_sending_again_sends_nothing():
    enrolled(days=(0,))
    send_all(NOW)
    send_all(NOW)
    assert DeliveryAttempt.objects.count() == 2
    assert SandboxMessage.objects.count() == 2


def test_whatsapp_goes_to_its_own_number_where_there_is_one():
    member(doctor(whatsapp="+919811111111"))
    enrolled(0, days=(0,), channels=("whatsapp",))
    send_all(NOW)
    assert SandboxMessage.objects.get().recipient == "+919811111111"


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda d: opt_out(d.pk, "sms", None, source="test", now=NOW), "unsubscribed"),
        (lambda d: opt_out(d.pk, None, None, source="test", now=NOW), "unsubscribed"),
        (lambda d: Doctor.objects.filter(pk=d.pk).update(phone=None), "no_address"),
        (lambda d: Certificate.objects.update(downloaded_at=NOW + timedelta(hours=1)), "converted"),
        (lambda d: Certificate.objects.update(expires_at=NOW), "left_segment"),
        (lambda d: CampaignEnrollment.objects.update(status="completed"), "enrollment_over"),
    ],
)
def test_closed_gates_skip_with_their_reason(break_it, reason):
    (enrollment,) = enrolled(days=(0,), channels=("sms", "email"))
    schedule_due(NOW)
    break_it(enrollment.doctor)
    send_due("sms", NOW + timedelta(hours=2))
    assert statuses(channel="sms") == {"sms 0": reason}
    assert not DeliveryAttempt.objects.exists()


def test_whatsapp_needs_consent_and_a_withdrawal_counts():
    without, withdrawn = member(), member()
    ConsentRecord.objects.filter(doctor=without).delete()
    ConsentRecord.objects.create(
        doctor=withdrawn, channel="whatsapp", is_given=False, recorded_at=NOW - DAY, source="test"
    )
    enrolled(1, days=(0,), channels=("whatsapp",))
    send_all(NOW)
    assert statuses(doctor=without) == {"whatsapp 0": "no_consent"}
    assert statuses(doctor=withdrawn) == {"whatsapp 0": "no_consent"}
    assert MessageDelivery.objects.filter(status="sent").count() == 1


def test_where_the_first_channel_does_not_reach_the_next_is_first():
    person = member()
    ConsentRecord.objects.filter(doctor=person).delete()
    enrolled(0, days=(0,))
    send_all(NOW)
    assert statuses() == {"whatsapp 0": "no_consent", "sms 0": "sent", "email 0": "sent"}


def test_a_missing_variable_skips_naming_it_and_does_not_count():
    MessageTemplate.objects.all().delete()
    enrolled(days=(0,))
    MessageTemplate.objects.filter(channel="whatsapp").update(
        template_content="Dr. {{first_name}}: {{speaker_name}} {{shortlink}}"
    )
    send_all(NOW)
    whatsapp = MessageDelivery.objects.get(channel="whatsapp")
    assert (whatsapp.skip_reason, whatsapp.skip_detail) == ("missing_variable", "speaker_name")
    assert DeliveryAttempt.objects.get(channel="whatsapp").outcome == "released"
    assert not SandboxMessage.objects.filter(delivery=whatsapp).exists()


def test_a_broken_template_fails_with_the_reason_and_the_others_go_on():
    enrolled(2, days=(0,), channels=("sms",))
    step = CampaignMessage.objects.get()
    other = campaign(days=(0,), channels=("sms",), priority=99)
    MessageTemplate.objects.filter(pk=step.template.pk).update(template_content="{{#open}}")
    third = member()
    enroll(other, NOW, [third.pk])
    send_all(NOW)
    assert MessageDelivery.objects.filter(campaign_message=step, status="failed").count() == 2
    failed = MessageDelivery.objects.filter(status="failed").first()
    assert "template is broken" in failed.error_message
    assert statuses(doctor=third) == {"sms 0": "sent"}


def test_paused_account_waits_and_loses_nothing():
    enrolled(days=(0,), channels=("sms",))
    ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    send_all(NOW)
    assert statuses() == {"sms 0": "scheduled"}
    ProviderAccount.objects.update(is_paused=False)
    send_all(NOW)
    assert statuses() == {"sms 0": "sent"}


def test_what_was_left_for_too_long_is_skipped_as_too_late():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    send_due("sms", NOW + 2 * DAY)
    assert statuses() == {"sms 0": "too_late"}


def test_what_can_never_go_takes_no_room_from_what_can():
    person = member()
    soon = campaign(days=(0, 1, 2, 3, 4), channels=("whatsapp",), priority=1)
    enroll(soon, NOW)
    Certificate.objects.update(expires_at=NOW)  # its enrolment's subject has lapsed
    member(person, certificate(person).external_id)
    enrolled(0, days=(0,), channels=("whatsapp", "sms"), priority=5)
    send_all(NOW)
    assert statuses(enrollment__campaign=soon) == {"whatsapp 0": "left_segment"}
    rest = MessageDelivery.objects.exclude(enrollment__campaign=soon)
    assert set(rest.values_list("channel", "status")) == {("whatsapp", "sent"), ("sms", "sent")}


def test_a_step_that_was_given_another_channel_sends_nothing_on_the_old_one():
    enrolled(days=(0,), channels=("whatsapp",))
    schedule_due(NOW)
    MessageTemplate.objects.update(channel="email")
    send_due("whatsapp", NOW)
    assert statuses() == {"whatsapp 0": "template_not_approved"}


def test_consent_from_the_future_does_not_count():
    person = member()
    ConsentRecord.objects.update(is_given=False)
    ConsentRecord.objects.create(
        doctor=person, channel="whatsapp", is_given=True, recorded_at=NOW + DAY, source="test"
    )
    enrolled(0, days=(0,), channels=("whatsapp",))
    send_all(NOW)
    assert statuses() == {"whatsapp 0": "no_consent"}


def test_a_cap_of_zero_sends_nothing(settings):
    settings.CAP_PER_DAY = 0
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    assert statuses() == {"sms 0": "frequency_cap"}


def test_a_channel_interval_longer_than_a_week_is_kept(settings):
    settings.CAP_CHANNEL_INTERVAL = 10 * DAY
    enrolled(days=(0, 8), channels=("sms",))
    send_all(NOW)
    send_all(NOW + 8 * DAY)
    assert statuses() == {"sms 0": "sent", "sms 8": "frequency_cap"}


def test_the_better_priority_gets_the_room():
    person = member()
    member(person)
    low = campaign(days=(0,), channels=("sms",), priority=5)
    high = campaign(days=(0,), channels=("sms",), priority=1)
    enroll(low, NOW)
    enroll(high, NOW)
    send_all(NOW)
    rows = MessageDelivery.objects.values_list("enrollment__campaign_id", "status")
    assert dict(rows) == {high.pk: "sent", low.pk: "scheduled"}


def test_send_one_sends_the_given_delivery_only_when_due():
    enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    first, second = MessageDelivery.objects.order_by("pk")
    assert not send_one(first.pk, "sms", NOW - timedelta(minutes=1))
    assert not send_one(first.pk, "email", NOW)
    assert send_one(first.pk, "sms", NOW) == Tally(sent=1)
    assert not send_one(first.pk, "sms", NOW)
    second.refresh_from_db()
    assert second.status == "scheduled"


class Scripted:
    """A provider that answers as the test says."""

    name = "scripted"

    def __init__(self, receipt):
        self.receipt = receipt

    def send(self, messages, hand_off):
        return [hand_off.note(self.receipt) for _ in messages]


@pytest.mark.parametrize(
    ("receipt", "status", "outcome"),
    [
        (base.Refused("21211", "no such number", permanent=True), "failed", "refused"),
        (base.Refused("429", "too many", permanent=False), "scheduled", "refused"),
        (base.Unknown("timeout"), "unknown", "unknown"),
    ],
)
def test_receipts_become_statuses(monkeypatch, receipt, status, outcome):
    monkeypatch.setattr("messaging.send.provider_for", lambda channel: Scripted(receipt))
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    send_due("sms", NOW)
    delivery = MessageDelivery.objects.get()
    assert (delivery.status, delivery.attempts.get().outcome) == (status, outcome)
    assert delivery.error_message
    assert delivery.sent_at is None
    waited = (delivery.scheduled_at - NOW) / LADDER[0]
    assert (1 <= waited < 1 + JITTER) == (status == "scheduled")


def test_refused_for_now_is_sent_later_and_unknown_never(monkeypatch):
    for receipt, after in (
        (base.Refused("429", "x", permanent=False), "sent"),
        (base.Unknown("x"), "unknown"),
    ):
        MessageDelivery.objects.all().delete()
        CampaignEnrollment.objects.all().delete()
        with monkeypatch.context() as patch:
            patch.setattr("messaging.send.provider_for", lambda channel, r=receipt: Scripted(r))
            enrolled(days=(0,), channels=("sms",))
            send_all(NOW)
        send_all(NOW + LADDER[0] * (1 + JITTER))
        assert set(statuses().values()) == {after}


def test_reap_turns_an_expired_lease_into_unknown_and_it_is_never_sent_again():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    (claim,) = authorize_due("sms", NOW, 500).claims
    assert hand_over(claim.claim_id, NOW)
    assert reap(NOW + timedelta(seconds=90)) == 0
    assert reap(NOW + timedelta(seconds=91)) == 1
    send_all(NOW + timedelta(hours=1))
    assert statuses() == {"sms 0": "unknown"}
    assert MessageDelivery.objects.get().error_message
    assert DeliveryAttempt.objects.get().outcome == "unknown"
    # The worker was only slow: its word, under the same claim, settles it.
    result = answered(claim.delivery_id, claim.claim_id, base.Accepted("x-1"))
    record([result], NOW + timedelta(hours=2), Tally())
    assert statuses() == {"sms 0": "sent"}
    assert DeliveryAttempt.objects.get().outcome == "accepted"


def test_a_result_under_another_claim_is_refused():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    (claim,) = authorize_due("sms", NOW, 500).claims
    tally = Tally()
    record([answered(claim.delivery_id, uuid4(), base.Accepted("x-1"))], NOW, tally)
    assert not tally
    assert statuses() == {"sms 0": "sending"}


def test_sending_costs_the_same_queries_for_one_and_three():
    counts = []
    for members in (1, 1, 3):  # the first fills the cache of social proof figures
        MessageDelivery.objects.all().delete()
        CampaignEnrollment.objects.all().delete()
        enrolled(members, days=(0,), channels=("sms",))
        schedule_due(NOW)
        with CaptureQueriesContext(connection) as queries:
            assert send_due("sms", NOW).sent >= members
        counts.append(len(queries))
    assert counts[1] == counts[2]


def test_provider_for_is_the_sandbox_by_default():
    assert {provider_for(channel).name for channel in ("whatsapp", "sms", "email")} == {"sandbox"}


def test_second_subject_is_judged_by_its_own_certificate():
    person = doctor()
    old = certificate(person)
    member(person, old.external_id)
    enrolled(0, days=(0,), channels=("sms",))
    certificate(person)
    Certificate.objects.filter(pk=old.pk).update(downloaded_at=NOW + timedelta(minutes=1))
    send_all(NOW + timedelta(minutes=2))
    assert statuses() == {"sms 0": "converted"}
