"""Two of everything at once: the same rows as one, never a second send, never after an opt-out."""

import random
import threading

import pytest
from django.db import connections, transaction

from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import DeliveryAttempt, EventKind, MessageDelivery, SandboxMessage
from messaging.optout import opt_out
from messaging.providers.base import Accepted
from messaging.record import Tally
from messaging.send import run_lane
from messaging.track import Event, apply_events, store
from segments.models import Doctor
from tests.engine import DAY, NOW, answer, campaign, enrolled, member
from tests.messaging.together import at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)


def drain(channel: str) -> None:
    """As the lane's task does; the simulated clock stands still."""
    run_lane(channel, lambda: NOW, NOW + DAY)


def test_two_enrolments_at_once_give_the_same_rows_as_one():
    made = campaign()
    for _ in range(40):
        member()
    counts = at_once(*[lambda: enroll(made, NOW)] * 3)
    assert sum(counts) == 40
    assert CampaignEnrollment.objects.count() == 40


def test_two_schedulers_at_once_give_the_same_rows_as_one():
    enrolled(40, days=(0, 3))
    counts = at_once(*[lambda: schedule_due(NOW)] * 3)
    assert sum(counts) == 120
    assert MessageDelivery.objects.count() == 120


def test_dispatchers_of_all_lanes_at_once_send_each_message_once_and_keep_the_caps():
    enrolled(60, days=(0,))
    enrolled(0, days=(0,))  # a second campaign for the same doctors
    schedule_due(NOW)
    # No lane ends while another holds its doctors: each is done when it returns.
    at_once(*[lambda c=c: drain(c) for c in ("whatsapp", "sms", "email") for _ in range(2)])
    assert not MessageDelivery.objects.filter(status="scheduled", scheduled_at__lte=NOW).exists()
    assert SandboxMessage.objects.count() == DeliveryAttempt.objects.count() == 120
    per_doctor = DeliveryAttempt.objects.values_list("doctor_id", "channel")
    for person in Doctor.objects.values_list("pk", flat=True):
        channels = sorted(channel for pk, channel in per_doctor if pk == person)
        assert channels == ["sms", "whatsapp"]


def test_an_opt_out_while_sending_stops_every_later_message():
    enrolled(60, days=(0,), channels=("sms", "email"))
    schedule_due(NOW)
    people = list(Doctor.objects.values_list("pk", flat=True))

    def opt_everybody_out() -> None:
        for person in people:
            opt_out(person, None, None, source="test", now=NOW)

    at_once(opt_everybody_out, lambda: drain("sms"), lambda: drain("email"))
    drain("sms"), drain("email")
    assert set(MessageDelivery.objects.values_list("status", flat=True)) <= {"sent", "skipped"}
    # Each attempt saw the counter as it was before the opt-out: raised by the consent alone.
    assert set(DeliveryAttempt.objects.values_list("consent_version", flat=True)) <= {1}
    assert set(Doctor.objects.values_list("consent_version", flat=True)) == {2}


def test_an_opt_out_that_holds_the_doctor_first_wins():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    with transaction.atomic():
        opt_out(enrollment.doctor_id, None, None, source="test", now=NOW)
        (authorized,) = at_once(lambda: authorize_due("sms", NOW))
        assert not authorized.claims  # left for the next round, without waiting
    assert not authorize_due("sms", NOW).claims
    assert MessageDelivery.objects.get().skip_reason == "unsubscribed"


def test_an_authorisation_that_holds_the_doctor_first_makes_the_opt_out_wait():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    done = threading.Event()

    def opt_out_now() -> None:
        opt_out(enrollment.doctor_id, None, None, source="test", now=NOW)
        done.set()
        connections.close_all()

    with transaction.atomic():
        (claim,) = authorize_due("sms", NOW).claims
        thread = threading.Thread(target=opt_out_now)
        thread.start()
        assert waits_for_a_lock()
        assert not done.is_set()
    thread.join(10)
    assert done.is_set()
    attempt = DeliveryAttempt.objects.get(delivery_id=claim.delivery_id)
    assert attempt.consent_version == 1
    assert Doctor.objects.get().consent_version == 2


def test_recording_and_reports_at_once_never_wait_in_a_circle():
    enrolled(200, days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = authorize_due("sms", NOW).claims
    events = [
        Event("test", str(claim.delivery_id), EventKind.DELIVERED, NOW, claim.delivery_id)
        for claim in claims
    ]
    random.Random(1).shuffle(events)
    store(events, NOW)
    receipts = [Accepted(str(claim.delivery_id)) for claim in claims]
    at_once(lambda: answer(claims, receipts, NOW), lambda: apply_events(NOW))
    assert set(MessageDelivery.objects.values_list("status", flat=True)) == {"delivered"}
    assert not MessageDelivery.objects.filter(external_id=None).exists()


def test_a_lane_ends_when_its_time_is_over():
    enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    assert not run_lane("sms", lambda: NOW, NOW)
    assert run_lane("sms", lambda: NOW, NOW + DAY) == Tally(sent=2)


def test_a_scheduler_and_an_opt_out_at_once_neither_wait_in_a_circle_nor_write_afterwards():
    enrolled(40, days=(0,))
    people = list(Doctor.objects.values_list("pk", flat=True))

    def opt_everybody_out() -> None:
        for person in people:
            opt_out(person, None, None, source="test", now=NOW)

    at_once(opt_everybody_out, lambda: schedule_due(NOW), lambda: schedule_due(NOW))
    drain("sms"), drain("whatsapp"), drain("email")
    schedule_due(NOW + DAY)
    assert not SandboxMessage.objects.exists()
