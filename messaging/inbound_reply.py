"""Answers to doctors, to their keywords and by people: within the session that WhatsApp allows.

They go through the channel's account as other messages do: not while it waits, and no faster than
it may. Each goes out once at most: it is marked as being sent before the provider hears of it. One
that does not go out puts its message back into the inbox, for a person.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from messaging import accounts, session, suppress
from messaging.approval import need_of
from messaging.models import (
    Channel,
    InboundKind,
    InboundMessage,
    Reply,
    ReplyStatus,
    Suppression,
    SuppressionReason,
    UnsubscribeRecord,
    Verdict,
)
from messaging.outgoing import hand_over_apart
from messaging.providers.base import Accepted, HandOff, Need, NotSent, Outgoing, Receipt, Refused
from segments.models import Doctor

logger = logging.getLogger(__name__)

LOST_AFTER = timedelta(minutes=5)  # longer than any call may take
BATCH = 50
SUPPRESSED = "The channel is suppressed."
OPTED_OUT = "The doctor has opted out meanwhile."
MAY_OPT_OUT = "Somebody may have asked from this number to opt out meanwhile."
NOT_REGISTERED = "SMS go out as registered texts only, and an answer is none."


def send_replies(now: datetime) -> int:
    """Send what is queued; returns how many answers went out."""
    _give_up_lost(now)
    _give_up_late(now)
    waiting = _queued().order_by().values_list("message__channel", flat=True).distinct()
    return sum(_send_replies(channel, now) for channel in waiting)


def takes_answers(channel: str) -> bool:
    """Whether the channel's provider takes a text that is registered nowhere."""
    return need_of(channel) is not Need.DLT


def closed_to(channel: str, doctors: Collection[int]) -> dict[int | None, str]:
    """Which of the doctors may not be answered any more, and why.

    Who opted out of the channel gets nothing, an answer neither, until they come back; a pause,
    or an opt-out of one kind of campaign, is none of their own questions.
    """
    held = Suppression.objects.standing().filter(doctor__in=doctors, channel=channel)
    out = UnsubscribeRecord.objects.standing().filter(
        Q(channel=channel) | Q(channel=None),
        doctor__in=doctors,
        segment_type=None,
        paused_until=None,
    )
    return {
        **dict.fromkeys(held.values_list("doctor_id", flat=True), SUPPRESSED),
        **dict.fromkeys(out.order_by().values_list("doctor_id", flat=True), OPTED_OUT),
    }


def of_strangers_who_may_opt_out() -> QuerySet[InboundMessage]:
    """Messages from numbers of nobody on record, which may be or have been followed by a STOP.

    There is no doctor who could be opted out, so they get no answer; what the number writes after
    that can have one.
    """
    stop = InboundMessage.objects.filter(
        kind=InboundKind.DOUBT,
        doctor=None,
        channel=OuterRef("channel"),
        sender=OuterRef("sender"),
        received_at__gte=OuterRef("received_at"),
    )
    return InboundMessage.objects.filter(Exists(stop), doctor=None)


def _queued() -> QuerySet[Reply]:
    return Reply.objects.filter(status=ReplyStatus.QUEUED)


def _send_replies(channel: str, now: datetime) -> int:
    if not takes_answers(channel):
        _put_back(_queued().filter(message__channel=channel), ReplyStatus.FAILED, NOT_REGISTERED)
        return 0
    allowance = accounts.admit(channel, BATCH, now)
    if not allowance.messages:
        logger.info("answers over %s wait: %s", channel, allowance.why)
        return 0
    hand_off = HandOff(now)  # what is not begun within seconds from here on is not begun at all
    claimed = _claim(channel, allowance.messages, now)
    receipts = hand_over_apart([_outgoing(reply) for reply in claimed], allowance, hand_off)
    return sum(_record(*pair, now) for pair in zip(claimed, receipts, strict=True))


