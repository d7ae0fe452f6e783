"""Times, zones, hours, histories and plans of any kind, for hypothesis to put together."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import settings
from hypothesis import strategies as st

from messaging.caps import Caps, Planned, Taken
from messaging.hours import Hours
from messaging.policy import Facts
from tests.messaging.reference import DAY, MINUTE
from tests.messaging.simulate import CHANNELS, OPEN

HOUR = timedelta(hours=1)
NEVER = timedelta(0)

ZONES = (
    "Asia/Kolkata",
    "UTC",
    "Etc/GMT+12",
    "Etc/GMT-14",
    "Asia/Kathmandu",  # 5:45
    "America/New_York",
    "Europe/London",
    "America/St_Johns",  # 3:30 behind
    "Australia/Lord_Howe",  # changes by half an hour
    "Africa/Casablanca",  # changes for Ramadan
    "Pacific/Apia",  # left out a whole day in 2011
    "America/Havana",  # shows 00:00 to 01:00 twice, and once a year never
    "Asia/Beirut",  # goes back from midnight to the day before
)
# Others whose clocks were changed since 2011, each in a way of its own.
MORE_ZONES = (
    "Africa/Cairo",
    "America/Caracas",
    "America/Nuuk",
    "America/Santiago",
    "Antarctica/Troll",
    "Asia/Gaza",
    "Asia/Pyongyang",
    "Asia/Tehran",
    "Atlantic/Azores",
    "Europe/Dublin",
    "Europe/Moscow",
    "Pacific/Chatham",
    "Pacific/Norfolk",
)
SINCE, UNTIL = datetime(2011, 12, 1, tzinfo=UTC), datetime(2028, 6, 1, tzinfo=UTC)
CALENDAR = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year, month, day in (
        (2023, 12, 31),
        (2024, 2, 28),
        (2024, 2, 29),
        (2024, 3, 1),
        (2026, 1, 31),
        (2026, 4, 30),
        (2026, 12, 31),
        (2028, 2, 29),
    )
)


def examples(share: float) -> settings:
    """A share of the profile's examples: to walk the clock takes longer than to decide."""
    return settings(max_examples=max(1, int(settings().max_examples * share)))


@cache
def clock_changes(name: str) -> tuple[datetime, ...]:
    """When the clock of a zone is put forward or back, to the minute."""
    zone, found, at = ZoneInfo(name), [], SINCE
    while at < UNTIL:
        if at.astimezone(zone).utcoffset() != (at + DAY).astimezone(zone).utcoffset():
            minute = at
            while minute.astimezone(zone).utcoffset() == at.astimezone(zone).utcoffset():
                minute += MINUTE
            found.append(minute)
        at += DAY
    return tuple(found)


@dataclass(frozen=True)
class Question:
    """What decide() is asked."""

    now: datetime
    facts: Facts


