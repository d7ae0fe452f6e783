"""Windows whose worker is gone, or only frozen: who may still do what, in each state."""

import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction

from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due, hand_over
from messaging.models import DeliveryAttempt, EventKind, MessageDelivery, SendWindow
from messaging.providers.base import Accepted, NotSent, Refused, Unknown
from messaging.reap import MOST_CRASHES, reap
from messaging.record import Tally, answered, record, without_value
from messaging.send import send_due, send_one
from messaging.track import Event, apply_events, store
from tests.engine import DAY, NOW, answer, enrolled, send_all, statuses
from tests.messaging.together import Worker, at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
GONE = NOW + settings.SEND_LEASE + SECOND  # the lease of what was authorised at NOW is over


@pytest.fixture
def claims():
    """What a worker has authorised, and then it froze."""
    enrolled(3, days=(0,), channels=("sms",))
    schedule_due(NOW)
    return authorize_due("sms", NOW, 500).claims


def what_became(outcome=None):
    """Status of each delivery, outcome of each attempt."""
    deliveries = set(MessageDelivery.objects.values_list("status", flat=True))
    attempts = DeliveryAttempt.objects.values_list("outcome", "counts")
    return deliveries, set(attempts)


# --- What the reaper does with it -----------------------------------------------------------


@pytest.mark.parametrize("is_handed_over", [True, False])
def test_a_window_is_its_workers_until_the_lease_is_over(claims, is_handed_over):
    if is_handed_over:
        assert hand_over(claims[0].claim_id, NOW)
    assert reap(NOW) == reap(NOW + settings.SEND_LEASE) == 0
    assert what_became() == ({"sending"}, {("pending", True)})
    assert SendWindow.objects.count() == 1


def test_a_lost_window_that_was_handed_over_is_unknown(claims):
    hand_over(claims[0].claim_id, NOW)
    assert reap(GONE) == 3
    assert what_became() == ({"unknown"}, {("unknown", True)})
    assert set(MessageDelivery.objects.values_list("error_message", "crashes")) == {
        ("The sender stopped in the middle; it may have gone out.", 0)
    }
    assert set(DeliveryAttempt.objects.values_list("finished_at", "error_message")) == {
        (GONE, "The sender stopped in the middle.")
    }
    assert not SendWindow.objects.exists()
    assert reap(GONE + DAY) == 0


def test_a_lost_window_that_nobody_heard_of_goes_back(claims):
    assert reap(GONE) == 0
    assert what_became() == ({"scheduled"}, {("released", False)})
    rows = MessageDelivery.objects.values_list("scheduled_at", "crashes", "error_message")
    assert set(rows) == {(NOW, 1, None)}
    assert not SendWindow.objects.exists()


def test_windows_of_both_kinds_are_told_apart(claims):
    enrolled(2, days=(0,), channels=("email",))
    schedule_due(NOW)
    others = authorize_due("email", NOW, 500).claims
    hand_over(others[0].claim_id, NOW)
    later = NOW + SECOND
    assert authorize_due("email", later, 500).claims == []
    assert reap(GONE) == len(others) > 0
    assert statuses(channel="sms") == {"sms 0": "scheduled"}
    assert statuses(channel="email") == {"email 0": "unknown"}


def test_what_was_reported_before_its_worker_died_keeps_its_status_and_closes_its_attempt(claims):
    hand_over(claims[0].claim_id, NOW)
    delivery_id = claims[0].delivery_id
    store([Event("test", "1", EventKind.DELIVERED, NOW, delivery_id)], NOW)
    apply_events(NOW)
    assert reap(GONE) == 2
    told = MessageDelivery.objects.get(pk=delivery_id)
    assert (told.status, told.error_message) == ("delivered", None)
    assert told.attempts.get().outcome == "unknown"  # what the provider said to the call itself
    assert not DeliveryAttempt.objects.filter(outcome="pending").exists()


def test_a_reaper_with_nothing_to_do_does_nothing(claims, django_assert_num_queries):
    assert reap(NOW) == 0
    SendWindow.objects.all().delete()
    assert reap(GONE) == 0
    assert what_became() == ({"sending"}, {("pending", True)})


# --- What a worker that was only frozen may still do ----------------------------------------


def test_who_thaws_before_the_lease_is_over_goes_on(claims):
    in_time = NOW + settings.SEND_LEASE - SECOND
    assert hand_over(claims[0].claim_id, in_time)
    assert not hand_over(claims[0].claim_id, in_time)  # once
    tally = answer(claims, [Accepted(f"x-{n}") for n in range(3)], GONE)
    assert tally == Tally(sent=3)
    assert what_became() == ({"sent"}, {("accepted", True)})
    assert not SendWindow.objects.exists()


