"""“Send me a test”: through the real provider, marked, and counted nowhere."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from messaging import preview, trial
from messaging.models import (
    DeliveryAttempt,
    MessageDelivery,
    ProviderAccount,
    SandboxMessage,
    UnsubscribeRecord,
)
from messaging.preview import TEST_TOKEN, Person
from messaging.providers.base import Receipt, Refused, Unknown
from messaging.trial import AddressError, Outcome, address, masked, send_trial
from messaging.validation import Draft
from tests.engine import NOW
from tests.messaging.history import found
from tests.messaging.scripted import AWAY, SILENT, TAKEN, WRONG, Scripted

pytestmark = pytest.mark.django_db
TEXTS = {
    "whatsapp": "Dear Dr. {{first_name}}: {{shortlink}}",
    "sms": "Dr. {{last_name}}: {{shortlink}} -CLIRNET",
    "email": "Dear Dr. {{first_name}},\n\n[Get it →] {{shortlink}}",
}
SOMEBODY = Person({"first_name": "Asha", "last_name": "Rao"})


@pytest.fixture(autouse=True)
def _empty_cache() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Scripted]:
    def put(*script: Receipt) -> Scripted:
        scripted = Scripted(*script)
        monkeypatch.setattr("messaging.outgoing.provider_for", lambda channel: scripted)
        return scripted

    return put


def draft(channel: str = "sms", **fields: Any) -> Draft:
    fields.setdefault("content", TEXTS[channel])
    subject = "Yours" if channel == "email" else ""
    return Draft(channel=channel, subject=subject, segment_type="no_show", **fields)


def send(what: Draft | None = None, user: int = 1, now: Any = NOW, **values: Any) -> Outcome:
    who = Person({**SOMEBODY.variables, **values})
    return send_trial(what or draft(), who, "+919876543210", user, now, saved=None)


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "email"])
def test_test_is_kept_by_the_sandbox_and_marked(channel: str) -> None:
    recipient = "me@clirnet.example" if channel == "email" else "+919876543210"
    outcome = send_trial(draft(channel), SOMEBODY, recipient, 1, NOW, saved=None)
    kept = SandboxMessage.objects.get()
    assert (kept.channel, kept.recipient, kept.is_test) == (channel, recipient, True)
    assert (kept.subject if channel == "email" else kept.text).startswith("[Test] ")
    words = "The sandbox kept it: nothing left this system."
    assert outcome == Outcome("success", words, was_sent=True, kept=kept.pk)
    assert TEST_TOKEN in kept.text


def test_test_is_counted_nowhere() -> None:
    assert send().level == "success"
    assert not MessageDelivery.objects.exists()
    assert not DeliveryAttempt.objects.exists()
    assert found() == {}


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        (TAKEN, "success", "Sent: sandbox accepted it as x-"),
        (WRONG, "error", "sandbox refused it: no such number (400)."),
        (AWAY, "error", "sandbox refused it: connection refused (connect)."),
        (SILENT, "warning", "sandbox gave no clear answer (no answer). It may arrive."),
    ],
)
def test_answer_is_told_in_words(
    answer: Receipt, level: str, words: str, answers: Callable[..., Scripted]
) -> None:
    answers(answer)
    outcome = send()
    assert (outcome.level, outcome.was_sent) == (level, True)
    assert outcome.words.startswith(words)


def test_provider_that_raises_is_no_clear_answer(answers: Callable[..., Scripted]) -> None:
    def fail() -> None:
        raise RuntimeError("secret address")

    answers().during = fail
    assert send().words == (
        "sandbox gave no clear answer (The call failed: RuntimeError). It may arrive."
    )


def test_account_paused_by_hand_is_respected(answers: Callable[..., Scripted]) -> None:
    provider = answers()
    ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    assert send() == Outcome("warning", "Nothing was sent: The account is paused by hand.")
    assert provider.ledger == []


def test_trouble_is_told_to_the_account(answers: Callable[..., Scripted]) -> None:
    answers(SILENT)
    send()
    assert ProviderAccount.objects.get().failures_in_row == 1


def test_ten_an_hour_for_each_user(answers: Callable[..., Scripted]) -> None:
    provider = answers()
    for minute in range(10):
        assert send(now=NOW + timedelta(minutes=minute)).level == "success"
    refused = send(now=NOW + timedelta(minutes=10))
    assert refused == Outcome("warning", "You sent 10 tests within the hour. Next in 50 min.")
    assert send(user=2, now=NOW + timedelta(minutes=10)).level == "success"
    assert send(now=NOW + timedelta(hours=1)).level == "success"
    assert len(provider.ledger) == 12


def test_one_at_a_time_for_each_user(answers: Callable[..., Scripted]) -> None:
    provider = answers()
    seen: list[Outcome] = []
    provider.during = lambda: seen.append(send()) if not seen else None
    assert send().level == "success"
    assert seen == [Outcome("warning", "Another test of yours is on its way. Wait for its answer.")]
    assert send().level == "success"


def test_without_the_cache_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "add", lambda *_: False)
    assert send().words.startswith(
        "Tests cannot be sent at the moment: a part of the system is down."
    )
    assert not SandboxMessage.objects.exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{{frist_name}} {{shortlink}}", "The text cannot be sent: Line 1: There is no variable"),
        ("{{#a}}", "The text cannot be sent: "),
        ("{{location}} {{shortlink}}", "A doctor with these values would be skipped: no value"),
    ],
)
def test_text_that_would_not_go_out_is_not_sent(content: str, words: str) -> None:
    outcome = send(draft(content=content))
    assert outcome.level == "error"
    assert outcome.words.startswith(words)
    assert not SandboxMessage.objects.exists()


def test_somebody_waits_less_than_a_web_server_does(answers: Callable[..., Scripted]) -> None:
    left: list[float] = []
    hand_off = trial._Brief(NOW)
    left.append(hand_off.seconds_left())
    assert 19 < left[0] <= trial.PATIENCE < 30
    assert hand_off.may_begin()


@pytest.mark.parametrize(
    ("channel", "typed", "is_"),
    [
        ("email", " Me@Example.com ", "me@example.com"),
        ("sms", "98765 43210", "+919876543210"),
        ("whatsapp", "+44 7400 123456", "+447400123456"),
    ],
)
def test_address_is_written_as_providers_want_it(channel: str, typed: str, is_: str) -> None:
    assert address(channel, typed) == is_


@pytest.mark.parametrize(
    ("channel", "typed"),
    [
        ("email", ""),
        ("email", "me@"),
        ("email", "a@b.example\nBcc: x@y.example"),
        ("sms", "12"),
        ("sms", "me@example.com"),
        ("whatsapp", " "),
    ],
)
def test_address_that_is_none_is_refused(channel: str, typed: str) -> None:
    with pytest.raises(AddressError):
        address(channel, typed)


def test_address_is_masked() -> None:
    assert masked("asha@example.com") == "a…@example.com"
    assert masked("+919876543210") == "+91…3210"


def test_links_of_a_test_say_so_and_change_nothing() -> None:
    client = Client()
    links = preview.links()
    for link in (links.shortlink, links.unsubscribe):
        page = client.get("/" + link.split("/", 3)[3])
        assert (page.status_code, "This was a test" in page.content.decode()) == (200, True)
    one_click = client.post(f"/u/{TEST_TOKEN}", {"List-Unsubscribe": "One-Click"})
    assert one_click.status_code == 200
    assert not UnsubscribeRecord.objects.exists()
    assert client.get(f"/o/{TEST_TOKEN}.gif").status_code == 200


def test_test_token_is_as_long_as_a_token_and_never_one() -> None:
    assert len(TEST_TOKEN) == 22
    assert TEST_TOKEN[-1] not in "AQgw"  # how 128 bits in base64 end


def test_refusal_for_now_is_not_tried_again(answers: Callable[..., Scripted]) -> None:
    provider = answers(Refused("503", "busy", permanent=False), Unknown("x"))
    assert send().words == "sandbox refused it: busy (503)."
    assert len(provider.ledger) == 1
