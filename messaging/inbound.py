"""Messages from doctors: who wrote, in answer to what, and what is to be done about it.

STOP and START act in the same transaction as the doctor's lock; a keyword has its answer queued;
anything else waits in the inbox.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from messaging import optout, suppress
from messaging.inbound_words import Meaning, meaning, plain
from messaging.models import (
    Channel,
    EventKind,
    InboundKind,
    InboundMessage,
    KeywordReply,
    MessageDelivery,
    ProviderEvent,
    ReplyStatus,
    Suppression,
    SuppressionReason,
    UnsubscribeRecord,
)
from segments.models import Doctor

logger = logging.getLogger(__name__)

BATCH = 500
SOURCE = "reply"
# What Twilio's Advanced Opt-Out made of a message itself.
_WISHES: dict[str, Meaning] = {"STOP": "stop", "START": "start"}


def apply_inbound(now: datetime) -> int:
    """Take in every message from a doctor that was stored; returns how many.

    One transaction each, since each locks its doctors; whoever marks the report first takes it.
    Those that opt out come first, so that nothing is sent to them meanwhile.
    """
    waiting = ProviderEvent.objects.filter(
        kind=EventKind.INBOUND, processed_at=None, parked_at=None
    )
    taken = 0
    after = uuid.UUID(int=0)
    while batch := list(waiting.filter(pk__gt=after).order_by("pk")[:BATCH]):
        after = batch[-1].pk
        for event in sorted(batch, key=lambda event: _meaning(event.detail) != "stop"):
            taken += _take(event, now)
    return taken


def _meaning(detail: dict[str, Any]) -> Meaning:
    """What the message wants; its button and the provider's own reading count as its words."""
    told = _WISHES.get(str(detail["wish"]).upper())
    return told or meaning(detail["button"]) or meaning(detail["text"])


@transaction.atomic
def _take(event: ProviderEvent, now: datetime) -> bool:
    detail = event.detail
    channel, sender = detail["channel"], detail["from"]
    doctors = list(Doctor.objects.lock(_doctor_ids(channel, sender)))
    claim = ProviderEvent.objects.filter(pk=event.pk, processed_at=None)
    # From here on the message itself says who wrote what; the report keeps the rest.
    kept = {"channel": channel, "raw": detail["raw"]}
    if not claim.update(processed_at=now, detail=kept):
        return False  # another worker was first
    answered = _answered(doctors, channel, event.occurred_at)
    message = InboundMessage(
        event=event,
        provider=event.provider,
        channel=channel,
        doctor=_writer(doctors, answered),
        sender=sender[:32],
        text=detail["text"],
        button=detail["button"][:256],
        delivery=answered,
        received_at=event.occurred_at,
    )
    _act(message, doctors, _meaning(detail), now)
    message.save(force_insert=True)
    logger.info("message from doctor %s: %s", message.doctor_id, message.kind)
    return True


def _doctor_ids(channel: str, number: str) -> list[int]:
    """Whoever is reached at a number on a channel: one person, or several on one WhatsApp."""
    reached = Q(phone=number)
    if channel == Channel.WHATSAPP:
        reached = Q(whatsapp=number) | Q(whatsapp=None, phone=number)
    return list(Doctor.objects.filter(reached).order_by("pk").values_list("pk", flat=True))


def _answered(
    doctors: Sequence[Doctor], channel: str, received_at: datetime
) -> MessageDelivery | None:
    """The last message that went out to them on the channel before theirs."""
    if not doctors:
        return None
    sent = MessageDelivery.objects.filter(
        doctor__in=doctors, channel=channel, sent_at__lte=received_at
    )
    return sent.order_by("-sent_at", "-pk").first()


def _writer(doctors: Sequence[Doctor], answered: MessageDelivery | None) -> Doctor | None:
    written_to = [doctor for doctor in doctors if answered and doctor.pk == answered.doctor_id]
    return next(iter((*written_to, *doctors)), None)


def _act(
    message: InboundMessage, doctors: Sequence[Doctor], wanted: Meaning, now: datetime
) -> None:
    if wanted and doctors:
        message.kind = InboundKind.STOP if wanted == "stop" else InboundKind.START
        message.handled_at = now
        for doctor in doctors:  # in the order of their keys, which are locked already
            _stop(doctor, message, now) if wanted == "stop" else _start(doctor, message, now)
    elif doctors and (answer := _answer(message)):
        message.kind = InboundKind.KEYWORD
        message.reply = answer.reply
        message.reply_status = ReplyStatus.QUEUED
        message.handled_at = now


def _stop(doctor: Doctor, message: InboundMessage, now: datetime) -> None:
    own = message.delivery if message.delivery and message.delivery.doctor_id == doctor.pk else None
    optout.opt_out(
        doctor.pk,
        message.channel,
        None,
        reason="Wrote STOP",
        source=SOURCE,
        now=now,
        delivery=own,
    )


def _start(doctor: Doctor, message: InboundMessage, now: datetime) -> None:
    """Take back what closes this channel; an opt-out of everything stays for the other channels."""
    standing = UnsubscribeRecord.objects.standing().filter(doctor=doctor)
    for record in standing.filter(Q(channel=message.channel) | Q(channel=None)):
        if record.channel is None and record.paused_until is None:
            for other in set(Channel.values) - {message.channel}:
                optout.opt_out(
                    doctor.pk,
                    other,
                    record.segment_type,
                    reason=record.reason,
                    source=record.source,
                    now=now,
                )
        optout.opt_in(record, now)
    closed = Suppression.objects.standing().filter(
        doctor=doctor, channel=message.channel, reason=SuppressionReason.OPTED_OUT
    )
    for held in closed:
        suppress.lift(held, now)


def _answer(message: InboundMessage) -> KeywordReply | None:
    """The keyword that the whole message, or its button, is."""
    said = {plain(text).upper() for text in (message.text, message.button)} - {""}
    return KeywordReply.objects.filter(
        keyword__in=said, channel=message.channel, is_active=True
    ).first()


@transaction.atomic
def handle(message: InboundMessage, by: Any, now: datetime) -> bool:
    """Mark a message as handled. False: somebody was first."""
    waiting = InboundMessage.objects.filter(pk=message.pk, handled_at=None)
    return bool(waiting.update(handled_at=now, handled_by=by))
