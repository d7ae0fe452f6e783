"""Answers by people: inside the session, once, not after an opt-out, and in their name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from campaigns import trail
from messaging import inbound_answer
from messaging.inbound import handle
from messaging.inbound_answer import AnswerError, answer, prospect, seen
from messaging.inbound_reply import send_replies
from messaging.models import (
    InboundMessage,
    Reply,
    SandboxMessage,
    SuppressionReason,
    UnsubscribeRecord,
)
from messaging.optout import opt_in, opt_out, pause
from messaging.session import OPEN_FOR
from messaging.suppress import suppress
from reengage.models import Change
from tests.engine import NOW, doctor

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def rung(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr("messaging.webhooks.intake.ring_soon", lambda: calls.append("ring"))
    return calls


@pytest.fixture
def anna() -> User:
    return User.objects.create_user("anna", is_staff=True)


def wrote(channel: str = "whatsapp", **fields: Any) -> InboundMessage:
    """A question from a doctor, an hour ago."""
    who = fields.pop("doctor", None) or doctor()
    given: dict[str, Any] = {
        "provider": "twilio",
        "channel": channel,
        "doctor": who,
        "sender": who.phone,
        "text": "When is the next session?",
        "received_at": NOW - 60 * MINUTE,
    }
    return InboundMessage.objects.create(**{**given, **fields})


def state(message: InboundMessage) -> list[str]:
    return list(message.replies.order_by("pk").values_list("status", flat=True))


def test_answer_is_queued_once_handled_and_sent(
    anna: User, rung: list[str], django_capture_on_commit_callbacks: Any
) -> None:
    message = wrote()
    with django_capture_on_commit_callbacks(execute=True):
        reply = answer(message, "On Monday.", anna, seen(message), NOW)
    assert rung == ["ring"]
    message.refresh_from_db()
    assert (message.handled_at, message.handled_by) == (NOW, anna)
    assert (reply.status, reply.is_automatic, reply.written_by) == ("queued", False, anna)
    assert send_replies(NOW + MINUTE) == 1
    assert send_replies(NOW + 2 * MINUTE) == 0
    kept = SandboxMessage.objects.get()
    assert (kept.text, kept.recipient, kept.answers) == ("On Monday.", message.sender, reply)
    assert state(message) == ["sent"]


def test_colleague_is_told_who_answered_and_may_add_to_it(anna: User) -> None:
    message, ben = wrote(), User.objects.create_user("ben")
    both_saw = seen(message)
    answer(message, "On Monday.", anna, both_saw, NOW)
    with pytest.raises(AnswerError, match=r"^anna answered a minute ago\. Yours was not sent\.$"):
        answer(message, "Soon.", ben, both_saw, NOW + MINUTE)
    with pytest.raises(AnswerError, match="anna answered 5 minutes ago"):  # it is under way
        answer(message, "Soon.", ben, seen(message), NOW + 5 * MINUTE)
    assert send_replies(NOW + 5 * MINUTE) == 1
    message.refresh_from_db()
    answer(message, "At ten.", ben, seen(message), NOW + 6 * MINUTE)
    assert state(message) == ["sent", "queued"]


def test_double_click_is_one_answer(anna: User) -> None:
    message = wrote()
    before = seen(message)
    first = answer(message, "On Monday.", anna, before, NOW)
    assert answer(message, "On Monday.", anna, before, NOW) == first
    assert state(message) == ["queued"]


def test_same_words_again_on_purpose_are_another_answer(anna: User) -> None:
    message = wrote()
    answer(message, "Call us.", anna, seen(message), NOW)
    send_replies(NOW)
    message.refresh_from_db()
    answer(message, "Call us.", anna, seen(message), NOW + MINUTE)
    assert state(message) == ["sent", "queued"]


def test_marked_by_a_colleague_meanwhile_is_told(anna: User) -> None:
    message = wrote()
    before = seen(message)
    handle(message, anna, NOW)
    with pytest.raises(AnswerError, match="anna marked it as handled just now"):
        answer(message, "On Monday.", anna, before, NOW)
    assert state(message) == []


@pytest.mark.parametrize(
    ("age", "is_open"), [(OPEN_FOR - timedelta(seconds=1), True), (OPEN_FOR, False)]
)
def test_session_ends_after_23_hours_and_50_minutes(age: timedelta, is_open: bool) -> None:
    found = prospect(wrote(received_at=NOW - age), NOW)
    assert found.until == (NOW + timedelta(seconds=1) if is_open else None)
    assert ("24 hours" in found.why_not) is not is_open


def test_later_message_of_the_doctor_opens_the_session_for_the_older_one() -> None:
    old = wrote(received_at=NOW - 3 * OPEN_FOR)
    wrote(doctor=old.doctor, received_at=NOW - MINUTE)
    assert prospect(old, NOW).until == NOW - MINUTE + OPEN_FOR


def test_message_to_another_provider_opens_no_session(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "interakt"}
    assert "24 hours" in prospect(wrote(provider="twilio"), NOW).why_not
    assert not prospect(wrote(provider="interakt"), NOW).why_not


def test_message_to_another_account_of_twilio_opens_no_session(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "twilio:second"}
    settings.PROVIDER_VARIABLES = {"TWILIO_SECOND_ACCOUNT_SID": "AC2"}
    assert not prospect(wrote(provider="twilio:second"), NOW).why_not
    assert not prospect(wrote(provider="twilio"), NOW).why_not  # from before accounts were told
    settings.PROVIDER_VARIABLES |= {"TWILIO_ACCOUNT_SID": "AC1"}
    assert "24 hours" in prospect(wrote(provider="twilio"), NOW).why_not
    assert not prospect(wrote(provider="twilio:second"), NOW).why_not


def test_answer_that_waits_until_the_session_is_over_comes_back(anna: User) -> None:
    message = wrote(received_at=NOW - OPEN_FOR + MINUTE)
    reply = answer(message, "On Monday.", anna, seen(message), NOW)
    assert send_replies(NOW + MINUTE) == 0
    reply.refresh_from_db()
    message.refresh_from_db()
    assert (reply.status, reply.error) == (
        "failed",
        "The 24 hours after the doctor's message are over.",
    )
    assert (message.handled_at, message.handled_by) == (None, None)


@pytest.mark.parametrize("channel", ["whatsapp", None])
def test_who_opted_out_is_not_answered_until_they_come_back(
    anna: User, channel: str | None
) -> None:
    message = wrote()
    record = opt_out(message.doctor_id, channel, None, source="test", now=NOW)
    assert "opted out of WhatsApp" in prospect(message, NOW).why_not
    with pytest.raises(AnswerError, match="opted out of WhatsApp"):
        answer(message, "On Monday.", anna, seen(message), NOW)
    assert state(message) == []
    opt_in(UnsubscribeRecord.objects.get(pk=record.pk), NOW)
    assert not prospect(message, NOW).why_not


def test_stop_that_comes_while_the_answer_waits_is_heeded(anna: User) -> None:
    message = wrote()
    answer(message, "On Monday.", anna, seen(message), NOW)
    opt_out(message.doctor_id, "whatsapp", None, source="test", now=NOW)
    assert send_replies(NOW) == 0
    assert state(message) == ["failed"]
    assert not SandboxMessage.objects.exists()


def test_pause_and_opt_out_of_campaigns_leave_own_questions_answered() -> None:
    message = wrote()
    opt_out(message.doctor_id, "whatsapp", "no_show", source="test", now=NOW)
    opt_out(message.doctor_id, "email", None, source="test", now=NOW)
    pause(message.doctor_id, source="test", now=NOW)
    assert not prospect(message, NOW).why_not


def test_suppressed_channel_says_so() -> None:
    message = wrote()
    suppress(message.doctor_id, "whatsapp", SuppressionReason.INVALID, now=NOW)
    assert "WhatsApp is suppressed" in prospect(message, NOW).why_not


def test_stranger_is_answered_but_not_one_who_may_opt_out(anna: User) -> None:
    stranger = wrote(sender="+919811111111")
    InboundMessage.objects.update(doctor=None)
    stranger.refresh_from_db()
    answer(stranger, "Who is it?", anna, seen(stranger), NOW)
    assert send_replies(NOW) == 1
    InboundMessage.objects.update(kind="doubt")
    stranger.refresh_from_db()
    assert "not on record" in prospect(stranger, NOW).why_not


def stranger(**fields: Any) -> InboundMessage:
    """A question from a number that nobody has."""
    message = wrote(**{"sender": "+919811111111", **fields})
    InboundMessage.objects.filter(pk=message.pk).update(doctor=None)
    message.refresh_from_db()
    return message


def test_stranger_who_may_have_opted_out_since_gets_no_answer(anna: User) -> None:
    before = stranger()
    elsewhere = stranger(sender="+919811111112")
    reply = answer(before, "Who is it?", anna, seen(before), NOW)
    stranger(text="STOP", kind="doubt", received_at=NOW)
    after = stranger(received_at=NOW + MINUTE)
    assert send_replies(NOW) == 0
    for row in (reply, before):
        row.refresh_from_db()
    assert (reply.status, before.handled_at) == ("failed", None)
    assert "not on record" in prospect(before, NOW).why_not
    assert not prospect(after, NOW + MINUTE).why_not
    assert not prospect(elsewhere, NOW).why_not


def test_sms_is_answered_only_where_operators_take_any_text(settings: Any) -> None:
    message = wrote("sms", received_at=NOW - 9 * OPEN_FOR)
    settings.SMS_DLT_REQUIRED = True
    assert "registered with the operators" in prospect(message, NOW).why_not
    settings.SMS_DLT_REQUIRED = False
    assert prospect(message, NOW) == inbound_answer.Prospect()


def test_email_and_erased_number_cannot_be_answered() -> None:
    assert "from a mailbox" in prospect(wrote("email"), NOW).why_not
    assert "nobody to answer" in prospect(wrote(sender=""), NOW).why_not


@pytest.fixture
def acting(anna: User) -> Iterator[User]:
    trail.act_as(anna)
    yield anna
    trail.stop_acting()


def test_trail_says_who_answered_and_not_what(acting: User) -> None:
    message = wrote()
    answer(message, "qvsecret words", acting, seen(message), NOW)
    change = Change.objects.get(kind="messaging.reply")
    assert (change.actor_name, change.root) == ("anna", f"messaging.inboundmessage:{message.pk}")
    assert change.after == {"status": "queued", "written_by_id": acting.pk}


@pytest.mark.django_db(transaction=True)
def test_two_who_answer_at_once_are_one_answer() -> None:
    message, before = wrote(), ""
    before = seen(message)
    people = [User.objects.create_user(name) for name in ("anna", "ben", "chitra", "dev")]
    told: list[str] = []
    start = threading.Barrier(len(people))

    def work(who: User) -> None:
        try:
            start.wait(10)
            answer(message, f"From {who.username}.", who, before, NOW)
        except AnswerError as error:
            told.append(str(error))
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[who]) for who in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    reply = Reply.objects.get()
    assert told == [f"{reply.who} answered just now. Yours was not sent."] * 3
