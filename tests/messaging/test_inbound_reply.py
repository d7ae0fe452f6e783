"""Answers to keywords: within WhatsApp's session, through the account, once, or into the inbox."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from messaging import inbound_reply
from messaging.inbound_reply import send_replies
from messaging.models import (
    DeliveryAttempt,
    InboundMessage,
    ProviderAccount,
    Reply,
    SandboxMessage,
    SuppressionReason,
    UnsubscribeRecord,
)
from messaging.optout import opt_out, pause
from messaging.providers import instance
from messaging.providers.base import HandOff, Receipt, Refused
from messaging.providers.twilio import status_callback
from messaging.session import OPEN_FOR
from messaging.suppress import suppress
from segments.models import Doctor
from tests.admin.world import page
from tests.engine import NOW, doctor
from tests.messaging.scripted import AWAY, SILENT, WRONG, Scripted, throttled
from tests.providers.fake import serving
from tests.providers.interakt_fake import KEY, InteraktFake
from tests.providers.peer import Fault
from tests.providers.twilio_fake import WHATSAPP_NUMBER, TwilioFake, variables

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SANDBOX = dict.fromkeys(("whatsapp", "sms", "email"), "sandbox")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    instance.cache_clear()
    yield
    instance.cache_clear()


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake()) as fake:
        settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio", "sms": "twilio"}
        settings.PROVIDER_VARIABLES = variables(fake)
        settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
        yield fake


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    def put(*script: Receipt) -> Scripted:
        scripted = Scripted(*script)
        monkeypatch.setattr("messaging.outgoing.provider_for", lambda channel: scripted)
        return scripted

    return put


def wrote(who: Doctor | None = None, channel: str = "whatsapp", **fields: Any) -> Reply:
    """The answer that waits, to DEMO from a doctor a minute ago."""
    who = who or doctor()
    given: dict[str, Any] = {
        "provider": "twilio",
        "channel": channel,
        "doctor": who,
        "sender": who.phone,
        "text": "DEMO",
        "kind": "keyword",
        "received_at": NOW - MINUTE,
        "handled_at": NOW - MINUTE,
    }
    message = InboundMessage.objects.create(**{**given, **fields})
    return Reply.objects.create(
        message=message,
        text="See the video: https://clirnet.in/demo",
        is_automatic=True,
        written_at=message.received_at,
    )


def became(reply: Reply) -> tuple[str, bool]:
    """The state of the answer, and whether its message waits in the inbox."""
    reply.refresh_from_db()
    return reply.status, reply.message.handled_at is None


def test_answer_goes_out_as_free_text_and_asks_for_reports(twilio: TwilioFake) -> None:
    reply = wrote()
    assert send_replies(NOW) == 1
    assert became(reply) == ("sent", False)
    assert (reply.external_id, reply.sent_at) == (f"SM{1:032x}", NOW)
    assert twilio.ledger == [
        {
            "To": f"whatsapp:{reply.message.sender}",
            "From": f"whatsapp:{WHATSAPP_NUMBER}",
            "Body": reply.text,
            "StatusCallback": status_callback(reply.pk),
        }
    ]
    assert send_replies(NOW + MINUTE) == 0
    assert len(twilio.calls) == 1
    assert not DeliveryAttempt.objects.exists()


def test_answer_goes_out_through_interakt(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "interakt"}
    with serving(InteraktFake()) as interakt:
        settings.PROVIDER_VARIABLES = {"INTERAKT_API_KEY": KEY, "INTERAKT_API_URL": interakt.url}
        reply = wrote(provider="interakt")
        assert send_replies(NOW) == 1
    (told,) = interakt.ledger
    assert (told["type"], told["data"]) == ("Text", {"message": reply.text})


def test_sandbox_keeps_the_answer_to_be_read(admin_client: Client) -> None:
    reply = wrote()
    assert send_replies(NOW) == 1
    kept = SandboxMessage.objects.get()
    assert (kept.pk, kept.answers, kept.delivery, kept.is_test) == (
        reply.pk,
        reply,
        None,
        False,
    )
    html = admin_client.get(page(SandboxMessage, "change", kept.pk)).content.decode()
    assert reply.text in html


def test_many_answers_go_at_once_and_cost_the_same_queries(twilio: TwilioFake) -> None:
    counts = []
    for number in (1, 1, 3):  # the first makes the account
        replies = [wrote() for _ in range(number)]
        with CaptureQueriesContext(connection) as queries:
            assert send_replies(NOW) == number
        assert {became(reply) for reply in replies} == {("sent", False)}
        counts.append(len(queries) - number)  # what became of each is one UPDATE
    assert counts[1] == counts[2]


@pytest.mark.parametrize(
    ("age", "status"), [(OPEN_FOR - timedelta(seconds=1), "sent"), (OPEN_FOR, "failed")]
)
def test_answer_goes_out_shortly_before_the_session_ends_and_not_after(
    twilio: TwilioFake, age: timedelta, status: str
) -> None:
    reply = wrote(received_at=NOW - age)
    send_replies(NOW)
    assert became(reply) == (status, status == "failed")
    assert len(twilio.calls) == (status == "sent")
    if status == "failed":
        assert reply.error == "The 24 hours after the doctor's message are over."


def test_nothing_begins_once_the_worker_was_frozen(
    twilio: TwilioFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session may be over by then: the next minute looks anew."""
    reply = wrote()
    monkeypatch.setattr(inbound_reply, "HandOff", lambda now: HandOff(now, authorised=0.0))
    assert send_replies(NOW) == 0
    assert became(reply) == ("queued", False)
    assert twilio.calls == []


