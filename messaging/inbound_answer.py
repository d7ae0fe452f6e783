"""Answer a doctor by hand: whether a message may be answered, until when, and the answer itself.

What is written is queued and goes out as keywords' answers do (inbound_reply.py): under the
doctor's lock, once, and not after an opt-out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.timesince import timesince

from messaging import inbound_reply, session
from messaging.models import (
    UNDER_WAY,
    Channel,
    InboundMessage,
    Reply,
)
from messaging.webhooks import intake
from segments.models import Doctor

MOST = 1024  # characters, as keywords' answers and WhatsApp's templates have

_OTHERWISE = "Call the doctor or write from your own mailbox; then mark the message as handled."


class AnswerError(ValueError):
    """It cannot be answered so; the text says why."""


@dataclass(frozen=True, slots=True)
class Prospect:
    """Whether a message can be answered here now.

    `why_not`: a sentence, "" where it can; `instead`: what to do then. `until`: when WhatsApp's
    session ends (UTC); None on other channels.
    """

    why_not: str = ""
    instead: str = ""
    until: datetime | None = None


def prospect(message: InboundMessage, now: datetime) -> Prospect:
    """Whether an answer to the message could go out now."""
    return _without_way(message) or _closed(message) or _in_session(message, now)


def _without_way(message: InboundMessage) -> Prospect | None:
    """There is nobody to answer, or nothing that takes an answer."""
    if not message.sender:
        return Prospect("The number is not kept any more, so there is nobody to answer.")
    if message.channel == Channel.EMAIL:
        return Prospect("E-mails are answered from a mailbox, not from here.", _OTHERWISE)
    if not inbound_reply.takes_answers(message.channel):
        why = "SMS go out as texts registered with the operators (DLT) only, and an answer is none."
        return Prospect(why, _OTHERWISE)
    return None


def _in_session(message: InboundMessage, now: datetime) -> Prospect:
    if message.channel != Channel.WHATSAPP:
        return Prospect()
    if until := session.open_until(message.sender, now):
        return Prospect(until=until)
    return Prospect(
        "WhatsApp takes free text for 24 hours after the doctor's last message only, and these "
        "are over. Until the doctor writes again, it takes nothing but approved templates, "
        "which campaigns send.",
        _OTHERWISE,
    )


def _closed(message: InboundMessage) -> Prospect | None:
    """The doctor wants nothing more there, or cannot be reached."""
    channel = message.get_channel_display()
    if message.doctor_id is None:
        if not inbound_reply.of_strangers_who_may_opt_out().filter(pk=message.pk).exists():
            return None
        why = "Somebody who is not on record may have asked from this number to opt out."
        return Prospect(why, f"Write nothing more to this number over {channel}.")
    closed = inbound_reply.closed_to(message.channel, [message.doctor_id])
    if message.doctor_id not in closed:
        return None
    if closed[message.doctor_id] == inbound_reply.SUPPRESSED:
        why = f"{channel} is suppressed for this doctor: messages do not arrive there."
        return Prospect(why, _OTHERWISE)
    return Prospect(
        f"The doctor has opted out of {channel}, so nothing may be sent there, an answer neither.",
        f"Once the doctor writes START, it can be answered here. {_OTHERWISE}",
    )


def seen(message: InboundMessage) -> str:
    """What whoever looks at the message now has seen of its answers; compared by answer()."""
    last = _last(message)
    return f"{last.pk if last else ''}/{'handled' if message.handled_at else 'waits'}"


def answer(message: InboundMessage, text: str, by: Any, seen_before: str, now: datetime) -> Reply:
    """Queue the text as an answer of `by`, and mark the message as handled.

    A double click, or the same form sent again, is one answer.

    `seen_before`: seen() of when the page was made. AnswerError: somebody answered or marked it
    meanwhile, another is under way, or none may go out.
    """
    with transaction.atomic():
        if message.doctor_id is not None:  # as opt-outs do, so that one is before or after
            list(Doctor.objects.lock([message.doctor_id]))
        held = InboundMessage.objects.select_for_update(of=("self",)).get(pk=message.pk)
        last = _last(held)
        if last and _is_repeated(last, text, by, seen_before):
            return last
        if seen(held) != seen_before or under_way(held):
            raise AnswerError(f"{_what_came_between(held, now)} Yours was not sent.")
        if why_not := prospect(held, now).why_not:
            raise AnswerError(why_not)
        reply: Reply = held.replies.create(text=text, written_by=by, written_at=now)
        held.handled_at, held.handled_by = now, by
        held.save(update_fields=["handled_at", "handled_by"])
        transaction.on_commit(intake.ring_soon)
    return reply


def under_way(message: InboundMessage) -> bool:
    """Whether an answer waits or is being sent."""
    return message.replies.filter(status__in=UNDER_WAY).exists()


def _last(message: InboundMessage) -> Reply | None:
    return message.replies.select_related("written_by").order_by("-pk").first()


def _is_repeated(last: Reply, text: str, by: Any, seen_before: str) -> bool:
    """Whether the form that made the last answer was sent a second time."""
    is_new = not seen_before.startswith(f"{last.pk}/")  # made since the form was
    return is_new and last.text == text and last.written_by_id == by.pk


def _what_came_between(message: InboundMessage, now: datetime) -> str:
    last = _last(message)
    if last and (message.handled_at is None or last.written_at >= message.handled_at):
        return f"{last.who} answered {_ago(last.written_at, now)}."
    if message.handled_at is None:
        return "An answer did not go out meanwhile."
    who = message.handled_by.get_username() if message.handled_by else "Somebody"
    return f"{who} marked it as handled {_ago(message.handled_at, now)}."


def _ago(at: datetime, now: datetime) -> str:
    """A minute ago, or just now."""
    said = timesince(at, now, depth=1).replace("\xa0", " ")
    if said.startswith("0 "):
        return "just now"
    return "a minute ago" if said == "1 minute" else f"{said} ago"
