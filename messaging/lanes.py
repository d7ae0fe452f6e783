"""A lane sends what is due on its channel, for as long as one task may, and tells that it lives."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from messaging import heartbeat, reports, send
from messaging.clock import database_clock

logger = logging.getLogger(__name__)

# No window is begun after so long, since one may take 40 s more and the task's limit is 60 s.
LANE_TIME = timedelta(seconds=12)


def run(channel: str, clock: Callable[[], datetime] | None = None) -> bool:
    """Send what is due on a channel, for LANE_TIME. Returns whether there is more to do at once.

    What doctors want is heard first, on the disk too: a STOP that came while the database was away
    keeps back the very next message. A lane that had nothing left to do, or waits for its
    provider, leaves the rest to the next ring.
    `clock`: another one than the database's.
    """
    clock = clock or database_clock()
    began = clock()
    heartbeat.begin(channel, began)
    reports.hear(began)
    tally = send.run_lane(channel, clock, began + LANE_TIME)
    ended = clock()
    lag = heartbeat.lag_of(channel, ended)
    heartbeat.end(channel, ended, tally.sent, lag)
    if tally:
        logger.info("%s: %s", channel, tally)
    return bool(lag) and ended - began > LANE_TIME / 2