@pytest.mark.parametrize("channel", ["whatsapp", None])
def test_who_opted_out_meanwhile_gets_no_answer(twilio: TwilioFake, channel: str | None) -> None:
    reply, other = wrote(), wrote()
    opt_out(reply.message.doctor_id, channel, None, source="test", now=NOW)
    assert send_replies(NOW) == 1
    assert became(reply) == ("failed", True)
    assert reply.error == "The doctor has opted out meanwhile."
    assert became(other) == ("sent", False)


def test_who_opted_out_of_something_else_gets_an_answer(twilio: TwilioFake) -> None:
    reply = wrote()
    opt_out(reply.message.doctor_id, "sms", None, source="test", now=NOW)
    opt_out(reply.message.doctor_id, "whatsapp", "no_show", source="test", now=NOW)
    pause(reply.message.doctor_id, source="test", now=NOW)
    assert send_replies(NOW) == 1


def test_suppressed_channel_gets_no_answer(twilio: TwilioFake) -> None:
    reply = wrote()
    suppress(reply.message.doctor_id, "whatsapp", SuppressionReason.INVALID, now=NOW)
    assert send_replies(NOW) == 0
    assert became(reply) == ("failed", True)
    assert reply.error == "The channel is suppressed."


def test_account_that_waits_holds_answers_back(answers: Callable[..., Scripted]) -> None:
    provider = answers()
    account = ProviderAccount.objects.create(channel="whatsapp", provider="sandbox", is_paused=True)
    reply = wrote()
    assert send_replies(NOW) == 0
    assert became(reply) == ("queued", False)
    ProviderAccount.objects.filter(pk=account.pk).update(is_paused=False)
    assert send_replies(NOW + MINUTE) == 1
    assert provider.ledger == [reply.pk]


def test_rate_of_the_account_holds_for_answers(answers: Callable[..., Scripted]) -> None:
    answers()
    ProviderAccount.objects.create(
        channel="whatsapp", provider="sandbox", rate_per_second=1, burst=2, tokens=2
    )
    replies = [wrote() for _ in range(3)]
    assert send_replies(NOW) == 2
    assert [became(reply)[0] for reply in replies] == ["sent", "sent", "queued"]
    assert send_replies(NOW + MINUTE) == 1


