"""Messages from doctors: who wrote, in answer to what, and what is to be done about it.

STOP and START act in the same transaction as the doctor's lock; a keyword has its answer queued;
anything else waits in the inbox, first what may be a wish to opt out.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction
from django.db.models import Q, QuerySet

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
    Suppression,
    SuppressionReason,
    UnsubscribeRecord,
)
from messaging.privacy import late
from segments.models import Doctor

logger = logging.getLogger(__name__)

BATCH = 500
SOURCE = "reply"
_OF_THE_NUMBER = (SOURCE, "provider")  # opt-outs that were said by way of it (suppress.py)
# What Twilio's Advanced Opt-Out made of a message itself.
_WISHES: dict[str, Meaning] = {"STOP": "stop", "START": "start"}
_BY_WEIGHT: tuple[Meaning, ...] = ("stop", "start", "doubt")
WISHES = frozenset({InboundKind.STOP, InboundKind.START})  # what is done at once
_WAITING = ProviderEvent.objects.filter(kind=EventKind.INBOUND, processed_at=None)


def apply_inbound(now: datetime) -> int:
    """Take in every message from a doctor that was stored; returns how many.

    One transaction each, since each locks its doctors; whoever marks the report first takes it.
    Those that opt out come first, so that nothing is sent to them meanwhile; of STOP and START of
    one doctor the one written last counts, in whatever order they are taken. One that cannot be
    taken is put aside, holds nothing else up and is told of (reengage/health.py). A database that
    is away is raised.
    """
    return _take_all(_WAITING.filter(parked_at=None), now)


def retry_parked(now: datetime) -> int:
    """Look again at what could not be taken: by now somebody may have mended it."""
    return _take_all(_WAITING.filter(parked_at__isnull=False), now)


def _take_all(waiting: QuerySet[ProviderEvent], now: datetime) -> int:
    taken = 0
    after = uuid.UUID(int=0)
    rows = waiting.order_by("pk").values_list("pk", "detail")
    while batch := list(rows.filter(pk__gt=after)[:BATCH]):
        after = batch[-1][0]
        for pk, _detail in sorted(batch, key=lambda row: not _says_stop(row[1])):
            taken += _take_or_park(pk, now)
    return taken


def _says_stop(detail: Any) -> bool:
    try:
        return _meaning(detail) == "stop"
    except (KeyError, TypeError, AttributeError):  # it is put aside when its turn comes
        return False


def _take_or_park(event_id: uuid.UUID, now: datetime) -> bool:
    try:
        return _take(event_id, now)
    except (OperationalError, InterfaceError, SoftTimeLimitExceeded):
        raise
    except Exception:  # whatever it is: the others must be heard
        logger.exception("message %s from a doctor cannot be taken in", event_id)
    ProviderEvent.objects.filter(pk=event_id, processed_at=None, parked_at=None).update(
        parked_at=now
    )
    return False


def _meaning(detail: dict[str, Any]) -> Meaning:
    """What the message wants; its button and the provider's own reading count as its words."""
    told = _WISHES.get(str(detail["wish"]).upper())
    read = {meaning(detail["button"]), meaning(detail["text"])}
    heard: list[Meaning] = [told] if told else [each for each in _BY_WEIGHT if each in read]
    return heard[0] if heard else ""


@transaction.atomic
def _take(event_id: uuid.UUID, now: datetime) -> bool:
    event = _WAITING.filter(pk=event_id).first()
    if event is None:
        return False  # another worker was first
    detail = event.detail
    channel, sender = detail["channel"], detail["from"]
    doctors = list(Doctor.objects.lock(sorted(_with_number(sender))))
    if not doctors and late.drop(event, now):
        return False
    claim = ProviderEvent.objects.filter(pk=event.pk, processed_at=None)
    # From here on the message itself says who wrote what; the report keeps the rest.
    kept = {"channel": channel, "raw": detail["raw"]}
    if not claim.update(processed_at=now, detail=kept):
        return False  # another worker was first
    answered = _answered(doctors, channel, event.occurred_at)
    message = InboundMessage(
        event=event,
        provider=detail.get("account") or event.provider,
        channel=channel,
        doctor=_writer(doctors, answered),
        sender=sender[:32],
        text=detail["text"],
        button=detail["button"][:256],
        delivery=answered,
        received_at=event.occurred_at,
    )
    message.kind = _kind(_meaning(detail), doctors)
    message.handled_at = now if message.kind in WISHES else None
    keyword = _keyword(message, doctors)
    if keyword:
        message.kind, message.handled_at = InboundKind.KEYWORD, now
    else:
        _heed(message, doctors, now)
    message.save(force_insert=True)
    if keyword:
        message.replies.create(text=keyword.reply, is_automatic=True, written_at=now)
    logger.info("message from doctor %s: %s", message.doctor_id, message.kind)
    return True


def _with_number(number: str) -> set[int]:
    """Everybody who has the number on record, as phone or as WhatsApp.

    Who writes from the other one of two numbers is heard as well.
    """
    has_it = Doctor.objects.filter(Q(phone=number) | Q(whatsapp=number)).order_by()
    return set(has_it.values_list("pk", flat=True))


