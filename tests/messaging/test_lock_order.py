"""Whoever needs several rows takes them in the order of their ids: so nobody waits in a circle."""

from datetime import timedelta

import pytest
from django.db import transaction

from campaigns.schedule import schedule_due
from messaging.again import send_again
from messaging.authorize import authorize_due, hand_over
from messaging.models import EventKind, MessageDelivery
from messaging.providers.base import Accepted
from messaging.reap import reap
from messaging.reconcile import GIVE_UP_AFTER, reconcile
from messaging.track import Event, apply_events, store
from segments.models import Doctor
from tests.engine import NOW, answer, enrolled
from tests.messaging.together import Worker, at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def windows():
    """Two windows of three; the one with the very last message was handed over."""
    enrolled(6, days=(0,), channels=("sms",))
    schedule_due(NOW)
    made = [authorize_due("sms", NOW, 3).claims for _ in range(2)]
    made.sort(key=lambda claims: max(claim.delivery_id for claim in claims))
    assert hand_over(made[1][0].claim_id, NOW)
    return made


def answer_backwards(claims):
    backwards = sorted(claims, key=lambda claim: claim.delivery_id, reverse=True)
    return lambda: answer(backwards, [Accepted("x")] * len(claims), NOW)


def report_backwards(claims):
    ids = sorted((claim.delivery_id for claim in claims), reverse=True)
    store([Event("test", f"{pk}", EventKind.SENT, NOW, pk) for pk in ids], NOW)
    return lambda: apply_events(NOW)


def reap_all(claims):
    return lambda: reap(NOW + HOUR)


@pytest.mark.parametrize(
    ("work", "of"),
    [(answer_backwards, "one"), (report_backwards, "both"), (reap_all, "both")],
    ids=["record", "reports", "reap"],
)
def test_who_waits_for_a_row_holds_no_later_one(windows, work, of):
    claims = windows[1] if of == "one" else [*windows[0], *windows[1]]
    given_back = windows[1] if of == "one" else windows[0]
    first = min(claim.delivery_id for claim in given_back)
    last = max(claim.delivery_id for claim in claims)
    call = work(claims)
    with transaction.atomic():
        MessageDelivery.objects.select_for_update().get(pk=first)
        worker = Worker(call)
        assert waits_for_a_lock()
        MessageDelivery.objects.select_for_update(nowait=True).get(pk=last)
    worker.result()
    assert not MessageDelivery.objects.filter(pk=last, status="sending").exists()


def test_the_sender_and_who_gives_up_wait_for_nobody(windows):
    with transaction.atomic():
        list(MessageDelivery.objects.select_for_update())
        at_once(lambda: authorize_due("sms", NOW, 500), lambda: reconcile(NOW + GIVE_UP_AFTER))


def test_what_is_scheduled_is_no_business_of_stale_answers_and_of_reports(windows):
    """They take their rows in another order than an opt-out does."""
    reap(NOW + HOUR)
    given_back = windows[0]
    reports = report_backwards(given_back)
    with transaction.atomic():
        list(MessageDelivery.objects.select_for_update())
        at_once(reports, answer_backwards(given_back))


def test_sending_again_takes_the_doctor_first(windows):
    reap(NOW + HOUR)
    unknown = MessageDelivery.objects.filter(status="unknown").first()
    with transaction.atomic():
        Doctor.objects.select_for_update(no_key=True).get(pk=unknown.doctor_id)
        person = Worker(lambda: send_again(unknown.pk, "Asha", NOW))
        assert waits_for_a_lock()
        MessageDelivery.objects.select_for_update(nowait=True).get(pk=unknown.pk)
    assert person.result().status == "scheduled"
