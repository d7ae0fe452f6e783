"""Twilio: our calls and those of its official client, against a fake as strict as Twilio."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from twilio.base.exceptions import TwilioException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from messaging.models import Verdict
from messaging.providers.account import Account
from messaging.providers.base import Accepted, NotSent, Outgoing, Receipt, Refused, Unknown
from messaging.providers.codes import TWILIO, Code, Fate
from messaging.providers.http import IN_FLIGHT_AT_FIRST
from messaging.providers.twilio import TwilioProvider
from tests.providers.fake import serving
from tests.providers.messages import kinds, send
from tests.providers.peer import Fault
from tests.providers.twilio_fake import (
    CONTENT,
    SERVICE,
    SID,
    SMS_NUMBER,
    TOKEN,
    WHATSAPP_NUMBER,
    TwilioFake,
    variables,
)

DOCTOR = "+919876543210"
PUBLIC = "https://go.clirnet.in"


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake()) as fake:
        settings.PUBLIC_BASE_URL = PUBLIC
        settings.PROVIDER_VARIABLES = variables(fake)
        settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = "", ""
        yield fake


@pytest.fixture
def provider(twilio: TwilioFake) -> TwilioProvider:
    return TwilioProvider(Account("twilio"))


def sms(recipient: str = DOCTOR, text: str = "Dear Dr. Rao – 2 modules left\nStop: x") -> Outgoing:
    return Outgoing(uuid.uuid4(), "sms", recipient, text)


def whatsapp(**fields: Any) -> Outgoing:
    given = {"content_sid": CONTENT, "parameters": ("Dr. राव", 'A "quoted" & value'), **fields}
    return Outgoing(uuid.uuid4(), "whatsapp", DOCTOR, "Dear Dr. Rao", **given)


def callback(message: Outgoing) -> str:
    return f"{PUBLIC}/webhooks/twilio/?delivery={message.delivery_id}"


def sent(provider: TwilioProvider, message: Outgoing) -> Receipt:
    (receipt,) = send(provider, [message])
    return receipt


# --- What leaves ----------------------------------------------------------------------------


def test_sms_is_what_twilio_takes(twilio: TwilioFake, provider: TwilioProvider) -> None:
    message = sms()
    assert sent(provider, message) == Accepted(f"SM{1:032x}")
    assert twilio.ledger == [
        {
            "To": DOCTOR,
            "From": SMS_NUMBER,
            "Body": message.text,
            "ValidityPeriod": "3600",
            "StatusCallback": callback(message),
        }
    ]


def test_whatsapp_outside_the_session_goes_as_content_with_every_value(
    twilio: TwilioFake, provider: TwilioProvider
) -> None:
    message = whatsapp()
    assert isinstance(sent(provider, message), Accepted)
    (form,) = twilio.ledger
    assert json.loads(form.pop("ContentVariables")) == {"1": "Dr. राव", "2": 'A "quoted" & value'}
    assert form == {
        "To": f"whatsapp:{DOCTOR}",
        "From": f"whatsapp:{WHATSAPP_NUMBER}",
        "ContentSid": CONTENT,
        "StatusCallback": callback(message),
    }


def test_free_text_of_a_session_goes_as_text(twilio: TwilioFake, provider: TwilioProvider) -> None:
    message = whatsapp(is_free_text=True)
    assert isinstance(sent(provider, message), Accepted)
    assert twilio.ledger[0]["Body"] == "Dear Dr. Rao"
    assert "ContentSid" not in twilio.ledger[0]


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_messaging_service_stands_for_the_sender(
    twilio: TwilioFake, settings: Any, channel: str
) -> None:
    settings.PROVIDER_VARIABLES = variables(twilio, SMS_FROM=SERVICE, WHATSAPP_FROM=SERVICE)
    message = sms() if channel == "sms" else whatsapp()
    assert isinstance(sent(TwilioProvider(Account("twilio")), message), Accepted)
    assert twilio.ledger[0]["MessagingServiceSid"] == SERVICE
    assert "From" not in twilio.ledger[0]


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (sms(text="x" * 1601), "It is longer than 1,600 characters."),
        (whatsapp(content_sid=""), "Its template has no Twilio content SID."),
        (whatsapp(parameters=("Rao", "")), "The value of {{2}} is empty."),
        (whatsapp(parameters=("Rao", "\u200b")), "The value of {{2}} is empty."),
        (whatsapp(parameters=("R\no", "x")), "The value of {{1}} has a line break."),
        (whatsapp(parameters=("R" + " " * 5, "x")), "The value of {{1}} has five spaces in a row."),
        (whatsapp(parameters=("R" * 1601, "x")), "The value of {{1}} is longer than 1,600 char…"),
    ],
)
def test_message_that_twilio_would_not_take_is_refused_without_a_call(
    twilio: TwilioFake, provider: TwilioProvider, message: Outgoing, why: str
) -> None:
    receipt = sent(provider, message)
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.permanent) == ("unfit", True)
    assert receipt.message.startswith(why.rstrip("…"))
    assert twilio.calls == []


def test_longest_value_and_four_spaces_go_out(twilio: TwilioFake, provider: TwilioProvider) -> None:
    message = whatsapp(parameters=("R" * 1600, f"a{' ' * 4}b"))
    assert isinstance(sent(provider, message), Accepted)


def test_a_test_asks_for_no_reports_and_an_answer_does(
    twilio: TwilioFake, provider: TwilioProvider
) -> None:
    """Those of a test would name what nobody has sent, and be looked for again and again."""
    for kind in ("is_test", "is_answer"):
        assert isinstance(sent(provider, whatsapp(**{kind: True})), Accepted)
    assert ["StatusCallback" in form for form in twilio.ledger] == [False, True]


# --- The official client as the measure ------------------------------------------------------


class Loopback(TwilioHttpClient):
    """The official client, led to the fake: another scheme and host."""

    def __init__(self, url: str) -> None:
        super().__init__(timeout=5)
        self.url = urlsplit(url)

    def request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        there = urlsplit(url)._replace(scheme=self.url.scheme, netloc=self.url.netloc)
        return super().request(method, there.geturl(), *args, **kwargs)


@pytest.fixture
def official(twilio: TwilioFake) -> Client:
    return Client(SID, TOKEN, http_client=Loopback(twilio.url))


@pytest.mark.parametrize("channel", ["sms", "whatsapp"])
def test_official_client_makes_the_same_call(
    twilio: TwilioFake, provider: TwilioProvider, official: Client, channel: str
) -> None:
    message = sms() if channel == "sms" else whatsapp()
    sent(provider, message)
    if channel == "sms":
        made = official.messages.create(
            to=DOCTOR,
            from_=SMS_NUMBER,
            body=message.text,
            validity_period=3600,
            status_callback=callback(message),
        )
    else:
        made = official.messages.create(
            to=f"whatsapp:{DOCTOR}",
            from_=f"whatsapp:{WHATSAPP_NUMBER}",
            content_sid=CONTENT,
            content_variables=json.dumps({"1": "Dr. राव", "2": 'A "quoted" & value'}),
            status_callback=callback(message),
        )
    assert made.sid == f"SM{2:032x}"
    ours, theirs = twilio.calls
    assert (ours.method, ours.path, ours.query) == (theirs.method, theirs.path, theirs.query)
    for name in ("authorization", "content-type"):
        assert ours.headers[name] == theirs.headers[name]

    def form(body: bytes) -> dict[str, Any]:
        found = dict(parse_qsl(body.decode(), strict_parsing=True))
        found["ContentVariables"] = json.loads(found.get("ContentVariables", "{}"))
        return found

    assert form(ours.body) == form(theirs.body)


def test_official_client_is_refused_alike(
    twilio: TwilioFake, provider: TwilioProvider, official: Client
) -> None:
    twilio.refuses[DOCTOR] = (400, 21610)
    with pytest.raises(TwilioException) as caught:
        official.messages.create(to=DOCTOR, from_=SMS_NUMBER, body="x")
    assert caught.value.code == 21610
    assert caught.value.status == 400
    receipt = sent(provider, sms())
    assert isinstance(receipt, Refused)
    assert receipt.code == "21610"


# --- What answers mean ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "permanent", "outage", "throttle", "verdict"),
    [
        (21211, True, False, False, Verdict.INVALID),
        (21610, True, False, False, Verdict.OPTED_OUT),
        (21614, True, False, False, Verdict.INVALID),
        (21408, True, False, False, ""),
        (21606, False, True, False, ""),
        (63016, True, False, False, ""),
        (63024, True, False, False, Verdict.NOT_ON_CHANNEL),
        (21611, False, False, True, ""),
        (99999, True, False, False, ""),
    ],
)
def test_code_says_what_becomes_of_the_message_and_of_the_channel(  # noqa: PLR0917
    twilio: TwilioFake,
    provider: TwilioProvider,
    code: int,
    permanent: bool,
    outage: bool,
    throttle: bool,
    verdict: str,
) -> None:
    twilio.refuses[DOCTOR] = (400, code)
    assert sent(provider, sms()) == Refused(
        str(code),
        "Unable to create record for …",  # without the number
        permanent=permanent,
        is_outage=outage,
        is_throttle=throttle,
        verdict=verdict,
    )
    assert twilio.ledger == []


def test_limit_of_marketing_messages_is_tried_again_a_day_later(
    twilio: TwilioFake, provider: TwilioProvider
) -> None:
    twilio.refuses[f"whatsapp:{DOCTOR}"] = (400, 63049)
    receipt = sent(provider, whatsapp())
    assert isinstance(receipt, Refused)
    assert not receipt.permanent
    assert receipt.retry_after == timedelta(days=1)


@pytest.mark.parametrize(
    ("codes", "meaning"),
    [
        ("21610 63014", Code(verdict=Verdict.OPTED_OUT)),
        ("63024", Code(verdict=Verdict.NOT_ON_CHANNEL)),
        ("21211 21614 21635 30005 30006", Code(verdict=Verdict.INVALID)),
        ("21408 63016 63013 63021 63027 63028 63029 30004 30007", Code()),
        ("20429 21611 30001 14107 63018", Code(Fate.THROTTLE)),
        ("30036", Code(Fate.FOR_NOW)),
        ("30003 30008", Code(Fate.FOR_NOW, Verdict.SOFT_BOUNCE)),
        ("63049 63032", Code(Fate.FOR_NOW, wait=timedelta(days=1))),
        ("unheard-of", TWILIO.default),
    ],
)
def test_every_code_of_the_traps_has_its_meaning(codes: str, meaning: Code) -> None:
    assert {TWILIO.get(code) for code in codes.split()} == {meaning}


def test_wrong_token_is_an_outage(twilio: TwilioFake, settings: Any) -> None:
    settings.PROVIDER_VARIABLES = variables(twilio, AUTH_TOKEN="another")
    receipt = sent(TwilioProvider(Account("twilio")), sms())
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.permanent, receipt.is_outage) == ("401", False, True)


def test_message_that_failed_at_once_is_refused(
    twilio: TwilioFake, provider: TwilioProvider, monkeypatch: Any
) -> None:
    failed = {"status": "failed", "error_code": 30006, "error_message": None}
    created = twilio.created
    monkeypatch.setattr(twilio, "created", lambda *given: {**created(*given), **failed})
    assert sent(provider, sms()) == Refused(
        "30006", "failed", permanent=True, verdict=Verdict.INVALID
    )


@pytest.mark.parametrize(
    ("fault", "receipt", "taken"),
    [
        (
            Fault("429", retry_after="9"),
            Refused(
                "429",
                "as planned",
                permanent=False,
                retry_after=timedelta(seconds=9),
                is_throttle=True,
            ),
            0,
        ),
        (Fault("500"), Unknown("HTTP 500 as planned"), 0),
        (Fault("500", accepts=True), Unknown("HTTP 500 as planned"), 1),
        (
            Fault("garbage", accepts=True),
            Unknown("HTTP 201 that cannot be understood: JSONDecodeError"),
            1,
        ),
        (Fault("reset"), None, 0),
        (Fault("reset", accepts=True), None, 1),
        (Fault("slow", seconds=0.2), Accepted(f"SM{1:032x}"), 1),
    ],
)
def test_nothing_is_sent_twice_whatever_the_answer(
    twilio: TwilioFake,
    provider: TwilioProvider,
    fault: Fault,
    receipt: Receipt | None,
    taken: int,
) -> None:
    twilio.faults = [fault]
    got = sent(provider, sms())
    if receipt is None:
        assert isinstance(got, Unknown)
        assert got.error.startswith("no answer: ")
    else:
        assert got == receipt
    assert len(twilio.calls) == 1
    assert len(twilio.ledger) == taken


def test_closed_door_is_an_outage_and_nothing_was_written(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.PROVIDER_VARIABLES = variables(twilio, API_URL="http://127.0.0.1:1")
    receipt = sent(TwilioProvider(Account("twilio")), sms())
    assert isinstance(receipt, Refused)
    assert receipt.is_outage
    assert not receipt.permanent


def test_many_go_at_once_over_connections_that_stay_open(
    twilio: TwilioFake, provider: TwilioProvider
) -> None:
    twilio.latency = 0.1
    window = [sms() for _ in range(400)]
    assert set(kinds(send(provider, window))) == {"Accepted"}
    assert sorted(form["StatusCallback"] for form in twilio.ledger) == sorted(map(callback, window))
    assert twilio.at_once > 10 * IN_FLIGHT_AT_FIRST
    assert twilio.connections <= provider.in_flight


def test_throttle_ends_the_window(twilio: TwilioFake, provider: TwilioProvider) -> None:
    twilio.faults = [Fault("429", retry_after="5")] * IN_FLIGHT_AT_FIRST
    receipts = send(provider, [sms() for _ in range(40)])
    assert kinds(receipts).count("Refused") + kinds(receipts).count("NotSent") == 40
    assert isinstance(receipts[-1], NotSent)
    assert twilio.ledger == []
