"""Webhooks take what their provider signed for our address, and nothing else."""

import json
import socket
import time
from urllib.parse import quote, urlencode

import pytest
from django.conf import settings as configured
from django.test import Client

from messaging import patience
from messaging.models import EventKind, ProviderEvent
from messaging.webhooks.body import MOST_BYTES, MOST_DEPTH
from messaging.webhooks.checks import check_webhooks
from tests.security.server import Server
from tests.webhook_calls import (
    BASE,
    FORM,
    INTERAKT,
    JSON,
    KEYS,
    SENDGRID,
    SES,
    TWILIO,
    interakt,
    interakt_report,
    interakt_signature,
    ses,
    ses_event,
    status,
    twilio,
    twilio_signature,
)

pytestmark = pytest.mark.django_db
DOORS = [TWILIO, INTERAKT, SES, SENDGRID]
SENT = {"MessageSid": "SM1", "MessageStatus": "sent"}


@pytest.fixture(autouse=True)
def _keys(settings, tmp_path, monkeypatch):
    settings.WEBHOOK_KEYS = KEYS
    settings.PUBLIC_BASE_URL = BASE
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(patience._Away, "until", 0.0)


def kept():
    return ProviderEvent.objects.count()


def post(path, body, type_, **headers):
    return Client().post(path, body, type_, headers=headers).status_code


# --- Keys ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOORS)
def test_a_door_without_a_key_is_shut(path, settings):
    settings.WEBHOOK_KEYS = {"twilio": [""], "interakt": []}
    assert post(path, b"{}", JSON) == 404
    assert kept() == 0


def test_a_channel_whose_provider_cannot_report_is_told_at_start(settings):
    settings.MESSAGE_PROVIDERS = {
        "whatsapp": "interakt",
        "sms": "twilio:second",
        "email": "sendgrid",
    }
    (told,) = check_webhooks()  # only SendGrid has no key
    assert (told.id, told.hint) == ("messaging.W020", "Set SENDGRID_WEBHOOK_KEYS.")
    settings.WEBHOOK_KEYS = {}
    assert len(check_webhooks()) == 3
    settings.MESSAGE_PROVIDERS = {"whatsapp": "sandbox", "sms": "sandbox", "email": "smtp"}
    assert check_webhooks() == []


@pytest.mark.parametrize("key", ["twilio-new", "twilio-old"])
def test_both_keys_of_twilio_are_taken(key):
    assert twilio(SENT, key=key).status_code == 200
    assert kept() == 1


@pytest.mark.parametrize("key", ["interakt-new", "interakt-old"])
@pytest.mark.parametrize("header", ["Interakt-Signature", "X-Interakt-Signature"])
def test_both_keys_and_headers_of_interakt_are_taken(key, header):
    assert interakt(interakt_report("message_api_sent"), key, header).status_code == 200
    assert kept() == 1


@pytest.mark.parametrize("key", ["reports:new", "reports:old"])
def test_both_keys_of_ses_are_taken(key):
    assert ses(ses_event("Send", ""), key=key).status_code == 200
    assert kept() == 1


@pytest.mark.parametrize("key", ["twilio-gone", "interakt-new", ""])
def test_a_key_that_is_not_or_no_longer_ours_is_refused(key):
    assert twilio(SENT, key=key).status_code == 403
    report = interakt_report("message_api_sent")
    assert interakt(report, key="twilio-new").status_code == 403
    assert interakt(report, key="").status_code == 403
    assert ses(ses_event("Send", ""), key=f"reports:{key}").status_code == 403
    assert kept() == 0


# --- Signatures ------------------------------------------------------------------------------


def test_without_a_signature_nothing_is_taken():
    assert post(TWILIO, urlencode(SENT), FORM) == 403
    assert post(INTERAKT, b"{}", JSON) == 403
    assert post(SES, b"{}", "text/plain") == 401  # SNS sends its password only when asked


@pytest.mark.parametrize(
    "signature", ["", " ", "x", "é", "=" * 10_000, "sha256=", "sha256=" + "0" * 64]
)
def test_forged_signatures_are_refused(signature):
    assert post(TWILIO, urlencode(SENT), FORM, **{"X-Twilio-Signature": signature}) == 403
    assert post(INTERAKT, b"{}", JSON, **{"Interakt-Signature": signature}) == 403
    assert post(SES, b"{}", "text/plain", Authorization=f"Basic {signature}") == 403
    assert kept() == 0


@pytest.mark.parametrize("algorithm", ["MD5", "none", "HMAC_SHA1,algorithm=none", "x"])
def test_another_kind_of_signature_is_refused(algorithm):
    headers = {
        "X-Twilio-Signature": twilio_signature(TWILIO, SENT, key="wrong"),
        "X-Twilio-Webhooks-Signature-Settings": f"algorithm={algorithm}",
    }
    assert post(TWILIO, urlencode(SENT), FORM, **headers) == 403


