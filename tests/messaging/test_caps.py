"""Caps with foresight: exact at the edges, in the words of the admin."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from messaging.caps import Caps, Planned, Spent, Taken, earliest_slot
from messaging.hours import Hours, common, next_open

NOON = datetime(2026, 3, 10, 6, 30, tzinfo=UTC)  # 12:00 in Kolkata
HOURS = Hours(time(10), time(21))
KOLKATA = ZoneInfo("Asia/Kolkata")
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def planned(channel="whatsapp", due=0 * HOUR, life=2 * DAY, label="WhatsApp of day 5", **fields):
    return Planned(channel, NOON + due, NOON + due + life, HOURS, label, **fields)


def ask(channel="email", history=(), ahead=(), life=2 * DAY, caps=None):
    """When a message may go that is decided at noon, and what held it back."""
    wanted = planned(channel, life=life, label="")
    return earliest_slot(wanted, ahead, Spent(caps or Caps(), history), NOON, KOLKATA)


def taken(*ago):
    """Messages on channels of their own, so that only the totals count."""
    return [Taken(f"channel {n}", NOON - age) for n, age in enumerate(ago)]


def test_earliest_slot_without_history_is_now():
    assert ask() == (NOON, "")


def test_earliest_slot_after_two_in_a_day_waits_until_the_first_is_a_day_old():
    slot, why = ask(history=taken(3 * HOUR, HOUR))
    assert (slot, why) == (NOON + 21 * HOUR + HOUR, "2 messages in 24 hours")  # 10:00 next day


def test_a_message_exactly_a_day_old_no_longer_counts():
    assert ask(history=taken(DAY, HOUR))[0] == NOON
    assert ask(history=taken(DAY - MINUTE, HOUR))[0] == NOON + MINUTE


def test_five_in_a_week_leave_no_room_before_it_expires():
    history = taken(2 * DAY, 3 * DAY, 4 * DAY, 4.5 * DAY, 4.9 * DAY)
    assert ask(history=history) == (None, "5 messages in 7 days")


def test_a_message_exactly_a_week_old_no_longer_counts():
    assert ask(history=taken(2 * DAY, 3 * DAY, 4 * DAY, 5 * DAY, 7 * DAY))[0] == NOON


@pytest.mark.parametrize(
    ("interval", "words"), [(DAY, "a day"), (48 * HOUR, "48 hours"), (21 * HOUR, "21 hours")]
)
def test_the_same_channel_waits_its_interval(interval, words):
    history = [Taken("sms", NOON - 20 * HOUR)]
    slot, why = ask("sms", history, caps=Caps(channel_interval=interval))
    assert slot == NOON - 20 * HOUR + interval
    assert why == f"this channel was used less than {words} ago"


def test_a_slot_at_the_moment_of_expiry_is_too_late():
    history = [Taken("sms", NOON - 20 * HOUR)]
    assert ask("sms", history, life=4 * HOUR)[0] is None
    assert ask("sms", history, life=4 * HOUR + MINUTE)[0] == NOON + 4 * HOUR


def test_a_message_from_before_the_clock_was_put_back_counts():
    history = [Taken("sms", NOON + HOUR), Taken("whatsapp", NOON + HOUR)]
    assert ask(history=history) == (NOON + 25 * HOUR, "2 messages in 24 hours")
    assert ask("sms", history[:1])[0] == NOON + 25 * HOUR
    assert ask(history=history[:1])[0] == NOON


def test_no_message_is_allowed_where_the_cap_is_zero():
    assert ask(caps=Caps(per_day=0)) == (None, "no message is allowed")


def test_room_is_kept_for_a_first_channel_message_of_the_week():
    history = taken(5 * DAY, 3 * DAY, 2 * DAY, 1.5 * DAY)
    slot, why = ask(history=history, ahead=[planned(due=DAY, life=DAY)])
    assert (slot, why.split("; ")[0]) == (None, "kept for WhatsApp of day 5")
    assert ask(history=history)[0] == NOON


def test_a_planned_message_that_has_no_room_anyway_keeps_nothing():
    ahead = [planned(life=HOUR)]
    assert ask(history=taken(20 * HOUR, 19 * HOUR), ahead=ahead)[0] == NOON + 4 * HOUR


def test_a_planned_message_due_now_goes_first():
    ahead = [planned(label="WhatsApp of day 0")]
    assert ask(history=taken(HOUR), ahead=ahead)[0] == NOON + 23 * HOUR


def test_a_planned_message_may_be_put_off_within_its_day_but_not_to_the_next():
    # 18:00 next day is a week after the oldest of four, and the fifth is this one.
    history = taken(7 * DAY - 30 * HOUR, 3 * DAY, 2 * DAY, 1.5 * DAY)
    assert ask(history=history, ahead=[planned(due=22 * HOUR)])[0] == NOON
    later = taken(7 * DAY - 34 * HOUR, 3 * DAY, 2 * DAY, 1.5 * DAY)  # 22:00: the day is over
    assert ask(history=later, ahead=[planned(due=22 * HOUR)])[1].startswith("kept for")


def test_planned_messages_that_wait_for_room_do_not_block_one_that_finds_it():
    # The SMS is due first but waits for its channel; the WhatsApp goes meanwhile.
    history = [Taken("sms", NOON - HOUR)]
    ahead = [planned("sms", rank=(1,)), planned(due=HOUR, life=2 * HOUR, rank=(2,))]
    slot, why = ask(history=history, ahead=ahead)
    assert why.startswith("kept for WhatsApp of day 5")
    assert slot is None or slot > NOON + HOUR


def test_of_planned_messages_the_better_ranked_one_takes_the_room():
    # Two of one channel are due at once, and the second would come too late a day after.
    same = {"due": HOUR, "life": DAY}
    better = planned(**same, rank=(1,), label="better")
    worse = planned(**same, rank=(2,), label="worse")
    for ahead in ([better, worse], [worse, better]):
        assert ask("sms", taken(HOUR), ahead)[1].startswith("kept for better")


def test_a_planned_second_channel_message_takes_no_room_from_a_first_channel_one():
    # The better-ranked e-mail would itself have to leave room, so it holds nobody back.
    history = taken(6.5 * DAY, 5 * DAY, 3 * DAY, 2 * DAY)
    first = planned(due=2 * HOUR, life=3 * HOUR)
    email = planned("email", rank=(1,), is_first=False, label="E-mail of day 5")
    _, why = ask("sms", history, [first, email])
    assert why.split("; ")[0] == "kept for WhatsApp of day 5"


def test_hours_in_common():
    assert common([HOURS, Hours(time(9), time(12))]) == Hours(time(10), time(12))
    assert common([HOURS, Hours(time(6), time(10))]) is None


@pytest.mark.parametrize(("clock", "opens"), [(9, 10), (10, 10), (20, 20), (21, 34)])
def test_next_open_includes_opening_and_excludes_closing(clock, opens):
    midnight = datetime(2026, 3, 10, tzinfo=KOLKATA)
    assert next_open(midnight + clock * HOUR, HOURS, KOLKATA) == midnight + opens * HOUR
