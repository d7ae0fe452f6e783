"""HTTP calls: how many at once, over which connections, in which process; and chance."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

import tests.providers
from messaging.providers import http, http_line
from messaging.providers.base import (
    TROUBLE_LIMIT,
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
)
from messaging.providers.http import IN_FLIGHT_AT_FIRST
from tests.providers.http_peer import http_peer
from tests.providers.http_provider import URL, PeerProvider
from tests.providers.messages import NOW, check_against_ledger, kinds, messages, send
from tests.providers.peer import Fault, Peer, Plan

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


def one_at_a_time(provider: PeerProvider) -> None:
    """So that what happens to one message is known when the next begins."""
    provider._pace = http._Pace(1)


# --- Pace and window ------------------------------------------------------------------------


def test_pace_begins_slowly_doubles_and_is_kept(peer: Peer, provider: PeerProvider) -> None:
    peer.follow(latency=0.05)
    provider._pace = http._Pace(40)
    send(provider, messages(4))
    assert peer.counts()["most at once"] == 4
    send(provider, messages(8))
    assert peer.counts()["most at once"] == 8
    send(provider, messages(120))
    assert peer.counts()["most at once"] == 40
    send(provider, messages(40))
    assert provider._pace.limit == 40
    assert peer.counts()["connections"] == 40


@pytest.mark.parametrize("act", ["500", "reset", "429"])
def test_pace_falls_back_after_trouble(peer: Peer, provider: PeerProvider, act: str) -> None:
    send(provider, messages(60))
    assert provider._pace.limit > 60
    peer.set_faults(Fault(act))
    send(provider, messages(100))
    assert provider._pace.limit == IN_FLIGHT_AT_FIRST


@pytest.mark.parametrize("act", ["500", "reset"])
def test_provider_that_is_down_takes_few_messages_with_it(
    peer: Peer, provider: PeerProvider, act: str
) -> None:
    peer.set_faults(Fault(act))
    receipts = send(provider, messages(200), peer)
    assert TROUBLE_LIMIT <= kinds(receipts).count("Unknown") < TROUBLE_LIMIT + IN_FLIGHT_AT_FIRST
    assert set(kinds(receipts)) == {"Unknown", "NotSent"}


def test_provider_that_is_full_gets_no_more_of_the_window(
    peer: Peer, provider: PeerProvider
) -> None:
    peer.set_faults(Fault("429", retry_after="60"))
    receipts = send(provider, messages(200), peer)
    assert 1 <= kinds(receipts).count("Refused") <= IN_FLIGHT_AT_FIRST
    assert set(kinds(receipts)) == {"Refused", "NotSent"}


def test_what_may_not_begin_is_not_sent(peer: Peer, provider: PeerProvider) -> None:
    old = HandOff(NOW, authorised=time.clock_gettime(time.CLOCK_BOOTTIME) - 11)
    assert provider.send(messages(3), old) == [NotSent()] * 3
    assert peer.counts() == {}


def test_thread_asks_again_right_before_its_call(
    peer: Peer, provider: PeerProvider, monkeypatch: Any
) -> None:
    hand_off = HandOff(NOW)
    take = http_line.Lines.take

    def freeze(*args: Any) -> Any:
        line = take(*args)
        hand_off._begin_by = 0.0  # as after SIGSTOP, a while and SIGCONT
        return line

    monkeypatch.setattr(http_line.Lines, "take", freeze)
    assert provider.send(messages(2), hand_off) == [NotSent()] * 2
    assert peer.counts().get("calls", 0) == 0
    monkeypatch.undo()
    os.environ[URL] = f"{peer.url}/"
    assert kinds(send(provider, messages(2))) == ["Accepted"] * 2


def test_every_receipt_is_noted(peer: Peer, provider: PeerProvider, monkeypatch: Any) -> None:
    noted: list[Receipt] = []
    hand_off = HandOff(NOW)
    monkeypatch.setattr(hand_off, "note", lambda receipt: noted.append(receipt) or receipt)
    receipts = provider.send(messages(10), hand_off)
    assert sorted(noted, key=str) == sorted(receipts, key=str)


@pytest.mark.parametrize(
    ("external_id", "kept"), [("a\0b", "a b"), ("x" * 400, "x" * 255), (7, None), (None, None)]
)
def test_external_id_can_be_stored(peer: Peer, external_id: Any, kept: str | None) -> None:
    class Strange(PeerProvider):
        def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Any:
            return Accepted(external_id)

    receipt = Strange().send(messages(1), HandOff(NOW))[0]
    if kept is None:
        assert isinstance(receipt, Unknown)
    else:
        assert receipt == Accepted(kept)


def test_bug_in_a_provider_raises_nothing(peer: Peer, monkeypatch: Any) -> None:
    class Broken(PeerProvider):
        def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Any:
            raise RuntimeError("a bug")

    assert Broken().send(messages(1), HandOff(NOW)) == [
        Unknown("HTTP 200 that cannot be understood: RuntimeError")
    ]
    peer.set_faults(Fault("400"))
    assert Broken().send(messages(1), HandOff(NOW)) == [Refused("400", PLANNED, permanent=True)]
    monkeypatch.setattr(http_line.Line, "call", lambda *_: 1 / 0)
    assert Broken().send(messages(1), HandOff(NOW)) == [Unknown("ZeroDivisionError")]


# --- Connections and processes --------------------------------------------------------------


def test_connections_are_kept_between_windows(peer: Peer, provider: PeerProvider) -> None:
    one_at_a_time(provider)
    for _ in range(3):
        assert kinds(send(provider, messages(5))) == ["Accepted"] * 5
    assert peer.counts()["connections"] == 1


def test_connection_that_the_server_closed_is_not_used(peer: Peer, provider: PeerProvider) -> None:
    one_at_a_time(provider)
    sent = messages(3)
    assert kinds(send(provider, sent[:1])) == ["Accepted"]
    peer.hang_up()
    assert kinds(send(provider, sent[1:])) == ["Accepted"] * 2
    peer.set_faults(Fault("close"))
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    assert peer.counts()["connections"] == 2


def test_connection_that_rested_too_long_is_not_used(
    peer: Peer, provider: PeerProvider, monkeypatch: Any
) -> None:
    one_at_a_time(provider)
    monkeypatch.setattr(http_line, "IDLE_SECONDS", 0.0)
    assert kinds(send(provider, messages(3))) == ["Accepted"] * 3
    assert peer.counts()["connections"] == 3


def test_child_process_has_threads_and_connections_of_its_own(
    peer: Peer, provider: PeerProvider
) -> None:
    one_at_a_time(provider)
    assert kinds(send(provider, messages(1))) == ["Accepted"]
    child = os.fork()
    if not child:
        receipts = provider.send(messages(2), HandOff(NOW))
        os._exit(kinds(receipts) != ["Accepted"] * 2)
    assert os.waitpid(child, 0)[1] == 0
    assert kinds(send(provider, messages(2))) == ["Accepted"] * 2
    assert peer.counts()["connections"] == 2


def test_threads_do_not_keep_a_process_from_ending(peer: Peer) -> None:
    code = """
