"""Automatic answers to keywords, inside the 24 hours in which WhatsApp takes free text.

They go through the channel's account as other messages do: not while it waits, and no faster than
it may. Each goes out once at most: it is marked as being sent before the provider hears of it. One
that does not go out puts its message back into the inbox, for a person.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from messaging import accounts
from messaging.approval import need_of
from messaging.models import InboundMessage, ReplyStatus, Suppression, UnsubscribeRecord
from messaging.outgoing import hand_over_apart
from messaging.providers.base import Accepted, HandOff, Need, NotSent, Outgoing, Receipt, Refused
from messaging.session import OPEN_FOR
from segments.models import Doctor

logger = logging.getLogger(__name__)

LOST_AFTER = timedelta(minutes=5)  # longer than any call may take
BATCH = 50


def send_replies(now: datetime) -> int:
    """Send what is queued; returns how many answers went out."""
    _give_up_lost(now)
    _give_up_late(now)
    waiting = _queued().order_by().values_list("channel", flat=True).distinct()
    return sum(_send_replies(channel, now) for channel in waiting)


def _queued() -> QuerySet[InboundMessage]:
    return InboundMessage.objects.filter(reply_status=ReplyStatus.QUEUED)


def _send_replies(channel: str, now: datetime) -> int:
    if need_of(channel) is Need.DLT:
        why = "SMS go out as registered texts only, and an answer is none."
        _put_back(_queued().filter(channel=channel), ReplyStatus.FAILED, why)
        return 0
    allowance = accounts.admit(channel, BATCH, now)
    if not allowance.messages:
        logger.info("answers over %s wait: %s", channel, allowance.why)
        return 0
    hand_off = HandOff(now)  # what is not begun within seconds from here on is not begun at all
    claimed = _claim(channel, allowance.messages, now)
    receipts = hand_over_apart([_answer(message) for message in claimed], allowance, hand_off)
    return sum(_record(*pair, now) for pair in zip(claimed, receipts, strict=True))


@transaction.atomic
def _claim(channel: str, most: int, now: datetime) -> Sequence[InboundMessage]:
    """Those that this worker is to send, marked as being sent.

    Under the doctors' locks, which opt-outs take too: one that was there before is heeded.
    """
    found = list(_queued().filter(channel=channel).order_by("pk")[:most])
    doctors = [message.doctor_id for message in found if message.doctor_id is not None]
    list(Doctor.objects.lock(doctors))
    closed = _closed(channel, doctors)
    for why in set(closed.values()):
        without = [message.pk for message in found if closed.get(message.doctor_id) == why]
        _put_back(_queued().filter(pk__in=without), ReplyStatus.FAILED, why)
    still = _queued().filter(pk__in=[message.pk for message in found]).order_by("pk")
    ours = list(still.select_for_update(skip_locked=True))
    InboundMessage.objects.filter(pk__in=[message.pk for message in ours]).update(
        reply_status=ReplyStatus.SENDING, reply_claimed_at=now
    )
    return ours


def _closed(channel: str, doctors: Sequence[int]) -> dict[int | None, str]:
    """Which of the doctors may not be answered any more, and why."""
    held = Suppression.objects.standing().filter(doctor__in=doctors, channel=channel)
    out = UnsubscribeRecord.objects.standing().filter(
        Q(channel=channel) | Q(channel=None),
        doctor__in=doctors,
        segment_type=None,
        paused_until=None,
    )
    return {
        **dict.fromkeys(held.values_list("doctor_id", flat=True), "The channel is suppressed."),
        **dict.fromkeys(
            out.order_by().values_list("doctor_id", flat=True),
            "The doctor has opted out meanwhile.",
        ),
    }


def _answer(message: InboundMessage) -> Outgoing:
    """As the provider gets it: free text, which the open session allows."""
    return Outgoing(
        delivery_id=message.pk,
        channel=message.channel,
        recipient=message.sender,
        text=message.reply,
        is_answer=True,
        is_free_text=True,
    )


def _record(message: InboundMessage, receipt: Receipt, now: datetime) -> bool:
    """Write what became of it, unless it was given up meanwhile; whether it went out."""
    ours = InboundMessage.objects.filter(
        pk=message.pk, reply_status=ReplyStatus.SENDING, reply_claimed_at=now
    )
    if isinstance(receipt, Accepted):
        sent = {"reply_external_id": receipt.external_id[:255], "replied_at": now}
        return bool(ours.update(reply_status=ReplyStatus.SENT, reply_error="", **sent))
    of_account = isinstance(receipt, Refused) and (receipt.is_throttle or receipt.is_outage)
    if of_account or isinstance(receipt, NotSent):
        ours.update(reply_status=ReplyStatus.QUEUED)  # until the account may go on
    elif isinstance(receipt, Refused):
        _put_back(ours, ReplyStatus.FAILED, f"{receipt.code} {receipt.message}")
    else:
        _put_back(ours, ReplyStatus.UNKNOWN, receipt.error)
    return False


def _put_back(messages: QuerySet[InboundMessage], status: ReplyStatus, why: str) -> None:
    """Into the inbox, for a person."""
    count = messages.update(reply_status=status, reply_error=why[:300], handled_at=None)
    if count:
        logger.warning("%s answers go to the inbox: %s", count, status)


def _give_up_late(now: datetime) -> None:
    """WhatsApp would not take them any more, and nobody waits for one by SMS."""
    late = _queued().filter(received_at__lte=now - OPEN_FOR)
    _put_back(late, ReplyStatus.FAILED, "The 24 hours after the doctor's message are over.")


def _give_up_lost(now: datetime) -> None:
    """What a worker had in hand when it died may have gone out: a person looks at it."""
    lost = InboundMessage.objects.filter(
        reply_status=ReplyStatus.SENDING, reply_claimed_at__lte=now - LOST_AFTER
    )
    why = "The worker that sent it was lost: it may have arrived."
    _put_back(lost, ReplyStatus.UNKNOWN, why)
