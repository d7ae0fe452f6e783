"""Signs of life of workers and web processes, given by a thread of each, busy or idle.

The scheduler gives its own (beat.py), and each channel's lane its (messaging/lanes.py).
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
from datetime import timedelta
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from messaging import heartbeat
from messaging.models import HeartbeatKind
from reengage.repeat import Repeated

logger = logging.getLogger(__name__)


def _thread(kind: HeartbeatKind, every: timedelta) -> Repeated:
    started_at = timezone.now()
    return Repeated(
        f"pulse of {kind}",
        lambda: heartbeat.beat(kind, timezone.now(), started_at),
        every.total_seconds(),
    )


class Pulse(bootsteps.StartStopStep):  # type: ignore[misc]  # untyped
    """A worker's sign of life, from its main process; Redis may be away meanwhile."""

    # After the children were forked, which so inherit no thread's half-done work.
    requires = {"celery.worker.components:Pool"}

    def start(self, _worker: Any) -> None:
        """Give the first sign, and go on."""
        self._thread = _thread(HeartbeatKind.WORKER, settings.HEARTBEAT_EVERY)
        self._thread.start()

    def stop(self, _worker: Any) -> None:
        """Give none any more: it stops in order, and is not missed."""
        self._thread.stop(2.0)
        try:
            heartbeat.forget(HeartbeatKind.WORKER)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The worker could not take its leave: %s", error)
        finally:
            connection.close()

    def terminate(self, _worker: Any) -> None:
        """Nothing: the thread goes with the process."""


def _leave() -> None:
    """A web process that ends in order is not missed."""
    try:
        heartbeat.forget(HeartbeatKind.WEB)
    except (OperationalError, InterfaceError) as error:
        logger.warning("The web process could not take its leave: %s", error)


_web_lock = threading.Lock()
_web_process: int | None = None


def of_web() -> None:
    """Let this web process give signs of life from now on; called with each request."""
    global _web_process  # noqa: PLW0603  there is one of it in each process
    process = os.getpid()
    if _web_process == process:
        return
    with _web_lock:
        if _web_process != process:  # a fork has no threads of its parent's
            _web_process = process
            atexit.register(_leave)
            _thread(HeartbeatKind.WEB, 3 * settings.HEARTBEAT_EVERY).start()
