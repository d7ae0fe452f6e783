"""Reports become facts: in any order, any number of times, with the same result."""

import itertools
import uuid
from datetime import timedelta

import pytest

from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import EventKind, MessageDelivery, ProviderEvent
from messaging.providers.base import Accepted, Unknown
from messaging.tasks import process_engagement_events, update_message_delivery_status
from messaging.track import Event, apply_events, store
from tests.engine import NOW, answer, enrolled, send_all

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
FACTS = ("status", "sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at")


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("email",))
    send_all(NOW)
    return MessageDelivery.objects.get()


def report(delivery, kind, minutes, key=None, **fields):
    at = NOW + minutes * MINUTE
    key = key or f"{kind}-{minutes}"
    return Event("test", key, EventKind(kind), at, delivery_id=delivery.pk, **fields)


def facts(delivery):
    return MessageDelivery.objects.values_list(*FACTS).get(pk=delivery.pk)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_reports_in_any_order_give_the_same_facts(delivery, order):
    events = [
        report(delivery, "delivered", 1),
        report(delivery, "opened", 5),
        report(delivery, "clicked", 6),
        report(delivery, "opened", 3),
    ]
    for place in order:
        store([events[place]], NOW)
        apply_events(NOW)
    assert facts(delivery) == (
        "clicked",
        NOW,
        NOW + MINUTE,
        NOW + 3 * MINUTE,
        NOW + 6 * MINUTE,
        None,
    )


def test_a_report_that_comes_twice_is_kept_once(delivery):
    event = report(delivery, "opened", 5)
    assert store([event], NOW) == 1
    assert store([event, event], NOW) == 0
    assert apply_events(NOW) == 1
    assert apply_events(NOW) == 0


def test_a_click_means_that_it_arrived_and_was_read(delivery):
    store([report(delivery, "clicked", 4)], NOW)
    apply_events(NOW)
    four = NOW + 4 * MINUTE
    assert facts(delivery) == ("clicked", NOW, four, four, four, None)


def test_a_machines_hit_is_kept_and_not_counted(delivery):
    store([report(delivery, "opened", 1, is_machine=True)], NOW)
    assert apply_events(NOW) == 1
    assert facts(delivery)[0] == "sent"
    assert ProviderEvent.objects.get().is_machine


def test_failed_after_acceptance_says_why_and_a_delivery_report_outranks_it(delivery):
    store([report(delivery, "failed", 1, detail={"error": "mailbox full"})], NOW)
    apply_events(NOW)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.error_message) == ("failed", "mailbox full")
    store([report(delivery, "delivered", 2)], NOW)
    apply_events(NOW)
    assert facts(delivery)[0] == "delivered"


def test_a_report_that_comes_before_our_own_record_is_not_lost():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    (claim,) = authorize_due("sms", NOW).claims
    delivery = MessageDelivery.objects.get()
    store([report(delivery, "delivered", 0)], NOW)
    apply_events(NOW)
    answer([claim], [Accepted("x-1")], NOW + MINUTE)
    delivery.refresh_from_db()
    assert (delivery.status, delivery.external_id) == ("delivered", "x-1")
    assert delivery.sent_at == NOW


def test_a_failure_reported_before_our_own_record_keeps_its_reason_and_loses_no_other():
    enrolled(3, days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = authorize_due("sms", NOW).claims
    first = MessageDelivery.objects.get(pk=claims[0].delivery_id)
    store([report(first, "failed", 0, detail={"error": "no such number"})], NOW)
    apply_events(NOW)
    tally = answer(claims, [Accepted(f"x-{n}") for n in range(3)], NOW + MINUTE)
    assert tally.sent == 3
    first.refresh_from_db()
    assert (first.status, first.error_message) == ("failed", "no such number")
    assert (first.failed_at, first.external_id) == (NOW, "x-0")


def test_a_report_settles_an_unknown_delivery():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    answer(authorize_due("sms", NOW).claims, [Unknown("no answer")], NOW)
    delivery = MessageDelivery.objects.get(status="unknown")
    store([report(delivery, "delivered", 2)], NOW)
    apply_events(NOW)
    assert facts(delivery)[0] == "delivered"


def test_update_message_delivery_status_names_the_providers_id(delivery):
    update_message_delivery_status(delivery.external_id, "delivered")
    update_message_delivery_status(delivery.external_id, "delivered")
    assert facts(delivery)[0] == "delivered"
    assert ProviderEvent.objects.count() == 1


def test_process_engagement_events_takes_opens_and_clicks(delivery):
    data = {"delivery_id": str(delivery.pk), "event_id": "e1", "occurred_at": "2026-03-04T07:00Z"}
    process_engagement_events("opened", data)
    process_engagement_events("opened", data)
    delivery.refresh_from_db()
    assert delivery.opened_at == NOW + 30 * MINUTE
    assert ProviderEvent.objects.count() == 1


def test_an_unknown_kind_is_refused(delivery):
    with pytest.raises(ValueError, match="nonsense"):
        update_message_delivery_status(str(uuid.uuid4()), "nonsense")
