"""Keep reports before they are acknowledged: in the database, or on the disk while it is away.

Requests that come at the same time are kept together, by whichever of them is first: one statement
and one commit for as many as wait, so that a burst costs the database little more than one report.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, OperationalError
from django.utils import timezone

from messaging import spool, track
from messaging.models import EventKind
from messaging.patience import DatabaseAwayError, ask
from messaging.track import Event

logger = logging.getLogger(__name__)

SPOOLED = "event"
RUNG = "webhooks:rung"
RUNG_FOR = 5  # seconds; then a ring that nobody heard is rung again
RING_EVERY = 0.1  # seconds, of each process


class NotKept(Exception):  # noqa: N818  it says what is the matter
    """Neither the database nor the disk took it: it must not be acknowledged."""


@dataclass(slots=True)
class _Waiting:
    """One request's reports, and what became of them."""

    events: Sequence[Event]
    is_done: bool = False
    error: Exception | None = None


_waiting: deque[_Waiting] = deque()
_turn = threading.Lock()  # held by the request that stores for all that wait


def take(events: Sequence[Event], now: datetime) -> None:
    """Keep the reports, each once, and have a worker count them soon. NotKept: nobody could."""
    if not events:
        return
    mine = _Waiting(events)
    _waiting.append(mine)
    with _turn:
        if not mine.is_done:  # nobody who was before took it along
            _keep(_all_waiting(), now)
    if mine.error or not mine.is_done:
        raise NotKept from mine.error


def _all_waiting() -> list[_Waiting]:
    return [_waiting.popleft() for _ in range(len(_waiting))]  # whoever has the turn alone takes


def _keep(batch: Sequence[_Waiting], now: datetime) -> None:
    """Store what came together. One request whose reports are refused spoils no other's."""
    error: Exception | None = None
    try:
        _store([event for each in batch for event in each.events], now)
    except DatabaseError as refused:
        if len(batch) > 1:
            for each in batch:
                _keep([each], now)
            return
        error = refused
    except OSError as full:  # the disk
        error = full
    for each in batch:
        each.error, each.is_done = error, True


def _store(events: Sequence[Event], now: datetime) -> None:
    """Into the database, or onto the disk. OSError: the disk did not take it, either."""
    try:
        ask(lambda: track.store(events, now))
    except (DatabaseAwayError, OperationalError, InterfaceError):
        spool.extend(SPOOLED, map(_written, events))
    else:
        _bell.ring()


class _Bell:
    """A thread of the process that rings for it: no request waits for Redis."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self) -> None:
        """Have a worker called within RING_EVERY."""
        if self._wanted.is_set():
            return
        with self._lock:
            self._wanted.set()
            if self._thread is None or not self._thread.is_alive():  # also after a fork
                self._thread = threading.Thread(target=self._run, daemon=True, name="bell")
                self._thread.start()

    def _run(self) -> None:
        while self._wanted.wait():
            self._wanted.clear()  # what comes from now on has another ring
            ring()
            time.sleep(RING_EVERY)


_bell = _Bell()


def ring_soon() -> None:
    """Have a worker called, without waiting for it: for what should not wait for the minute."""
    _bell.ring()


def ring() -> None:
    """Have a worker count what has come, unless one has been called and has not begun yet."""
    from messaging.tasks import take_reports  # noqa: PLC0415  tasks import the steps

    try:
        if cache.add(RUNG, 1, RUNG_FOR):
            take_reports.delay()
    except Exception as error:  # noqa: BLE001  whatever ails the doorbell; each minute rings too
        logger.warning("reports cannot be rung: %s", type(error).__name__)
        heard()  # nobody did, and the next report rings again


def heard() -> None:
    """A worker begins: whatever comes from now on needs another ring."""
    cache.delete(RUNG)


def from_spool(payloads: list[Any]) -> None:
    """Store what waited on the disk; what is there already stays as it is."""
    track.store([_read(payload) for payload in payloads], timezone.now())


def _written(event: Event) -> dict[str, Any]:
    delivery_id = str(event.delivery_id) if event.delivery_id else None
    at = event.occurred_at.isoformat()
    return asdict(event) | {"delivery_id": delivery_id, "occurred_at": at}


def _read(payload: dict[str, Any]) -> Event:
    delivery_id = payload["delivery_id"]
    return Event(
        **payload
        | {
            "kind": EventKind(payload["kind"]),
            "delivery_id": uuid.UUID(delivery_id) if delivery_id else None,
            "occurred_at": datetime.fromisoformat(payload["occurred_at"]),
        }
    )