def _reached(doctors: Sequence[Doctor], message: InboundMessage) -> Sequence[Doctor]:
    """Those of them whom messages on the channel reach at the number; all, where it is nobody."""
    is_whatsapp = message.channel == Channel.WHATSAPP
    at_it = [
        doctor
        for doctor in doctors
        if ((is_whatsapp and doctor.whatsapp) or doctor.phone) == message.sender
    ]
    return at_it or doctors


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


def _kind(wanted: Meaning, doctors: Sequence[Doctor]) -> InboundKind:
    """A wish, where somebody is known to have it; whatever else it is shows later."""
    if not wanted:
        return InboundKind.OTHER
    if not doctors:
        return InboundKind.OTHER if wanted == "start" else InboundKind.DOUBT
    return InboundKind(wanted)


def _heed(message: InboundMessage, doctors: Sequence[Doctor], now: datetime) -> None:
    """Do at once what the doctors wish, unless the opposite was written later and came before."""
    reached = _reached(doctors, message)
    if message.kind == InboundKind.STOP:
        for doctor in doctors:  # in the order of their keys, which are locked already
            if not _was_started_again(message, doctor, is_reached=doctor in reached):
                _stop(doctor, message, "Wrote STOP", now)
    elif message.kind == InboundKind.START and not _was_stopped_again(message, doctors):
        for doctor in reached:
            _start(doctor, message, now, is_shared=len(reached) > 1)


def _was_started_again(stop: InboundMessage, doctor: Doctor, *, is_reached: bool) -> bool:
    """Whether a later START speaks for the doctor: one of theirs, or from the number of the STOP.

    Not that of somebody else who has the number, too, and wrote from one of their own.
    """
    own = Q(doctor=doctor) | Q(sender=stop.sender) if is_reached else Q(doctor=doctor)
    later = InboundMessage.objects.filter(own, channel=stop.channel, kind=InboundKind.START)
    return later.filter(received_at__gt=stop.received_at).exists()


def _was_stopped_again(start: InboundMessage, doctors: Sequence[Doctor]) -> bool:
    """Whether any of them wrote STOP after it; at one moment STOP counts."""
    later = InboundMessage.objects.filter(
        doctor__in=doctors, channel=start.channel, kind=InboundKind.STOP
    )
    return later.filter(received_at__gte=start.received_at).exists()


def _stop(doctor: Doctor, message: InboundMessage, reason: str, now: datetime) -> None:
    own = message.delivery if message.delivery and message.delivery.doctor_id == doctor.pk else None
    optout.opt_out(
        doctor.pk,
        message.channel,
        None,
        reason=reason,
        source=SOURCE,
        now=now,
        delivery=own,
    )


def _start(doctor: Doctor, message: InboundMessage, now: datetime, *, is_shared: bool) -> None:
    """Take back what closes this channel; an opt-out of everything stays for the other channels.

    Not what was said after it: a START may come late, and the doctor may have used a link since.
    (Of STOP and START _heed has decided.) Nor, where several doctors share the number, what
    one of them said elsewhere: nobody knows which of them writes.
    """
    standing = UnsubscribeRecord.objects.standing().filter(
        Q(source=SOURCE) | Q(unsubscribed_at=None) | Q(unsubscribed_at__lte=message.received_at),
        doctor=doctor,
    )
    if is_shared:
        standing = standing.filter(source__in=_OF_THE_NUMBER)
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
        doctor=doctor,
        channel=message.channel,
        reason=SuppressionReason.OPTED_OUT,
        since__lte=message.received_at,
    )
    for held in closed:
        suppress.lift(held, now)


def _keyword(message: InboundMessage, doctors: Sequence[Doctor]) -> KeywordReply | None:
    """The keyword that the whole message, or its button, is; a wish is none, nor a stranger's."""
    if message.kind in WISHES or not doctors:
        return None
    said = {plain(text).upper() for text in (message.text, message.button)} - {""}
    return KeywordReply.objects.filter(
        keyword__in=said, channel=message.channel, is_active=True
    ).first()


@transaction.atomic
def handle(message: InboundMessage, by: Any, now: datetime) -> bool:
    """Mark a message as handled. False: somebody was first."""
    waiting = InboundMessage.objects.filter(pk=message.pk, handled_at=None)
    return bool(waiting.update(handled_at=now, handled_by=by))


@transaction.atomic
def opt_out_writer(message: InboundMessage, by: Any, now: datetime) -> bool:
    """Have whoever wrote a message opted out of its channel, and mark it as handled.

    For a message whose wish a person read, not the program. Everybody who has the number is meant,
    and the doctor whom the message is kept with. False: somebody was first, or nobody has it.
    """
    kept_with = set() if message.doctor_id is None else {message.doctor_id}
    doctors = list(Doctor.objects.lock(sorted(_with_number(message.sender) | kept_with)))
    waiting = InboundMessage.objects.filter(pk=message.pk, handled_at=None)
    wish = {"kind": InboundKind.STOP, "handled_at": now, "handled_by": by}
    if not doctors or not waiting.update(**wish):
        return False
    for doctor in doctors:
        _stop(doctor, message, f"Asked for it in a message; read by {by}", now)
    return True
