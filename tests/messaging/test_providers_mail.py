"""E-mail through anymail: SendGrid against a strict fake, SES against moto's server."""

from __future__ import annotations

import base64
import json
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import boto3
import pytest

from messaging.models import Verdict
from messaging.providers.account import Account
from messaging.providers.base import Accepted, Outgoing, Refused, Unknown
from messaging.providers.codes import SENDGRID, SES, Fate
from messaging.providers.sendgrid import SendGridProvider
from messaging.providers.ses import SesProvider
from tests.providers.aws import AwsFake, moto_server, sent_of, variables
from tests.providers.fake import serving
from tests.providers.messages import kinds, messages, send
from tests.providers.peer import Fault
from tests.providers.sendgrid_fake import KEY, SendGridFake

SENDER = "CLIRNET <news@clirnet.in>"
DOCTOR = "Asha.Rao@Example.com"  # case is kept


def mail(recipient: str = DOCTOR, **fields: Any) -> Outgoing:
    given = {
        "subject": "डॉ. Rao – 2 modules",
        "html": "<p>Dear Dr. Rao – ₹</p>",
        "unsubscribe_url": "https://go.clirnet.in/u/abc",
    }
    text = "Dear Dr. Rao –\n.\n..\nhttps://go.clirnet.in/r/abc"
    return Outgoing(uuid.uuid4(), "email", recipient, text, **{**given, **fields})


@pytest.fixture(autouse=True)
def _sender(settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = SENDER


# --- SendGrid --------------------------------------------------------------------------------


@pytest.fixture
def sendgrid(settings: Any) -> Iterator[SendGridFake]:
    with serving(SendGridFake()) as fake:
        settings.PROVIDER_VARIABLES = {
            "SENDGRID_API_KEY": KEY,
            "SENDGRID_API_URL": f"{fake.url}/v3/",
        }
        yield fake


@pytest.fixture
def by_sendgrid(sendgrid: SendGridFake) -> SendGridProvider:
    return SendGridProvider(Account("sendgrid"))


def test_mail_is_what_sendgrid_takes(sendgrid: SendGridFake, by_sendgrid: SendGridProvider) -> None:
    message = mail()
    delivery_id = str(message.delivery_id)
    assert send(by_sendgrid, [message]) == [Accepted(delivery_id)]
    assert sendgrid.ledger == [
        {
            "personalizations": [{"to": [{"email": DOCTOR}]}],
            "from": {"email": "news@clirnet.in", "name": "CLIRNET"},
            "subject": message.subject,
            "content": [
                {"type": "text/plain", "value": message.text},
                {"type": "text/html", "value": message.html},
            ],
            "headers": {
                "X-Reengage-Delivery": delivery_id,
                "List-Unsubscribe": "<https://go.clirnet.in/u/abc>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            "custom_args": {"delivery_id": delivery_id, "anymail_id": delivery_id},
            "tracking_settings": {
                "click_tracking": {"enable": False},
                "open_tracking": {"enable": False},
            },
        }
    ]


def test_each_person_gets_a_mail_of_their_own(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider
) -> None:
    window = messages(60)
    assert set(kinds(send(by_sendgrid, window))) == {"Accepted"}
    there = [told["personalizations"][0]["to"] for told in sendgrid.ledger]
    assert sorted(to["email"] for (to,) in there) == sorted(m.recipient for m in window)


@pytest.mark.parametrize(
    "message",
    [
        mail("asha@example.com\r\nBcc: x@example.com"),
        mail("asha@example.com, ravi@example.com"),
        mail(unsubscribe_url="https://go.clirnet.in/u/a>\r\nX: y"),
    ],
)
def test_what_would_add_a_header_or_a_person_is_refused_without_a_call(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider, message: Outgoing
) -> None:
    (receipt,) = send(by_sendgrid, [message])
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.permanent) == ("unfit", True)
    assert sendgrid.calls == []


def test_line_break_in_a_subject_ends_no_header(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider
) -> None:
    receipts = send(by_sendgrid, [mail(subject="Hello\r\nBcc: x@example.com")])
    assert [told["subject"] for told in sendgrid.ledger] == ["Hello Bcc: x@example.com"]
    assert kinds(receipts) == ["Accepted"]


@pytest.mark.parametrize(
    ("fault", "kind", "taken"),
    [
        (Fault("429", retry_after="7"), "Refused", 0),
        (Fault("500"), "Unknown", 0),
        (Fault("503", accepts=True), "Unknown", 1),
        (Fault("200", accepts=True), "Unknown", 1),  # SendGrid says 202
        (Fault("garbage", accepts=True), "Unknown", 1),
        (Fault("reset"), "Unknown", 0),
        (Fault("reset", accepts=True), "Unknown", 1),
        (Fault("slow", seconds=0.1), "Accepted", 1),
    ],
)
def test_sendgrid_gets_nothing_twice_whatever_it_answers(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider, fault: Fault, kind: str, taken: int
) -> None:
    sendgrid.faults = [fault]
    assert kinds(send(by_sendgrid, [mail()])) == [kind]
    assert len(sendgrid.calls) == 1
    assert len(sendgrid.ledger) == taken


def test_sendgrid_refuses_for_good_and_does_not_name_the_doctor(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider, monkeypatch: Any
) -> None:
    def refuse(_: object) -> None:
        raise sendgrid.refuse(400, f"{DOCTOR} does not contain a valid address.")

    monkeypatch.setattr(sendgrid, "check", refuse)
    assert send(by_sendgrid, [mail()]) == [
        Refused("400", "… does not contain a valid address.", permanent=True)
    ]


def test_sendgrid_without_a_key_that_counts_is_an_outage(
    sendgrid: SendGridFake, settings: Any
) -> None:
    settings.PROVIDER_VARIABLES = {**settings.PROVIDER_VARIABLES, "SENDGRID_API_KEY": "SG.no"}
    provider = SendGridProvider(Account("sendgrid"))
    (receipt,) = send(provider, [mail()])
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.is_outage, receipt.permanent) == ("401", True, False)
    assert list(provider.problems("email")) == ["SendGrid does not accept SENDGRID_API_KEY."]


