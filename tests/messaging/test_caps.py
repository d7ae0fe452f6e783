"""Caps with foresight: exact at the edges, and the earliest legal moment for any history."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging.caps import Caps, Planned, Request, Taken, blocked_until, earliest_slot
from messaging.hours import Hours, common, next_open
from tests.messaging import simulate

NOON = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata
HOURS = Hours(time(10), time(21))
KOLKATA = ZoneInfo("Asia/Kolkata")
MINUTE = timedelta(minutes=1)
GRID = timedelta(minutes=20)  # times lie on it, so that trying every one of them is exact
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def ask(channel="email", hours_left=48, hours=HOURS, caps=None):
    return Request(channel, NOON + hours_left * HOUR, hours, KOLKATA, caps or Caps())


def taken(*ago):
    """Messages on channels of their own, so that only the totals count."""
    return [Taken(f"channel {n}", NOON - age) for n, age in enumerate(ago)]


def test_earliest_slot_without_history_is_now():
    assert earliest_slot(NOON, ask(), [], []) == (NOON, "")


def test_earliest_slot_after_two_in_a_day_waits_until_the_first_is_a_day_old():
    slot, why = earliest_slot(NOON, ask(), taken(3 * HOUR, HOUR), [])
    assert (slot, why) == (NOON + 21 * HOUR + HOUR, "2 messages in 24 hours")  # 10:00 next day


def test_a_message_exactly_a_day_old_no_longer_counts():
    assert earliest_slot(NOON, ask(), taken(DAY, HOUR), [])[0] == NOON
    assert earliest_slot(NOON, ask(), taken(DAY - MINUTE, HOUR), [])[0] == NOON + MINUTE


def test_five_in_a_week_leave_no_room_before_it_expires():
    history = taken(2 * DAY, 3 * DAY, 4 * DAY, 4.5 * DAY, 4.9 * DAY)
    assert earliest_slot(NOON, ask(), history, []) == (None, "5 messages in 7 days")


def test_a_message_exactly_a_week_old_no_longer_counts():
    history = taken(2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY, 7 * DAY)
    assert earliest_slot(NOON, ask(), history, [])[0] == NOON


def test_the_same_channel_waits_a_day():
    slot, why = earliest_slot(NOON, ask("sms"), [Taken("sms", NOON - 20 * HOUR)], [])
    assert (slot, why) == (NOON + 4 * HOUR, "this channel was used less than a day ago")


def test_a_slot_at_the_moment_of_expiry_is_too_late():
    history = [Taken("sms", NOON - 20 * HOUR)]
    assert earliest_slot(NOON, ask("sms", hours_left=4), history, [])[0] is None


def test_outside_hours_waits_for_the_morning():
    late = NOON + 9 * HOUR  # 21:00
    assert earliest_slot(late, ask(), [], [])[0] == NOON + 22 * HOUR  # 10:00


def test_no_message_is_allowed_where_the_cap_is_zero():
    assert earliest_slot(NOON, ask(caps=Caps(per_day=0)), taken(HOUR), [])[0] is None


def test_room_is_kept_for_a_first_channel_message_of_the_week():
    history = taken(5 * DAY, 3 * DAY, 2 * DAY, 1.5 * DAY)
    ahead = [Planned("whatsapp", NOON + DAY, NOON + 2 * DAY, HOURS, "WhatsApp of day 5")]
    slot, why = earliest_slot(NOON, ask(), history, ahead)
    assert (slot, why.split("; ")[0]) == (None, "kept for WhatsApp of day 5")
    assert earliest_slot(NOON, ask(), history, [])[0] == NOON


def test_a_planned_message_that_has_no_room_anyway_keeps_nothing():
    history = taken(20 * HOUR, 19 * HOUR)
    ahead = [Planned("whatsapp", NOON, NOON + HOUR, HOURS, "WhatsApp of day 5")]
    assert earliest_slot(NOON, ask(), history, ahead)[0] == NOON + 4 * HOUR


def test_a_planned_message_due_now_goes_first():
    ahead = [Planned("whatsapp", NOON, NOON + DAY, HOURS, "WhatsApp of day 0")]
    slot, _ = earliest_slot(NOON, ask(), taken(HOUR), ahead)
    assert slot == NOON + 23 * HOUR


def test_hours_in_common():
    assert common([HOURS, Hours(time(9), time(12))]) == Hours(time(10), time(12))
    assert common([HOURS, Hours(time(6), time(10))]) is None


@pytest.mark.parametrize(("clock", "opens"), [(9, 10), (10, 10), (20, 20), (21, 34)])
def test_next_open_includes_opening_and_excludes_closing(clock, opens):
    midnight = datetime(2026, 3, 10, tzinfo=KOLKATA)
    assert next_open(midnight + clock * HOUR, HOURS, KOLKATA) == midnight + opens * HOUR


@pytest.mark.parametrize("latency", [0, 5, 60])
def test_fixture_campaigns_send_42_of_51_messages_and_no_day_is_silent(latency):
    sent = 0
    for campaign in simulate.campaigns():
        steps = simulate.run(simulate.steps_of(campaign), timedelta(seconds=latency))
        went = [step for step in steps if step.status == "sent"]
        assert {step.day for step in went} == {step.day for step in steps}, campaign["name"]
        assert {s.status for s in steps} <= {"sent", "frequency_cap"}
        sent += len(went)
    assert sent == 42


CHANNELS = st.sampled_from(["whatsapp", "sms", "email"])
AGES = st.integers(0, 8 * 24 * 3)
HISTORIES = st.lists(st.builds(lambda c, m: Taken(c, NOON - m * GRID), CHANNELS, AGES), max_size=8)
PLANS = st.lists(
    st.builds(
        lambda c, m: Planned(c, NOON + m * GRID, NOON + m * GRID + 2 * DAY, HOURS, "planned"),
        CHANNELS,
        st.integers(-30, 7 * 24 * 3),
    ),
    max_size=4,
)


def brute_place(planned, start, taken_, request):
    """First moment with room for each planned message, by trying every moment of the grid."""
    so_far, slots = list(taken_), {}
    for number, item in sorted(enumerate(planned), key=lambda pair: pair[1].due_at):
        at = max(item.due_at, start)
        while at < item.expires_at:
            local = at.astimezone(KOLKATA).time()
            if HOURS.opens <= local < HOURS.closes and room(at, item.channel, so_far):
                slots[number] = at
                so_far.append(Taken(item.channel, at))
                break
            at += GRID
    return slots


def room(at, channel, taken_):
    """The strategy's caps, counted."""
    day = sum(1 for item in taken_ if item.at > at - DAY)
    week = sum(1 for item in taken_ if item.at > at - 7 * DAY)
    same = any(item.channel == channel and item.at > at - DAY for item in taken_)
    return day < 2 and week < 5 and not same


