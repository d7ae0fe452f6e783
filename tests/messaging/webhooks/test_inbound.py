"""What doctors write: STOP and START at once, keywords answered, the rest into the inbox."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import transaction

from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import inbound, inbound_reply, reports
from messaging.authorize import authorize_due
from messaging.models import (
    InboundMessage,
    KeywordReply,
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
    Suppression,
    SuppressionReason,
    UnsubscribeRecord,
)
from messaging.optout import opt_out, pause
from messaging.providers.base import Refused, Unknown
from messaging.suppress import suppress
from tests.engine import DAY, NOW, doctor, enrolled, send_all, statuses
from tests.messaging.together import Worker, at_once, waits_for_a_lock
from tests.webhook_calls import interakt, interakt_report, says

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def enrollment(time_machine):
    time_machine.move_to(NOW + MINUTE, tick=False)
    (enrollment,) = enrolled(days=(0, 3), channels=("whatsapp", "sms"))
    send_all(NOW)
    return enrollment


def writes(who, text, sid="SM1", **more):
    assert says(f"whatsapp:{who.phone}", text, sid, **more).status_code == 200
    reports.take(NOW + MINUTE)
    return InboundMessage.objects.latest("pk")


def standing(who):
    records = UnsubscribeRecord.objects.standing().filter(doctor=who)
    return {(record.channel, record.segment_type) for record in records}


def test_stop_opts_out_of_the_channel_at_once(enrollment):
    schedule_due(NOW + 3 * DAY)
    who = enrollment.doctor
    message = writes(who, "Please STOP!!")
    assert standing(who) == {("whatsapp", None)}
    record = UnsubscribeRecord.objects.get()
    answered = MessageDelivery.objects.get(channel="whatsapp", status="sent")
    assert (record.source, record.reason, record.delivery) == ("reply", "Wrote STOP", answered)
    assert (message.kind, message.doctor, message.delivery) == ("stop", who, answered)
    assert (message.handled_at, message.handled_by) == (NOW + MINUTE, None)
    assert statuses()["whatsapp 3"] == "unsubscribed"
    assert CampaignEnrollment.objects.get().status == "active"


@pytest.mark.parametrize(
    "more",
    [{"ButtonPayload": "STOP"}, {"ButtonText": "Stop promotions"}, {"OptOutType": "STOP"}],
)
def test_a_button_or_twilios_own_reading_is_a_stop(enrollment, more):
    assert writes(enrollment.doctor, "something else", **more).kind == "stop"


def test_a_stop_that_comes_twice_is_one(enrollment):
    writes(enrollment.doctor, "STOP")
    writes(enrollment.doctor, "STOP")
    assert InboundMessage.objects.count() == ProviderEvent.objects.count() == 1


def test_interakts_messages_and_buttons_are_read(enrollment):
    who = enrollment.doctor
    for number, (text, kind) in enumerate([("बंद करो", "Text"), ('{"title": "STOP"}', "Button")]):
        report = interakt_report(
            "message_received", id_=f"in-{number}", message=text, message_content_type=kind
        )
        report["data"]["customer"] = {"channel_phone_number": who.phone.removeprefix("+")}
        assert interakt(report).status_code == 200
    reports.take(NOW)
    assert set(InboundMessage.objects.values_list("kind", "doctor")) == {("stop", who.pk)}


def test_the_report_keeps_nothing_of_who_wrote_what_once_it_was_taken(enrollment):
    writes(enrollment.doctor, "my secret is 42", ProfileName="Anita")
    event = ProviderEvent.objects.get()
    assert event.processed_at == NOW + MINUTE
    kept = str(event.detail)
    assert not any(part in kept for part in (enrollment.doctor.phone, "secret", "Anita"))


def test_start_comes_back_to_this_channel_only(enrollment):
    who = enrollment.doctor
    opt_out(who.pk, None, None, source="link", now=NOW)
    suppress(who.pk, "whatsapp", SuppressionReason.OPTED_OUT, now=NOW)
    assert writes(who, "START").kind == "start"
    assert standing(who) == {("sms", None), ("email", None)}
    assert not Suppression.objects.standing().exists()


def test_start_ends_a_pause_and_leaves_what_is_broken_closed(enrollment):
    who = enrollment.doctor
    pause(who.pk, source="link", now=NOW)
    suppress(who.pk, "whatsapp", SuppressionReason.INVALID, now=NOW)
    writes(who, "Unstop")
    assert standing(who) == set()
    assert Suppression.objects.standing().exists()


def test_a_whatsapp_number_of_its_own_is_the_doctors():
    who = doctor(whatsapp="+919000000001")
    doctor(phone="+919000000001")  # whose WhatsApp is not this one? it is: both are meant
    says("whatsapp:+919000000001", "STOP")
    reports.take(NOW)
    assert UnsubscribeRecord.objects.filter(doctor=who).exists()
    assert UnsubscribeRecord.objects.count() == 2


def test_a_stranger_s_stop_waits_for_a_person():
    assert says("whatsapp:+15550001111", "STOP").status_code == 200
    reports.take(NOW)
    message = InboundMessage.objects.get()
    assert (message.doctor, message.kind, message.handled_at) == (None, "other", None)
    assert not UnsubscribeRecord.objects.exists()


def test_anything_else_waits_in_the_inbox_until_somebody_handles_it(enrollment):
    message = writes(enrollment.doctor, "When is the next session?")
    assert (message.kind, message.handled_at, message.text) == (
        "other",
        None,
        "When is the next session?",
    )
    somebody = User.objects.create_user("support")
    assert inbound.handle(message, somebody, NOW)
    assert not inbound.handle(message, None, NOW)
    message.refresh_from_db()
    assert (message.handled_by, message.handled_at) == (somebody, NOW)


# --- Keywords -------------------------------------------------------------------------------


@pytest.fixture
def demo(enrollment):
    return KeywordReply.objects.create(keyword="DEMO", channel="whatsapp", reply="See the video.")


@pytest.mark.parametrize("text", ["DEMO", "demo!", " Demo. "])
def test_a_keyword_is_answered_once_inside_the_window(enrollment, demo, text):
    message = writes(enrollment.doctor, text)
    assert (message.kind, message.reply_status, message.replied_at) == (
        "keyword",
        "sent",
        NOW + MINUTE,
    )
    assert reports.take(NOW + 2 * MINUTE) == 0
    kept = SandboxMessage.objects.get(pk=message.pk)
    assert (kept.text, kept.recipient, kept.channel) == (
        "See the video.",
        enrollment.doctor.phone,
        "whatsapp",
    )


def test_a_button_can_be_a_keyword(enrollment, demo):
    assert writes(enrollment.doctor, "", ButtonPayload="demo").kind == "keyword"


@pytest.mark.parametrize("text", ["DEMO please", "demos", "the demo was good"])
def test_a_keyword_is_the_whole_message(enrollment, demo, text):
    assert writes(enrollment.doctor, text).kind == "other"


def test_a_keyword_that_is_not_in_use_goes_to_the_inbox(enrollment, demo):
    KeywordReply.objects.update(is_active=False)
    assert writes(enrollment.doctor, "DEMO").kind == "other"


def queued(enrollment, demo, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(inbound_reply, "send_replies", lambda now: 0)
        message = writes(enrollment.doctor, "DEMO")
    assert message.reply_status == "queued"
    return message


def test_an_answer_that_is_too_late_goes_back_to_the_inbox(enrollment, demo, monkeypatch):
    message = queued(enrollment, demo, monkeypatch)
    assert inbound_reply.send_replies(message.received_at + DAY) == 0
    message.refresh_from_db()
    assert (message.reply_status, message.handled_at) == ("failed", None)
    assert message.reply_error == "The 24 hours after the doctor's message are over."
    assert not SandboxMessage.objects.filter(pk=message.pk).exists()


def test_who_opts_out_meanwhile_gets_no_answer(enrollment, demo, monkeypatch):
    message = queued(enrollment, demo, monkeypatch)
    opt_out(enrollment.doctor_id, "whatsapp", None, source="test", now=NOW)
    assert inbound_reply.send_replies(NOW + 2 * MINUTE) == 0
    message.refresh_from_db()
    assert message.reply_error == "The doctor has opted out meanwhile."


@pytest.mark.parametrize(
    ("receipt", "became"),
    [
        (Refused("63016", "no", permanent=True), ("failed", True)),
        (Refused("20429", "busy", permanent=False), ("queued", False)),
        (Unknown("reset"), ("unknown", True)),
    ],
)
def test_an_answer_that_the_provider_does_not_take(enrollment, demo, monkeypatch, receipt, became):
    message = queued(enrollment, demo, monkeypatch)
    monkeypatch.setattr(inbound_reply, "hand_over_session_message", lambda outgoing, now: receipt)
    assert inbound_reply.send_replies(NOW + 2 * MINUTE) == 0
    message.refresh_from_db()
    assert (message.reply_status, message.handled_at is None) == became


def test_an_answer_whose_worker_died_is_never_sent_again(enrollment, demo, monkeypatch):
    message = queued(enrollment, demo, monkeypatch)

    def die(outgoing, now):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(inbound_reply, "hand_over_session_message", die)
        with pytest.raises(KeyboardInterrupt):
            inbound_reply.send_replies(NOW + 2 * MINUTE)
    inbound_reply.send_replies(NOW + 3 * MINUTE)
    message.refresh_from_db()
    assert message.reply_status == "sending"
    inbound_reply.send_replies(NOW + 10 * MINUTE)
    message.refresh_from_db()
    assert (message.reply_status, message.handled_at) == ("unknown", None)
    assert not SandboxMessage.objects.filter(pk=message.pk).exists()


@pytest.mark.parametrize("word", ["stop", "Unsubscribe!", "START", "?!"])
def test_a_keyword_that_means_something_else_is_refused(word):
    with pytest.raises(ValidationError):
        KeywordReply(keyword=word, channel="whatsapp", reply="x").full_clean()


def test_a_keyword_is_kept_as_messages_are_compared():
    reply = KeywordReply(keyword=" de-mo! ", channel="whatsapp", reply="x")
    reply.full_clean()
    assert reply.keyword == "DE MO"


# --- At the same time as the sender ----------------------------------------------------------


def due_on_whatsapp():
    (enrollment,) = enrolled(days=(0,), channels=("whatsapp",))
    schedule_due(NOW)
    return enrollment.doctor


@pytest.mark.django_db(transaction=True)
def test_a_stop_waits_for_the_sender_who_was_first():
    who = due_on_whatsapp()
    says(f"whatsapp:{who.phone}", "STOP")
    with transaction.atomic():
        assert len(authorize_due("whatsapp", NOW).claims) == 1
        stop = Worker(lambda: inbound.apply_inbound(NOW))
        assert waits_for_a_lock()
        assert not stop.is_done
    assert stop.result() == 1
    assert standing(who) == {("whatsapp", None)}


@pytest.mark.django_db(transaction=True)
def test_a_stop_that_is_first_keeps_the_sender_from_the_doctor():
    who = due_on_whatsapp()
    says(f"whatsapp:{who.phone}", "STOP")
    with transaction.atomic():
        assert inbound.apply_inbound(NOW) == 1
        assert Worker(lambda: authorize_due("whatsapp", NOW)).result().claims == []
    assert not authorize_due("whatsapp", NOW).claims
    assert statuses() == {"whatsapp 0": "unsubscribed"}


@pytest.mark.django_db(transaction=True)
def test_workers_at_once_take_each_message_once():
    people = [doctor() for _ in range(10)]
    for number, who in enumerate(people):
        says(f"whatsapp:{who.phone}", "STOP", f"SM{number}")
    assert sum(at_once(*[lambda: inbound.apply_inbound(NOW)] * 3)) == 10
    assert InboundMessage.objects.count() == UnsubscribeRecord.objects.count() == 10
