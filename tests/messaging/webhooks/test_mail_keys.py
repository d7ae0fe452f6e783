"""SendGrid's signature, made as SendGrid makes it; and whom a subscription to SES's topic asks."""

import base64
import json
import time
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.test import Client

from messaging.models import ProviderEvent
from messaging.privacy.logs import Discreet
from messaging.webhooks import subscription
from tests.webhook_calls import JSON, KEYS, SENDGRID, SES

pytestmark = pytest.mark.django_db
OLD, NEW, OTHER = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
EVENT = {"event": "delivered", "sg_event_id": "e1", "timestamp": 1772605860, "email": "a@b.example"}
# --- SendGrid --------------------------------------------------------------------------------


def public(key):
    """As SendGrid shows it: the key in base64, without the lines around it."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(
        key.public_key().public_bytes(serialization.Encoding.DER, spki)
    ).decode()


@pytest.fixture(autouse=True)
def _two_keys(settings):
    settings.WEBHOOK_KEYS = KEYS | {"sendgrid": ["no key", public(NEW), public(OLD)]}


def posted(events, key=NEW, body=None, **changed):
    signed = json.dumps(events).encode()
    at = str(int(time.time()))
    signature = key.sign(at.encode() + signed, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Timestamp": at,
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        **{f"X-Twilio-Email-Event-Webhook-{name}": value for name, value in changed.items()},
    }
    return Client().post(SENDGRID, body or signed, JSON, headers=headers).status_code


@pytest.mark.parametrize("key", [OLD, NEW])
def test_both_keys_of_sendgrid_are_taken_and_a_replay_changes_nothing(key):
    assert [posted([EVENT], key), posted([EVENT], key)] == [200, 200]
    event = ProviderEvent.objects.get()
    assert (event.provider, event.kind) == ("sendgrid", "delivered")
    assert "a@b.example" not in str(event.detail)


@pytest.mark.parametrize("told", [1e18, 10**30, -1e18, -(10**11), "yesterday", None])
def test_a_time_that_no_clock_shows_takes_no_other_report_with_it(told):
    strange = EVENT | {"sg_event_id": "e2", "timestamp": told}
    assert posted([strange, EVENT]) == 200
    assert ProviderEvent.objects.count() == 2
    came = ProviderEvent.objects.get(event_key__startswith="e2")
    assert abs(came.occurred_at - came.received_at) < timedelta(minutes=1)


def test_what_is_no_report_takes_no_other_with_it(caplog):
    assert posted([7, {"event": None, "x": 1}, {}, EVENT]) == 200
    assert "reports unread" in caplog.text
    assert posted([7]) == 400


def test_the_log_says_why_something_is_refused(caplog):
    posted([EVENT], OTHER)
    (said,) = [each for each in caplog.records if each.name == "messaging.webhooks.base"]
    line = Discreet("{message}", style="{").format(said)
    assert line.endswith("403 It is not signed, or not for this body with one of the keys.")


def test_what_is_not_signed_by_one_of_the_keys_is_refused():
    assert posted([EVENT], OTHER) == 403
    assert posted([EVENT], body=b"[]") == 403
    assert posted([EVENT], Timestamp="1") == 403
    for signature in ("", "x", "é", "AAAA"):
        assert posted([EVENT], Signature=signature) == 403
    assert Client().post(SENDGRID, b"[]", JSON).status_code == 403
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("events", [{}, {"event": "delivered"}, [1], [{}], None, "x"])
def test_what_is_signed_and_no_list_of_reports_is_a_400(events):
    assert posted(events) == 400


def test_an_address_in_what_the_other_server_said_is_not_kept():
    bounce = EVENT | {
        "event": "bounce",
        "type": "bounce",
        "reason": "550 5.1.1 <a@b.example>: no such user",
    }
    assert posted([bounce]) == 200
    detail = ProviderEvent.objects.get().detail
    assert detail["error"] == "550 5.1.1 <(address)>: no such user"
    assert "a@b" not in str(detail)


# --- The topic of SES ------------------------------------------------------------------------

TOPIC = "arn:aws:sns:ap-south-1:123456789012:ses"
GOOD = (
    f"https://sns.ap-south-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn={TOPIC}&Token=abc"
)


@pytest.fixture
def opened(monkeypatch):
    """What is asked for, of whom; nobody is."""
    calls = []
    monkeypatch.setattr(subscription, "_open", lambda *where: calls.append(where) or 200)
    return calls


def asks(address, key=b"reports:new"):
    notice = {"Type": "SubscriptionConfirmation", "MessageId": "1", "TopicArn": TOPIC}
    headers = {
        "x-amz-sns-message-type": "SubscriptionConfirmation",
        "x-amz-sns-message-id": "1",
        "Authorization": "Basic " + base64.b64encode(key).decode(),
    }
    body = json.dumps(notice | {"SubscribeURL": address})
    return Client().post(SES, body, "text/plain", headers=headers).status_code


def test_a_topic_is_confirmed_where_sns_says(opened):
    assert asks(GOOD) == 200
    assert opened == [("sns.ap-south-1.amazonaws.com", f"/?{GOOD.partition('?')[2]}")]


@pytest.mark.parametrize(
    "address",
    [
        GOOD.replace("https", "http"),
        GOOD.replace("sns.ap-south-1.amazonaws.com", "127.0.0.1"),
        GOOD.replace("amazonaws.com", "amazonaws.com.evil.example"),
        GOOD.replace("amazonaws.com", "amazonaws.com@evil.example"),
        GOOD.replace("amazonaws.com", "amazonaws.com:8080"),
        GOOD.replace("https://sns.", "https://evil.example/sns."),
        GOOD.replace("https://sns.", "https://evil.example#sns."),
        GOOD.replace("https://sns.", "https://s3."),
        GOOD.replace("ap-south-1", "ap.south"),
        GOOD.replace("com/?", "com/redirect?"),
        GOOD.replace("ConfirmSubscription", "Publish"),
        GOOD.replace("ses&", "other&"),
        GOOD.replace("&Token", "\r\nHost: evil.example\r\n&Token"),
        GOOD.replace("&Token", " HTTP/1.1 &Token"),
        "",
        None,
        5,
    ],
)
def test_no_other_address_is_opened(opened, address):
    assert asks(address) == 400
    assert opened == []


def test_without_the_password_nothing_is_opened(opened):
    assert asks(GOOD, b"reports:guessed") == 403
    assert opened == []


@pytest.mark.parametrize("fails", [OSError("no route"), 302, 500])
def test_a_topic_that_cannot_be_confirmed_is_asked_for_again(monkeypatch, fails):
    def answer(*_):
        if isinstance(fails, Exception):
            raise fails
        return fails

    monkeypatch.setattr(subscription, "_open", answer)
    assert asks(GOOD) == 503