def test_unused_room_of_the_account_is_given_back(answers: Callable[..., Scripted]) -> None:
    answers()
    account = ProviderAccount.objects.create(
        channel="whatsapp", provider="sandbox", rate_per_second=1, burst=40, tokens=40
    )
    wrote()
    assert send_replies(NOW) == 1
    account.refresh_from_db()
    assert account.tokens == 39


@pytest.mark.parametrize(
    ("receipt", "status", "in_inbox"),
    [
        (WRONG, "failed", True),
        (Refused("63049", "limit", permanent=False, retry_after=timedelta(days=1)), "failed", True),
        (throttled(None), "queued", False),
        (AWAY, "queued", False),
        (SILENT, "unknown", True),
    ],
)
def test_answer_that_is_not_taken_is_tried_again_only_where_the_account_is_at_fault(
    answers: Callable[..., Scripted], receipt: Receipt, status: str, in_inbox: bool
) -> None:
    answers(receipt)
    reply = wrote()
    assert send_replies(NOW) == 0
    assert became(reply) == (status, in_inbox)


def test_refusal_that_tells_of_an_opt_out_is_heeded(answers: Callable[..., Scripted]) -> None:
    reply = wrote()
    answers(Refused("21610", "STOP", permanent=True, verdict="provider_opt_out"))
    assert send_replies(NOW) == 0
    assert became(reply) == ("failed", True)
    record = UnsubscribeRecord.objects.standing().get()
    assert (record.doctor, record.channel) == (reply.message.doctor, "whatsapp")


def test_dead_provider_opens_the_breaker(answers: Callable[..., Scripted]) -> None:
    provider = answers(SILENT)
    replies = [wrote() for _ in range(8)]
    send_replies(NOW)
    assert len(provider.ledger) == 5
    assert ProviderAccount.objects.get().failures_in_row == 5
    assert send_replies(NOW + timedelta(seconds=1)) == 0
    assert len(provider.ledger) == 5
    assert [became(reply)[0] for reply in replies[5:]] == ["queued"] * 3


def test_account_that_lacks_something_keeps_the_answers(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "interakt"}
    settings.PROVIDER_VARIABLES = {}
    reply = wrote(provider="interakt")
    assert send_replies(NOW) == 0
    assert became(reply) == ("queued", False)


def test_lost_answer_of_the_provider_is_not_repeated(twilio: TwilioFake) -> None:
    twilio.faults = [Fault("reset", accepts=True)]
    reply = wrote()
    for minute in range(3):
        assert send_replies(NOW + minute * MINUTE) == 0
    assert became(reply) == ("unknown", True)
    assert len(twilio.ledger) == len(twilio.calls) == 1


def test_worker_that_died_leaves_it_to_a_person(
    answers: Callable[..., Scripted], monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = wrote()

    def die() -> None:
        raise KeyboardInterrupt

    answers().during = die
    with pytest.raises(KeyboardInterrupt):
        send_replies(NOW)
    assert became(reply) == ("sending", False)
    provider = answers()
    send_replies(NOW + MINUTE)
    assert became(reply) == ("sending", False)
    send_replies(NOW + 5 * MINUTE)
    assert became(reply) == ("unknown", True)
    assert provider.ledger == []


def test_late_receipt_does_not_change_what_was_given_up(answers: Callable[..., Scripted]) -> None:
    reply = wrote()
    rival = Reply.objects.filter(pk=reply.pk)
    answers().during = lambda: rival.update(status="unknown")
    assert send_replies(NOW) == 0
    assert became(reply) == ("unknown", False)


def test_sms_is_answered_where_operators_take_any_text(twilio: TwilioFake, settings: Any) -> None:
    settings.SMS_DLT_REQUIRED = False
    reply = wrote(channel="sms")
    assert send_replies(NOW) == 1
    settings.SMS_DLT_REQUIRED = True
    reply = wrote(channel="sms")
    assert send_replies(NOW) == 0
    assert became(reply) == ("failed", True)
    assert reply.error == "SMS go out as registered texts only, and an answer is none."
    assert len(twilio.calls) == 1
