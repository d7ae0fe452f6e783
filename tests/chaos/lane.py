"""Senders that do one thing at a time, as a test tells them, and can stop in the middle of it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError

from messaging.send import send_due
from messaging.track import apply_events
from tests.chaos import nursery, register, sabotage
from tests.chaos.points import ORDERS
from tests.providers.http_provider import URL

PATIENCE = 30.0  # seconds


def _serve(
    line: Connection, orders: str, url: str, broken: str, changes: Mapping[str, Any]
) -> None:
    """The life of one of them."""
    nursery.end_with_nursery()
    os.environ |= {ORDERS: orders, URL: url}
    for name, value in changes.items():
        setattr(settings, name, value)
    register.add_providers()
    if broken:
        sabotage.BREAKS[broken]()
    register.set_points()
    work = {"send": send_due, "apply": apply_events}
    while True:
        order, *given = line.recv()
        try:
            line.send(work[order](*given))
        except DatabaseError as error:
            line.send(f"refused by {error.__cause__.diag.constraint_name}")


class Lane:
    """One of them, as the test sees it."""

    def __init__(self, orders: Path, url: str, broken: str = "", **changes: Any) -> None:
        """`url`: of its provider; `broken`: of sabotage.py; `changes`: settings of this one."""
        self._line, far = nursery.forks.Pipe()
        given = (far, str(orders), url, broken, changes)
        self._process = nursery.forks.Process(target=_serve, args=given, daemon=True)
        self._process.start()
        far.close()

    def begin(self, order: str, *given: str | datetime) -> None:
        """`send` on a channel, or `apply` what was reported; then now."""
        self._line.send((order, *given))

    def answer(self) -> Any:
        """What came of it: a tally, a number, or `refused by` a guard of the database."""
        assert self._line.poll(PATIENCE), "It does not answer."
        return self._line.recv()

    def do(self, order: str, *given: str | datetime) -> Any:
        """Begin, and wait for the answer."""
        self.begin(order, *given)
        return self.answer()

    def await_stop(self) -> None:
        """Until it stands still at its point; its parent alone would be told."""
        deadline = time.monotonic() + PATIENCE
        while self._state() != "T":
            assert time.monotonic() < deadline, "It has not come to its point."
            time.sleep(0.005)

    def go_on(self) -> Any:
        """From where it stood; returns the answer."""
        os.kill(self._process.pid, signal.SIGCONT)
        return self.answer()

    def end(self) -> None:
        """Whatever it is at."""
        self._process.kill()
        self._process.join()

    def _state(self) -> str:
        return Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()[0]
