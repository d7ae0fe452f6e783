"""What providers report of answers to doctors: one that did not arrive goes back into the inbox.

A report names the answer where it would name a delivery (providers/twilio.py, interakt.py); since
there is no such delivery, track.py puts it aside. It is taken from there.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime

from django.db import connection, transaction

from messaging import suppress
from messaging.models import (
    EventKind,
    InboundMessage,
    ProviderEvent,
    Reply,
    ReplyStatus,
    SuppressionReason,
    Verdict,
)
from messaging.track import TRY_AGAIN_FOR
from segments.models import Doctor

logger = logging.getLogger(__name__)

_ARRIVED = (EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED)
_HANDED_OVER = (ReplyStatus.SENT, ReplyStatus.UNKNOWN, ReplyStatus.FAILED)

# By idx_provider_events_parked, in the order in which they came.
_WAITING = """
    SELECT p.id, r.id, i.user_id
    FROM provider_events p
    JOIN inbound_replies r ON r.id = (p.detail->>'unknown_delivery')::uuid
    JOIN inbound_messages i ON i.id = r.message_id
    WHERE p.processed_at IS NULL AND p.parked_at IS NOT NULL AND p.received_at > %(since)s
      AND p.kind <> 'inbound' AND p.delivery_id IS NULL
      AND r.status IN ('sent', 'unknown', 'failed')
    ORDER BY p.id
"""


def take(now: datetime) -> int:
    """Take every report of an answer that was put aside; returns how many.

    One of an answer whose own record is not written yet waits for that.
    """
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, {"since": now - TRY_AGAIN_FOR})
        found: list[tuple[uuid.UUID, uuid.UUID, int | None]] = cursor.fetchall()
    return sum(_take(*each, now) for each in found)


@transaction.atomic
def _take(event_id: uuid.UUID, reply_id: uuid.UUID, doctor_id: int | None, now: datetime) -> bool:
    if doctor_id is not None:
        list(Doctor.objects.lock([doctor_id]))
    reply = Reply.objects.select_for_update(of=("self",)).get(pk=reply_id)
    event = ProviderEvent.objects.filter(pk=event_id, processed_at=None).first()
    if event is None or reply.status not in _HANDED_OVER:
        return False  # another worker was first
    told = {"processed_at": now, "settled_at": now}
    ProviderEvent.objects.filter(pk=event_id).update(**told)
    if event.kind == EventKind.FAILED:
        _failed(reply, event)
    elif event.kind in _ARRIVED:
        # It comes after a failure where reports are shuffled, or where nobody had answered us.
        Reply.objects.filter(pk=reply.pk).update(
            status=ReplyStatus.SENT, sent_at=reply.sent_at or event.occurred_at, error=""
        )
    if event.verdict == Verdict.OPTED_OUT and doctor_id is not None:
        channel, reason = reply.message.channel, SuppressionReason.OPTED_OUT
        detail = _words(event)
        suppress.suppress(doctor_id, channel, reason, now=now, detail=detail, event_id=event.pk)
    return True


def _failed(reply: Reply, event: ProviderEvent) -> None:
    """Say so, and have somebody look at it: who answered it has gone on to something else."""
    if reply.status == ReplyStatus.FAILED:
        return
    why = f"Reported afterwards: {_words(event) or 'it could not be delivered'}"
    Reply.objects.filter(pk=reply.pk).update(status=ReplyStatus.FAILED, error=why[:300])
    # Of somebody who was erased there is nobody left to answer.
    waits = InboundMessage.objects.filter(pk=reply.message_id).exclude(sender="")
    waits.update(handled_at=None, handled_by=None)
    logger.warning("answer %s did not arrive; its message is back in the inbox", reply.pk)


def _words(event: ProviderEvent) -> str:
    told = (event.detail.get("code"), event.detail.get("error"))
    return " ".join(str(part) for part in told if part)
