"""How many messages a doctor may get, and when there is room for the next.

strategy, Message Frequency Caps: 2 a day and 5 a week over all channels, 24 hours between two on
one channel. Windows roll: a message counts until exactly a day (a week) after it went out.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from operator import attrgetter

from messaging.hours import Hours, next_open

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Caps:
    """The limits; the defaults are the strategy's."""

    per_day: int = 2
    per_week: int = 5
    channel_interval: timedelta = DAY

    def said(self, cap: str) -> str:
        """One of the caps as `Spent.room` names them, in the words of the admin."""
        if cap == "day":
            return f"{self.per_day} messages in 24 hours"
        if cap == "week":
            return f"{self.per_week} messages in 7 days"
        days = self.channel_interval == DAY
        span = "a day" if days else f"{self.channel_interval / HOUR:g} hours"
        return f"this channel was used less than {span} ago"


@dataclass(frozen=True, slots=True)
class Taken:
    """A message that counts: it went out, is going out, or may have gone out."""

    channel: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Planned:
    """A message still to come."""

    channel: str
    due_at: datetime
    expires_at: datetime
    hours: Hours
    label: object = ""  # such as “WhatsApp of day 5”; put into words where it is shown
    is_first: bool = True  # its day's first channel
    rank: tuple[float, ...] = ()  # the smaller goes first where two could go at once


class Spent:
    """What of a doctor's caps is spent.

    A message counts until its window is over; so does one recorded for a time still to come, which
    the clock showed before it was put back.
    """

    __slots__ = ("caps", "newest", "times")

    def __init__(self, caps: Caps, taken: Iterable[Taken] = ()) -> None:
        self.caps = caps
        self.times: list[datetime] = []  # in order
        self.newest: dict[str, datetime] = {}  # of each channel
        for item in taken:
            self.take(item.channel, item.at)

    def copy(self) -> Spent:
        """The same again, to try something on."""
        copy = Spent(self.caps)
        copy.times = self.times.copy()
        copy.newest = self.newest.copy()
        return copy

    def take(self, channel: str, at: datetime) -> None:
        """Count a message."""
        insort(self.times, at)
        newest = self.newest.get(channel)
        if newest is None or newest < at:
            self.newest[channel] = at

    def room(self, channel: str, start: datetime) -> tuple[datetime, str]:
        """First moment from `start` on at which no cap forbids a message on the channel.

        With the cap that forbids it till then: day, week, channel, or '' for none.
        """
        caps, times, free, held_by = self.caps, self.times, start, ""
        if len(times) >= caps.per_day and (until := times[-caps.per_day] + DAY) > free:
            free, held_by = until, "day"
        if len(times) >= caps.per_week and (until := times[-caps.per_week] + WEEK) > free:
            free, held_by = until, "week"
        newest = self.newest.get(channel)
        if newest is not None and (until := newest + caps.channel_interval) > free:
            free, held_by = until, "channel"
        return free, held_by


def earliest_slot(
    wanted: Planned, ahead: Collection[Planned], spent: Spent, now: datetime, zone: tzinfo
) -> tuple[datetime | None, str]:
    """First moment at which the message may go, and what held it back till then, in words.

    The messages `ahead` have first call on the caps. Those that are their day's first channel go
    from `now` on as soon as each finds room. The others, in order of rank, and then this message
    go as soon as there is room and every message placed before would still go, and on the same
    day (design, section 4: caps are spent with foresight). None: there is no such moment before
    the message expires.
    """
    if min(spent.caps.per_day, spent.caps.per_week) <= 0:
        return None, "no message is allowed"
    if not (ahead or spent.times):
        slot = next_open(wanted.due_at, wanted.hours, zone)
        return (slot if slot < wanted.expires_at else None), ""
    agenda = _Agenda(spent, zone)
    if ahead:
        agenda.fill([item for item in ahead if item.is_first], now)
        for item in sorted((item for item in ahead if not item.is_first), key=_IN_RANK):
            agenda.fit(item, max(item.due_at, now))
    fitting, why = agenda.fit(wanted, wanted.due_at)
    return fitting, "; ".join(dict.fromkeys(why))


_IN_TIME = attrgetter("due_at", "rank", "expires_at", "channel", "hours.opens", "hours.closes")
_IN_RANK = attrgetter("rank", "due_at", "expires_at", "channel", "hours.opens", "hours.closes")


class _Agenda:
    """What a doctor is to get from now on, and when; `spent` is what went before."""

    __slots__ = ("placed", "spent", "zone")

    def __init__(self, spent: Spent, zone: tzinfo) -> None:
        self.spent = spent
        self.zone = zone
        self.placed: list[tuple[Planned, datetime]] = []  # in order of time

    def fill(self, planned: Iterable[Planned], now: datetime) -> None:
        """Place messages that wait for nothing but room; those that find none are left out."""
        spent = self.spent.copy()
        waiting = sorted(planned, key=_IN_TIME)
        while waiting:
            item, slot = self._next_to_go(waiting, spent, now)
            waiting.remove(item)
            if slot < item.expires_at:
                spent.take(item.channel, slot)
                self.placed.append((item, slot))

    def fit(self, item: Planned, start: datetime) -> tuple[datetime | None, list[str]]:
        """Place a message at the first moment from `start` on that leaves room for the rest.

        Returns that moment, or None where there is none before it expires, and what stood against
        an earlier one. Between two messages only the first moment with room is tried: the later
        this one goes, the longer it counts, so waiting helps none of the rest.
        """
        spent = self.spent.copy()
        why: list[str] = []
        for number, (other, at) in enumerate([*self.placed, (item, item.expires_at)]):
            end = min(at, item.expires_at)
            if start < end:
                room, cap = spent.room(item.channel, start)
                if cap:
                    why.append(spent.caps.said(cap))
                slot = next_open(room, item.hours, self.zone)
                if slot < end:
                    lost = self._insert(number, item, slot, spent.copy())
                    if lost is None:
                        return slot, why
                    why.append(f"kept for {lost.label}")
                start = end
            spent.take(other.channel, at)
        return None, why

    def _next_to_go(
        self, waiting: Iterable[Planned], spent: Spent, now: datetime
    ) -> tuple[Planned, datetime]:
        """Which of the messages, given in order of time, finds room first, and when."""
        found: list[tuple[datetime, tuple[float, ...], Planned]] = []
        for item in waiting:
            if found and item.due_at > found[-1][0]:
                break
            room, _ = spent.room(item.channel, max(item.due_at, now))
            slot = next_open(room, item.hours, self.zone)
            if not found or (slot, item.rank) < found[-1][:2]:
                found.append((slot, item.rank, item))
        slot, _, first = found[-1]
        return first, slot

    def _insert(self, number: int, item: Planned, slot: datetime, spent: Spent) -> Planned | None:
        """Place a message before the one of that number, and move the rest as it must be.

        Where one of them would not go on its day, nothing is changed, and it is returned.
        """
        spent.take(item.channel, slot)
        rest = []
        for other, was in self.placed[number:]:
            room, cap = spent.room(other.channel, was)
            at = next_open(room, other.hours, self.zone) if cap else was
            if at >= other.expires_at or not self._on_one_day(was, at):
                return other
            spent.take(other.channel, at)
            rest.append((other, at))
        self.placed[number:] = [(item, slot), *rest]
        return None

    def _on_one_day(self, one: datetime, other: datetime) -> bool:
        """Whether two moments lie on one day of the doctor's."""
        zone = self.zone
        return one == other or one.astimezone(zone).date() == other.astimezone(zone).date()
