"""A mail program's opt-out (RFC 8058) while PostgreSQL is away: on disk until it is back.

A person reads that the page is away and comes again. A mail program has told the doctor that it is
done, and may never come again.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from messaging import spool, track
from messaging.links import remember
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.preferences import wish
from segments.models import Doctor

logger = logging.getLogger(__name__)

SPOOLED = "one-click"  # kind of a line on the spool


def keep(token: str, now: datetime) -> bool:
    """Keep the opt-out, without the token. False: the cache does not know it, or the disk is full.

    Only what was sent in the last days is known (links/remember.py): anybody could fill the disk
    with tokens that are nobody's.
    """
    found = remember.recall(token) if track.TOKEN.fullmatch(token) else None
    if found is None:
        return False
    try:
        spool.append(SPOOLED, {"delivery": str(found.delivery_id), "at": now.isoformat()})
    except OSError as error:
        logger.error("an opt-out is not kept: %s", error.strerror or type(error).__name__)  # noqa: TRY400
        return False
    return True


def from_spool(lines: list[Any]) -> None:
    """Do what was asked for then, once: not over what the doctor has taken back since."""
    for line in lines:
        asked = MessageDelivery.objects.filter(pk=uuid.UUID(line["delivery"])).first()
        if asked is not None:
            _act(asked, datetime.fromisoformat(line["at"]))


@transaction.atomic
def _act(asked: MessageDelivery, at: datetime) -> None:
    Doctor.objects.lock([asked.doctor_id]).get()
    taken_back = UnsubscribeRecord.objects.filter(
        Q(channel=asked.channel) | Q(channel=None),
        doctor=asked.doctor_id,
        paused_until=None,  # which ends by itself
        revoked_at__gte=at,
    )
    if not taken_back.exists():
        wish.act(asked, wish.ONE_CLICK, at)
