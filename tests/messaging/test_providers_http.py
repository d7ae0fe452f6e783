"""Calls over real HTTP: what each answer and each break-off means, pace, and connections."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

import tests.providers
from messaging.providers import http
from messaging.providers.base import (
    TROUBLE_LIMIT,
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
    discreet,
)
from messaging.providers.http import IN_FLIGHT_AT_FIRST, retry_after
from messaging.providers.http_line import Request
from tests.providers.http_peer import http_peer
from tests.providers.http_provider import URL, PeerProvider
from tests.providers.messages import NOW, kinds, messages, send
from tests.providers.peer import Fault, Peer

CERTIFICATE = Path(tests.providers.__path__[0]) / "loopback.pem"
PLANNED = '{"error": "as planned"}'


@pytest.fixture
def peer(monkeypatch: Any) -> Iterator[Peer]:
    with http_peer() as running:
        monkeypatch.setenv(URL, f"{running.url}/messages?v=1")
        yield running


@pytest.fixture
def provider(peer: Peer) -> PeerProvider:
    return PeerProvider()


@pytest.fixture
def deadline(settings: Any) -> Callable[[float], None]:
    """Sets the seconds a window has."""

    def set_to(seconds: float) -> None:
        settings.CALL_DEADLINE = timedelta(seconds=seconds)
        settings.HAND_OFF_WITHIN = timedelta(seconds=seconds * 0.9)

    return set_to


def accepted(message: Outgoing) -> Accepted:
    return Accepted(f"peer-{message.delivery_id}")


def one_at_a_time(provider: PeerProvider) -> None:
    """So that what happens to one message is known when the next begins."""
    provider._pace = http._Pace(1)


# --- Answers --------------------------------------------------------------------------------


def test_every_message_is_called_for_once_and_receipts_keep_the_order(
    peer: Peer, provider: PeerProvider
) -> None:
    sent = messages(50, "sms")
    assert send(provider, sent, peer) == [accepted(message) for message in sent]
    assert {entry.recipient for entry in peer.ledger()} == {m.recipient for m in sent}


def test_nothing_to_send_makes_no_call(peer: Peer, provider: PeerProvider) -> None:
    assert provider.send([], HandOff(NOW)) == []
    assert peer.counts() == {}


@pytest.mark.parametrize(
    ("fault", "receipt"),
    [
        (Fault("400"), Refused("400", PLANNED, permanent=True)),
        (Fault("403"), Refused("403", PLANNED, permanent=True)),
        (Fault("404"), Refused("404", PLANNED, permanent=True)),
        (Fault("422"), Refused("422", PLANNED, permanent=True)),
        (Fault("401"), Refused("401", PLANNED, permanent=False, is_outage=True)),
        (Fault("408"), Refused("408", PLANNED, permanent=False)),
        (
            Fault("429", retry_after="7"),
            Refused(
                "429", PLANNED, permanent=False, retry_after=timedelta(seconds=7), is_throttle=True
            ),
        ),
        (Fault("429"), Refused("429", PLANNED, permanent=False, is_throttle=True)),
        (Fault("500"), Unknown(f"HTTP 500 {PLANNED}")),
        (Fault("503", accepts=True), Unknown(f"HTTP 503 {PLANNED}")),
        (Fault("302"), Unknown(f"HTTP 302 {PLANNED}")),
        (Fault("307", accepts=True), Unknown(f"HTTP 307 {PLANNED}")),
        (
            Fault("bad_json", accepts=True),
            Unknown("HTTP 200 that cannot be understood: JSONDecodeError"),
        ),
    ],
)
def test_answer_says_what_became_of_the_message(
    peer: Peer, provider: PeerProvider, fault: Fault, receipt: Receipt
) -> None:
    peer.set_faults(fault)
    assert send(provider, messages(1), peer) == [receipt]


@pytest.mark.parametrize("act", ["reset", "garbage", "big"])
@pytest.mark.parametrize("accepts", [True, False])
def test_call_without_an_answer_is_unknown(
    peer: Peer, provider: PeerProvider, act: str, accepts: bool
) -> None:
    one_at_a_time(provider)
    peer.set_faults(Fault(act, recipient="d2@", accepts=accepts))
    receipts = send(provider, messages(3), peer)
    assert kinds(receipts) == ["Accepted", "Unknown", "Accepted"]
    assert len(peer.ledger()) == 2 + accepts


@pytest.mark.parametrize("act", ["hang", "drip"])
def test_call_that_takes_too_long_is_unknown_and_ends_in_time(
    peer: Peer, provider: PeerProvider, deadline: Callable[[float], None], act: str
) -> None:
    deadline(1)
    peer.set_faults(Fault(act, recipient="d2@", accepts=True, seconds=0.02))
    began = time.monotonic()
    receipts = send(provider, messages(3), peer)
    assert 0.9 < time.monotonic() - began < 5
    assert kinds(receipts) == ["Accepted", "Unknown", "Accepted"]


def test_refusal_whose_body_breaks_off_is_still_a_refusal(
    provider: PeerProvider, monkeypatch: Any
) -> None:
    for status, kind in ((400, "Refused"), (200, "Unknown"), (500, "Unknown")):
        with answering(b'HTTP/1.1 %d ok\r\nContent-Length: 50\r\n\r\n{"id": "7"}' % status) as url:
            monkeypatch.setenv(URL, url)
            assert kinds(send(provider, messages(1))) == [kind]


class answering:  # noqa: N801
    """A server that says the same to everybody, and closes."""

    def __init__(self, answer: bytes, context: ssl.SSLContext | None = None) -> None:
        self.answer, self.context = answer, context
        self.server = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> str:
        threading.Thread(target=self.serve, daemon=True).start()
        scheme = "https" if self.context else "http"
        return f"{scheme}://127.0.0.1:{self.server.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self.server.close()

    def serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self.server.accept()
                with suppress(OSError):
                    if self.context:
                        line = self.context.wrap_socket(line, server_side=True)
                    call = b""
                    while not call.endswith((b"}", b"gone")):
                        call += line.recv(65_536) or b"gone"
                    line.sendall(self.answer)
                line.close()


# --- No connection --------------------------------------------------------------------------


def test_connection_refused_is_an_outage(peer: Peer, provider: PeerProvider) -> None:
    peer.follow(is_open=False)
    receipts = send(provider, messages(50), peer)
    refused = [receipt for receipt in receipts if receipt != NotSent()]
    assert TROUBLE_LIMIT <= len(refused) < TROUBLE_LIMIT + IN_FLIGHT_AT_FIRST
    assert all(isinstance(r, Refused) and r.is_outage and not r.permanent for r in refused)
    peer.follow(is_open=True)
    assert kinds(send(provider, messages(2), peer)) == ["Accepted"] * 2


@pytest.mark.parametrize("url", ["http://nowhere.invalid/", "ftp://127.0.0.1/", "", "http://[::1"])
def test_wrong_address_is_an_outage(provider: PeerProvider, monkeypatch: Any, url: str) -> None:
    monkeypatch.setenv(URL, url)
    receipt = send(provider, messages(1))[0]
    assert isinstance(receipt, Refused)
    assert (receipt.is_outage, receipt.permanent) == (True, False)


def test_call_that_cannot_be_written_is_definitely_not_taken(peer: Peer) -> None:
    class Broken(PeerProvider):
        def request_for(self, message: Outgoing) -> Request:
            return super().request_for(message)._replace(headers={"X-Name": "a\r\nb"})

    receipt = Broken().send(messages(1), HandOff(NOW))[0]
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.is_outage, receipt.permanent) == ("request", True, False)
    assert peer.counts().get("calls", 0) == 0


def test_tls_needs_a_certificate_that_is_trusted(provider: PeerProvider, monkeypatch: Any) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    answer = b'HTTP/1.1 200 ok\r\nContent-Length: 11\r\n\r\n{"id": "7"}'
    with answering(answer, context) as url:
        monkeypatch.setenv(URL, url)
        receipt = send(provider, messages(1))[0]
        assert isinstance(receipt, Refused)
        assert (receipt.is_outage, receipt.permanent) == (True, False)
        monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
        assert PeerProvider().send(messages(1), HandOff(NOW)) == [Accepted("7")]


# --- Retry-After ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "date", "wait"),
    [
        ("0", "", timedelta()),
        ("120", "", timedelta(seconds=120)),
        ("999999999999999999", "", timedelta(days=1)),
        ("Wed, 04 Mar 2026 06:31:00 GMT", "", timedelta(minutes=1)),
        ("Wed, 04 Mar 2026 06:31:00 GMT", "Wed, 04 Mar 2026 06:30:50 GMT", timedelta(seconds=10)),
        ("Wed, 04 Mar 2026 06:29:00 GMT", "", timedelta()),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "", timedelta(days=1)),
        ("", "", None),
        ("-5", "", None),
        ("soon", "", None),
        ("²", "", None),
        ("Wed, 99 Mar 2026 06:31:00 GMT", "", None),
    ],
)
def test_retry_after_is_read_in_both_forms(value: str, date: str, wait: timedelta | None) -> None:
    headers = Message()
    if value:
        headers["Retry-After"] = value
    if date:
        headers["Date"] = date
    assert retry_after(headers, NOW) == wait


# --- Whom it was for ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "recipient", "kept"),
    [
        ("The 'To' number +919876543210 is wrong", "+919876543210", "The 'To' number … is wrong"),
        ("919876543210 and 9876543210", "+919876543210", "… and …"),
        ("<asha.rao@example.com> unknown", "Asha.Rao@Example.com", "<…> unknown"),
        ("a.b is not axb", "a.b", "… is not axb"),
        ("nothing", "", "nothing"),
    ],
)
def test_words_that_are_kept_do_not_name_the_doctor(said: str, recipient: str, kept: str) -> None:
    refused = Refused("1", said, permanent=True)
    assert discreet(refused, recipient) == Refused("1", kept, permanent=True)
    assert discreet(Unknown(said), recipient) == Unknown(kept)
    assert discreet(Accepted(said), recipient) == Accepted(said)
