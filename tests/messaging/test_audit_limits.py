"""I3 and I4: windows that roll, hours in the recorded zone; today's settings decide."""

from datetime import timedelta

import pytest

from tests.engine import DAY, NOW, doctor
from tests.messaging.history import HOUR, SECOND, found, sent, went_out, words

pytestmark = pytest.mark.django_db

TEN = NOW - 2 * HOUR  # 10:00 in Kolkata
ODD = timedelta(days=1) - SECOND


@pytest.mark.parametrize(
    ("messages", "count"),
    [
        # two a day: exactly 24 hours after the first there is room again
        ([("email", HOUR), ("sms", 2 * HOUR), ("whatsapp", HOUR + DAY)], 0),
        ([("email", HOUR), ("sms", 2 * HOUR), ("whatsapp", HOUR + ODD)], 1),
        # one channel, a day apart
        ([("email", HOUR), ("email", HOUR + DAY)], 0),
        ([("email", HOUR), ("email", HOUR + ODD)], 1),
        # five a week
        ([("email", n * DAY) for n in range(5)] + [("email", 7 * DAY)], 0),
        ([("email", n * DAY) for n in range(6)], 1),
        ([("email", n * DAY) for n in range(8)], 3),
        ([("email", HOUR + n * DAY) for n in range(5)] + [("sms", HOUR + 7 * DAY - SECOND)], 1),
    ],
)
def test_i3_windows_roll_and_are_half_open(messages, count):
    whom = doctor()
    for channel, after in messages:
        went_out(whom, channel, TEN + after)
    assert found(NOW + 9 * DAY) == ({"I3": count} if count else {})
    assert found(NOW + 9 * DAY, since=NOW - DAY) == ({"I3": count} if count else {})


def test_i3_looks_back_beyond_since():
    whom = doctor()
    for day in range(5):
        went_out(whom, "email", TEN + day * DAY)
    went_out(whom, "sms", TEN + 5 * DAY)
    assert found(NOW + 9 * DAY, since=TEN + 5 * DAY) == {"I3": 1}
    assert found(NOW + 9 * DAY, since=TEN + 5 * DAY + SECOND) == {}


@pytest.mark.parametrize(
    ("outcome", "counts", "count"),
    [
        ("accepted", True, 1),
        ("unknown", True, 1),
        ("written_off", False, 1),
        ("released", False, 0),
    ],
)
def test_i3_counts_what_the_policy_counts(outcome, counts, count):
    whom = doctor()
    went_out(whom, "email", TEN, outcome=outcome, counts=counts)
    went_out(whom, "email", TEN + HOUR)
    assert found().get("I3", 0) == count


def test_i3_caps_are_those_of_the_settings(settings):
    whom = doctor()
    for channel in ("email", "sms", "whatsapp"):
        went_out(whom, channel, TEN)
    assert found() == {"I3": 1}
    assert words("I3") == ["It was authorised at 04 Mar 2026 10:00:00, more than 2 in 24 hours."]
    settings.CAP_PER_DAY = 3
    assert found() == {}
    settings.CAP_PER_WEEK = 0
    assert found() == {"I3": 3}


def test_i3_attempt_that_stands_for_somebody_else():
    delivery, other = sent(), doctor()
    delivery.attempts.update(channel="email")
    assert found() == {"I3": 1}
    delivery.attempts.update(channel="sms", doctor=other)
    assert found() == {"I3": 1}


@pytest.mark.parametrize(
    ("channel", "zone", "hour", "count"),
    [
        ("sms", "Asia/Kolkata", timedelta(hours=10), 0),
        ("sms", "Asia/Kolkata", timedelta(hours=10) - SECOND, 1),
        ("sms", "Asia/Kolkata", timedelta(hours=21) - SECOND, 0),
        ("sms", "Asia/Kolkata", timedelta(hours=21), 1),
        ("email", "Asia/Kolkata", timedelta(hours=8), 0),
        ("email", "Asia/Kolkata", timedelta(hours=8) - SECOND, 1),
        ("sms", "Europe/London", timedelta(hours=15, minutes=30), 0),  # 10:00 there
        ("sms", "Europe/London", timedelta(hours=12), 1),
        ("sms", "Nowhere/Land", timedelta(hours=12), 1),
    ],
)
def test_i4_local_time_in_the_recorded_zone(channel, zone, hour, count):
    midnight = NOW - 12 * HOUR
    went_out(doctor(), channel, midnight + hour, timezone=zone)
    assert found(NOW + DAY) == ({"I4": count} if count else {})