def test_who_thaws_after_it_was_given_back_hands_nothing_over(claims):
    reap(GONE)
    assert not hand_over(claims[0].claim_id, GONE)


def test_what_was_prepared_by_a_frozen_worker_changes_nothing_after_it_was_given_back(claims):
    reap(GONE)
    results = [
        without_value(claims[0].delivery_id, claims[0].claim_id, ["speaker_name"]),
        answered(claims[1].delivery_id, claims[1].claim_id, NotSent()),
        answered(claims[2].delivery_id, claims[2].claim_id, Refused("1", "no", permanent=True)),
    ]
    tally = Tally()
    record(results, GONE, tally)
    assert not tally
    assert what_became() == ({"scheduled"}, {("released", False)})


@pytest.mark.parametrize(
    ("receipt", "status", "outcome"),
    [
        (Accepted("x"), "sent", ("accepted", True)),
        (Refused("400", "no such number", permanent=True), "failed", ("refused", False)),
        (Refused("503", "busy", permanent=False), "failed", ("refused", False)),
        (NotSent(), "scheduled", ("released", False)),
        (Unknown("no answer"), "unknown", ("unknown", True)),
    ],
)
def test_late_answers_under_the_same_claim_settle_what_is_unknown(claims, receipt, status, outcome):
    hand_over(claims[0].claim_id, NOW)
    reap(GONE)
    answer(claims, [receipt] * 3, GONE + SECOND)
    assert what_became() == ({status}, {outcome})


def test_a_late_refusal_for_now_is_tried_again_by_the_ladder(claims):
    hand_over(claims[0].claim_id, NOW)
    reap(GONE)
    retry_at = GONE + timedelta(minutes=1)
    busy = Refused("503", "busy", permanent=False)
    results = [answered(c.delivery_id, c.claim_id, busy, retry_at) for c in claims]
    record(results, GONE, Tally())
    assert what_became() == ({"scheduled"}, {("refused", False)})
    assert set(MessageDelivery.objects.values_list("scheduled_at", flat=True)) == {retry_at}


@pytest.mark.parametrize("receipt", [Accepted("old"), NotSent(), Unknown("no answer")])
def test_answers_under_a_stale_claim_change_nothing_whoever_has_it_now(claims, receipt):
    reap(GONE)
    again = authorize_due("sms", GONE, 500).claims[0]
    stale = next(claim for claim in claims if claim.delivery_id == again.delivery_id)
    assert stale.claim_id != again.claim_id
    assert answer([stale], [receipt], GONE) == Tally()
    delivery = MessageDelivery.objects.get(pk=again.delivery_id)
    assert (delivery.status, delivery.claim_id) == ("sending", again.claim_id)
    assert SendWindow.objects.filter(pk=again.claim_id).exists()
    answer([again], [Accepted("new")], GONE)
    assert answer([stale], [receipt], GONE) == Tally()
    delivery.refresh_from_db()
    assert (delivery.status, delivery.external_id) == ("sent", "new")
    outcomes = delivery.attempts.order_by("pk").values_list("outcome", flat=True)
    assert list(outcomes) == ["released", "accepted"]


def test_answers_of_nobodys_claim_change_nothing(claims):
    stranger = [claim._replace(claim_id=uuid.uuid4()) for claim in claims]
    assert answer(stranger, [Accepted("x")] * 3, NOW) == Tally()
    assert what_became() == ({"sending"}, {("pending", True)})
    assert SendWindow.objects.count() == 1


def test_an_answer_written_twice_is_written_once(claims):
    receipts = [Accepted("x"), Refused("400", "no such number", permanent=True), Unknown("?")]
    answer(claims, receipts, NOW)
    before = list(MessageDelivery.objects.order_by("pk").values())
    answer(claims, receipts, GONE)
    after = list(MessageDelivery.objects.order_by("pk").values())
    assert [{**row, "sent_at": None} for row in before] == [
        {**row, "sent_at": None} for row in after
    ]
    assert MessageDelivery.objects.get(status="sent").sent_at == NOW


# --- A message that ends its workers --------------------------------------------------------


def windows(now, **how):
    """The sizes of the windows that go, until nothing is due."""
    sizes = []
    while claims := authorize_due("sms", now, 500, **how).claims:
        sizes.append(len(claims))
    return sizes


