"""What was definitely refused for now is offered again: 1, 5, 15 and 60 minutes later."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaigns.schedule import schedule_due
from messaging.models import DeliveryAttempt, MessageDelivery
from messaging.record import Tally
from messaging.retry import JITTER, LADDER, next_try
from messaging.send import send_due
from tests.engine import DAY, NOW, enrolled, statuses
from tests.messaging.scripted import AWAY, BUSY, TAKEN, WRONG, throttled

MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
LONGEST = 1 + JITTER  # times the rung, at the utmost

REFUSALS = st.integers(1, 8)
CHANCES = st.floats(0, 1, exclude_max=True)
SPANS = st.timedeltas(SECOND, 7 * DAY)


@pytest.mark.parametrize(("refusals", "minutes"), [(1, 1), (2, 5), (3, 15), (4, 60), (5, None)])
def test_ladder_has_four_rungs(refusals, minutes):
    at = next_try(refusals, NOW, NOW + 2 * DAY, chance=0)
    assert at == (None if minutes is None else NOW + minutes * MINUTE)


def test_jitter_makes_a_wait_longer_by_a_fifth_and_never_shorter():
    assert next_try(2, NOW, NOW + DAY, chance=0.5) == NOW + 5.5 * MINUTE
    drawn = {next_try(2, NOW, NOW + DAY) for _ in range(200)}
    assert len(drawn) > 100  # what was refused together does not come back together
    assert NOW + 5 * MINUTE <= min(drawn) < max(drawn) < NOW + 6 * MINUTE


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        (20 * MINUTE, 20 * MINUTE),
        (5 * MINUTE, 5 * MINUTE),
        (MINUTE, 5 * MINUTE),  # a shorter wish than the rung is no reason to hurry
        (timedelta(0), 5 * MINUTE),
        (None, 5 * MINUTE),
    ],
)
def test_a_wish_to_wait_longer_than_the_rung_is_honoured(retry_after, wait):
    assert next_try(2, NOW, NOW + DAY, retry_after, chance=0) == NOW + wait


def test_a_try_at_the_moment_of_expiry_comes_too_late():
    assert next_try(1, NOW, NOW + MINUTE, chance=0) is None
    assert next_try(1, NOW, NOW + MINUTE + SECOND, chance=0) == NOW + MINUTE
    assert next_try(1, NOW, NOW + DAY, 2 * DAY, chance=0) is None


@given(refusals=REFUSALS, good_for=SPANS, wish=st.none() | SPANS, chance=CHANCES)
def test_next_try_lies_between_the_wait_and_the_expiry_or_there_is_none(
    refusals, good_for, wish, chance
):
    at = next_try(refusals, NOW, NOW + good_for, wish, chance)
    if refusals > 4:
        assert at is None
        return
    wait = max(LADDER[refusals - 1], wish or timedelta(0))
    if at is None:
        assert NOW + wait * LONGEST >= NOW + good_for
    else:
        assert NOW + wait <= at <= NOW + wait * LONGEST
        assert at < NOW + good_for


# --- From end to end ------------------------------------------------------------------------


@pytest.fixture
def one(db):
    """The one delivery there is, due now."""
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    return MessageDelivery.objects.get()


def send_as_it_falls_due(delivery, most=8):
    """Send whenever the delivery is due; how long it waited each time."""
    waits, now = [], NOW
    for _ in range(most):
        send_due("sms", now)
        delivery.refresh_from_db()
        if delivery.status != "scheduled":
            return waits
        waits.append(delivery.scheduled_at - now)
        assert send_due("sms", delivery.scheduled_at - SECOND) == Tally()  # not before its time
        now = delivery.scheduled_at
    return waits


def outcomes():
    attempts = DeliveryAttempt.objects.order_by("pk")
    return list(attempts.values_list("outcome", "counts"))


def test_refused_four_times_and_then_sent(one, provider):
    scripted = provider(BUSY, BUSY, BUSY, BUSY, TAKEN)
    waits = send_as_it_falls_due(one)
    assert len(waits) == 4
    assert all(rung <= wait <= rung * LONGEST for rung, wait in zip(LADDER, waits, strict=True))
    assert (one.status, one.error_message) == ("sent", None)
    assert outcomes() == [("refused", False)] * 4 + [("accepted", True)]
    assert scripted.ledger == [one.pk] * 5
    assert len({attempt.claim_id for attempt in one.attempts.all()}) == 5


def test_refused_five_times_has_failed_and_says_so(one, provider):
    scripted = provider(BUSY)
    assert len(send_as_it_falls_due(one)) == 4
    assert one.status == "failed"
    assert one.error_message == "No further try is left. The last answer: busy (503)"
    assert one.failed_at is not None
    assert outcomes() == [("refused", False)] * 5
    assert len(scripted.ledger) == 5


def test_a_message_that_waits_says_what_it_was_told(one, provider):
    provider(BUSY)
    assert send_due("sms", NOW) == Tally(retried=1)
    one.refresh_from_db()
    assert (one.status, one.error_message, one.failed_at) == ("scheduled", "busy (503)", None)
    attempt = one.attempts.get()
    assert (attempt.error_code, attempt.error_message) == ("503", "busy (503)")


def test_refused_for_good_fails_at_once(one, provider):
    scripted = provider(WRONG)
    assert send_due("sms", NOW) == Tally(failed=1)
    one.refresh_from_db()
    assert (one.status, one.error_message) == ("failed", "no such number (400)")
    assert one.failed_at == NOW
    assert len(scripted.ledger) == 1


def test_no_try_is_left_where_the_next_would_come_too_late(one, provider):
    MessageDelivery.objects.update(expires_at=NOW + MINUTE)
    provider(BUSY)
    assert send_due("sms", NOW) == Tally(failed=1)
    one.refresh_from_db()
    assert one.error_message == "No further try is left. The last answer: busy (503)"


def test_a_providers_wish_to_wait_counts_from_its_answer(one, provider):
    provider(throttled(2 * 60 * MINUTE))
    answered_at = NOW + 20 * SECOND
    assert send_due("sms", NOW, clock=lambda: answered_at) == Tally(given_back=1)
    one.refresh_from_db()
    wait = one.scheduled_at - answered_at
    assert 120 * MINUTE <= wait <= 120 * MINUTE * LONGEST


def test_an_outage_uses_up_no_try(one, provider):
    provider(AWAY, BUSY, AWAY, AWAY, BUSY, AWAY, AWAY, BUSY, AWAY, AWAY, BUSY, AWAY, TAKEN)
    waits = send_as_it_falls_due(one, most=20)
    assert one.status == "sent"
    rungs = [min(LADDER, key=lambda rung, w=wait: abs(w - rung * 1.1)) for wait in waits]
    minutes = [rung // MINUTE for rung in rungs]
    assert minutes == [1, 1, 1, 1, 5, 1, 1, 15, 1, 1, 60, 1]
    assert [outcome for outcome, _ in outcomes()].count("refused") == 4


def test_an_outage_that_lasts_ends_as_too_late_and_not_as_failed(one, provider):
    provider(AWAY)
    MessageDelivery.objects.update(expires_at=NOW + 10 * MINUTE)
    send_as_it_falls_due(one, most=20)
    send_due("sms", NOW + 10 * MINUTE)
    assert statuses() == {"sms 0": "too_late"}
    assert {outcome for outcome, _ in outcomes()} == {"released"}


def test_each_message_climbs_its_own_ladder(db, provider):
    enrolled(3, days=(0,), channels=("sms",))
    schedule_due(NOW)
    provider(BUSY)
    assert send_due("sms", NOW, size=1) == Tally(retried=1)
    later = NOW + LADDER[0] * LONGEST
    assert send_due("sms", later) == Tally(retried=3)
    waits = sorted(row.scheduled_at - later for row in MessageDelivery.objects.all())
    rungs = [LADDER[0], LADDER[0], LADDER[1]]
    assert all(rung <= wait <= rung * LONGEST for rung, wait in zip(rungs, waits, strict=True))