def test_a_good_signature_beside_a_wrong_one_is_refused():
    body = json.dumps(interakt_report("message_api_sent")).encode()
    headers = {"Interakt-Signature": interakt_signature(body), "X-Interakt-Signature": "sha256=0"}
    assert post(INTERAKT, body, JSON, **headers) == 403


def test_a_body_changed_after_signing_is_refused():
    signed = twilio_signature(TWILIO, SENT)
    for changed in (
        SENT | {"MessageStatus": "failed"},
        SENT | {"ErrorCode": ""},  # a blank value counts
        {"MessageSid": "SM1"},
    ):
        assert post(TWILIO, urlencode(changed), FORM, **{"X-Twilio-Signature": signed}) == 403
    twice = urlencode([*SENT.items(), ("MessageStatus", "failed")])
    assert post(TWILIO, twice, FORM, **{"X-Twilio-Signature": signed}) == 403
    body = json.dumps(interakt_report("message_api_sent")).encode()
    signature = {"Interakt-Signature": interakt_signature(body)}
    assert post(INTERAKT, body + b" ", JSON, **signature) == 403
    assert kept() == 0


def test_a_blank_value_that_was_signed_is_taken():
    assert twilio(SENT | {"ErrorCode": "", "To": ""}).status_code == 200


@pytest.mark.parametrize(
    "base", ["http://go.example.com", "https://evil.example", "https://go.example.com.evil.example"]
)
def test_a_signature_for_another_address_is_refused(base):
    assert twilio(SENT, base=base).status_code == 403


def test_a_signature_for_another_delivery_is_refused():
    signed = twilio_signature(f"{TWILIO}?delivery=1", SENT)
    other = f"{TWILIO}?delivery=2"
    assert post(other, urlencode(SENT), FORM, **{"X-Twilio-Signature": signed}) == 403
    assert post(TWILIO, urlencode(SENT), FORM, **{"X-Twilio-Signature": signed}) == 403


def test_twilio_may_sign_with_or_without_the_port(settings):
    assert twilio(SENT, base="https://go.example.com:443").status_code == 200


@pytest.mark.parametrize("header", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"])
def test_what_the_request_says_of_the_host_changes_nothing(header, settings):
    settings.ALLOWED_HOSTS = ["*"]
    evil = {header: "evil.example"}
    assert twilio(SENT, headers=evil).status_code == 200
    assert twilio(SENT, base="https://evil.example", headers=evil).status_code == 403


def test_a_replayed_report_changes_nothing():
    for _ in range(3):
        assert status("SM1", "sent").status_code == 200
        assert interakt(interakt_report("message_api_sent")).status_code == 200
        assert ses(ses_event("Send", "")).status_code == 200
    assert kept() == 3


def test_doubly_encoded_values_are_not_decoded_twice():
    form = SENT | {"MessageSid": quote("SM%00&MessageStatus=failed")}
    assert twilio(form).status_code == 200
    assert ProviderEvent.objects.get().external_id == form["MessageSid"]
    again = urlencode({name: quote(value) for name, value in form.items()})
    signed = {"X-Twilio-Signature": twilio_signature(TWILIO, form)}
    assert post(TWILIO, again, FORM, **signed) == 403


# --- Bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [TWILIO, INTERAKT, SES])
def test_a_huge_body_is_refused_before_it_is_verified(path):
    type_ = {TWILIO: FORM, INTERAKT: JSON, SES: "text/plain"}[path]
    assert post(path, b"x" * (MOST_BYTES + 1), type_) == 413
    assert post(path, b"x" * MOST_BYTES, type_) in (400, 401, 403)


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "٣", "9" * 5000, " 1"])
def test_a_length_that_is_none_is_refused(length):
    answer = Client().post(INTERAKT, b"{}", JSON, CONTENT_LENGTH=length)
    assert answer.status_code in (400, 413)


@pytest.mark.parametrize("type_", ["text/html", "multipart/form-data", "application/xml", ""])
def test_another_type_of_content_is_refused(type_):
    for path in (TWILIO, INTERAKT, SES):
        assert post(path, b"{}", type_) == 415


def test_a_compressed_body_is_refused():
    assert post(INTERAKT, b"{}", JSON, **{"Content-Encoding": "gzip"}) == 415


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
        b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1),
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"a": ' + b"9" * 5_000 + b"}",
        b"\xff\xfe",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"type": []}',
        b'{"type": "message_api_sent"}',
        b'{"type": "message_api_sent", "data": {"message": {"id": 1}}}',
        b'{"type": "message_api_sent", "data": {"message": {"id": {"a": 1}}}}',
        b'{"type": "message_received", "data": {"message": {"id": "1"}, "customer": 3}}',
    ],
)
def test_what_is_signed_and_no_report_is_a_400(body):
    assert interakt(body).status_code == 400
    assert kept() == 0


