"""What doctors write: STOP and START at once, keywords answered, the rest into the inbox."""

import itertools
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import connection, transaction

from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import inbound, lanes, reports
from messaging.audit.facts import untold
from messaging.audit.finding import Scope
from messaging.authorize import authorize_due
from messaging.models import (
    EventKind,
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
from messaging.suppress import suppress
from messaging.track import Event, store
from reengage import health
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


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("order", list(itertools.permutations([0, 1, 2])))
@pytest.mark.parametrize("words", [("STOP", "START", "STOP"), ("START", "STOP", "START")])
def test_of_stop_and_start_the_last_one_written_counts(enrollment, words, order, at_once):
    """Also where the disk kept them and they come in another order."""
    who = enrollment.doctor
    for place in order:
        detail = {"channel": "whatsapp", "from": who.phone, "text": words[place]}
        detail |= {"button": "", "wish": "", "raw": {}}
        at = NOW + place * MINUTE
        store([Event("twilio", f"SM{place}", EventKind.INBOUND, at, detail=detail)], NOW)
        if not at_once:
            reports.take(NOW + 9 * MINUTE)
    reports.take(NOW + 9 * MINUTE)
    assert bool(standing(who)) == (words[-1] == "STOP")
    assert not InboundMessage.objects.filter(handled_at=None).exists()


def test_stop_and_start_of_one_moment_are_a_stop(enrollment):
    who = enrollment.doctor
    for number, text in enumerate(("START", "STOP")):
        says(f"whatsapp:{who.phone}", text, f"SM{number}")
    reports.take(NOW + MINUTE)
    assert standing(who) == {("whatsapp", None)}


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
    assert (message.doctor, message.kind, message.handled_at) == (None, "doubt", None)
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


# --- From the other number, in doubt, and in no shape to be read ------------------------------


@pytest.mark.parametrize(("prefix", "number"), [("whatsapp:", "phone"), ("", "whatsapp")])
def test_a_stop_from_the_other_number_on_record_is_heeded(prefix, number):
    who = doctor(phone="+919000000001", whatsapp="+919000000002")
    says(f"{prefix}{getattr(who, number)}", "STOP")
    reports.take(NOW)
    message = InboundMessage.objects.get()
    assert (message.kind, message.doctor) == ("stop", who)
    assert standing(who) == {("whatsapp" if prefix else "sms", None)}


def test_a_start_reaches_only_whom_the_channel_reaches_at_the_number():
    other = doctor(phone="+919000000001", whatsapp="+919000000002")
    who = doctor(whatsapp="+919000000001")
    says("whatsapp:+919000000001", "STOP")
    reports.take(NOW)
    assert standing(who) == standing(other) == {("whatsapp", None)}
    says("whatsapp:+919000000001", "START", "SM2")
    reports.take(NOW + MINUTE)
    assert (standing(who), standing(other)) == (set(), {("whatsapp", None)})


def test_a_doubtful_message_waits_and_one_word_of_a_person_opts_out(enrollment):
    message = writes(enrollment.doctor, "I am not interested")
    assert (message.kind, message.handled_at) == ("doubt", None)
    assert standing(enrollment.doctor) == set()
    somebody = User.objects.create_user("support")
    assert inbound.opt_out_writer(message, somebody, NOW)
    assert not inbound.opt_out_writer(message, somebody, NOW)
    message.refresh_from_db()
    assert (message.kind, message.handled_by) == ("stop", somebody)
    assert standing(enrollment.doctor) == {("whatsapp", None)}


NEVER = "0001-01-01T00:00:00+14:00"  # PostgreSQL keeps it as a year that Python cannot read


@pytest.mark.parametrize(
    "told", [NEVER, "9999-12-31T23:59:59-14:00", "2026-03-04T06:31:00+23:59", "2025-01-01T00:00:00"]
)
def test_a_time_that_cannot_be_is_when_the_message_came(enrollment, told):
    report = interakt_report("message_received", message="STOP", received_at_utc=told)
    report["data"]["customer"] = {"channel_phone_number": enrollment.doctor.phone.removeprefix("+")}
    assert interakt(report).status_code == 200
    reports.take(NOW + MINUTE)
    assert standing(enrollment.doctor) == {("whatsapp", None)}
    likely = {NOW + MINUTE, NOW - timedelta(days=1) + 2 * MINUTE}
    assert InboundMessage.objects.get().received_at in likely


def stored(key, who, text):
    detail = {"channel": "whatsapp", "from": who.phone, "text": text, "button": "", "wish": ""}
    event = Event("twilio", key, EventKind.INBOUND, NOW, detail=detail | {"raw": {}})
    store([event], NOW)
    return ProviderEvent.objects.filter(event_key=key)


def test_a_message_kept_with_an_unreadable_time_holds_nothing_up(enrollment):
    """No report comes in with one; only somebody at work on the database could put it there."""
    broken = stored("SM1", enrollment.doctor, "a question")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE provider_events SET occurred_at = '0001-12-31 10:00:00+00 BC'")
    stored("SM2", enrollment.doctor, "STOP")
    assert lanes.run("sms") is False
    assert standing(enrollment.doctor) == {("whatsapp", None)}
    (aside,) = broken.values_list("processed_at", "parked_at")
    assert aside[0] is None
    assert aside[1] is not None


def test_a_message_that_cannot_be_taken_in_holds_nothing_up_and_is_told_of(enrollment):
    broken = stored("SM1", enrollment.doctor, ["no text"])
    stored("SM2", enrollment.doctor, "STOP")
    assert reports.hear(NOW) == 1
    assert standing(enrollment.doctor) == {("whatsapp", None)}
    assert (broken.get().processed_at, broken.get().parked_at) == (None, NOW)
    told = [problem.text for problem in health.problems(NOW)]
    assert any("1 message from doctors could not be taken in" in text for text in told)
    assert untold(Scope(NOW + timedelta(days=2))).count == 1
    broken.update(detail=broken.get().detail | {"text": "a question"})
    reports.retry(NOW + MINUTE)
    assert broken.get().processed_at == NOW + MINUTE


# --- Keywords -------------------------------------------------------------------------------


@pytest.fixture
def demo(enrollment):
    return KeywordReply.objects.create(keyword="DEMO", channel="whatsapp", reply="See the video.")


@pytest.mark.parametrize("text", ["DEMO", "demo!", " Demo. "])
def test_a_keyword_is_answered_once_inside_the_window(enrollment, demo, text):
    message = writes(enrollment.doctor, text)
    reply = message.replies.get()
    assert (message.kind, reply.status, reply.sent_at) == ("keyword", "sent", NOW + MINUTE)
    assert (reply.is_automatic, reply.written_by) == (True, None)
    assert reports.take(NOW + 2 * MINUTE) == 0
    kept = SandboxMessage.objects.get(pk=reply.pk)
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


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("Hello {{first_name}}", "Variables are not filled in replies"),
        ("Hello {first_name", "Variables are not filled in replies"),
        ("See http://evil.example/x.", "http://evil.example/x may not be linked to"),
        ("See www.evil.com", "www.evil.com may not be linked to"),
        ("See https://app.clirnet.example@evil.com/", "may not be linked to"),
    ],
)
def test_a_reply_leads_nowhere_else_and_has_nothing_to_fill_in(settings, reply, why):
    settings.LINK_HOSTS = frozenset({"app.clirnet.example"})
    with pytest.raises(ValidationError, match=re.escape(why)):
        KeywordReply(keyword="demo", channel="whatsapp", reply=reply).full_clean()
    fine = "See https://app.clirnet.example/demo, Dr. Rao."
    KeywordReply(keyword="demo", channel="whatsapp", reply=fine).full_clean()


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
