"""Interakt: our calls against a fake as strict as its documentation, and what answers mean."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from messaging.models import Verdict
from messaging.providers.account import Account
from messaging.providers.base import Accepted, Outgoing, Receipt, Refused, Unknown
from messaging.providers.codes import INTERAKT, Fate
from messaging.providers.interakt import InteraktProvider
from tests.providers.fake import Rejected, serving
from tests.providers.interakt_fake import KEY, InteraktFake
from tests.providers.messages import kinds, send
from tests.providers.peer import Fault

DOCTOR = "+919876543210"


@pytest.fixture
def interakt(settings: Any) -> Iterator[InteraktFake]:
    with serving(InteraktFake()) as fake:
        settings.PROVIDER_VARIABLES = {"INTERAKT_API_KEY": KEY, "INTERAKT_API_URL": fake.url}
        yield fake


@pytest.fixture
def provider(interakt: InteraktFake) -> InteraktProvider:
    return InteraktProvider(Account("interakt"))


def whatsapp(recipient: str = DOCTOR, **fields: Any) -> Outgoing:
    given = {
        "whatsapp_name": "reminder",
        "whatsapp_language": "hi",
        "parameters": ("डॉ. राव", "2 modules"),
    }
    return Outgoing(uuid.uuid4(), "whatsapp", recipient, "any", **{**given, **fields})


def sent(provider: InteraktProvider, message: Outgoing) -> Receipt:
    (receipt,) = send(provider, [message])
    return receipt


def test_template_goes_out_by_name_with_every_value_and_our_id(
    interakt: InteraktFake, provider: InteraktProvider
) -> None:
    message = whatsapp()
    assert sent(provider, message) == Accepted("interakt-1")
    assert interakt.ledger == [
        {
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "callbackData": str(message.delivery_id),
            "type": "Template",
            "template": {
                "name": "reminder",
                "languageCode": "hi",
                "bodyValues": ["डॉ. राव", "2 modules"],
            },
        }
    ]


@pytest.mark.parametrize(
    ("recipient", "country", "number"),
    [("+12025550143", "+1", "2025550143"), ("+9779841234567", "+977", "9841234567")],
)
def test_country_is_split_off_whatever_it_is(
    interakt: InteraktFake, provider: InteraktProvider, recipient: str, country: str, number: str
) -> None:
    assert isinstance(sent(provider, whatsapp(recipient)), Accepted)
    told = interakt.ledger[0]
    assert (told["countryCode"], told["phoneNumber"]) == (country, number)


def test_template_without_values_goes_out(
    interakt: InteraktFake, provider: InteraktProvider
) -> None:
    interakt.templates["reminder", "hi"] = 0
    assert isinstance(sent(provider, whatsapp(parameters=())), Accepted)
    assert "bodyValues" not in interakt.ledger[0]["template"]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (whatsapp(whatsapp_name=""), "Its template has no name and language at Interakt."),
        (whatsapp(whatsapp_language=""), "Its template has no name and language at Interakt."),
        (whatsapp(parameters=(" ", "x")), "The value of {{1}} is empty."),
        (whatsapp(parameters=("x", "a\r\nb")), "The value of {{2}} has a line break."),
        (whatsapp("98765"), "The number is not one."),
    ],
)
def test_message_that_interakt_would_not_take_is_refused_without_a_call(
    interakt: InteraktFake, provider: InteraktProvider, message: Outgoing, why: str
) -> None:
    assert sent(provider, message) == Refused("unfit", why, permanent=True)
    assert interakt.calls == []


def test_free_text_goes_out_without_a_template(
    interakt: InteraktFake, provider: InteraktProvider
) -> None:
    message = whatsapp(whatsapp_name="", parameters=(), is_free_text=True)
    assert sent(provider, message) == Accepted("interakt-1")
    assert interakt.ledger == [
        {
            "countryCode": "+91",
            "phoneNumber": "9876543210",
            "callbackData": str(message.delivery_id),
            "type": "Text",
            "data": {"message": "any"},
        }
    ]


@pytest.mark.parametrize(("length", "kind"), [(4096, "Accepted"), (4097, "Refused")])
def test_free_text_is_as_long_as_whatsapp_takes_it(
    interakt: InteraktFake, provider: InteraktProvider, length: int, kind: str
) -> None:
    message = whatsapp(is_free_text=True)._replace(text="x" * length)
    assert kinds(send(provider, [message])) == [kind]
    assert len(interakt.calls) == (kind == "Accepted")


def test_refusal_is_told_without_the_number(
    interakt: InteraktFake, provider: InteraktProvider, monkeypatch: Any
) -> None:
    def refuse(told: dict[str, Any]) -> None:
        raise interakt.refuse(400, f"{told['phoneNumber']} is no number")

    monkeypatch.setattr(interakt, "check", refuse)
    assert sent(provider, whatsapp()) == Refused("400", "… is no number", permanent=True)


def test_wrong_key_is_an_outage(interakt: InteraktFake, settings: Any) -> None:
    settings.PROVIDER_VARIABLES = {**settings.PROVIDER_VARIABLES, "INTERAKT_API_KEY": "bm8="}
    receipt = sent(InteraktProvider(Account("interakt")), whatsapp())
    assert receipt == Refused("401", "Invalid credentials", permanent=False, is_outage=True)


@pytest.mark.parametrize(
    ("status", "body", "receipt"),
    [
        (200, b'{"result": true, "id": "7"}', Accepted("7")),
        (
            200,
            b'{"result": false, "message": "no credit"}',
            Refused("400", "no credit", permanent=True),
        ),
        (202, b'{"result": "yes"}', Unknown("HTTP 202 that cannot be understood: ValueError")),
        (201, b"<html>", Unknown("HTTP 201 that cannot be understood: JSONDecodeError")),
        (404, b"<html>", Refused("404", "<html>", permanent=True)),
        (408, b"", Refused("408", "", permanent=False)),
    ],
)
def test_result_says_whether_it_was_taken(  # noqa: PLR0917
    interakt: InteraktFake,
    provider: InteraktProvider,
    monkeypatch: Any,
    status: int,
    body: bytes,
    receipt: Receipt,
) -> None:
    def answer(_: object) -> None:
        raise Rejected(status, body)

    monkeypatch.setattr(interakt, "take", answer)
    assert sent(provider, whatsapp()) == receipt


@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [
        (Fault("429", retry_after="30"), "Refused", 0),
        (Fault("500", accepts=True), "Unknown", 1),
        (Fault("garbage", accepts=True), "Unknown", 1),
        (Fault("reset"), "Unknown", 0),
        (Fault("reset", accepts=True), "Unknown", 1),
        (Fault("slow", seconds=0.1), "Accepted", 1),
    ],
)
def test_nothing_is_sent_twice_whatever_the_answer(
    interakt: InteraktFake, provider: InteraktProvider, fault: Fault, kind: str, taken: int
) -> None:
    interakt.faults = [fault]
    receipts = send(provider, [whatsapp()])
    assert kinds(receipts) == [kind]
    assert len(interakt.calls) == 1
    assert len(interakt.ledger) == taken
    if fault.act == "429":  # 300 or 600 a minute, by plan
        assert isinstance(receipts[0], Refused)
        assert receipts[0].is_throttle
        assert receipts[0].retry_after == timedelta(seconds=30)


def test_codes_of_meta_have_a_meaning() -> None:
    assert INTERAKT.get(131026).verdict == Verdict.NOT_ON_CHANNEL
    assert INTERAKT.get(131050).verdict == Verdict.OPTED_OUT
    assert INTERAKT.get("131049").wait == timedelta(days=1)
    assert INTERAKT.get("130429").fate is Fate.THROTTLE
    assert INTERAKT.get("131042").fate is Fate.OUTAGE


@pytest.mark.parametrize(("key", "problems"), [(KEY, 0), ("not base64!", 1)])
def test_form_of_the_key_is_looked_at_and_nobody_is_asked(
    interakt: InteraktFake, settings: Any, key: str, problems: int
) -> None:
    settings.PROVIDER_VARIABLES = {**settings.PROVIDER_VARIABLES, "INTERAKT_API_KEY": key}
    assert len(list(InteraktProvider(Account("interakt")).problems("whatsapp"))) == problems
    assert interakt.calls == []
