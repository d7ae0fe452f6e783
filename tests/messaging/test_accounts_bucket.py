"""An account's messages a second: one token bucket for all workers, whatever their clocks show."""

import itertools
import threading
import time
from datetime import timedelta

import pytest
from django.db import IntegrityError
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.schedule import schedule_due
from messaging.accounts import Allowance, admit, give_back
from messaging.models import MessageDelivery, MessageTemplate, ProviderAccount
from messaging.record import Tally
from messaging.send import run_lane, send_due, send_one
from segments.models import Certificate, Doctor, Session
from tests.engine import NOW, enrolled, statuses
from tests.messaging.scripted import SILENT
from tests.messaging.together import at_once

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def account(rate=None, burst=1, **fields):
    """The channel's account, its bucket full since NOW."""
    defaults = {"tokens": burst, "tokens_at": NOW, "channel": "sms", "provider": "sandbox"}
    return ProviderAccount.objects.create(
        rate_per_second=rate, burst=burst, **{**defaults, **fields}
    )


def take(want=1, now=NOW):
    return admit("sms", want, now).messages


def due(count, **fields):
    enrolled(count, days=(0,), channels=("sms",), **fields)
    schedule_due(NOW)


def most_in_any(taken, rate, burst):
    """Whether no interval between two takings holds more than the rate and the burst allow."""
    taken = sorted(taken)
    sums = [0, *itertools.accumulate(count for _, count in taken)]
    return all(
        sums[j + 1] - sums[i] <= rate * (taken[j][0] - taken[i][0]).total_seconds() + burst + 0.01
        for i in range(len(taken))
        for j in range(i, len(taken))
    )


# --- The bucket -----------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def test_without_a_rate_everything_goes():
    made = account()
    assert admit("sms", 500, NOW) == Allowance(500, made.pk)


def test_an_account_that_nobody_has_made_is_made_by_its_first_message():
    allowed = admit("email", 500, NOW)
    made = ProviderAccount.objects.get()
    assert (made.channel, made.provider) == ("email", "sandbox")
    assert admit("email", 500, NOW) == allowed == Allowance(500, made.pk)


def test_a_full_bucket_gives_its_burst_and_then_the_rate():
    account(rate=2, burst=5)
    assert take(3) == 3
    assert take(9) == 2
    assert take(9) == 0
    assert take(9, NOW + SECOND) == 2
    assert take(9, NOW + HOUR) == 5


def test_a_new_account_begins_with_one_message():
    ProviderAccount.objects.create(channel="sms", provider="sandbox", rate_per_second=5, burst=9)
    assert take(9) == 1
    assert take(9, NOW + SECOND) == 5


def test_an_empty_bucket_says_for_what_and_until_when():
    made = account(rate=0.5, tokens=0)
    asked = admit("sms", 1, NOW)
    assert (asked.messages, asked.account_id, asked.until) == (0, made.pk, NOW + 2 * SECOND)
    assert asked.why == "The provider takes no more messages a second."


@pytest.mark.parametrize("rate", [0.5, 0.3, 0.07, 1 / 3, 7])
def test_a_low_rate_is_kept_and_reached(rate):
    account(rate=rate)
    now, times = NOW, []
    while now < NOW + 100 * SECOND / rate:
        asked = admit("sms", 1, now)
        if asked.messages:
            times.append((now, 1))
        else:
            now = asked.until  # exactly, as a lane never does: it wakes a little later
    assert most_in_any(times, rate, 1)
    assert len(times) >= 99


STEPS = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 30)), min_size=1, max_size=40)


@settings(deadline=None)
@given(steps=STEPS, rate=st.sampled_from([0.5, 3, 40.5]), burst=st.integers(1, 20))
def test_no_interval_holds_more_than_rate_and_burst(steps, rate, burst):
    ProviderAccount.objects.all().delete()
    account(rate=rate, burst=burst)
    now, taken = NOW, []
    for milliseconds, want in steps:
        now += timedelta(milliseconds=milliseconds)
        taken.append((now, take(want, now)))
    assert most_in_any(taken, rate, burst)


def test_a_clock_that_jumps_back_fills_nothing_and_counting_goes_on():
    account(rate=2, burst=5)
    assert take(9) == 5
    assert take(9, NOW - HOUR) == 0
    assert take(9, NOW - HOUR + SECOND) == 2
    assert take(9, NOW - HOUR + 9 * SECOND) == 5


def test_a_clock_that_jumps_forward_fills_no_more_than_the_burst():
    account(rate=2, burst=5)
    assert take(9) == 5
    assert take(9, NOW + HOUR) == 5
    assert take(9, NOW + HOUR) == 0


def test_times_a_little_out_of_order_fill_no_moment_twice():
    account(rate=10, burst=20, tokens=0)
    taken = sum(take(99, NOW + n % 2 * SECOND) for n in range(40))
    assert taken == 10


def test_tokens_that_nobody_used_go_back_and_never_above_the_burst():
    made = account(rate=1, burst=5)
    asked = admit("sms", 4, NOW)
    give_back(asked, 3)
    assert take(9) == 4
    give_back(asked, 99)
    made.refresh_from_db()
    assert made.tokens == 5
    give_back(Allowance(9, made.pk), 9)  # of an account without a rate
    made.refresh_from_db()
    assert made.tokens == 5


