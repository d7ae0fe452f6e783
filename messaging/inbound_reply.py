"""Automatic answers to keywords, inside the 24 hours in which WhatsApp takes free text.

Each goes out once at most: it is marked as being sent before the provider hears of it. One that
does not go out puts its message back into the inbox, for a person.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db.models import Q

from messaging.models import InboundMessage, ReplyStatus, Suppression, UnsubscribeRecord
from messaging.providers import provider_for
from messaging.providers.base import Accepted, HandOff, NotSent, Outgoing, Receipt, Refused

logger = logging.getLogger(__name__)

WINDOW = timedelta(hours=24)  # WhatsApp's, from the person's last message
LOST_AFTER = timedelta(minutes=5)  # longer than any call may take
BATCH = 50


def send_replies(now: datetime) -> int:
    """Send what is queued; returns how many answers went out."""
    _give_up_lost(now)
    queued = InboundMessage.objects.filter(reply_status=ReplyStatus.QUEUED).order_by("pk")
    sent = 0
    for message in queued.select_related("doctor")[:BATCH]:
        if why := _refusal(message, now):
            _end(message, ReplyStatus.FAILED, now, error=why)
        elif _claim(message, now):
            sent += _record(message, hand_over_session_message(session_message(message), now), now)
    return sent


def _refusal(message: InboundMessage, now: datetime) -> str:
    """Why the answer may not go any more; '': it may."""
    if now >= message.received_at + WINDOW:
        return "The 24 hours after the doctor's message are over."
    out = UnsubscribeRecord.objects.standing().filter(
        Q(channel=message.channel) | Q(channel=None), doctor=message.doctor, segment_type=None
    )
    if out.filter(paused_until=None).exists():
        return "The doctor has opted out meanwhile."
    closed = Suppression.objects.standing().filter(doctor=message.doctor, channel=message.channel)
    return "The channel is suppressed." if closed.exists() else ""


def _claim(message: InboundMessage, now: datetime) -> bool:
    """Whether this worker is the one that sends it."""
    queued = InboundMessage.objects.filter(pk=message.pk, reply_status=ReplyStatus.QUEUED)
    return bool(queued.update(reply_status=ReplyStatus.SENDING, reply_claimed_at=now))


def session_message(message: InboundMessage) -> Outgoing:
    """The answer as the provider gets it: free text, which the open window allows.

    It belongs to no campaign, so its id is the message's own and no delivery's.
    """
    return Outgoing(
        delivery_id=message.pk,
        channel=message.channel,
        recipient=message.sender,
        text=message.reply,
        is_test=True,
        is_session_open=True,
    )


def hand_over_session_message(outgoing: Outgoing, now: datetime) -> Receipt:
    """Hand one answer to the channel's provider, outside any transaction, within its deadlines."""
    return provider_for(outgoing.channel).send([outgoing], HandOff(now))[0]


def _record(message: InboundMessage, receipt: Receipt, now: datetime) -> bool:
    if isinstance(receipt, Accepted):
        _end(message, ReplyStatus.SENT, now, external_id=receipt.external_id)
        return True
    if isinstance(receipt, NotSent) or (isinstance(receipt, Refused) and not receipt.permanent):
        _end(message, ReplyStatus.QUEUED, now)  # the next minute tries again, within the 24 hours
    elif isinstance(receipt, Refused):
        _end(message, ReplyStatus.FAILED, now, error=f"{receipt.code} {receipt.message}")
    else:
        _end(message, ReplyStatus.UNKNOWN, now, error=receipt.error)
    return False


def _end(
    message: InboundMessage,
    status: ReplyStatus,
    now: datetime,
    *,
    external_id: str = "",
    error: str = "",
) -> None:
    is_trouble = status in (ReplyStatus.FAILED, ReplyStatus.UNKNOWN)
    InboundMessage.objects.filter(pk=message.pk).update(
        reply_status=status,
        reply_external_id=external_id[:255],
        reply_error=error[:300],
        replied_at=now if status == ReplyStatus.SENT else None,
        handled_at=None if is_trouble else message.handled_at,
    )
    if is_trouble:
        logger.warning("answer to message %s: %s", message.pk, status)


def _give_up_lost(now: datetime) -> None:
    """What a worker had in hand when it died may have gone out: a person looks at it."""
    InboundMessage.objects.filter(
        reply_status=ReplyStatus.SENDING, reply_claimed_at__lte=now - LOST_AFTER
    ).update(
        reply_status=ReplyStatus.UNKNOWN,
        reply_error="The worker that sent it was lost: it may have arrived.",
        handled_at=None,
    )
