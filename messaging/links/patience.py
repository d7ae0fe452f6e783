"""What doctors ask of the database, within the time that a person waits.

statement_timeout is kept by the server, which may be the very thing that hangs; so the connection
of a request whose time is over is cut from this side. After that nobody asks for a moment.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from django.db import (
    DEFAULT_DB_ALIAS,
    InterfaceError,
    OperationalError,
    connection,
    connections,
)
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Seconds. Connecting has its own bound of two (settings.DATABASES), the least that psycopg knows.
PATIENCE = 1.5
AGAIN_WITHIN = 0.3  # a connection that was lost shows at once, and a new one is tried
AWAY = 2.0


class DatabaseAwayError(Exception):
    """The database did not answer in time, or did not a moment ago."""


class _Away:
    """Until when nobody asks, on the monotonic clock; of the process, for all its threads.

    After that one thread asks, and the others go on without until it has its answer: a database
    that hangs would keep all of them waiting again.
    """

    until = 0.0
    lock = threading.Lock()

    @classmethod
    def begin(cls, now: float) -> None:
        """Go on, or DatabaseAwayError."""
        if not cls.until:
            return
        with cls.lock:
            if now < cls.until:
                raise DatabaseAwayError
            if cls.until:
                cls.until = now + PATIENCE + AWAY


def ask(work: Callable[[], T]) -> T:
    """What `work` returns, which may be called twice: what it writes must be the same then.

    DatabaseAwayError after about two seconds at most; what `work` was doing may still be done.
    """
    began = time.monotonic()
    _Away.begin(began)
    # Asking whether it lives would wait, too.
    connection.health_check_done = True  # type: ignore[attr-defined]  # the stubs lack it
    is_first = True
    while True:
        try:
            with _cut_off(began + PATIENCE):
                answer = work()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block:  # the caller's transaction is lost with it
                raise
            connection.close()
            if is_first and time.monotonic() < began + AGAIN_WITHIN:
                is_first = False
                continue
            _Away.until = time.monotonic() + AWAY
            logger.warning("The database does not answer (%s).", type(error).__name__)
            raise DatabaseAwayError from error
        else:
            _Away.until = 0.0
            return answer


class _Ticket:
    """A request's use of its connection, until when it is allowed."""

    def __init__(self, wrapper: BaseDatabaseWrapper, deadline: float) -> None:
        self.wrapper = wrapper
        self.deadline = deadline
        self.is_done = False
        self.lock = threading.Lock()

    def cut(self) -> None:
        """End the connection under the request; whoever reads from it gets an error at once."""
        with self.lock:
            if self.is_done or self.wrapper.connection is None:
                return
            try:
                copy = os.dup(self.wrapper.connection.fileno())
                with socket.socket(fileno=copy) as line:
                    line.shutdown(socket.SHUT_RDWR)
            except Exception as error:  # noqa: BLE001  it ended by itself meanwhile
                logger.debug("nothing to cut: %s", error)


class _Watch:
    """One thread of the process cuts what is over; it sleeps while nothing is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tickets: dict[int, _Ticket] = {}
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, ticket: _Ticket) -> None:
        with self._lock:
            self._tickets[id(ticket)] = ticket
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._run, daemon=True, name="patience")
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
                if ticket.deadline <= now:
                    ticket.cut()
            time.sleep(0.1)


_watch = _Watch()


@contextmanager
def _cut_off(deadline: float) -> Iterator[None]:
    ticket = _Ticket(connections[DEFAULT_DB_ALIAS], deadline)  # this thread's own
    _watch.add(ticket)
    try:
        yield
    finally:
        _watch.remove(ticket)
        with ticket.lock:
            ticket.is_done = True