# --- Sending at that rate -------------------------------------------------------------------


def test_only_what_was_begun_is_paid_with_tokens(provider):
    account(rate=1, burst=9)
    due(4)
    first, second, third, _ = Doctor.objects.order_by("pk")
    Doctor.objects.filter(pk=first.pk).update(timezone="America/New_York")  # deferred: it is night
    Doctor.objects.filter(pk=second.pk).update(phone=None, whatsapp="+919800000000")  # skipped
    with_speaker, without = Session.objects.get(), Session.objects.get()
    with_speaker.speaker_name = "Meera Iyer"
    with_speaker.save()
    without.pk, without.external_id = None, "s2"
    without.save()
    Certificate.objects.filter(doctor=third).update(session=without)  # skipped while it is prepared
    MessageTemplate.objects.update(template_content="{{speaker_name}}: {{shortlink}}")
    scripted = provider()
    assert send_due("sms", NOW) == Tally(sent=1, deferred=1, skipped=2)
    assert len(scripted.ledger) == 1
    assert ProviderAccount.objects.get().tokens == 8


def test_what_a_provider_did_not_begin_is_not_paid(provider):
    account(rate=1, burst=9)
    due(8)
    provider(SILENT)
    assert send_due("sms", NOW) == Tally(unknown=5, given_back=3)
    assert ProviderAccount.objects.get().tokens == 4


def test_a_window_is_no_larger_than_the_bucket_allows(provider):
    account(rate=1, burst=3)
    due(5)
    scripted = provider()
    assert send_due("sms", NOW) == Tally(sent=3)
    assert send_due("sms", NOW) == Tally()
    assert send_due("sms", NOW + 2 * SECOND) == Tally(sent=2)
    assert len(scripted.ledger) == len(set(scripted.ledger)) == 5


def test_one_given_message_waits_for_a_token_too(provider):
    account(rate=1, tokens=0)
    due(1)
    provider()
    pk = MessageDelivery.objects.get().pk
    assert send_one(pk, "sms", NOW) == Tally()
    assert send_one(pk, "sms", NOW + SECOND) == Tally(sent=1)


def real_clock():
    """NOW, and from there on as time passes."""
    began = time.monotonic()
    return lambda: NOW + timedelta(seconds=time.monotonic() - began)


@pytest.fixture
def admitted(monkeypatch):
    """When lanes asked for how many messages, and how many they got."""
    taken, lock = [], threading.Lock()

    def noted(channel, want, now):
        asked = admit(channel, want, now)
        with lock:
            taken.append((now, asked.messages))
        return asked

    monkeypatch.setattr("messaging.send.accounts.admit", noted)
    return taken


def test_a_lane_goes_on_at_the_rate_as_long_as_it_may(provider, admitted):
    account(rate=40, burst=4)
    due(60)
    scripted = provider()
    tally = run_lane("sms", real_clock(), NOW + SECOND)
    assert most_in_any(admitted, 40, 4)
    assert tally.sent == len(scripted.ledger) == sum(count for _, count in admitted)
    assert 2 * 4 < tally.sent <= 44  # 44 on a machine with nothing else to do
    assert MessageDelivery.objects.filter(status="scheduled").count() == 60 - tally.sent


@pytest.mark.django_db(transaction=True)
def test_lanes_of_several_workers_share_the_rate(provider, admitted):
    account(rate=50, burst=5)
    due(120)
    scripted, clock = provider(), real_clock()
    tallies = at_once(*[lambda: run_lane("sms", clock, NOW + SECOND)] * 3)
    total = sum(tallies, Tally())
    assert most_in_any(admitted, 50, 5)
    assert total.sent == len(scripted.ledger) == len(set(scripted.ledger))
    assert 2 * 5 < total.sent <= sum(count for _, count in admitted) <= 55


@pytest.mark.django_db(transaction=True)
def test_tokens_taken_by_many_at_once_are_never_taken_twice():
    account(rate=200, burst=10)
    clock, taken, lock = real_clock(), [], threading.Lock()

    def work():
        while (now := clock()) < NOW + 0.7 * SECOND:
            count = take(7, now)
            with lock:
                taken.append((now, count))

    at_once(*[work] * 5)
    total = sum(count for _, count in taken)
    last = max(now for now, _ in taken)
    assert total <= 200 * (last - NOW).total_seconds() + 10
    assert total > 2 * 10


@pytest.mark.django_db(transaction=True)
def test_an_account_deleted_in_the_middle_loses_nothing(provider, monkeypatch):
    made = account(rate=50, burst=50)
    due(2)
    provider()

    def admitted_and_gone(*args):
        asked = admit(*args)
        made.delete()
        return asked

    with monkeypatch.context() as patch:
        patch.setattr("messaging.send.accounts.admit", admitted_and_gone)
        with pytest.raises(IntegrityError):
            send_due("sms", NOW)
    assert set(statuses().values()) == {"scheduled"}
    assert send_due("sms", NOW) == Tally(sent=2)