def test_what_went_back_with_a_lost_window_goes_last_and_the_second_time_alone():
    enrolled(45, days=(0,), channels=("sms",))
    schedule_due(NOW)
    assert len(authorize_due("sms", NOW, 40).claims) == 40
    reap(GONE)
    MessageDelivery.objects.filter(crashes=0).update(scheduled_at=GONE)  # later than the others
    assert windows(GONE) == [5, 30, 10]
    later = GONE + settings.SEND_LEASE + SECOND
    reap(later)
    assert windows(later) == [5, *[1] * 40]


def test_what_ended_a_worker_has_its_turn_although_much_is_due(provider):
    enrolled(5, days=(0,), channels=("sms",))
    schedule_due(NOW)
    authorize_due("sms", NOW, 2)
    reap(GONE)
    assert windows(GONE, crashed_first=True) == [2, 3]


def test_a_message_that_ends_its_worker_three_times_has_failed_and_the_others_go(claims):
    culprit = claims[1].delivery_id
    now = NOW
    for _ in range(MOST_CRASHES):
        now += settings.SEND_LEASE + SECOND
        reap(now)
        while claimed := authorize_due("sms", now, 500).claims:
            if culprit in {claim.delivery_id for claim in claimed}:
                break
            assert len(claimed) == 1
            answer(claimed, [Accepted("x")], now)
    failed = MessageDelivery.objects.get(pk=culprit)
    assert (failed.status, failed.crashes) == ("failed", 3)
    assert failed.failed_at == now
    assert failed.error_message == "The sender stopped 3 times while it prepared this message."
    assert set(failed.attempts.values_list("outcome", flat=True)) == {"released"}
    assert MessageDelivery.objects.filter(status="sent").count() == 2
    assert not send_due("sms", now + DAY)
    assert not send_one(culprit, "sms", now + DAY)


def test_what_crashed_before_is_sent_like_any_other(claims):
    reap(GONE)
    send_all(GONE)
    assert what_became()[0] == {"sent"}


# --- Together -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_reapers_at_once_take_each_window_once():
    enrolled(60, days=(0,), channels=("sms",))
    schedule_due(NOW)
    for number in range(6):
        claims = authorize_due("sms", NOW, 10).claims
        if number % 2:
            hand_over(claims[0].claim_id, NOW)
    assert sum(at_once(*[lambda: reap(GONE)] * 3)) == 30
    rows = MessageDelivery.objects.values_list("status", "crashes")
    assert sorted(rows) == [("scheduled", 1)] * 30 + [("unknown", 0)] * 30


@pytest.mark.django_db(transaction=True)
def test_a_reaper_leaves_alone_what_is_being_recorded(claims):
    hand_over(claims[0].claim_id, NOW)
    with transaction.atomic():
        answer(claims, [Accepted("x")] * 3, GONE)
        assert at_once(lambda: reap(GONE)) == [0]  # without waiting
    assert what_became() == ({"sent"}, {("accepted", True)})


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_while_the_reaper_works_waits_and_settles_it(claims):
    hand_over(claims[0].claim_id, NOW)
    with transaction.atomic():
        assert reap(GONE) == 3
        recording = Worker(lambda: answer(claims, [Accepted("x")] * 3, GONE))
        assert waits_for_a_lock()
        assert not recording.is_done
    assert recording.result() == Tally(sent=3)
    assert what_became() == ({"sent"}, {("accepted", True)})


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("who_is_first", ["reaper", "worker"])
def test_of_reaper_and_worker_only_one_gets_a_window_that_is_not_handed_over(claims, who_is_first):
    claim_id = claims[0].claim_id
    with transaction.atomic():
        if who_is_first == "reaper":
            reap(GONE)
            late = Worker(lambda: hand_over(claim_id, NOW))  # by its own clock, in time
            assert waits_for_a_lock()
        else:
            assert hand_over(claim_id, NOW)
            late = Worker(lambda: reap(GONE))
            late.result()  # passes it by
    if who_is_first == "reaper":
        assert late.result() is False
        assert what_became() == ({"scheduled"}, {("released", False)})
    else:
        assert what_became() == ({"sending"}, {("pending", True)})
        assert reap(GONE) == 3


@pytest.mark.django_db(transaction=True)
def test_reapers_and_answers_at_once_end_with_the_answers():
    enrolled(200, days=(0,), channels=("sms",))
    schedule_due(NOW)
    windows = [authorize_due("sms", NOW, 20).claims for _ in range(10)]
    for window in windows:
        hand_over(window[0].claim_id, NOW)

    def record_all():
        for window in windows:
            answer(window, [Accepted(f"x-{c.delivery_id}") for c in window], GONE)

    at_once(record_all, *[lambda: [reap(GONE) for _ in range(10)]] * 3)
    assert what_became() == ({"sent"}, {("accepted", True)})
    assert not SendWindow.objects.exists()