def brute_slot(request, history, ahead):
    """The earliest moment at which the message may go, by trying every moment of the grid."""
    base = brute_place(ahead, NOON, history, request)
    at = NOON
    while at < request.expires_at:
        past = [*history, *(Taken(ahead[n].channel, s) for n, s in base.items() if s <= at)]
        later = [ahead[n] for n, s in base.items() if s > at]
        local = at.astimezone(KOLKATA).time()
        if HOURS.opens <= local < HOURS.closes and room(at, request.channel, past):
            still = brute_place(later, at, [*past, Taken(request.channel, at)], request)
            if len(still) == len(later):
                return at
        at += GRID
    return None


@settings(max_examples=150, deadline=None)
@given(channel=CHANNELS, history=HISTORIES, hours_left=st.integers(1, 48))
def test_earliest_slot_is_the_first_legal_moment(channel, history, hours_left):
    request = ask(channel, hours_left)
    assert earliest_slot(NOON, request, history, [])[0] == brute_slot(request, history, [])


@settings(max_examples=150, deadline=None)
@given(channel=CHANNELS, history=HISTORIES, ahead=PLANS)
def test_earliest_slot_with_foresight_is_the_first_legal_moment(channel, history, ahead):
    request = ask(channel)
    assert earliest_slot(NOON, request, history, ahead)[0] == brute_slot(request, history, ahead)


@given(channel=CHANNELS, history=HISTORIES)
def test_blocked_until_lies_in_the_future_and_names_its_cap(channel, history):
    block = blocked_until(NOON, channel, Caps(), history)
    assert (block is None) == room(NOON, channel, history)
    if block:
        assert block[0] > NOON
        assert block[1]
