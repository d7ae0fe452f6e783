"""What comes from outside, links and reports alike, asks of the database, and for how long at most.

statement_timeout is kept by the server, which may be the very thing that hangs; so the connection
of a request whose time is over is cut from this side. After that nobody asks for a moment.
"""

from __future__ import annotations

import logging
import os
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

from messaging import deadline

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


def _cut(wrapper: BaseDatabaseWrapper) -> None:
    """End the connection under the request; whoever reads from it gets an error at once."""
    if wrapper.connection is not None:
        deadline.hang_up(os.dup(wrapper.connection.fileno()))


@contextmanager
def _cut_off(at: float) -> Iterator[None]:
    own = connections[DEFAULT_DB_ALIAS]  # this thread's
    with deadline.watched(at, lambda: _cut(own)):
        yield
