"""What came in from providers, taken further: counted, acted on, answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from messaging import inbound, inbound_reply, inbound_reported, spool, suppress, track
from messaging.links import hits
from messaging.preferences import later
from messaging.webhooks import intake

# Kind of a line on the spool, and who takes it.
SPOOLED: Mapping[str, spool.Handler] = {
    intake.SPOOLED: intake.from_spool,
    hits.SPOOLED: hits.from_spool,
    later.SPOOLED: later.from_spool,
}


def take(now: datetime) -> int:
    """Do all that is to be done about what was stored; returns how many reports were new.

    What doctors want comes first: nothing is to be sent to one who has just said STOP.
    """
    taken = hear(now) + track.apply_events(now)
    suppress.settle(now)
    inbound_reply.send_replies(now)
    return taken


def hear(now: datetime) -> int:
    """Store what waits on the disk and do what doctors wrote; returns how many messages it were."""
    spool.drain(SPOOLED)
    return inbound.apply_inbound(now)


def retry(now: datetime) -> int:
    """Look again at what was put aside; returns how many reports found their message."""
    inbound.retry_parked(now)
    inbound_reported.take(now)
    if applied := track.retry_parked(now):
        suppress.settle(now)
    return applied
