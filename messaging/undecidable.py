"""What raises while it is decided, found among its window's others and put off.

Such a message is nobody's fault but the code's (a segment that no longer exists, a definition that
fails for one subject). Left where it is it would be first in line for ever, and its whole channel
would stand still.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection

from segments.models.fields import array

logger = logging.getLogger(__name__)

# By then somebody may have mended it. Until it expires: then it is too late, and says why.
LOOK_AGAIN = timedelta(minutes=5)
# So many parts of a window are looked at; what still raises then is put off with its neighbours.
MOST_PARTS = 60

_PUT_OFF = """
    WITH broken AS MATERIALIZED (
        SELECT id, expires_at <= %(again)s AS is_late FROM message_deliveries
        WHERE id = ANY(%(ids)s) AND status = 'scheduled'
        ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE message_deliveries m
    SET scheduled_at = %(again)s,
        status = CASE WHEN is_late THEN 'skipped' ELSE 'scheduled' END,
        skip_reason = CASE WHEN is_late THEN 'too_late' END,
        skip_detail = CASE WHEN is_late THEN %(why)s ELSE '' END,
        trace = %(trace)s
    FROM broken WHERE m.id = broken.id
"""


def set_aside(
    delivery_ids: Sequence[uuid.UUID],
    now: datetime,
    rehearse: Callable[[Sequence[uuid.UUID]], None],
) -> int:
    """Put off those of a window that raise when `rehearse` decides them; returns how many.

    Halves of the window are tried until those are found that raise alone, so give neighbours of
    the same campaign side by side. A database that is away is raised.
    """
    parts = deque([list(delivery_ids)])
    tried = count = 0
    while parts:
        part = parts.popleft()
        error = _error_of(part, rehearse)
        tried += 1
        if error is None:
            continue
        half = len(part) // 2
        if half and tried < MOST_PARTS:
            parts += [part[:half], part[half:]]
        else:
            logger.error("%s messages cannot be decided: %r", len(part), error, exc_info=error)
            count += _put_off(part, now, error)
    return count


def _error_of(
    part: Sequence[uuid.UUID], rehearse: Callable[[Sequence[uuid.UUID]], None]
) -> Exception | None:
    try:
        rehearse(part)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception as error:  # noqa: BLE001  whatever it is: it is what we look for
        return error
    return None


def _put_off(part: Sequence[uuid.UUID], now: datetime, error: Exception) -> int:
    why = f"It could not be decided: {type(error).__name__}"
    trace = [{"gate": "decision", "verdict": "defer", "detail": why}]
    values: dict[str, Any] = {
        "ids": array(part),
        "again": now + LOOK_AGAIN,
        "why": why,
        "trace": json.dumps(trace),
    }
    with connection.cursor() as cursor:
        cursor.execute(_PUT_OFF, values)
        return int(cursor.rowcount)
