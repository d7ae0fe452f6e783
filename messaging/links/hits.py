"""A hit on a link becomes an event: stored with the delivery's look-up, or on disk meanwhile."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.utils import timezone

from messaging import patience, spool, track
from messaging.links import machine, remember
from messaging.links.remember import Remembered
from messaging.models import EventKind
from messaging.record import storable
from segments.models.fields import uuid7

logger = logging.getLogger(__name__)

PROVIDER = "link"
SPOOLED = "hit"  # kind of a line on the spool


@dataclass(frozen=True, slots=True)
class Hit:
    """One request for a link of a message. The key makes it one event however often it is kept."""

    key: str
    kind: EventKind
    at: datetime
    is_machine: bool
    detail: dict[str, Any]


def hit_of(request: HttpRequest, kind: EventKind, link: str, now: datetime) -> Hit:
    """The request as it is kept. `link`: target, pixel, preferences, or hidden (a machine's)."""
    why = "hidden" if link == "hidden" else machine.why_machine(request)
    detail = {"link": link, "agent": storable(machine.agent(request))}
    if why:
        detail["machine"] = why
    return Hit(str(uuid7()), kind, now, bool(why), detail)


# Found and stored in one round trip.
_TAKE = """
    WITH found AS (
        SELECT id, COALESCE(target_url, '') AS target_url
        FROM message_deliveries WHERE token = %(token)s
    ), kept AS (
        INSERT INTO provider_events
            (provider, event_key, kind, delivery_id, occurred_at, received_at, is_machine, detail)
        SELECT %(provider)s, %(key)s, %(kind)s, id, %(at)s, %(at)s, %(is_machine)s,
               %(detail)s::jsonb
        FROM found
        ON CONFLICT (provider, event_key) DO NOTHING
    )
    SELECT id, target_url FROM found
"""


def take(token: str, hit: Hit) -> Remembered | None:
    """Keep the hit and return what its link is; None: the token is nobody's.

    Without the database: what the cache knows, and the hit goes to the spool. DatabaseAwayError:
    the cache does not know it, which says nothing about the token.
    """
    if not track.TOKEN.fullmatch(token):
        return None
    try:
        return patience.ask(lambda: store(token, hit))
    except patience.DatabaseAwayError:
        found = remember.recall(token)
        if found is None:
            raise
    _keep(found, hit)
    return found


def store(token: str, hit: Hit) -> Remembered | None:
    """Find the link and keep the hit as an event, in the database; None: the token is nobody's."""
    values: dict[str, Any] = {
        "token": token,
        "provider": PROVIDER,
        "key": hit.key,
        "kind": str(hit.kind),
        "at": hit.at,
        "is_machine": hit.is_machine,
        "detail": json.dumps(hit.detail),
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        row = cursor.fetchone()
    return Remembered(*row) if row else None


def _keep(found: Remembered, hit: Hit) -> None:
    line = {
        "key": hit.key,
        "kind": str(hit.kind),
        "at": hit.at.isoformat(),
        "is_machine": hit.is_machine,
        "detail": hit.detail,
        "delivery": str(found.delivery_id),
    }
    try:
        _disk.keep(line)
    except OSError as error:  # the doctor gets where the link leads all the same
        logger.error("a hit is lost: %s", error.strerror or type(error).__name__)  # noqa: TRY400


class _Disk:
    """The way to the spool: whoever's turn it is writes what all the others wait with, too.

    A disk takes many lines in the time of one, and all hits come this way while the database is
    away.
    """

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: deque[tuple[dict[str, Any], Future[None]]] = deque()

    def keep(self, line: dict[str, Any]) -> None:
        """Return when the line is on the disk. OSError: it is not."""
        done: Future[None] = Future()
        self._waiting.append((line, done))
        with self._turn:
            if not done.done():
                self._write()
        done.result()

    def _write(self) -> None:
        batch = [self._waiting.popleft() for _ in range(len(self._waiting))]
        try:
            spool.extend(SPOOLED, [line for line, _ in batch])
        except OSError as error:
            for _, done in batch:
                done.set_exception(error)
        else:
            for _, done in batch:
                done.set_result(None)


_disk = _Disk()


def from_spool(lines: list[Any]) -> None:
    """Store hits that were kept on disk. Each becomes one event, however often it is handed on."""
    track.store(map(_event, lines), timezone.now())


def _event(line: dict[str, Any]) -> track.Event:
    return track.Event(
        provider=PROVIDER,
        key=line["key"],
        kind=EventKind(line["kind"]),
        occurred_at=datetime.fromisoformat(line["at"]),
        delivery_id=uuid.UUID(line["delivery"]),
        is_machine=line["is_machine"],
        detail=line["detail"],
    )
