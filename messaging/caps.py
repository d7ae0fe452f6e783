"""How many messages a doctor may get, and when there is room for the next.

strategy, Message Frequency Caps: 2 a day and 5 a week over all channels, 24 hours between two on
one channel. Windows roll: a message counts until exactly a day (a week) after it went out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from messaging.hours import Hours, next_open

DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits; the defaults are the strategy's."""

    per_day: int = 2
    per_week: int = 5
    channel_interval: timedelta = DAY


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that counts: it went out, is going out, or may have gone out."""

    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """A message still to come that has first call on the caps."""

    channel: str
    due_at: datetime
    expires_at: datetime
    hours: Hours
    label: str  # such as "WhatsApp of day 5"


@dataclass(frozen=True, slots=True)
class Request:
    """The message that asks for room."""

    channel: str
    expires_at: datetime
    hours: Hours
    zone: tzinfo
    caps: Caps


def blocked_until(
    at: datetime, channel: str, caps: Caps, taken: Iterable[Taken]
) -> tuple[datetime, str] | None:
    """When the caps that forbid a message at `at` let go, and which they are; None: room now."""
    times = sorted(item.at for item in taken)
    blocks: list[tuple[datetime, str]] = []
    for span, limit, words in (
        (DAY, caps.per_day, "in 24 hours"),
        (WEEK, caps.per_week, "in 7 days"),
    ):
        if len(times) >= limit and times[-limit] + span > at:
            blocks.append((times[-limit] + span, f"{limit} messages {words}"))
    same = max((item.at for item in taken if item.channel == channel), default=None)
    if same is not None and same + caps.channel_interval > at:
        blocks.append((same + caps.channel_interval, "this channel was used less than a day ago"))
    return max(blocks, default=None)


def _first_room(
    start: datetime, channel: str, hours: Hours, request: Request, taken: Sequence[Taken]
) -> datetime:
    """First moment from `start` on inside `hours` at which the caps leave room."""
    at = next_open(start, hours, request.zone)
    while block := blocked_until(at, channel, request.caps, taken):
        at = next_open(block[0], hours, request.zone)
    return at


def _place(
    planned: Iterable[Planned], start: datetime, request: Request, taken: Sequence[Taken]
) -> list[tuple[Planned, datetime]]:
    """Give each planned message, in order of time, its first room; leave out those without."""
    so_far = list(taken)
    placed = []
    for item in sorted(planned, key=lambda item: item.due_at):
        slot = _first_room(max(item.due_at, start), item.channel, item.hours, request, so_far)
        if slot < item.expires_at:
            so_far.append(Taken(item.channel, slot))
            placed.append((item, slot))
    return placed


def earliest_slot(
    start: datetime, request: Request, history: Sequence[Taken], ahead: Sequence[Planned]
) -> tuple[datetime | None, str]:
    """First moment from `start` on at which the message may go, and what held it back till then.

    Messages in `ahead` come first: those placed by then count, and each later one that would find
    room without this message must still find room with it (design, section 4: caps are spent with
    foresight). None: there is no such moment before `expires_at`.

    What is allowed changes only where a counted message leaves a window or a planned one takes its
    place, so only these moments and the opening hours after them are tried.
    """
    if min(request.caps.per_day, request.caps.per_week) <= 0:
        return None, "no message is allowed"
    if not (history or ahead):
        slot = next_open(start, request.hours, request.zone)
        return (slot, "") if slot < request.expires_at else (None, "")
    placed = _place(ahead, start, request, history)
    held_back: dict[str, None] = {}  # in order, each once
    for at in _turning_points(start, request, history, placed):
        refusal = _refusal(at, request, history, placed)
        if refusal is None:
            return at, "; ".join(held_back)
        held_back[refusal] = None
    return None, "; ".join(held_back)


def _turning_points(
    start: datetime,
    request: Request,
    history: Sequence[Taken],
    placed: Sequence[tuple[Planned, datetime]],
) -> list[datetime]:
    """Every moment before `expires_at` at which the answer may become yes, in order."""
    slots = [slot for _, slot in placed]
    moments = {start, *slots}
    for at in (*slots, *(item.at for item in history)):
        moments |= {at + DAY, at + WEEK, at + request.caps.channel_interval}
    open_at = {next_open(m, request.hours, request.zone) for m in moments if m >= start}
    return sorted(m for m in open_at if m < request.expires_at)


def _refusal(
    at: datetime,
    request: Request,
    history: Sequence[Taken],
    placed: Sequence[tuple[Planned, datetime]],
) -> str | None:
    """Why the message may not go at `at`, in words; None: it may."""
    past = [*history, *(Taken(p.channel, slot) for p, slot in placed if slot <= at)]
    if block := blocked_until(at, request.channel, request.caps, past):
        return block[1]
    later = [item for item, slot in placed if slot > at]
    still = _place(later, at, request, [*past, Taken(request.channel, at)])
    if len(still) == len(later):
        return None
    kept = {id(item) for item, _ in still}  # two plans may be equal
    crowded_out = next(item for item in later if id(item) not in kept)
    return f"kept for {crowded_out.label}"
