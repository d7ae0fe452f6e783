"""An account's circuit breaker, its provider's wish to wait, and paused by hand: all shared."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings

from campaigns.schedule import schedule_due
from messaging import accounts
from messaging.accounts import FIRST_PAUSE, LONGEST_PAUSE, Allowance, admit, note, reset
from messaging.models import DeliveryAttempt, MessageDelivery, ProviderAccount
from messaging.providers.base import Accepted, NotSent
from messaging.record import Tally
from messaging.send import run_lane, send_due
from tests.engine import DAY, NOW, enrolled
from tests.messaging.scripted import AWAY, BUSY, SILENT, TAKEN, WRONG, throttled
from tests.messaging.together import Worker, at_once

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def account():
    return ProviderAccount.objects.create(channel="sms", provider="sandbox")


def due(count):
    enrolled(count, days=(0,), channels=("sms",))
    schedule_due(NOW)


def is_open(account):
    account.refresh_from_db()
    return accounts.is_open(account)


def broken(now=NOW):
    """The breaker has just opened."""
    note(admit("sms", 9, now), [SILENT] * 5, now)


def statuses():
    """How many deliveries there are of each status."""
    rows = MessageDelivery.objects.values_list("status", flat=True)
    return {status: list(rows).count(status) for status in set(rows)}


# --- When it opens --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "opens"),
    [
        ([SILENT] * 5, True),
        ([SILENT] * 4 + [TAKEN], False),
        ([AWAY] * 5, True),
        ([AWAY] * 4 + [TAKEN], False),
        ([SILENT, AWAY, SILENT, AWAY, SILENT], True),
        ([SILENT, SILENT, TAKEN, SILENT, SILENT, SILENT, SILENT, TAKEN], False),
        ([TAKEN, SILENT, SILENT, SILENT, SILENT, SILENT], True),
        ([SILENT] * 4 + [WRONG], False),  # an answer about the message: the provider is well
        ([SILENT] * 4 + [BUSY, SILENT, SILENT, SILENT, SILENT, TAKEN], False),
        ([BUSY] * 10, False),
        ([WRONG] * 10, False),
    ],
)
def test_breaker_opens_after_five_troubles_in_a_row(account, provider, script, opens):
    due(10)
    provider(*script)
    send_due("sms", NOW)
    assert is_open(account) == opens
    assert (account.closed_until == NOW + FIRST_PAUSE) == opens
    assert bool(account.last_trouble) == opens


@pytest.mark.parametrize("size", [1, 2, 3])
def test_breaker_counts_across_windows(account, provider, size):
    due(10)
    scripted = provider(TAKEN, SILENT, SILENT, SILENT, SILENT, SILENT, TAKEN)
    while send_due("sms", NOW, size=size):
        pass
    assert is_open(account)
    assert len(scripted.ledger) == 6
    assert statuses() == {"sent": 1, "unknown": 5, "scheduled": 4}


@pytest.mark.django_db(transaction=True)
def test_breaker_counts_across_workers(account, provider):
    due(5)
    provider(SILENT)
    at_once(*[lambda: send_due("sms", NOW, size=1)] * 5)
    send_due("sms", NOW, size=5)  # what doctors' locks left over
    assert is_open(account)
    assert account.failures_in_row == 5


def test_breaker_says_why_the_channel_waits(account):
    broken()
    waiting = admit("sms", 9, NOW)
    assert waiting.messages == 0
    assert waiting.why == "The provider did not answer clearly: no answer"
    assert waiting.until == NOW + FIRST_PAUSE
    note(Allowance(1, account.pk), [AWAY] * 5, NOW + MINUTE)
    assert admit("sms", 9, NOW + MINUTE).why == (
        "The provider refused: connection refused (connect)"
    )


def test_what_was_not_begun_says_nothing_of_the_provider(account):
    note(Allowance(9, account.pk, is_unwell=True), [SILENT] * 3 + [NotSent()] * 6, NOW)
    account.refresh_from_db()
    assert account.failures_in_row == 3


def test_an_account_in_good_health_is_not_written_to(account, django_assert_num_queries):
    with django_assert_num_queries(0):
        note(Allowance(9, account.pk), [Accepted("x"), WRONG, BUSY], NOW)


def test_garbage_in_an_answer_is_no_reason_to_lose_it(account):
    note(Allowance(9, account.pk), [AWAY, throttled(MINUTE)], NOW)
    note(admit("sms", 1, NOW + MINUTE), [type(SILENT)("a\0b\ud800c")] * 5, NOW + MINUTE)
    account.refresh_from_db()
    assert account.last_trouble == "The provider did not answer clearly: ab?c"


# --- While it is open -----------------------------------------------------------------------


def test_while_open_nothing_goes_and_nothing_fails(account, provider):
    due(3)
    broken()
    scripted = provider()
    for seconds in (0, 10, 29):
        assert send_due("sms", NOW + seconds * SECOND) == Tally()
    assert scripted.ledger == []
    assert statuses() == {"scheduled": 3}
    assert not DeliveryAttempt.objects.exists()


def test_a_lane_whose_provider_is_away_waits_no_longer_than_its_time(account, provider):
    due(1)
    broken()
    provider()
    assert run_lane("sms", lambda: NOW, NOW + FIRST_PAUSE) == Tally()


def test_one_probe_goes_when_the_pause_is_over_and_its_success_closes(account, provider):
    due(4)
    broken()
    scripted = provider()
    later = NOW + FIRST_PAUSE
    assert send_due("sms", later) == Tally(sent=1)
    account.refresh_from_db()
    assert (account.failures_in_row, account.times_opened) == (0, 0)
    assert (account.closed_until, account.probe_until) == (None, None)
    assert send_due("sms", later) == Tally(sent=3)
    assert len(scripted.ledger) == 4


@pytest.mark.django_db(transaction=True)
def test_of_many_workers_one_gets_the_probe(account, provider):
    due(8)
    broken()
    provider()
    later = NOW + FIRST_PAUSE
    asked = at_once(*[lambda: admit("sms", 9, later)] * 6)
    assert sorted(one.messages for one in asked) == [0, 0, 0, 0, 0, 1]
    assert {one.why for one in asked if not one.messages} == {
        "One message tries whether the provider is back."
    }


@pytest.mark.django_db(transaction=True)
def test_while_the_probe_is_out_nobody_else_sends(account, provider):
    due(8)
    broken()
    scripted = provider()
    later, is_out, may_end = NOW + FIRST_PAUSE, threading.Event(), threading.Event()

    def hold() -> None:
        is_out.set()
        assert may_end.wait(30)

    scripted.during = hold
    probe = Worker(lambda: send_due("sms", later))
    assert is_out.wait(30)
    late = Allowance(5, account.pk, is_unwell=True)  # of a window that began before it opened
    note(late, [], later)
    assert [send_due("sms", later) for _ in range(3)] == [Tally()] * 3
    may_end.set()
    assert probe.result() == Tally(sent=1)
    assert len(scripted.ledger) == 1


def test_a_probe_that_finds_nothing_due_is_given_back(account, provider):
    broken()
    later = NOW + FIRST_PAUSE
    assert send_due("sms", later) == Tally()
    account.refresh_from_db()
    assert account.probe_until is None
    assert is_open(account)
    due(2)
    provider()
    assert send_due("sms", later) == Tally(sent=1)


def test_a_probe_without_a_token_is_given_back(account, provider):
    ProviderAccount.objects.update(rate_per_second=0.01, tokens=0, tokens_at=NOW)
    due(1)
    broken()
    provider()
    later = NOW + FIRST_PAUSE
    assert send_due("sms", later) == Tally()
    ProviderAccount.objects.update(tokens=1)
    assert send_due("sms", later) == Tally(sent=1)


def test_a_probe_whose_worker_died_is_tried_by_another_after_the_lease(account):
    broken()
    later = NOW + FIRST_PAUSE
    assert admit("sms", 9, later).messages == 1
    assert admit("sms", 9, later + settings.SEND_LEASE - SECOND).messages == 0
    assert admit("sms", 9, later + settings.SEND_LEASE).messages == 1


def test_each_failed_probe_doubles_the_pause_up_to_a_quarter_of_an_hour(account, provider):
    due(8)
    broken()
    scripted = provider(SILENT)
    now, pauses = NOW, []
    for _ in range(8):
        account.refresh_from_db()
        pauses.append(account.closed_until - now)
        assert send_due("sms", account.closed_until - SECOND) == Tally()
        now = account.closed_until
        assert send_due("sms", now) == Tally(unknown=1)
    minutes = [pause / MINUTE for pause in pauses]
    assert minutes == [0.5, 1, 2, 4, 8, 15, 15, 15]
    assert LONGEST_PAUSE == 15 * MINUTE
    assert len(scripted.ledger) == 8


def test_after_a_good_probe_the_next_pause_is_short_again(account):
    broken()
    broken(NOW + FIRST_PAUSE)
    account.refresh_from_db()
    now = account.closed_until
    note(admit("sms", 9, now), [Accepted("x")], now)
    broken(now)
    account.refresh_from_db()
    assert account.closed_until == now + FIRST_PAUSE


def test_windows_that_were_out_when_it_opened_do_not_lengthen_the_pause(account):
    out = [admit("sms", 9, NOW) for _ in range(4)]
    for seconds, window in enumerate(out):
        note(window, [SILENT] * 5, NOW + seconds * SECOND)
    account.refresh_from_db()
    assert (account.times_opened, account.closed_until) == (1, NOW + FIRST_PAUSE)


# --- A wish to wait -------------------------------------------------------------------------


def test_a_provider_that_asks_to_wait_is_left_alone_for_as_long(account, provider):
    due(5)
    scripted = provider(TAKEN, throttled(7 * MINUTE), TAKEN)
    assert send_due("sms", NOW) == Tally(sent=1, given_back=4)
    account.refresh_from_db()
    assert account.closed_until == NOW + 7 * MINUTE
    assert account.last_trouble == "The provider refused: too many (429)"
    assert not is_open(account)
    assert send_due("sms", NOW + 7 * MINUTE - SECOND) == Tally()
    # It is back with all it has, not with a probe; the refused one waits for a little longer.
    assert send_due("sms", NOW + 7 * MINUTE) == Tally(sent=3)
    assert send_due("sms", NOW + 9 * MINUTE) == Tally(sent=1)
    assert len(scripted.ledger) == 6


def test_a_provider_that_asks_to_wait_without_saying_how_long(account, provider):
    due(1)
    provider(throttled(None))
    send_due("sms", NOW)
    account.refresh_from_db()
    assert account.closed_until == NOW + FIRST_PAUSE


@pytest.mark.parametrize("answers", [[Accepted("x")], [SILENT] * 5, [AWAY], []])
def test_no_other_window_shortens_the_time_that_the_provider_asked_for(account, answers):
    other = Allowance(9, account.pk, is_unwell=True)
    note(admit("sms", 9, NOW), [throttled(7 * MINUTE)], NOW)
    note(other, answers, NOW + SECOND)
    account.refresh_from_db()
    assert account.closed_until == NOW + 7 * MINUTE


def test_the_longest_wish_counts(account):
    wishes = [throttled(MINUTE), throttled(3 * MINUTE), throttled(2 * MINUTE)]
    note(admit("sms", 9, NOW), wishes, NOW)
    assert admit("sms", 9, NOW).until == NOW + 3 * MINUTE


def test_a_wish_of_more_than_an_hour_is_followed_for_an_hour(account):
    note(admit("sms", 9, NOW), [throttled(DAY)], NOW)
    assert admit("sms", 9, NOW).until == NOW + 60 * MINUTE
    assert admit("sms", 9, NOW + 60 * MINUTE).messages == 9


# --- By hand --------------------------------------------------------------------------------


def test_paused_by_hand_waits_until_it_is_not(account, provider):
    due(2)
    ProviderAccount.objects.update(is_paused=True)
    scripted = provider()
    assert admit("sms", 9, NOW).why == "The account is paused by hand."
    assert admit("sms", 9, NOW).until is None
    assert run_lane("sms", lambda: NOW, NOW + DAY) == Tally()  # and the lane does not wait for it
    assert statuses() == {"scheduled": 2}
    ProviderAccount.objects.update(is_paused=False)
    assert send_due("sms", NOW + DAY) == Tally(sent=2)
    assert len(scripted.ledger) == 2


@pytest.mark.parametrize("how", ["paused", "broken", "throttled"])
def test_what_expires_meanwhile_is_skipped_and_says_for_what_it_waited(account, how):
    due(2)
    later = NOW + 3 * DAY
    MessageDelivery.objects.filter(pk=MessageDelivery.objects.first().pk).update(
        expires_at=later + SECOND
    )
    if how == "paused":
        ProviderAccount.objects.update(is_paused=True)
    elif how == "broken":
        broken(later)
    else:
        note(admit("sms", 9, NOW), [throttled(5 * MINUTE)], later)
    assert send_due("sms", later) == Tally(skipped=1)
    why = admit("sms", 9, later).why
    gone = MessageDelivery.objects.get(status="skipped")
    assert (gone.skip_reason, gone.skip_detail) == ("too_late", why)
    assert gone.trace == [
        {"gate": "account", "verdict": "defer", "detail": why},
        {"gate": "in time", "verdict": "skip", "detail": ""},
    ]
    assert not gone.attempts.exists()
    assert statuses() == {"scheduled": 1, "skipped": 1}


def test_reset_by_hand_lets_everything_go_at_once(account, provider):
    due(3)
    broken()
    assert admit("sms", 9, NOW + FIRST_PAUSE).messages == 1  # whose worker is out
    account.refresh_from_db()
    reset(account)
    account.refresh_from_db()
    assert (account.failures_in_row, account.times_opened, account.last_trouble) == (0, 0, "")
    assert (account.closed_until, account.probe_until) == (None, None)
    provider()
    assert send_due("sms", NOW) == Tally(sent=3)