def test_sendgrid_is_asked_for_the_scopes_of_the_key(
    sendgrid: SendGridFake, by_sendgrid: SendGridProvider
) -> None:
    assert list(by_sendgrid.problems("email")) == []
    sendgrid.scopes = ["stats.read"]
    assert list(by_sendgrid.problems("email")) == [
        "SENDGRID_API_KEY may not send: it lacks the scope mail.send."
    ]
    assert {(call.method, call.path) for call in sendgrid.calls} == {("GET", "/v3/scopes")}


def test_verdicts_of_mail_codes() -> None:
    assert SENDGRID.get("bounce/bounce").verdict == Verdict.HARD_BOUNCE
    assert SENDGRID.get("bounce/blocked").verdict == Verdict.SOFT_BOUNCE
    assert SENDGRID.get("spamreport").verdict == Verdict.COMPLAINT
    assert SES.get("Permanent").verdict == Verdict.HARD_BOUNCE
    assert SES.get("Transient").verdict == Verdict.SOFT_BOUNCE
    assert SES.get("Complaint").verdict == Verdict.COMPLAINT
    assert SES.get("unheard of").verdict is None


# --- Amazon SES ------------------------------------------------------------------------------


@pytest.fixture
def moto() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture
def ses(moto: str, settings: Any) -> SesProvider:
    settings.PROVIDER_VARIABLES = variables("SES", moto)
    client = boto3.client("sesv2", "ap-south-1", **sent_of(moto))
    client.create_email_identity(EmailIdentity="clirnet.in")
    return SesProvider(Account("ses"))


def ledger(moto: str) -> list[dict[str, Any]]:
    """What moto's SES has taken."""
    with urllib.request.urlopen(f"{moto}/moto-api/data.json") as answer:
        return json.load(answer)["ses"].get("RawMessage", [])