# Strategies are made once: hypothesis checks each new one, which takes longer than to draw from it.
@cache
def spans(step: timedelta, days: int) -> st.SearchStrategy[timedelta]:
    """Whole steps, evenly over so many days; full hours more often than others."""
    hours = 24 * days
    # Of a wide range hypothesis takes mostly the small numbers: spread them.
    whole = st.integers(0, hours - 1).map(lambda n: n * 89 % hours * HOUR)
    rest = st.integers(0, HOUR // step - 1).map(lambda n: n * step)
    return st.builds(lambda whole, rest: whole + rest, whole, rest)


@cache
def moments(zone: str, step: timedelta = MINUTE) -> st.SearchStrategy[datetime]:
    """Any time, most of them around something that goes wrong with clocks."""
    changes = [at for at in clock_changes(zone) if step < MINUTE or (at - SINCE) % step == NEVER]
    around = st.builds(
        lambda at, by: at - 2 * DAY + by, st.sampled_from((*CALENDAR, *changes)), spans(step, 4)
    )
    shortly_before = st.builds(
        lambda at, by: at + 2 * HOUR - by, st.sampled_from(changes or CALENDAR), spans(step, 1)
    )
    at_any_time = spans(step, (UNTIL - SINCE).days).map(lambda by: SINCE + by)
    return shortly_before | around | at_any_time


@st.composite
def nights_of_change(draw) -> tuple[datetime, Hours, ZoneInfo]:
    """A time shortly before or after the clock of some zone is changed, and hours about then."""
    name = draw(st.sampled_from([name for name in ZONES + MORE_ZONES if clock_changes(name)]))
    change, zone = draw(st.sampled_from(clock_changes(name))), ZoneInfo(name)
    shown = (change - MINUTE).astimezone(zone)
    opens = (shown.hour * 60 + shown.minute + draw(st.integers(-90, 90))) % (24 * 60 - 2)
    closes = min(opens + draw(st.integers(1, 120)), 24 * 60 - 1)
    hours = Hours(time(*divmod(opens, 60)), time(*divmod(closes, 60)))
    return change + 2 * HOUR - draw(spans(MINUTE, 1)), hours, zone


@cache
def windows(step: timedelta = MINUTE) -> st.SearchStrategy[Hours]:
    """Sending hours: usual ones, all day, one step long, in the night when clocks are changed."""
    step = max(step, MINUTE)
    usual = st.builds(lambda a, b: Hours(time(a), time(b)), st.integers(8, 12), st.integers(17, 21))
    night, day = 4 * HOUR // step, DAY // step
    return st.one_of(
        usual,
        usual,
        st.just(Hours(time(0), time(23, 59))),
        _window(step, day, st.integers(1, day - 1)),
        _window(step, night, st.integers(1, night - 1)),
        _window(step, night, st.integers(1, night - 1)),
        _window(step, night, st.just(1)),
    )


def _window(
    step: timedelta, steps: int, lengths: st.SearchStrategy[int]
) -> st.SearchStrategy[Hours]:
    """Hours within the first so many steps of the day."""

    def clock(number: int) -> time:
        minutes = min(number, DAY // step - 1) * step // MINUTE
        return time(*divmod(minutes, 60))

    def window(start: int, length: int) -> Hours:
        return Hours(clock(start), clock(start + length))

    return st.builds(window, st.integers(0, steps - 2), lengths)


CAPS = st.builds(
    Caps,
    per_day=st.sampled_from([2, 2, 2, 3, 3, 4, 4, 1, 1, 0]),
    per_week=st.sampled_from([5, 5, 5, 6, 6, 6, 4, 4, 3, 2, 1, 0]),
    channel_interval=st.sampled_from([n * HOUR for n in (24, 24, 24, 0, 1, 12, 36, 48, 240)]),
)
USED = st.sampled_from(CHANNELS)
ANY_CHANNEL = st.sampled_from((*CHANNELS, "letter", "call", "fax"))


@cache
def ages(step: timedelta) -> st.SearchStrategy[list[tuple[str, timedelta]]]:
    """Channels, and how long ago each was used; less than nothing if the clock was put back."""
    # The first that hypothesis thinks of is the one furthest back, which counts nowhere.
    age = spans(step, 10).map(lambda by: 10 * DAY - HOUR - by)
    return st.lists(st.tuples(ANY_CHANNEL, age), max_size=12)


@cache
def plans(step: timedelta, most: int) -> st.SearchStrategy[list[tuple[Any, ...]]]:
    """Messages to come: channel, when due, how long good for, hours, whether its day's first."""
    hours = st.just(OPEN.hours) | windows(step)
    is_first = st.sampled_from([True, True, False])
    return st.lists(st.tuples(USED, spans(step, 8), spans(step, 2), hours, is_first), max_size=most)


@cache
def rarely(step: timedelta) -> st.SearchStrategy[timedelta | None]:
    """Mostly None."""
    return st.one_of(st.none(), st.none(), st.none(), spans(step, 4))


@st.composite
def questions(draw, step: timedelta = MINUTE, ahead: int = 0) -> Question:
    """A message that nothing but time, hours and caps can hold back."""
    zone = draw(st.sampled_from(ZONES))
    now = draw(moments(zone, step))
    start, end = draw(rarely(step)), draw(rarely(step))
    planned = draw(plans(step, ahead)) if ahead else []
    ranks = draw(st.permutations(range(len(planned)))) if ahead else []
    facts = replace(
        OPEN,
        channel=draw(USED),
        zone=ZoneInfo(zone),
        hours=draw(windows(step)),
        caps=draw(CAPS),
        history=tuple(Taken(channel, now - age) for channel, age in draw(ages(step))),
        ahead=tuple(
            Planned(channel, due, due + 2 * DAY - life, hours, f"message {rank}", is_first, (rank,))
            for rank, (channel, by, life, hours, is_first) in zip(ranks, planned, strict=True)
            for due in [now - DAY + by]
        ),
        expires_at=now + 4 * DAY - HOUR - draw(spans(step, 4)),
        campaign_start=None if start is None else now - DAY + start,
        campaign_end=None if end is None else now + 4 * DAY - end,
    )
    return Question(now, facts)
