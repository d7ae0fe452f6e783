"""SMTP connections: when they are used, kept and left; windows that end early; and chance."""

import os
import random
import select
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from messaging.providers import smtp_line
from messaging.providers.base import (
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
)
from messaging.providers.smtp import SmtpProvider
from messaging.providers.smtp_line import Server, server_of
from messaging.providers.sockets import words
from tests.providers.messages import NOW, check_against_ledger, kinds, messages, send
from tests.providers.peer import Fault, Peer, Plan
from tests.providers.smtp_sink import smtp_sink


@pytest.fixture
def sink() -> Iterator[Peer]:
    with smtp_sink() as running:
        yield running


@pytest.fixture
def provider(sink: Peer, settings: Any) -> SmtpProvider:
    settings.SMTP_URL = sink.url
    return SmtpProvider()


def accepted(message: Outgoing) -> Accepted:
    return Accepted(f"<{message.delivery_id}@clirnet.example>")


# --- What the window says -------------------------------------------------------------------


class Few(HandOff):
    """Lets only so many begin."""

    def __init__(self, count: int) -> None:
        super().__init__(NOW)
        self.count = count
        self.noted: list[Receipt] = []

    def may_begin(self) -> bool:
        self.count -= 1
        return self.count >= 0 and super().may_begin()

    def note(self, receipt: Receipt) -> Receipt:
        self.noted.append(receipt)
        return super().note(receipt)


def test_what_may_not_begin_is_not_sent(sink: Peer, provider: SmtpProvider) -> None:
    sent = messages(6)
    few = Few(4)  # one for the connection, and one for each mail
    receipts = provider.send(sent, few)
    assert receipts == [*map(accepted, sent[:3]), *[NotSent()] * 3]
    assert few.noted == receipts[:3]
    check_against_ledger(sent, receipts, sink.ledger())
    assert kinds(provider.send(sent[3:], HandOff(NOW))) == ["Accepted"] * 3
    assert sink.counts() == {"connections": 1, "accepted": 6}


def test_window_that_is_too_old_opens_no_connection(sink: Peer, provider: SmtpProvider) -> None:
    old = HandOff(NOW, authorised=time.clock_gettime(time.CLOCK_BOOTTIME) - 11)
    assert provider.send(messages(3), old) == [NotSent()] * 3
    assert sink.counts() == {}


def test_content_is_not_written_by_a_process_that_was_frozen(
    sink: Peer, provider: SmtpProvider, monkeypatch: Any
) -> None:
    sent = messages(3)
    assert kinds(send(provider, sent[:1])) == ["Accepted"]
    hand_off = HandOff(NOW)
    answers = smtp_line.Line.envelope_refusal

    def freeze(line: smtp_line.Line) -> Any:
        refusal = answers(line)
        hand_off._begin_by = hand_off._end_by = 0.0  # as after SIGSTOP, a minute and SIGCONT
        return refusal

    monkeypatch.setattr(smtp_line.Line, "envelope_refusal", freeze)
    assert provider.send(sent[1:], hand_off) == [NotSent()] * 2
    assert len(sink.ledger()) == 1


def test_answer_that_came_while_the_process_was_frozen_counts(
    sink: Peer, provider: SmtpProvider, monkeypatch: Any
) -> None:
    hand_off = HandOff(NOW)
    reply = smtp_line.Line.reply

    def freeze(line: smtp_line.Line, *args: Any) -> Any:
        if sink.ledger():
            hand_off._begin_by = hand_off._end_by = 0.0
            assert select.select([line.sock], [], [], 5)[0]
        return reply(line, *args)

    monkeypatch.setattr(smtp_line.Line, "reply", freeze)
    sent = messages(1)
    assert provider.send(sent, hand_off) == [accepted(sent[0])]


# --- Connections that are kept --------------------------------------------------------------


@pytest.mark.parametrize("say", ["", "421 4.4.2 timeout"])
def test_connection_that_the_server_closed_is_replaced_before_anything_is_written(
    sink: Peer, provider: SmtpProvider, say: str
) -> None:
    sent = messages(4)
    assert kinds(send(provider, sent[:2])) == ["Accepted"] * 2
    sink.hang_up(say)
    assert kinds(send(provider, sent[2:])) == ["Accepted"] * 2
    assert len(sink.ledger()) == 4
    assert sink.counts()["connections"] == 2


