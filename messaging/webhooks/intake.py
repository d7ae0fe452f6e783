"""Keep reports before they are acknowledged: in the database, or on the disk while it is away."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db import DatabaseError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from messaging import spool, track
from messaging.models import EventKind
from messaging.track import Event

logger = logging.getLogger(__name__)

SPOOLED = "event"
# After a failure nobody asks the database for so long: a provider waits seconds, not a minute.
AWAY_SECONDS = 5.0
PATIENCE = "2s"  # for one batch of reports
RUNG = "webhooks:rung"
RUNG_FOR = 5  # seconds; then a ring that nobody heard is rung again


class NotKept(Exception):  # noqa: N818  it says what is the matter
    """Neither the database nor the disk took it: it must not be acknowledged."""


class _Away:
    """Until when the database is not asked, on the monotonic clock; of this process."""

    until = 0.0


def take(events: Sequence[Event], now: datetime) -> None:
    """Keep the reports, each once, and have a worker count them soon. NotKept: nobody could."""
    if not events:
        return
    if time.monotonic() >= _Away.until:
        try:
            _store(events, now)
        except (OperationalError, InterfaceError) as error:
            _Away.until = time.monotonic() + AWAY_SECONDS
            logger.warning("The database is away (%s): reports go to disk.", type(error).__name__)
        except DatabaseError as error:
            raise NotKept from error
        else:
            ring()
            return
    try:
        for event in events:
            spool.append(SPOOLED, _written(event))
    except OSError as error:
        raise NotKept from error


def _store(events: Sequence[Event], now: datetime) -> None:
    connection.ensure_connection()
    # The statements travel together: each way there and back costs more than what they do.
    together = connection.connection.pipeline()
    with transaction.atomic(), connection.wrap_database_errors, together:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{PATIENCE}'")
        track.store(events, now)


def ring() -> None:
    """Have a worker count what has come, unless one has been called and has not begun yet."""
    from messaging.tasks import take_reports  # noqa: PLC0415  tasks import the steps

    if not cache.add(RUNG, 1, RUNG_FOR):
        return
    try:
        take_reports.delay()
    except Exception as error:  # noqa: BLE001  whatever ails the doorbell; each minute rings too
        logger.warning("reports cannot be rung: %s", type(error).__name__)


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