@transaction.atomic
def _claim(channel: str, most: int, now: datetime) -> Sequence[Reply]:
    """Those that this worker is to send, marked as being sent.

    Under the doctors' locks, which opt-outs take too: one that was there before is heeded.
    """
    found = dict(
        _queued()
        .filter(message__channel=channel)
        .order_by("pk")
        .values_list("pk", "message__doctor_id")[:most]
    )
    doctors = [doctor for doctor in found.values() if doctor is not None]
    list(Doctor.objects.lock(doctors))
    closed = closed_to(channel, doctors)
    for why in set(closed.values()):
        without = [pk for pk, doctor in found.items() if closed.get(doctor) == why]
        _put_back(_queued().filter(pk__in=without), ReplyStatus.FAILED, why)
    strangers = _queued().filter(pk__in=found, message__in=of_strangers_who_may_opt_out())
    _put_back(strangers, ReplyStatus.FAILED, MAY_OPT_OUT)
    still = _queued().filter(pk__in=found).order_by("pk").select_related("message")
    ours = list(still.select_for_update(skip_locked=True, of=("self",)))
    Reply.objects.filter(pk__in=[reply.pk for reply in ours]).update(
        status=ReplyStatus.SENDING, claimed_at=now
    )
    return ours


def _outgoing(reply: Reply) -> Outgoing:
    """As the provider gets it: free text, which the open session allows."""
    return Outgoing(
        delivery_id=reply.pk,
        channel=reply.message.channel,
        recipient=reply.message.sender,
        text=reply.text,
        is_answer=True,
        is_free_text=True,
    )


def _record(reply: Reply, receipt: Receipt, now: datetime) -> bool:
    """Write what became of it, unless it was given up meanwhile; whether it went out."""
    ours = Reply.objects.filter(pk=reply.pk, status=ReplyStatus.SENDING, claimed_at=now)
    if isinstance(receipt, Accepted):
        sent = {"external_id": receipt.external_id[:255], "sent_at": now}
        return bool(ours.update(status=ReplyStatus.SENT, error="", **sent))
    of_account = isinstance(receipt, Refused) and (receipt.is_throttle or receipt.is_outage)
    if of_account or isinstance(receipt, NotSent):
        ours.update(status=ReplyStatus.QUEUED)  # until the account may go on
    elif isinstance(receipt, Refused):
        why = f"{receipt.code} {receipt.message}"
        _put_back(ours, ReplyStatus.FAILED, why)
        if receipt.verdict == Verdict.OPTED_OUT and reply.message.doctor_id is not None:
            suppress.suppress(
                reply.message.doctor_id,
                reply.message.channel,
                SuppressionReason.OPTED_OUT,
                now=now,
                detail=why,
            )
    else:
        _put_back(ours, ReplyStatus.UNKNOWN, receipt.error)
    return False


@transaction.atomic
def _put_back(replies: QuerySet[Reply], status: ReplyStatus, why: str) -> None:
    """Their messages into the inbox, for a person."""
    held = replies.order_by("pk").select_for_update(of=("self",))
    messages = dict(held.values_list("pk", "message_id"))
    if not messages:
        return
    Reply.objects.filter(pk__in=messages).update(status=status, error=why[:300])
    InboundMessage.objects.filter(pk__in=messages.values()).update(handled_at=None, handled_by=None)
    logger.warning("%s answers go to the inbox: %s", len(messages), status)


def _give_up_late(now: datetime) -> None:
    """WhatsApp would not take them any more, and nobody waits for one by SMS."""
    waiting = list(_queued().values_list("pk", "message__channel", "message__sender", "written_at"))
    senders = {sender for _pk, channel, sender, _at in waiting if channel == Channel.WHATSAPP}
    in_session = session.open_numbers(senders, now)
    late = [
        pk
        for pk, channel, sender, written_at in waiting
        if written_at <= now - session.OPEN_FOR
        or (channel == Channel.WHATSAPP and sender not in in_session)
    ]
    why = "The 24 hours after the doctor's message are over."
    _put_back(_queued().filter(pk__in=late), ReplyStatus.FAILED, why)


def _give_up_lost(now: datetime) -> None:
    """What a worker had in hand when it died may have gone out: a person looks at it."""
    lost = Reply.objects.filter(status=ReplyStatus.SENDING, claimed_at__lte=now - LOST_AFTER)
    why = "The worker that sent it was lost: it may have arrived."
    _put_back(lost, ReplyStatus.UNKNOWN, why)
