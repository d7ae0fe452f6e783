"""Mails over real SMTP: what each answer and each break-off means, and how connections are kept."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from messaging.providers import provider_for, smtp_line
from messaging.providers.base import (
    TROUBLE_LIMIT,
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Refused,
    Unknown,
)
from messaging.providers.smtp import SmtpProvider
from tests.providers.messages import NOW, check_against_ledger, kinds, messages, send
from tests.providers.peer import Fault, Peer
from tests.providers.smtp_sink import smtp_sink


@pytest.fixture
def sink() -> Iterator[Peer]:
    with smtp_sink() as running:
        yield running


@pytest.fixture
def provider(sink: Peer, settings: Any) -> SmtpProvider:
    settings.SMTP_URL = sink.url
    return SmtpProvider()


@pytest.fixture
def deadline(settings: Any) -> Callable[[float], None]:
    """Sets the seconds a window has."""

    def set_to(seconds: float) -> None:
        settings.CALL_DEADLINE = timedelta(seconds=seconds)
        settings.HAND_OFF_WITHIN = timedelta(seconds=seconds * 0.9)

    return set_to


def accepted(message: Outgoing) -> Accepted:
    return Accepted(f"<{message.delivery_id}@clirnet.example>")


# --- In order -------------------------------------------------------------------------------


@pytest.mark.parametrize("pipelining", [True, False])
def test_windows_go_over_one_connection_in_order(
    sink: Peer, provider: SmtpProvider, pipelining: bool
) -> None:
    sink.follow(pipelining=pipelining)
    first, second = messages(20), messages(3)
    assert send(provider, first, sink) == [accepted(message) for message in first]
    assert send(provider, second) == [accepted(message) for message in second]
    ledger = sink.ledger()
    assert [entry.delivery_id for entry in ledger] == [str(m.delivery_id) for m in first + second]
    assert [entry.recipient for entry in ledger] == [m.recipient for m in first + second]
    assert sink.counts() == {"connections": 1, "accepted": 23}


def test_nothing_to_send_opens_no_connection(sink: Peer, provider: SmtpProvider) -> None:
    assert provider.send([], HandOff(NOW)) == []
    assert sink.counts() == {}


def test_settings_choose_the_provider(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {"email": "smtp"}
    assert isinstance(provider_for("email"), SmtpProvider)


def test_mail_that_cannot_be_written_is_refused_alone(sink: Peer, provider: SmtpProvider) -> None:
    sent = messages(4)
    sent[0] = sent[0]._replace(recipient="ašha@example.com")
    sent[2] = sent[2]._replace(recipient=None)
    receipts = send(provider, sent, sink)
    assert receipts == [
        Refused(
            "unmailable",
            "The e-mail address cannot be used: it is not plain ASCII.",
            permanent=True,
        ),
        accepted(sent[1]),
        Refused("unmailable", "It cannot be written.", permanent=True),
        accepted(sent[3]),
    ]


# --- Refusals -------------------------------------------------------------------------------


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("code", ["450", "452", "550", "554"])
def test_refusal_is_definite_and_the_rest_goes_on(
    sink: Peer, provider: SmtpProvider, at: str, code: str, pipelining: bool
) -> None:
    sink.follow(pipelining=pipelining, faults=(Fault(code, at=at, times=2),))
    sent = messages(5)
    receipts = send(provider, sent, sink)
    assert receipts[:2] == [Refused(code, "as planned", permanent=code[0] == "5")] * 2
    assert receipts[2:] == [accepted(message) for message in sent[2:]]
    assert sink.counts()["connections"] == 1


@pytest.mark.parametrize("code", ["500", "502", "503", "530", "535"])
def test_refusal_that_would_meet_every_mail_is_an_outage(
    sink: Peer, provider: SmtpProvider, code: str
) -> None:
    sink.set_faults(Fault(code, at="mail"))
    receipts = send(provider, messages(8), sink)
    outage = Refused(code, "as planned", permanent=False, is_outage=True)
    assert receipts == [outage] * TROUBLE_LIMIT + [NotSent()] * 3


@pytest.mark.parametrize("pipelining", [True, False])
def test_refused_recipient_gets_nothing_though_the_server_waits_for_content(
    sink: Peer, provider: SmtpProvider, pipelining: bool
) -> None:
    fault = Fault("550", at="rcpt", recipient="d2@")
    sink.follow(pipelining=pipelining, is_eager=True, faults=(fault,))
    sent = messages(4)
    receipts = send(provider, sent, sink)
    assert receipts[1] == Refused("550", "as planned", permanent=True)
    assert kinds(receipts) == ["Accepted", "Refused", "Accepted", "Accepted"]
    assert sink.counts()["connections"] == 1


@pytest.mark.parametrize("at", ["mail", "rcpt", "data"])
def test_421_before_the_content_moves_the_mail_to_another_connection(
    sink: Peer, provider: SmtpProvider, at: str
) -> None:
    sent = messages(4)
    assert kinds(send(provider, sent[:1])) == ["Accepted"]
    sink.set_faults(Fault("421", at=at, times=1))
    receipts = send(provider, sent[1:])
    assert receipts == [accepted(message) for message in sent[1:]]
    check_against_ledger(sent, [accepted(sent[0]), *receipts], sink.ledger())
    assert sink.counts()["connections"] == 2


@pytest.mark.parametrize("at", ["mail", "rcpt", "data", "dot"])
def test_421_on_a_connection_that_carried_nothing_is_an_outage(
    sink: Peer, provider: SmtpProvider, at: str
) -> None:
    sink.set_faults(Fault("421", at=at))
    outage = Refused("421", "going away", permanent=False, is_outage=True)
    receipts = send(provider, messages(8), sink)
    assert receipts[:TROUBLE_LIMIT] == [outage] * TROUBLE_LIMIT
    assert kinds(receipts[TROUBLE_LIMIT + 1 :]) == ["NotSent"] * 2


def test_server_that_takes_few_mails_a_connection_gets_more_connections(
    sink: Peer, provider: SmtpProvider
) -> None:
    sink.follow(per_connection=3)
    sent = messages(10)
    assert send(provider, sent, sink) == [accepted(message) for message in sent]
    assert sink.counts()["connections"] == 4


# --- Breaks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("accepts", [True, False])
@pytest.mark.parametrize("act", ["reset", "garbage"])
def test_break_after_the_content_is_unknown_and_the_rest_goes_on(
    sink: Peer, provider: SmtpProvider, act: str, accepts: bool
) -> None:
    sink.set_faults(Fault(act, at="dot", recipient="d3@", accepts=accepts))
    sent = messages(6)
    receipts = send(provider, sent, sink)
    assert isinstance(receipts[2], Unknown)
    assert [receipts[i] for i in (0, 1, 3, 4, 5)] == [accepted(sent[i]) for i in (0, 1, 3, 4, 5)]
    assert len(sink.ledger()) == 5 + accepts
    assert sink.counts()["connections"] == 2


def test_no_answer_to_the_content_is_unknown_and_the_window_ends_in_time(
    sink: Peer, provider: SmtpProvider, deadline: Callable[[float], None]
) -> None:
    deadline(1)
    sink.set_faults(Fault("hang", at="dot", recipient="d2@", accepts=True))
    began = time.monotonic()
    receipts = send(provider, messages(4), sink)
    assert kinds(receipts) == ["Accepted", "Unknown", "NotSent", "NotSent"]
    assert 0.9 < time.monotonic() - began < 5


@pytest.mark.parametrize("at", ["connect", "mail", "rcpt", "data"])
@pytest.mark.parametrize("act", ["reset", "garbage", "hang"])
def test_break_before_the_content_is_definite(
    sink: Peer, provider: SmtpProvider, deadline: Callable[[float], None], act: str, at: str
) -> None:
    deadline(1 if act == "hang" else 10)
    sink.set_faults(Fault(act, at=at))
    receipts = send(provider, messages(8), sink)
    refused = [receipt for receipt in receipts if receipt != NotSent()]
    assert len(refused) == (1 if act == "hang" else TROUBLE_LIMIT)
    assert all(isinstance(r, Refused) and r.is_outage and not r.permanent for r in refused)
    assert receipts[: len(refused)] == refused
    assert sink.ledger() == []


def test_provider_that_dies_takes_few_mails_with_it(sink: Peer, provider: SmtpProvider) -> None:
    sent = messages(30)
    assert kinds(send(provider, sent[:10])) == ["Accepted"] * 10
    sink.set_faults(Fault("reset", at="dot"))
    receipts = send(provider, sent[10:])
    # A mail that was only begun when the connection broke is definitely not taken.
    assert kinds(receipts) == ["Unknown"] * 2 + ["Refused", "Unknown", "Refused"] + ["NotSent"] * 15
    assert len(sink.ledger()) == 10


def test_connection_refused_is_an_outage(sink: Peer, provider: SmtpProvider) -> None:
    sink.follow(is_open=False)
    receipts = send(provider, messages(7), sink)
    assert kinds(receipts) == ["Refused"] * TROUBLE_LIMIT + ["NotSent"] * 2
    assert isinstance(receipts[0], Refused)
    assert (receipts[0].is_outage, receipts[0].permanent) == (True, False)
    assert "ConnectionRefusedError" in receipts[0].message
    sink.follow(is_open=True)
    assert kinds(send(provider, messages(2), sink)) == ["Accepted"] * 2


def test_unknown_host_is_an_outage(settings: Any) -> None:
    settings.SMTP_URL = "smtp://nowhere.invalid"
    receipt = SmtpProvider().send(messages(1), HandOff(NOW))[0]
    assert isinstance(receipt, Refused)
    assert (receipt.code, receipt.is_outage, receipt.permanent) == ("no line", True, False)


def test_greeting_that_drips_ends_in_time(settings: Any, deadline: Callable[[float], None]) -> None:
    deadline(1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings.SMTP_URL = f"smtp://127.0.0.1:{server.getsockname()[1]}"
        threading.Thread(target=drip, args=(server,), daemon=True).start()
        began = time.monotonic()
        receipts = SmtpProvider().send(messages(2), HandOff(NOW))
        assert time.monotonic() - began < 5
    assert kinds(receipts) == ["Refused", "NotSent"]


def drip(server: socket.socket) -> None:
    line, _ = server.accept()
    with line, suppress(OSError):
        while True:
            line.sendall(b"2")
            time.sleep(0.02)


def test_time_limit_in_the_worst_moment_leaves_no_mail_to_be_sent_again(
    sink: Peer, provider: SmtpProvider, monkeypatch: Any
) -> None:
    def note(_: HandOff, receipt: Any) -> Any:
        # Celery raises its exception wherever the code may be.
        assert not isinstance(receipt, Accepted), "time limit"
        return receipt

    monkeypatch.setattr(HandOff, "note", note)
    receipts = send(provider, messages(3), sink)
    assert receipts == [Unknown("Sending broke off."), NotSent(), NotSent()]
    assert len(sink.ledger()) == 1


def test_what_nobody_thought_of_raises_nothing(
    sink: Peer, provider: SmtpProvider, monkeypatch: Any
) -> None:
    replies = smtp_line.Line.reply
    calls: list[None] = []

    def reply(*args: Any) -> Any:
        calls.append(None)
        if len(calls) > 8:  # greeting, EHLO, three answers to the first envelope
            raise RuntimeError("a bug")
        return replies(*args)

    monkeypatch.setattr(smtp_line.Line, "reply", reply)
    sink.follow(pipelining=False)
    sent = messages(4)
    receipts = send(provider, sent, sink)
    assert "Unknown" not in kinds(receipts[:1])
    assert set(kinds(receipts[1:])) <= {"Unknown", "NotSent"}
    monkeypatch.undo()
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    assert sink.counts()["connections"] == 2
