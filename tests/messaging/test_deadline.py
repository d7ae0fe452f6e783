"""What takes too long is ended by another thread, and nothing that is done."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import pytest

from messaging import deadline


def test_what_takes_too_long_is_ended_once_by_another_thread() -> None:
    ended = threading.Event()
    by: list[threading.Thread] = []

    def end() -> None:
        by.append(threading.current_thread())
        ended.set()

    with deadline.watched(time.monotonic() + 0.05, end):
        assert ended.wait(30)
    assert [each is threading.current_thread() for each in by] == [False]


def test_what_is_done_in_time_is_never_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [0.0]
    clock = SimpleNamespace(monotonic=lambda: shown[0], sleep=time.sleep)
    monkeypatch.setattr(deadline, "time", clock)
    calls: list[str] = []
    marker = threading.Event()
    with deadline.watched(1.0, lambda: calls.append("late")):
        pass
    shown[0] = 2.0
    with deadline.watched(1.0, marker.set):  # the same thread looks at both
        assert marker.wait(30)
    assert calls == []


def test_end_that_fails_takes_no_other_with_it() -> None:
    marker = threading.Event()

    def fail() -> None:
        raise OSError

    with deadline.watched(0.0, fail), deadline.watched(0.0, marker.set):
        assert marker.wait(30)


def test_hang_up_is_heard_by_who_reads_on_another_descriptor() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        deadline.hang_up(ours.dup().detach(), socket.SHUT_RD)
        assert ours.recv(10) == b""
        theirs_heard = ours.send(b"still")
        assert theirs_heard == 5
