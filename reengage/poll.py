"""Sending without Redis: workers that hear no ring look for themselves.

Where no lane of a channel began or ended for POLL_AFTER (Redis away, frozen or emptied, or no
scheduler), one worker's main process does what the minute's tasks would do. The thread needs no
broker: it goes on while the main thread tries to reach it.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery import bootsteps
from django.conf import settings
from django.db import connection

from campaigns import tasks as campaign_tasks
from messaging import heartbeat, lanes
from messaging import tasks as message_tasks
from messaging.clock import database_clock
from reengage.repeat import Repeated

logger = logging.getLogger(__name__)


class Poller(bootsteps.StartStopStep):  # type: ignore[misc]  # untyped
    """Looks whether somebody sends, and if not, sends."""

    requires = {"celery.worker.components:Pool"}  # see pulse.py

    def __init__(self, worker: Any, **options: Any) -> None:
        """Start nothing yet."""
        super().__init__(worker, **options)
        self._lanes: dict[str, threading.Thread] = {}
        self._is_stopping = False
        self._thread = Repeated("poll", self.look, settings.POLL_AFTER.total_seconds() / 6)

    def start(self, _worker: Any) -> None:
        """Look from now on."""
        self._thread.start()

    def stop(self, _worker: Any) -> None:
        """Begin nothing new, and wait for what was begun as for a running task."""
        self._is_stopping = True
        self._thread.stop(settings.LANE_TIME_LIMIT.total_seconds())
        for lane in self._lanes.values():
            lane.join(settings.LANE_TIME_LIMIT.total_seconds())

    def terminate(self, _worker: Any) -> None:
        """Begin nothing new; threads go with the process, and leases end what they began."""
        self._is_stopping = True

    def look(self) -> None:
        """Do the minute's work where nobody does."""
        silent = heartbeat.claim_silent(settings.POLL_AFTER, database_clock()())
        if not silent:
            return
        logger.warning("No ring was heard on %s: sending without.", ", ".join(silent))
        for channel in silent:
            self._start_lane(channel)
        message_tasks.reap_expired_leases()
        message_tasks.apply_reports()
        campaign_tasks.schedule_campaign_messages()  # changes nothing where the hour's run was

    def _start_lane(self, channel: str) -> None:
        running = self._lanes.get(channel)
        if running is None or not running.is_alive():
            lane = threading.Thread(
                target=self._run_lane, args=[channel], name=f"lane {channel}", daemon=True
            )
            self._lanes[channel] = lane
            lane.start()

    def _run_lane(self, channel: str) -> None:
        try:
            while lanes.run(channel) and not self._is_stopping:
                pass
        except Exception:
            logger.exception("lane %s failed", channel)
        finally:
            connection.close()
