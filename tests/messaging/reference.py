"""What decide() has to answer, found by walking the clock step by step: slow, plain, its own words.

Nothing of the policy's own reckoning is used. Where all times lie on the steps (whole minutes, or
whole quarters of an hour), trying every step is exact.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo

from messaging.caps import Caps, Planned, Taken
from messaging.hours import Hours
from messaging.policy import Facts

MINUTE = timedelta(minutes=1)
QUARTER = timedelta(minutes=15)
DAY = timedelta(hours=24)
WEEK = timedelta(hours=7 * 24)

Slots = list[tuple[datetime, Planned]]


def walk(start: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    """Every step of the clock from `start` on and before `end`."""
    while start < end:
        yield start
        start += step


def is_open(at: datetime, hours: Hours, zone: tzinfo) -> bool:
    """Whether a clock on the wall in `zone` shows one of the hours."""
    return hours.opens <= at.astimezone(zone).time() < hours.closes


def has_room(at: datetime, channel: str, caps: Caps, taken: Iterable[Taken]) -> bool:
    """The strategy's caps, counted; what is recorded for a time still to come counts as well."""
    in_a_day = in_a_week = 0
    for item in taken:
        if item.channel == channel and item.at > at - caps.channel_interval:
            return False
        in_a_day += item.at > at - DAY
        in_a_week += item.at > at - WEEK
    return in_a_day < caps.per_day and in_a_week < caps.per_week


class Reference:
    """One question to decide(): is there a first legal moment, and which?"""

    def __init__(self, now: datetime, facts: Facts, step: timedelta = MINUTE) -> None:
        self.now = now
        self.facts = facts
        self.step = step

    def first_legal_moment(self) -> datetime | None:
        """When the message may go; None: never."""
        facts = self.facts
        if facts.hours is None:
            return None
        start = max(self.now, facts.campaign_start or self.now)
        end = min(facts.expires_at, facts.campaign_end or facts.expires_at)
        own = Planned(facts.channel, start, end, facts.hours)
        return self.place(own, self.slots_ahead())[0]

    def slots_ahead(self) -> Slots:
        """When the messages go that have first call on the caps."""
        slots = self.go_when_there_is_room([item for item in self.facts.ahead if item.is_first])
        others = [item for item in self.facts.ahead if not item.is_first]
        for item in sorted(others, key=lambda item: item.rank):
            _, slots = self.place(item, slots)
        return slots

    def go_when_there_is_room(self, waiting: list[Planned]) -> Slots:
        """The days' first messages: at each step of the clock, what can go goes."""
        slots: Slots = []
        waiting = sorted(waiting, key=lambda item: item.rank)
        at = self.now
        while waiting := [item for item in waiting if at < item.expires_at]:
            for item in list(waiting):
                if item.due_at <= at and self.may_go(at, item, slots):
                    slots.append((at, item))
                    waiting.remove(item)
            at += self.step
            if not any(item.due_at <= at for item in waiting):  # nothing stirs before it is due
                at = min((item.due_at for item in waiting), default=at)
        return slots

    def place(self, item: Planned, slots: Slots) -> tuple[datetime | None, Slots]:
        """A message that goes only where all others still go, on the same day."""
        for at in walk(max(item.due_at, self.now), item.expires_at, self.step):
            gone = [(slot, other) for slot, other in slots if slot <= at]
            later = [(slot, other) for slot, other in slots if slot > at]
            if self.may_go(at, item, gone):
                moved = self.moved([*gone, (at, item)], later)
                if moved is not None:
                    return at, moved
        return None, slots

    def moved(self, gone: Slots, later: Slots) -> Slots | None:
        """The later messages in their order, each when there is room; None: one loses its day."""
        slots = list(gone)
        for slot, item in later:
            day = slot.astimezone(self.facts.zone).date()
            for at in walk(slot, item.expires_at, self.step):
                if at.astimezone(self.facts.zone).date() != day:
                    return None
                if self.may_go(at, item, slots):
                    slots.append((at, item))
                    break
            else:
                return None
        return sorted(slots, key=lambda pair: pair[0])

    def may_go(self, at: datetime, item: Planned, slots: Slots) -> bool:
        """Whether hours and caps allow the message, with those others gone."""
        taken = [*self.facts.history, *(Taken(other.channel, slot) for slot, other in slots)]
        return is_open(at, item.hours, self.facts.zone) and has_room(
            at, item.channel, self.facts.caps, taken
        )
