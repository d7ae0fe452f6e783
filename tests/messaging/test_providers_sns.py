"""SMS through AWS SNS: moto's server for what a call means, a fake for what answers mean."""

from __future__ import annotations

import json
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from messaging.models import Verdict
from messaging.providers.account import Account
from messaging.providers.base import Accepted, Outgoing, Refused, Unknown
from messaging.providers.codes import SNS, Fate
from messaging.providers.sns import SnsProvider
from tests.providers.aws import AwsFake, moto_server, variables
from tests.providers.fake import serving
from tests.providers.messages import kinds, send
from tests.providers.peer import Fault

DOCTOR = "+919876543210"
INDIA = {"SNS_SENDER_ID": "CLIRNT", "SNS_ENTITY_ID": "1101234567890123456"}


@pytest.fixture
def moto(settings: Any) -> Iterator[str]:
    with moto_server() as url:
        settings.PROVIDER_VARIABLES = {**variables("SNS", url), **INDIA}
        yield url


@pytest.fixture
def aws(settings: Any) -> Iterator[AwsFake]:
    with serving(AwsFake(service="sns")) as fake:
        settings.PROVIDER_VARIABLES = {**variables("SNS", fake.url), **INDIA}
        yield fake


def sms(recipient: str = DOCTOR, text: str = "Dear Dr. राव\nStop: x", **fields: Any) -> Outgoing:
    given = {"dlt_template_id": "1107654321098765432", **fields}
    return Outgoing(uuid.uuid4(), "sms", recipient, text, **given)


def provider() -> SnsProvider:
    return SnsProvider(Account("sns"))


def test_sms_is_what_sns_takes(moto: str) -> None:
    window = [sms(), sms("+919812345678", "another")]
    receipts = send(provider(), window)
    with urllib.request.urlopen(f"{moto}/moto-api/data.json") as answer:
        found = json.load(answer)["sns"]
    taken = {told["message_id"]: (told["phone_number"], told["message"]) for told in found["SMS"]}
    assert taken == {
        receipt.external_id: (message.recipient, message.text)
        for receipt, message in zip(receipts, window, strict=True)
        if isinstance(receipt, Accepted)
    }
    assert len(taken) == 2


def test_attributes_of_india_go_along(aws: AwsFake) -> None:
    message = sms()
    assert send(provider(), [message]) == [Accepted("aws-1")]
    (call,) = aws.calls
    form = {name: values[0] for name, values in parse_qs(call.body.decode()).items()}
    assert (form["Action"], form["PhoneNumber"]) == ("Publish", DOCTOR)
    assert form["Message"] == message.text
    attributes = {
        form[f"MessageAttributes.entry.{n}.Name"]: form[
            f"MessageAttributes.entry.{n}.Value.StringValue"
        ]
        for n in range(1, 5)
    }
    assert attributes == {
        "AWS.SNS.SMS.SenderID": "CLIRNT",
        "AWS.SNS.SMS.SMSType": "Promotional",
        "AWS.MM.SMS.EntityId": "1101234567890123456",
        "AWS.MM.SMS.TemplateId": "1107654321098765432",
    }
    assert "MessageAttributes.entry.5.Name" not in form


def test_sms_abroad_goes_without_the_attributes_of_india(aws: AwsFake, settings: Any) -> None:
    del settings.PROVIDER_VARIABLES["SNS_ENTITY_ID"]
    assert kinds(send(provider(), [sms(dlt_template_id="")])) == ["Accepted"]
    assert b"AWS.MM" not in aws.calls[0].body


