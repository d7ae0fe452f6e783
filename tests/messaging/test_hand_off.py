"""One window on its way out: what may still be begun, and what is given back."""

import threading
from datetime import timedelta

import pytest

from campaigns.schedule import schedule_due
from messaging import accounts, send
from messaging.models import DeliveryAttempt, MessageDelivery, ProviderAccount, SendWindow
from messaging.providers.base import TROUBLE_LIMIT, Accepted, HandOff, NotSent, clock
from messaging.record import Tally
from messaging.send import send_due
from tests.engine import DAY, NOW, enrolled
from tests.messaging.scripted import AWAY, BUSY, SILENT, TAKEN, WRONG, throttled

MINUTE = timedelta(minutes=1)


def due(count, **fields):
    enrolled(count, days=(0,), channels=("sms",), **fields)
    schedule_due(NOW)


@pytest.mark.parametrize(
    ("seconds_ago", "may_begin", "seconds_left"),
    [
        (0, True, 30),
        (9, True, 21),
        (11, False, 19),
        (29, False, 1),
        (31, False, 0),
        (999, False, 0),
    ],
)
def test_a_window_is_begun_within_ten_seconds_and_ended_within_thirty(
    seconds_ago, may_begin, seconds_left
):
    hand_off = HandOff(NOW, clock() - seconds_ago)
    assert hand_off.may_begin() == may_begin
    assert hand_off.seconds_left() == pytest.approx(seconds_left, abs=0.5)


def test_a_window_without_a_time_of_its_own_begins_now():
    assert HandOff(NOW).seconds_left() == pytest.approx(30, abs=0.5)


@pytest.mark.parametrize(
    ("answers", "may_begin"),
    [
        ([SILENT] * 4, True),
        ([SILENT] * 5, False),
        ([AWAY] * 5, False),
        ([SILENT] * 4 + [Accepted("x")] + [SILENT] * 4, True),
        ([SILENT] * 4 + [WRONG] + [SILENT] * 4, True),
        ([BUSY] * 9, True),
        ([throttled(MINUTE)], False),
        ([SILENT] * 4 + [NotSent()], True),
        ([SILENT] * 5 + [NotSent()], False),
    ],
)
def test_five_troubles_in_a_row_or_a_wish_to_wait_end_the_window(answers, may_begin):
    hand_off = HandOff(NOW)
    assert [hand_off.note(answer) for answer in answers] == answers
    assert hand_off.may_begin() == may_begin


def test_threads_of_one_window_share_its_troubles():
    hand_off = HandOff(NOW)
    threads = [threading.Thread(target=hand_off.note, args=[SILENT]) for _ in range(TROUBLE_LIMIT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not hand_off.may_begin()


@pytest.mark.django_db
def test_what_was_not_begun_is_given_back_and_costs_nothing(provider):
    due(8)
    scripted = provider(*[SILENT] * 5, TAKEN)
    assert send_due("sms", NOW) == Tally(unknown=5, given_back=3)
    assert len(scripted.ledger) == 5
    back = MessageDelivery.objects.filter(status="scheduled")
    assert set(back.values_list("scheduled_at", "crashes", "error_message")) == {(NOW, 0, None)}
    attempts = DeliveryAttempt.objects.filter(delivery__in=back)
    assert set(attempts.values_list("outcome", "counts", "finished_at")) == {
        ("released", False, NOW)
    }
    assert not SendWindow.objects.exists()
    # Nothing of the caps is used up: they go as soon as the account may, on the same channel.
    accounts.reset(ProviderAccount.objects.get())
    assert send_due("sms", NOW) == Tally(sent=3)
    assert len(set(scripted.ledger)) == len(scripted.ledger) == 8


@pytest.mark.django_db
def test_a_window_that_was_authorised_too_long_ago_is_given_back(provider, monkeypatch):
    due(2)
    scripted = provider()

    def authorised_long_ago(*args, **how):
        authorized = send_authorize_due(*args, **how)
        authorized.at -= 11
        return authorized

    send_authorize_due = send.authorize_due
    with monkeypatch.context() as patch:
        patch.setattr(send, "authorize_due", authorised_long_ago)
        assert send_due("sms", NOW) == Tally(given_back=2)
    assert scripted.ledger == []
    assert send_due("sms", NOW) == Tally(sent=2)


@pytest.mark.django_db
def test_an_opt_out_of_what_was_given_back_is_heeded(provider):
    due(6)
    provider(*[SILENT] * 5, TAKEN)
    send_due("sms", NOW)
    accounts.reset(ProviderAccount.objects.get())
    back = MessageDelivery.objects.get(status="scheduled")
    back.enrollment.doctor.unsubscribes.create(unsubscribed_at=NOW)
    assert send_due("sms", NOW) == Tally(skipped=1)


@pytest.mark.django_db
def test_a_provider_that_is_too_slow_gets_smaller_windows(provider, monkeypatch, settings):
    settings.SEND_WINDOW_SIZE = 400
    due(40)
    sizes, size_of = [], send.authorize_due

    def noted(channel, now, size, account_id, **how):
        sizes.append(size)
        return size_of(channel, now, size, account_id, **how)

    monkeypatch.setattr(send, "authorize_due", noted)
    monkeypatch.setattr("messaging.providers.base.TROUBLE_LIMIT", 1)
    provider(*[SILENT, TAKEN, SILENT] * 3, TAKEN)
    send.run_lane("sms", lambda: NOW, NOW + DAY)
    assert sizes[:4] == [400, 200, 100, 50]
    assert sizes[-1] > sizes[-2]  # and larger ones once it keeps up


@pytest.mark.django_db
@pytest.mark.parametrize(
    "breaks",
    ["raises", "answers too few"],
)
def test_a_provider_that_breaks_its_word_leaves_its_window_unknown(provider, monkeypatch, breaks):
    due(3)

    class Broken:
        name = "broken"

        def send(self, messages, hand_off):
            if breaks == "raises":
                raise RuntimeError("of its own")
            return [Accepted("x")]

    monkeypatch.setattr("messaging.send.provider_for", lambda channel: Broken())
    assert send_due("sms", NOW) == Tally(unknown=3)
    words = MessageDelivery.objects.values_list("error_message", flat=True)
    assert all("call failed" in why for why in words)
