"""What a doctor says on the page becomes opt-outs, a pause, or their end: all or nothing."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Literal

from django.db import transaction
from django.http import QueryDict

from messaging import optout
from messaging.models import Channel, MessageDelivery, UnsubscribeRecord
from messaging.record import storable
from segments.models import Doctor, SegmentType

Scope = Literal["one-click", "channel", "kind", "all", "pause", "resume", "back", "save"]
LONGEST_REASON = 500

_SCOPES: dict[str, Scope] = {
    "channel": "channel",
    "kind": "kind",
    "pause": "pause",
    "resume": "resume",
    "back": "back",
    "save": "save",
}


@dataclass(frozen=True, slots=True)
class Wish:
    """One answer. `channels` and `kinds`, of `save` only: those that the doctor still wants."""

    scope: Scope
    reason: str | None = None
    channels: AbstractSet[str] = frozenset()
    kinds: AbstractSet[str] = frozenset()


ONE_CLICK = Wish("one-click")


def read(posted: QueryDict) -> Wish:
    """The answer as it was posted. A choice that cannot be understood means: nothing more.

    The page says which button was pressed. Without that it is a mail program, which says
    `List-Unsubscribe=One-Click` (RFC 8058), however it writes it or should it leave it out.
    """
    if "scope" not in posted or posted.get("List-Unsubscribe") == "One-Click":
        return ONE_CLICK
    reason = storable(posted.get("reason", "")).strip()[:LONGEST_REASON] or None
    return Wish(
        _SCOPES.get(posted.get("scope", ""), "all"),
        reason,
        frozenset(posted.getlist("channel")) & frozenset(Channel.values),
        frozenset(posted.getlist("kind")) & frozenset(SegmentType.values),
    )


@transaction.atomic
def act(delivery: MessageDelivery, wish: Wish, now: datetime) -> None:
    """Do what the doctor of this message wishes, under the doctor's lock, in one transaction.

    `channel` and `kind` are those of the message. Doing it twice changes nothing more.
    """
    Doctor.objects.lock([delivery.doctor_id]).get()
    out = partial(
        optout.opt_out,
        delivery.doctor_id,
        reason=wish.reason,
        source="one-click" if wish.scope == "one-click" else "link",
        now=now,
        delivery=delivery,
    )
    if wish.scope in ("one-click", "channel"):
        out(delivery.channel, None)
    elif wish.scope == "kind":
        out(None, delivery.enrollment.campaign.segment_type)
    elif wish.scope == "pause":
        optout.pause(
            delivery.doctor_id, reason=wish.reason, source="link", now=now, delivery=delivery
        )
    elif wish.scope in ("back", "resume"):
        records = standing(delivery.doctor_id)
        _take_back([r for r in records if r.paused_until or wish.scope == "back"], now)
    elif wish.scope == "save" and wish.channels and wish.kinds:
        _save(delivery.doctor_id, wish, now, out)
    else:
        out(None, None)


def standing(doctor_id: int) -> list[UnsubscribeRecord]:
    """The doctor's opt-outs and pause that hold, oldest first."""
    records = UnsubscribeRecord.objects.standing().filter(doctor_id=doctor_id)
    return list(records.order_by("unsubscribed_at", "pk"))


def _save(doctor_id: int, wish: Wish, now: datetime, out: partial[UnsubscribeRecord]) -> None:
    """Bring the opt-outs of whole channels and kinds in line with what was ticked.

    A pause is no part of it, nor is an opt-out of one kind on one channel, unless both are ticked
    again after everything was stopped.
    """
    _take_back([record for record in standing(doctor_id) if _is_undone(record, wish)], now)
    for channel in Channel.values:
        if channel not in wish.channels:
            out(channel, None)
    for kind in SegmentType.values:
        if kind not in wish.kinds:
            out(None, kind)


def _is_undone(record: UnsubscribeRecord, wish: Wish) -> bool:
    """Whether an opt-out says what the ticks no longer say."""
    if record.paused_until or (record.channel and record.segment_type):
        return False
    if record.channel:
        return record.channel in wish.channels
    return record.segment_type is None or record.segment_type in wish.kinds


def _take_back(records: list[UnsubscribeRecord], now: datetime) -> None:
    for record in records:
        optout.opt_in(record, now)
