"""One thread of the process ends what takes too long: a body that dawdles, a query that hangs.

A timer of its own for each request would be a thread started for each.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

STEP = 0.1  # seconds, by which something may end late


@contextmanager
def watched(at: float, end: Callable[[], None]) -> Iterator[None]:
    """Do something; where it is not done by `at` (the monotonic clock), `end` is called once.

    `end` is called by another thread, and never after this has been left.
    """
    ticket = _Ticket(at, end)
    _watch.add(ticket)
    try:
        yield
    finally:
        _watch.remove(ticket)
        ticket.finish()


def hang_up(descriptor: int, how: int = socket.SHUT_RDWR) -> None:
    """End the connection of a descriptor, which is closed; others of it stay open, and hear."""
    with socket.socket(fileno=descriptor) as line:
        line.shutdown(how)


class _Ticket:
    """Something that is under way, and until when."""

    def __init__(self, at: float, end: Callable[[], None]) -> None:
        self.at = at
        self._end = end
        self._is_done = False
        self._lock = threading.Lock()

    def end(self) -> None:
        with self._lock:
            if self._is_done:
                return
            self._is_done = True
            try:
                self._end()
            except Exception as error:  # noqa: BLE001  it ended by itself meanwhile
                logger.debug("nothing to end: %s", error)

    def finish(self) -> None:
        with self._lock:
            self._is_done = True


class _Watch:
    """The thread; it sleeps while nothing is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: dict[int, _Ticket] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, ticket: _Ticket) -> None:
        with self._lock:
            self._tickets[id(ticket)] = ticket
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._run, daemon=True, name="deadlines")
                self._thread.start()
        if not self._wake.is_set():
            self._wake.set()

    def remove(self, ticket: _Ticket) -> None:
        with self._lock:
            self._tickets.pop(id(ticket), None)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            with self._lock:
                tickets = list(self._tickets.values())
                if not tickets:
                    self._wake.clear()
                    continue
            now = time.monotonic()
            for ticket in tickets:
                if ticket.at <= now:
                    ticket.end()
            time.sleep(STEP)


_watch = _Watch()
