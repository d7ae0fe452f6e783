"""Days on which clocks are changed, and servers whose clock is put right.

In India no clock is changed; but a doctor may practise elsewhere.
"""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from messaging.caps import Caps, Planned, Taken
from messaging.due import DUE_AT
from messaging.hours import Hours, next_open
from messaging.policy import Defer, Send, Skip, decide
from tests.messaging.reference import DAY, WEEK, is_open
from tests.messaging.simulate import CHANNELS, DUE, OPEN
from tests.messaging.worlds import (
    CALENDAR,
    CAPS,
    HOUR,
    ZONES,
    clock_changes,
    examples,
    moments,
    windows,
)

MINUTE = timedelta(minutes=1)
NEW_YORK = ZoneInfo("America/New_York")  # 8 March 2026, 02:00 -> 03:00; 1 November, 02:00 -> 01:00


def local(text: str, zone: ZoneInfo = NEW_YORK, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


def window(text: str) -> Hours:
    return Hours(*map(time.fromisoformat, text.split("-")))


@pytest.mark.parametrize(
    ("hours", "opens"),
    [
        ("01:30-05:00", "2026-03-08T01:30"),
        ("02:30-05:00", "2026-03-08T03:00"),  # no 02:30: open as soon as the clock shows more
        ("02:00-03:00", "2026-03-09T02:00"),  # nothing of the window is left that day
        ("02:10-02:50", "2026-03-09T02:10"),
        ("02:30-03:01", "2026-03-08T03:00"),
        ("03:00-05:00", "2026-03-08T03:00"),
    ],
)
def test_next_open_on_the_day_that_lacks_an_hour(hours, opens):
    evening = local("2026-03-07T22:00")
    assert next_open(evening, window(hours), NEW_YORK) == local(opens)


@pytest.mark.parametrize(
    ("start", "fold", "hours", "opens", "opens_fold"),
    [
        ("00:00", 0, "01:30-05:00", "2026-11-01T01:30", 0),
        ("01:50", 0, "01:30-01:45", "2026-11-01T01:30", 1),  # the hour comes again
        ("01:10", 1, "01:30-01:45", "2026-11-01T01:30", 1),  # not the past
        ("01:50", 1, "01:30-01:45", "2026-11-02T01:30", 0),
        ("01:45", 0, "00:30-01:30", "2026-11-01T01:00", 1),  # put back into the window
        ("01:20", 1, "00:30-01:30", "2026-11-01T01:20", 1),
    ],
)
def test_next_open_on_the_day_that_has_an_hour_twice(start, fold, hours, opens, opens_fold):
    at = local(f"2026-11-01T{start}", fold=fold)
    assert next_open(at, window(hours), NEW_YORK) == local(opens, fold=opens_fold)


@pytest.mark.parametrize(
    ("name", "start", "hours", "opens"),
    [
        # 00:01 became 23:01 of the day before
        ("America/St_Johns", "2010-11-07T00:00", "23:10-23:50", "2010-11-07T02:40+00:00"),
        # 29 December was followed by the 31st
        ("Pacific/Apia", "2011-12-29T22:00", "10:00-21:00", "2011-12-30T20:00+00:00"),
        # half an hour: 02:00 -> 02:30, and 02:00 -> 01:30
        ("Australia/Lord_Howe", "2026-10-04T01:00", "02:15-04:00", "2026-10-03T15:30+00:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:55", "01:40-01:50", "2026-04-04T15:10+00:00"),
        # no midnight
        ("America/Havana", "2026-03-07T22:00", "00:00-00:30", "2026-03-09T04:00+00:00"),
    ],
)
def test_next_open_where_clocks_are_changed_otherwise(name, start, hours, opens):
    zone = ZoneInfo(name)
    assert next_open(local(start, zone), window(hours), zone) == datetime.fromisoformat(opens)


def test_decide_never_defers_into_the_past_while_the_hour_comes_again():
    """It did: the opening hour was looked for in the first of the two."""
    now = local("2026-11-01T01:10", fold=1)
    facts = replace(OPEN, zone=NEW_YORK, hours=window("01:30-05:00"), expires_at=now + DAY)
    decision = decide(now, facts)
    assert isinstance(decision, Defer)
    assert decision.until == now + 20 * MINUTE


def test_decide_does_not_defer_past_the_end_of_the_campaign():
    """It did, and kept room for what never went; then the campaign was over."""
    night = DUE - 4 * HOUR
    decision = decide(night, replace(OPEN, campaign_end=DUE))
    assert isinstance(decision, Skip)
    assert (decision.reason, decision.trace[-1].detail) == (
        "too_late",
        "no hour is left before the campaign ends",
    )
    history = (Taken("sms", DUE), Taken("email", DUE))
    full = replace(OPEN, history=history, campaign_end=DUE + 24 * HOUR)
    assert decide(DUE, full).reason == "frequency_cap"
    after = replace(full, campaign_end=full.campaign_end + MINUTE)
    assert decide(DUE, after).until == DUE + DAY


def test_decide_lets_messages_ahead_go_before_its_own_campaign_starts():
    """They were thought to wait for it, and to take its room."""
    start = DUE + 30 * HOUR
    ahead = (Planned("whatsapp", DUE, DUE + 2 * DAY, OPEN.hours, "WhatsApp of day 0"),)
    facts = replace(
        OPEN,
        channel="sms",
        caps=Caps(per_day=1),
        campaign_start=start,
        expires_at=start + DAY,
        ahead=ahead,
    )
    assert decide(DUE, facts).until == start


def in_window(recorded: list[datetime], at: datetime, span: timedelta) -> int:
    return sum(at - span < other <= at for other in recorded)


@examples(3)
@given(st.data(), st.sampled_from(ZONES), CAPS, windows())
def test_a_server_whose_clock_jumps_keeps_caps_and_hours_by_what_it_recorded(
    data, name, caps, hours
):
    zone = ZoneInfo(name)
    now = data.draw(moments(name))
    history: tuple[Taken, ...] = ()
    jumps = st.sampled_from([0 * HOUR, 0 * HOUR, HOUR, -HOUR])
    looks = st.tuples(st.sampled_from(CHANNELS), st.integers(0, 40), jumps, jumps)
    for channel, wait, *jump in data.draw(st.lists(looks, max_size=12)):
        facts = replace(OPEN, channel=channel, zone=zone, caps=caps, hours=hours, history=history)
        now += wait * HOUR + jump[0]
        decision = decide(now, replace(facts, expires_at=now + 3 * DAY))
        if isinstance(decision, Defer):
            assert decision.until > now
            now = decision.until + jump[1]
            decision = decide(now, replace(facts, expires_at=now + 3 * DAY))
        if isinstance(decision, Send):
            assert is_open(now, hours, zone)  # by the clock as it is now
            history += (Taken(channel, now),)
    recorded = [item.at for item in history]
    for one in history:
        same = sorted(item.at for item in history if item.channel == one.channel)
        assert in_window(recorded, one.at, DAY) <= caps.per_day
        assert in_window(recorded, one.at, WEEK) <= caps.per_week
        assert all(later - at >= caps.channel_interval for at, later in pairwise(same))


# --- The day a step falls due, as PostgreSQL reckons it ----------------------------------

_DUE = f"""
    SELECT e.number, s.delay_days, {DUE_AT}
    FROM unnest(%s::int[], %s::timestamptz[], %s::text[], %s::time[], %s::time[])
        AS x(number, enrolled_at, timezone, send_from, send_until)
    CROSS JOIN LATERAL (SELECT x.*, 0 AS shifted_days) e
    CROSS JOIN LATERAL (SELECT e.timezone) d
    CROSS JOIN LATERAL (SELECT e.send_from, e.send_until) c
    CROSS JOIN generate_series(0, 30) AS s(delay_days)
"""
PAST = datetime(2026, 5, 1, tzinfo=UTC)
SEND_HOURS = ("10:00-21:00", "00:00-23:59", "01:45-20:00", "02:15-02:45", "00:00-00:30")


def enrolments(name: str) -> list[datetime]:
    """Around each change of the clock of late, the ends of months and of years, leap days.

    Of the past: PostgreSQL and Python have a list of time zones each, and of what governments
    decide for the years to come one of them may know more.
    """
    changes = [at for at in clock_changes(name) if at.year in (2011, 2024, 2025)]
    hours = (0, 1, 2, 9, 10, 14, 20, 21, 23)
    return [
        at + days * DAY + hour * HOUR + 7 * MINUTE
        for at in (*CALENDAR, *changes)
        if at < PAST
        for days in (-29, -1, 0)
        for hour in hours
    ]


def due_by_the_calendar(enrolled: datetime, zone: ZoneInfo, hours: Hours, day: int) -> datetime:
    """The rule in Python. A local time that there is not, or twice, can be read in two ways.

    PostgreSQL takes the later: of a skipped time the moment as long after the change, of a doubled
    one the second. Nothing is due before its hour, then, however one reads it.
    """
    there = enrolled.astimezone(zone)
    first_day = there.date() + (DAY if there.time() >= hours.closes else timedelta(0))
    wall = datetime.combine(first_day + day * DAY, hours.opens, tzinfo=zone)
    readings = (wall.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return max(enrolled, *readings)


@pytest.mark.django_db
@pytest.mark.parametrize("name", ZONES)
def test_due_at_agrees_with_the_calendar(name):
    zone = ZoneInfo(name)
    cases = [(at, window(hours)) for at in enrolments(name) for hours in SEND_HOURS]
    columns = zip(
        *((n, at, name, w.opens, w.closes) for n, (at, w) in enumerate(cases)), strict=True
    )
    with connection.cursor() as cursor:
        cursor.execute(_DUE, [list(column) for column in columns])
        found = cursor.fetchall()
    assert len(found) == 31 * len(cases)
    for number, day, due in found:
        at, hours = cases[number]
        assert due == due_by_the_calendar(at, zone, hours, day), (at, hours, day)


@pytest.mark.parametrize("name", ZONES)
def test_a_campaign_loses_and_gains_no_day_when_clocks_are_changed(name):
    zone, hours = ZoneInfo(name), window("10:00-21:00")
    for enrolled in enrolments(name):
        dues = [due_by_the_calendar(enrolled, zone, hours, day) for day in range(31)]
        days = [due.astimezone(zone).date() for due in dues]
        assert dues == sorted(dues)
        assert dues[0] >= enrolled
        assert all(next_open(due, hours, zone) == due for due in dues)  # none waits for its hour
        steps = {later - day for day, later in pairwise(days)}
        apia_left_out = {0 * DAY, 2 * DAY} if name == "Pacific/Apia" else set()
        assert steps <= {DAY} | apia_left_out
