"""A few doctors who write back, and two who are out of reach: so that no page is empty."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from messaging import inbound, inbound_reply, suppress, track
from messaging.models import Channel, EventKind, MessageDelivery, Verdict
from messaging.track import Event

PROVIDER = "demo"
WRITTEN = (
    "When is the next live session on this topic?",
    "DEMO",
    "The link does not open on my phone, please send it again.",
    "STOP",
    "I finished this course last week. Why am I still getting messages?",
    "Certificate",
)
# Channel, provider's code and words, and what they say of the way to the doctor.
OUT_OF_REACH = (
    (Channel.EMAIL, "5.1.1", "550 5.1.1 no such user here", Verdict.HARD_BOUNCE),
    (Channel.SMS, "30005", "Nobody has this number.", Verdict.INVALID),
)


def fill(now: datetime) -> None:
    """Have it come in during the last hours, through the engine; once for a database."""
    written_to = _last(Channel.WHATSAPP, len(WRITTEN), now)
    track.store(
        [
            _message(number, delivery, now)
            for number, delivery in enumerate(written_to)
            if delivery.doctor.phone
        ],
        now,
    )
    track.store(
        [
            _failure(delivery, code, words, verdict)
            for channel, code, words, verdict in OUT_OF_REACH
            for delivery in _last(channel, 1, now)
        ],
        now,
    )
    inbound.apply_inbound(now)
    track.apply_events(now)
    suppress.settle(now)
    inbound_reply.send_replies(now)


def _last(channel: Channel, count: int, now: datetime) -> list[MessageDelivery]:
    """The last messages of a channel that are some hours old, each to another doctor."""
    sent = MessageDelivery.objects.filter(channel=channel, sent_at__lte=now - timedelta(hours=6))
    found: dict[int, MessageDelivery] = {}
    for delivery in sent.select_related("doctor").order_by("-sent_at", "pk")[: 20 * count]:
        found.setdefault(delivery.doctor_id, delivery)
    return list(found.values())[:count]


def _message(number: int, delivery: MessageDelivery, now: datetime) -> Event:
    detail: dict[str, Any] = {
        "channel": Channel.WHATSAPP,
        "from": delivery.doctor.whatsapp or delivery.doctor.phone,
        "text": WRITTEN[number],
        "button": "",
        "wish": "",
        "raw": {},
    }
    at = now - timedelta(minutes=20 + 45 * (len(WRITTEN) - number))
    return Event(PROVIDER, f"message {number}", EventKind.INBOUND, at, detail=detail)


def _failure(delivery: MessageDelivery, code: str, words: str, verdict: Verdict) -> Event:
    return Event(
        PROVIDER,
        f"failure {code}",
        EventKind.FAILED,
        (delivery.sent_at or delivery.due_at) + timedelta(minutes=1),
        delivery.pk,
        detail={"code": code, "error": words},
        verdict=verdict,
    )