def test_connection_that_rested_too_long_is_replaced(
    sink: Peer, provider: SmtpProvider, monkeypatch: Any
) -> None:
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    monkeypatch.setattr(smtp_line, "IDLE_SECONDS", 0.0)
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    assert sink.counts()["connections"] == 2


def test_child_process_has_a_connection_of_its_own(sink: Peer, provider: SmtpProvider) -> None:
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    child = os.fork()
    if not child:
        receipts = provider.send(messages(2), HandOff(NOW))
        os._exit(kinds(receipts) != ["Accepted"] * 2)
    assert os.waitpid(child, 0)[1] == 0
    assert kinds(send(provider, messages(2))) == ["Accepted"] * 2
    assert sink.counts() == {"connections": 2, "accepted": 5}


def test_killed_sink_has_all_that_it_acknowledged(tmp_path: Any, settings: Any) -> None:
    path = tmp_path / "ledger"
    with smtp_sink(ledger=path) as sink:
        settings.SMTP_URL = sink.url
        sent = messages(20_000)
        threading.Timer(0.2, sink.stop, [signal.SIGKILL]).start()
        receipts = SmtpProvider().send(sent, HandOff(NOW))
        assert "Accepted" in kinds(receipts)
        check_against_ledger(sent, receipts, sink.ledger())


# --- Chance ---------------------------------------------------------------------------------


def random_plan(seed: int) -> Plan:
    """Some faults at every place, each now and then."""
    chance = random.Random(seed)
    places = ["connect", "mail", "rcpt", "data", "dot", "dot", "dot"]
    acts = ["421", "450", "550", "reset", "garbage", "slow"]
    faults = tuple(
        Fault(
            chance.choice(acts),
            at=chance.choice(places),
            accepts=chance.random() < 0.5,
            share=chance.choice([0.02, 0.1, 0.3]),
            seconds=0.01,
        )
        for _ in range(4)
    )
    # A server that accepts must not say that it refuses.
    honest = (
        fault
        if fault.act in ("reset", "garbage", "slow")
        else Fault(fault.act, fault.at, share=fault.share)
        for fault in faults
    )
    return Plan(
        faults=tuple(honest),
        seed=seed,
        pipelining=chance.random() < 0.7,
        is_eager=chance.random() < 0.5,
        per_connection=chance.choice([0, 0, 7]),
    )


@pytest.mark.parametrize("seed", range(25))
def test_no_mail_is_both_given_back_and_taken(seed: int, settings: Any) -> None:
    with smtp_sink(plan=random_plan(seed)) as sink:
        settings.SMTP_URL = sink.url
        provider = SmtpProvider()
        sent: list[Outgoing] = []
        receipts: list[Receipt] = []
        for _ in range(6):
            window = messages(40)
            sent += window
            receipts += provider.send(window, HandOff(NOW))
        check_against_ledger(sent, receipts, sink.ledger())
        assert sink.counts()["early"] == 0
        assert sink.ledger()


# --- Addresses of servers -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://127.0.0.1", Server("smtp", "127.0.0.1", 25, "", "")),
        ("smtp://localhost:2525", Server("smtp", "localhost", 2525, "", "")),
        ("smtp+tls://u@h.example", Server("smtp+tls", "h.example", 587, "u", "")),
        ("smtps://u%40x:p%2Fw@h.example", Server("smtps", "h.example", 465, "u@x", "p/w")),
        ("smtp://[::1]:26/", Server("smtp", "::1", 26, "", "")),
    ],
)
def test_smtp_url_names_the_server(url: str, server: Server) -> None:
    assert server_of(url) == server


@pytest.mark.parametrize(
    "url", ["", "mail.example", "http://h", "smtp://", "smtp://h:port", "smtp://["]
)
def test_wrong_smtp_url_is_told(url: str, settings: Any) -> None:
    settings.SMTP_URL = url
    with pytest.raises(ImproperlyConfigured, match="SMTP_URL must look like"):
        SmtpProvider()


@pytest.mark.parametrize(
    ("said", "stored"),
    [
        (b"no such user", "no such user"),
        (b" 5.1.1\x00no\r\n such\x1buser\xff ", "5.1.1 no such user\ufffd"),
        ("half a \ud83e pair", "half a ? pair"),
        (b"x" * 5000, "x" * 300),
        ("—" * 5000, "—" * 300),
    ],
)
def test_words_of_a_server_can_be_stored(said: bytes | str, stored: str) -> None:
    assert words(said) == stored
