"""Sent again by a person: only what is unknown, decided anew; the first attempt is remembered."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.db import transaction

from campaigns.models import CampaignMessage
from campaigns.schedule import schedule_due
from messaging.again import NotUnknownError, send_again
from messaging.authorize import authorize_due, hand_over
from messaging.models import DeliveryAttempt, EventKind, MessageDelivery
from messaging.optout import opt_out
from messaging.providers.base import Accepted
from messaging.reap import reap
from messaging.record import Tally
from messaging.send import send_due
from messaging.track import Event, apply_events, store
from tests.engine import DAY, NOW, answer, enrolled
from tests.messaging.scripted import BUSY, SILENT, TAKEN, WRONG
from tests.messaging.together import Worker, at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def unknown(provider, channels=("sms",)):
    """The delivery that got no answer, and the provider that did not give one."""
    enrolled(days=(0,), channels=channels)
    schedule_due(NOW)
    scripted = provider(SILENT, TAKEN)
    send_due("sms", NOW)
    return MessageDelivery.objects.get(status="unknown"), scripted


def outcomes(delivery):
    return list(delivery.attempts.order_by("pk").values_list("outcome", "counts"))


def test_what_is_unknown_is_scheduled_once_more(provider):
    delivery, scripted = unknown(provider)
    token = delivery.token
    tomorrow = NOW + DAY
    sent_again = send_again(delivery.pk, "Asha", tomorrow)
    assert sent_again == delivery
    delivery.refresh_from_db()
    assert (delivery.status, delivery.scheduled_at) == ("scheduled", tomorrow)
    assert (delivery.claim_id, delivery.error_message) == (None, None)
    assert outcomes(delivery) == [("written_off", False)]
    assert delivery.attempts.get().error_message == "Sent again by Asha, after: no answer"
    assert send_due("sms", tomorrow) == Tally(sent=1)
    assert outcomes(delivery) == [("written_off", False), ("accepted", True)]
    assert scripted.ledger == [delivery.pk] * 2
    delivery.refresh_from_db()
    assert (delivery.status, delivery.token) == ("sent", token)  # the first copy's links work


@pytest.mark.parametrize(("answered", "status"), [(TAKEN, "sent"), (WRONG, "failed"), (BUSY, None)])
def test_what_has_an_answer_is_not_sent_again(provider, answered, status):
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    provider(answered)
    send_due("sms", NOW)
    delivery = MessageDelivery.objects.get()
    assert delivery.status == (status or "scheduled")
    before = MessageDelivery.objects.values().get()
    with pytest.raises(NotUnknownError):
        send_again(delivery.pk, "Asha", NOW)
    assert MessageDelivery.objects.values().get() == before
    assert not DeliveryAttempt.objects.filter(outcome="written_off").exists()


def test_what_is_sent_again_is_not_sent_again_at_once(provider):
    delivery, _ = unknown(provider)
    send_again(delivery.pk, "Asha", NOW)
    with pytest.raises(NotUnknownError):
        send_again(delivery.pk, "Ravi", NOW)


def test_what_does_not_exist_is_an_error():
    with pytest.raises(MessageDelivery.DoesNotExist):
        send_again("01977f6e-0000-7000-8000-000000000000", "Asha", NOW)


# --- Decided anew ---------------------------------------------------------------------------


def test_the_first_attempt_still_counts_for_the_caps(provider):
    delivery, scripted = unknown(provider)
    send_again(delivery.pk, "Asha", NOW + HOUR)
    assert send_due("sms", NOW + HOUR) == Tally(deferred=1)
    delivery.refresh_from_db()
    assert delivery.scheduled_at == NOW + DAY  # 24 hours between two on one channel
    assert delivery.trace[-1]["detail"] == "this channel was used less than a day ago"
    assert len(scripted.ledger) == 1


def test_an_attempt_that_was_written_off_takes_one_of_the_two_of_a_day(provider):
    delivery, _ = unknown(provider, channels=("sms", "email"))
    send_again(delivery.pk, "Asha", NOW)
    MessageDelivery.objects.filter(channel="email").update(scheduled_at=NOW)
    assert send_due("email", NOW) == Tally(sent=1)
    later = NOW + DAY - HOUR
    MessageDelivery.objects.filter(pk=delivery.pk).update(scheduled_at=later)
    assert send_due("sms", later).sent == 0
    assert delivery.attempts.count() == 1


@pytest.mark.parametrize("channel", ["sms", None])
def test_an_opt_out_in_between_is_heeded(provider, channel):
    delivery, scripted = unknown(provider)
    tomorrow = NOW + DAY
    opt_out(delivery.doctor_id, channel, None, source="test", now=NOW + HOUR)
    send_again(delivery.pk, "Asha", tomorrow)
    assert send_due("sms", tomorrow) == Tally(skipped=1)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.skip_reason) == ("skipped", "unsubscribed")
    assert len(scripted.ledger) == 1


def test_an_opt_out_after_it_was_scheduled_once_more_skips_it(provider):
    delivery, _ = unknown(provider)
    send_again(delivery.pk, "Asha", NOW)
    opt_out(delivery.doctor_id, None, None, source="test", now=NOW)
    delivery.refresh_from_db()
    assert delivery.skip_reason == "unsubscribed"
    assert outcomes(delivery) == [("written_off", False)]


def test_a_message_whose_time_had_passed_gets_as_long_again(provider):
    delivery, _ = unknown(provider)
    late = NOW + 5 * DAY
    assert delivery.expires_at < late
    sent_again = send_again(delivery.pk, "Asha", late)
    assert sent_again.expires_at == late + settings.STEP_EXPIRES_AFTER
    assert send_due("sms", late) == Tally(sent=1)


def test_a_message_that_has_time_enough_keeps_its_expiry(provider):
    delivery, _ = unknown(provider)
    MessageDelivery.objects.update(expires_at=NOW + 5 * DAY)
    assert send_again(delivery.pk, "Asha", NOW).expires_at == NOW + 5 * DAY


def test_a_campaign_without_the_step_any_more_is_told_as_for_any_other(provider):
    delivery, _ = unknown(provider)
    campaign = CampaignMessage.objects.get().campaign
    campaign.end_date = NOW
    campaign.save()
    send_again(delivery.pk, "Asha", NOW + DAY)
    assert send_due("sms", NOW + DAY) == Tally(skipped=1)
    delivery.refresh_from_db()
    assert delivery.skip_reason == "campaign_over"


# --- Late news of the first copy ------------------------------------------------------------


def test_a_late_answer_to_the_first_call_changes_nothing(provider):
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = sender_that_froze()
    delivery = MessageDelivery.objects.get()
    send_again(delivery.pk, "Asha", NOW + DAY)
    assert answer(claims, [Accepted("first")], NOW + DAY) == Tally()
    provider(TAKEN)
    send_due("sms", NOW + DAY)
    assert answer(claims, [Accepted("first")], NOW + DAY) == Tally()
    delivery.refresh_from_db()
    assert delivery.external_id == f"x-{delivery.pk}"


def sender_that_froze():
    claims = authorize_due("sms", NOW, 500).claims
    hand_over(claims[0].claim_id, NOW)
    assert reap(NOW + HOUR) == 1
    return claims


# --- Together -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_people_at_once_send_it_again_once(provider):
    delivery, scripted = unknown(provider)

    def by(name):
        try:
            send_again(delivery.pk, name, NOW + DAY)
        except NotUnknownError:
            return 0
        return 1

    assert sum(at_once(lambda: by("Asha"), lambda: by("Ravi"), lambda: by("Meera"))) == 1
    assert send_due("sms", NOW + DAY) == Tally(sent=1)
    assert len(scripted.ledger) == 2


@pytest.mark.django_db(transaction=True)
def test_an_answer_that_comes_first_wins_over_the_person(provider):
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = sender_that_froze()
    delivery = MessageDelivery.objects.get()
    with transaction.atomic():
        answer(claims, [Accepted("x")], NOW + HOUR)
        person = Worker(lambda: send_again(delivery.pk, "Asha", NOW + HOUR))
        assert waits_for_a_lock()
    with pytest.raises(NotUnknownError):
        person.result()
    delivery.refresh_from_db()
    assert delivery.status == "sent"


@pytest.mark.django_db(transaction=True)
def test_the_person_waits_for_who_writes_to_the_doctor_and_never_in_a_circle(provider):
    delivery, _ = unknown(provider)
    at_once(
        lambda: send_again(delivery.pk, "Asha", NOW),
        lambda: opt_out(delivery.doctor_id, None, None, source="test", now=NOW),
    )
    delivery.refresh_from_db()
    if delivery.status == "scheduled":
        assert send_due("sms", NOW + DAY) == Tally(skipped=1)
        delivery.refresh_from_db()
    assert (delivery.status, delivery.skip_reason) == ("skipped", "unsubscribed")


# --- The first copy arrived after all --------------------------------------------------------


def report(delivery, kind, at=NOW + HOUR):
    event = Event("sms", f"{kind}-{at}", EventKind(kind), at, delivery_id=delivery.pk)
    store([event], at)
    return apply_events(at)


@pytest.mark.parametrize("kind", ["delivered", "opened", "clicked"])
def test_a_report_that_the_first_copy_arrived_keeps_the_second_from_going(provider, kind):
    delivery, scripted = unknown(provider)
    send_again(delivery.pk, "Asha", NOW)
    assert report(delivery, kind) == 1
    delivery.refresh_from_db()
    assert (delivery.status, delivery.delivered_at) == (kind, NOW + HOUR)
    assert outcomes(delivery) == [("accepted", True)]
    assert send_due("sms", NOW + DAY) == Tally()
    assert scripted.ledger == [delivery.pk]


def test_a_report_that_it_failed_does_not_keep_the_second_from_going(provider):
    delivery, _ = unknown(provider)
    send_again(delivery.pk, "Asha", NOW)
    assert report(delivery, "failed") == 0
    assert send_due("sms", NOW + DAY) == Tally(sent=1)


def test_of_two_that_were_written_off_the_last_one_counts(provider):
    delivery, _ = unknown(provider)
    send_again(delivery.pk, "Asha", NOW)
    DeliveryAttempt.objects.update(authorised_at=NOW - DAY)
    provider(SILENT)
    send_due("sms", NOW + HOUR)
    send_again(delivery.pk, "Asha", NOW + HOUR)
    assert report(delivery, "delivered", NOW + 2 * HOUR) == 1
    assert outcomes(delivery) == [("written_off", False), ("accepted", True)]