def test_brackets_inside_a_text_are_not_depth():
    report = interakt_report("message_api_sent", x="[{" * 500 + '\\"[[')
    assert interakt(report).status_code == 200


@pytest.mark.parametrize("text", ["a\0b", "\ud800", "x" * 5_000, "'; DROP TABLE doctors; --"])
def test_texts_that_databases_choke_on_are_kept(text):
    report = interakt_report("message_api_failed", id_=text, channel_failure_reason=text)
    assert interakt(report).status_code == 200
    assert kept() == 1


def test_a_deep_message_inside_ses_notice_is_a_400():
    answer = ses("x", kind="Notification")
    assert answer.status_code == 400
    body = json.dumps({"Type": "Notification", "MessageId": "1", "Message": "[" * 100_000})
    headers = {
        "x-amz-sns-message-type": "Notification",
        "x-amz-sns-message-id": "1",
        "Authorization": "Basic cmVwb3J0czpuZXc=",
    }
    assert post(SES, body, "text/plain", **headers) == 400


def test_sns_headers_that_do_not_fit_the_body_are_refused():
    assert ses(ses_event("Send", ""), **{"x-amz-sns-message-id": "other"}).status_code == 403


@pytest.mark.parametrize("method", ["get", "head", "put", "delete", "options", "patch"])
def test_other_methods_are_refused(method):
    for path in DOORS:
        assert getattr(Client(), method)(path).status_code in (405, 404)


def test_a_forged_message_from_a_doctor_opts_nobody_out():
    form = {"MessageSid": "SM1", "From": "whatsapp:+919812345678", "Body": "STOP"}
    assert twilio(form, key="guessed").status_code == 403
    assert not ProviderEvent.objects.filter(kind=EventKind.INBOUND).exists()


def test_what_a_sender_wrote_is_not_in_the_log(caplog):
    twilio({"MessageSid": "SM1", "From": "canary-number", "Body": "canary"}, key="guessed")
    interakt(b'{"type": "canary", "data": 1}')
    interakt(json.dumps(interakt_report("message_api_sent", id_=["canary"])).encode())
    assert caplog.records
    assert "canary" not in caplog.text


# --- A real server ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("server")
    with Server(
        folder,
        TWILIO_WEBHOOK_KEYS="twilio-new",
        PUBLIC_BASE_URL=BASE,
        SPOOL_DIR=str(folder / "spool"),
        DATABASE_URL="postgres://127.0.0.1:1/none",  # away: what is taken goes to disk
        REDIS_URL=configured.REDIS_URL,
    ) as server:
        yield server


def request(server, headers, body=None):
    body = urlencode(SENT).encode() if body is None else body
    lines = [
        f"POST {TWILIO} HTTP/1.1",
        "Host: 127.0.0.1",
        f"Content-Type: {FORM}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return server.answer("\r\n".join(lines).encode() + b"\r\n\r\n" + body)


def test_a_real_server_takes_a_signed_report_to_disk_while_the_database_is_away(server):
    signature = twilio_signature(TWILIO, SENT)
    assert request(server, [f"X-Twilio-Signature: {signature}"]) == 200
    assert "SM1" in "".join(path.read_text() for path in (server.folder / "spool").iterdir())


@pytest.mark.parametrize(
    "name", ["X_Twilio_Signature", "X-Twilio_Signature", "HTTP_X_TWILIO_SIGNATURE"]
)
def test_underscores_pass_for_no_header(server, name):
    assert request(server, [f"{name}: {twilio_signature(TWILIO, SENT)}"]) in (400, 403)


def test_an_underscored_header_does_not_stand_in_for_a_wrong_one(server):
    signature = twilio_signature(TWILIO, SENT)
    headers = [f"X_Twilio_Signature: {signature}", "X-Twilio-Signature: wrong"]
    assert request(server, headers) in (400, 403)


def test_a_length_said_twice_or_with_chunks_is_refused(server):
    signature = f"X-Twilio-Signature: {twilio_signature(TWILIO, SENT)}"
    assert request(server, [signature, "Content-Length: 3"]) == 400
    assert request(server, [signature, "Transfer-Encoding: chunked"]) in (400, 403)


def test_a_slow_body_keeps_nobody_else_waiting(server):
    """As many senders as the server has threads begin a body and do not end it."""
    slow = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(server.THREADS)]
    lines = [f"POST {TWILIO} HTTP/1.1", "Host: 127.0.0.1", f"Content-Type: {FORM}"]
    head = "\r\n".join([*lines, "Content-Length: 500", "", "a"])
    for connection in slow:
        connection.sendall(head.encode())
    began = time.monotonic()
    try:
        signature = f"X-Twilio-Signature: {twilio_signature(TWILIO, SENT)}"
        assert request(server, [signature]) == 200
        assert time.monotonic() - began < 10
        for connection in slow:
            connection.settimeout(10)
            told = connection.recv(100)
            assert not told or b" 400 " in told
    finally:
        for connection in slow:
            connection.close()