import django; django.setup()
from datetime import UTC, datetime
from messaging.providers.base import HandOff
from tests.providers.http_provider import PeerProvider
from tests.providers.messages import kinds, messages
print(kinds(PeerProvider().send(messages(3), HandOff(datetime.now(UTC)))))
"""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "reengage.settings"}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.stdout == "['Accepted', 'Accepted', 'Accepted']\n", ended.stderr


# --- Chance ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(15))
def test_no_message_is_both_given_back_and_taken(seed: int, monkeypatch: Any) -> None:
    chance = random.Random(seed)
    ambiguous = ["reset", "garbage", "bad_json", "500", "big"]
    definite = ["400", "429", "slow", "close"]
    faults = [
        Fault(chance.choice(ambiguous), accepts=chance.random() < 0.5, share=0.02),
        Fault(chance.choice(definite), share=0.05, seconds=0.02),
        Fault("reset", at="connect", share=chance.choice([0.0, 0.05])),
    ]
    with http_peer(plan=Plan(faults=tuple(faults), seed=seed, latency=0.001)) as peer:
        monkeypatch.setenv(URL, peer.url)
        provider = PeerProvider()
        sent: list[Outgoing] = []
        receipts: list[Receipt] = []
        for _ in range(5):
            window = messages(60)
            sent += window
            receipts += provider.send(window, HandOff(NOW))
        check_against_ledger(sent, receipts, peer.ledger())
        assert peer.ledger()