def test_mail_is_what_ses_takes(moto: str, ses: SesProvider) -> None:
    message = mail()
    (receipt,) = send(ses, [message])
    assert isinstance(receipt, Accepted)
    (raw,) = ledger(moto)
    assert receipt.external_id == raw["id"]
    # moto has those of the envelope and those of the header.
    assert (raw["source"], raw["destinations"]) == ("news@clirnet.in", [DOCTOR, DOCTOR])
    there = message_from_bytes(raw["raw_data"].encode(), policy=policy.default)
    assert isinstance(there, EmailMessage)
    assert there["Subject"] == message.subject
    assert (there["From"], there["To"]) == (SENDER, DOCTOR)
    assert json.loads(there["X-Metadata"]) == {"delivery_id": str(message.delivery_id)}
    assert there["List-Unsubscribe"] == "<https://go.clirnet.in/u/abc>"
    assert there["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    parts = {
        part.get_content_type(): part.get_content().strip("\n")
        for part in there.walk()
        if not part.is_multipart()
    }
    assert parts == {"text/plain": message.text, "text/html": message.html}


def test_ses_refuses_a_sender_that_is_not_ours(ses: SesProvider, settings: Any) -> None:
    settings.DEFAULT_FROM_EMAIL = "X <x@elsewhere.in>"
    provider = SesProvider(Account("ses"))
    (receipt,) = send(provider, [mail()])
    assert isinstance(receipt, Refused)
    assert receipt.code == "MessageRejected"
    assert receipt.permanent
    problems = list(provider.problems("email"))
    assert "DEFAULT_FROM_EMAIL: the domain elsewhere.in is not an identity of the account." in (
        problems
    )


@pytest.fixture
def aws(settings: Any) -> Iterator[AwsFake]:
    with serving(AwsFake(service="ses")) as fake:
        settings.PROVIDER_VARIABLES = {
            **variables("SES", fake.url),
            "SES_CONFIGURATION_SET": "reports",
        }
        yield fake


@pytest.mark.parametrize(
    ("code", "status", "fate"),
    [
        ("MessageRejected", 400, Fate.FOR_GOOD),
        ("TooManyRequestsException", 400, Fate.THROTTLE),
        ("SendingPausedException", 400, Fate.OUTAGE),
        ("MailFromDomainNotVerifiedException", 400, Fate.OUTAGE),
        ("InvalidSignatureException", 403, Fate.OUTAGE),
        ("SomethingNew", 400, Fate.FOR_GOOD),
    ],
)
def test_code_of_ses_says_what_becomes_of_the_mail(
    aws: AwsFake, code: str, status: int, fate: Fate
) -> None:
    aws.refuses = (status, code)
    (receipt,) = send(SesProvider(Account("ses")), [mail()])
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.message) == (code, "as planned for …")
    assert receipt.permanent == (fate is Fate.FOR_GOOD)
    assert receipt.is_throttle == (fate is Fate.THROTTLE)
    assert receipt.is_outage == (fate is Fate.OUTAGE)


def test_configuration_set_and_signature_go_along(aws: AwsFake) -> None:
    (receipt,) = send(SesProvider(Account("ses")), [mail()])
    assert receipt == Accepted("aws-1")
    (call,) = aws.calls
    told = json.loads(call.body)
    assert told["ConfigurationSetName"] == "reports"
    assert told["Destination"] == {"ToAddresses": [DOCTOR]}
    assert b"X-Metadata" in base64.b64decode(told["Content"]["Raw"]["Data"])
    assert call.headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=key/")


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault("429", retry_after="3"), "Refused"),
        (Fault("500", accepts=True), "Unknown"),
        (Fault("reset", accepts=True), "Unknown"),
        (Fault("garbage", accepts=True), "Unknown"),
    ],
)
def test_ses_is_called_once_whatever_it_answers(aws: AwsFake, fault: Fault, kind: str) -> None:
    aws.faults = [fault]
    receipts = send(SesProvider(Account("ses")), [mail()])
    assert kinds(receipts) == [kind]
    assert len(aws.calls) == 1
    if fault.act == "429":
        assert isinstance(receipts[0], Refused)
        assert receipts[0].retry_after == timedelta(seconds=3)
    else:
        assert isinstance(receipts[0], Unknown)