@pytest.mark.parametrize(("length", "kind"), [(1600, "Accepted"), (1601, "Refused")])
def test_limit_is_one_of_bytes(aws: AwsFake, length: int, kind: str) -> None:
    text = "é" * (length // 2) + "x" * (length % 2)
    assert kinds(send(provider(), [sms(text=text)])) == [kind]
    assert len(aws.calls) == (kind == "Accepted")


@pytest.mark.parametrize(
    ("code", "status", "fate", "verdict"),
    [
        ("InvalidParameter", 400, Fate.FOR_GOOD, ""),
        ("OptedOut", 400, Fate.FOR_GOOD, Verdict.OPTED_OUT),
        ("Throttling", 400, Fate.THROTTLE, ""),
        ("Throttled", 400, Fate.THROTTLE, ""),
        ("AuthorizationError", 403, Fate.OUTAGE, ""),
        ("InvalidClientTokenId", 403, Fate.OUTAGE, ""),
        ("SignatureDoesNotMatch", 403, Fate.OUTAGE, ""),
        ("SomethingNew", 400, Fate.FOR_GOOD, ""),
    ],
)
def test_code_says_what_becomes_of_the_message(
    aws: AwsFake, code: str, status: int, fate: Fate, verdict: str
) -> None:
    aws.refuses = (status, code)
    assert send(provider(), [sms()]) == [
        Refused(
            code,
            "as planned for …",
            permanent=fate is Fate.FOR_GOOD,
            is_throttle=fate is Fate.THROTTLE,
            is_outage=fate is Fate.OUTAGE,
            verdict=verdict,
        )
    ]


@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [
        (Fault("429", retry_after="3"), "Refused", 0),
        (Fault("500"), "Unknown", 0),
        (Fault("503", accepts=True), "Unknown", 1),
        (Fault("reset"), "Unknown", 0),
        (Fault("reset", accepts=True), "Unknown", 1),
        (Fault("garbage", accepts=True), "Unknown", 1),
        (Fault("slow", seconds=0.1), "Accepted", 1),
    ],
)
def test_boto_does_not_try_again_by_itself(
    aws: AwsFake, fault: Fault, kind: str, taken: int
) -> None:
    aws.faults = [fault]
    receipts = send(provider(), [sms()])
    assert kinds(receipts) == [kind]
    assert len(aws.calls) == 1
    assert len(aws.ledger) == taken
    if fault.act == "429":
        assert isinstance(receipts[0], Refused)
        assert receipts[0].retry_after == timedelta(seconds=3)
    elif kind == "Unknown":
        assert isinstance(receipts[0], Unknown)


def test_calls_share_connections_and_each_is_signed_for_itself(aws: AwsFake) -> None:
    aws.latency = 0.02
    assert set(kinds(send(provider(), [sms(text=f"no. {n}") for n in range(100)]))) == {"Accepted"}
    assert aws.connections <= SnsProvider.in_flight
    assert len({call.headers["authorization"] for call in aws.calls}) == 100


def test_log_of_deliveries_has_a_meaning() -> None:
    assert SNS.get("Phone number is opted out").verdict == Verdict.OPTED_OUT
    assert SNS.get("Invalid phone number").verdict == Verdict.INVALID
    unreachable = "Phone is currently unreachable/unavailable"
    assert SNS.get(unreachable).verdict == Verdict.SOFT_BOUNCE


# --- Problems ------------------------------------------------------------------------------


def test_account_in_order_has_no_problems(moto: str) -> None:
    assert list(provider().problems("sms")) == []


def test_wrong_settings_are_named(moto: str, settings: Any) -> None:
    settings.PROVIDER_VARIABLES = {
        **settings.PROVIDER_VARIABLES,
        "SNS_SENDER_ID": "CL",
        "SNS_SMS_TYPE": "Marketing",
    }
    assert list(provider().problems("sms")) == [
        "SNS_SMS_TYPE is neither Promotional nor Transactional.",
        "SNS_SENDER_ID is not 3 to 11 letters and digits.",
    ]


def test_key_that_is_refused_is_named(aws: AwsFake, monkeypatch: Any) -> None:
    told = b"<Error><Code>InvalidClientTokenId</Code><Message>no such key</Message></Error>"
    body = b"<ErrorResponse>" + told + b"</ErrorResponse>"
    monkeypatch.setattr(aws, "take", lambda _: (403, body, {}))
    assert list(provider().problems("sms")) == [
        "SNS refuses SNS_ACCESS_KEY_ID: no such key (InvalidClientTokenId)."
    ]


@pytest.mark.parametrize("act", ["500", "reset", "429"])
def test_question_is_put_once_too(aws: AwsFake, act: str) -> None:
    """boto3's own retries are off where it talks by itself as well."""
    aws.faults = [Fault(act)]
    assert len(list(provider().problems("sms"))) == 1
    assert len(aws.calls) == 1


def test_nobody_there_is_told(settings: Any) -> None:
    settings.PROVIDER_VARIABLES = {**variables("SNS", "http://127.0.0.1:1"), **INDIA}
    (problem,) = provider().problems("sms")
    assert problem.startswith("AWS cannot be asked: ")
