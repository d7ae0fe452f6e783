"""Reports that name nothing on its way are put aside, tried again for a day, and hold up nobody."""

import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.schedule import schedule_due
from messaging.models import EventKind, MessageDelivery, ProviderEvent
from messaging.optout import opt_out
from messaging.track import BATCH, TRY_AGAIN_FOR, Event, apply_events, retry_parked, store
from tests.engine import DAY, NOW, enrolled, send_all
from tests.messaging.together import at_once

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)


def report(key="1", kind="delivered", **fields):
    return Event("test", key, EventKind(kind), NOW, **fields)


def scheduled():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    return MessageDelivery.objects.get()


def sent():
    delivery = scheduled()
    send_all(NOW)
    delivery.refresh_from_db()
    return delivery


def event(key="1"):
    return ProviderEvent.objects.get(event_key=key)


def status(delivery):
    delivery.refresh_from_db()
    return delivery.status


def test_a_report_on_an_id_that_nobody_knows_is_put_aside():
    store([report(external_id="nobody's")], NOW)
    assert apply_events(NOW + MINUTE) == 0
    assert (event().processed_at, event().parked_at) == (None, NOW + MINUTE)
    assert apply_events(NOW + 2 * MINUTE) == 0
    assert event().parked_at == NOW + MINUTE  # since when, not when last looked at


def test_a_report_is_applied_once_its_message_is_known():
    """The provider was faster than our own record of its answer."""
    delivery = scheduled()
    store([report(external_id=f"sandbox-{delivery.pk}")], NOW)
    assert apply_events(NOW) == retry_parked(NOW) == 0
    send_all(NOW)
    assert apply_events(NOW) == 0  # what is put aside is looked at by the other
    assert retry_parked(NOW + MINUTE) == 1
    assert status(delivery) == "delivered"
    assert event().processed_at == NOW + MINUTE
    assert event().delivery_id == delivery.pk
    assert retry_parked(NOW + MINUTE) == 0


@pytest.mark.parametrize("external_id", ["", None])
def test_a_report_that_names_nothing_finds_nothing(external_id):
    delivery = sent()
    MessageDelivery.objects.update(external_id=external_id)
    store([report()], NOW)
    assert apply_events(NOW) == 0
    assert status(delivery) == "sent"


def test_an_unknown_delivery_id_does_not_fail_the_rest():
    delivery, stranger = sent(), uuid.uuid4()
    both = [report("bad", delivery_id=stranger), report("good", delivery_id=delivery.pk)]
    assert store(both, NOW) == 2
    assert apply_events(NOW) == 1
    assert status(delivery) == "delivered"
    assert event("bad").detail == {"unknown_delivery": str(stranger)}
    assert (event("bad").delivery_id, event("bad").parked_at) == (None, NOW)


def test_an_unknown_delivery_id_beside_a_known_id_of_the_providers_is_no_harm():
    delivery = sent()
    store([report(delivery_id=uuid.uuid4(), external_id=delivery.external_id)], NOW)
    assert apply_events(NOW) == 1
    assert status(delivery) == "delivered"


def test_a_report_on_what_waits_changes_nothing_until_it_was_sent():
    delivery = scheduled()
    store([report(delivery_id=delivery.pk)], NOW)
    assert apply_events(NOW) == 0
    assert status(delivery) == "scheduled"
    assert delivery.delivered_at is None
    assert event().parked_at == NOW
    send_all(NOW)
    assert retry_parked(NOW) == 1
    assert status(delivery) == "delivered"


def test_a_report_on_what_was_skipped_never_wakes_it():
    delivery = scheduled()
    opt_out(delivery.doctor_id, None, None, source="test", now=NOW)
    store([report(delivery_id=delivery.pk)], NOW)
    assert apply_events(NOW) == retry_parked(NOW) == 0
    assert status(delivery) == "skipped"
    assert (delivery.sent_at, delivery.delivered_at) == (None, None)


def test_what_is_put_aside_is_tried_again_for_a_day_and_then_kept():
    delivery = scheduled()
    store([report(external_id="later")], NOW)
    apply_events(NOW)
    send_all(NOW)
    MessageDelivery.objects.update(external_id="later")
    assert retry_parked(NOW + TRY_AGAIN_FOR) == 0
    assert (event().processed_at, event().parked_at) == (None, NOW)
    assert retry_parked(NOW + TRY_AGAIN_FOR - SECOND) == 1
    assert status(delivery) == "delivered"
    assert TRY_AGAIN_FOR == DAY


def test_a_machines_hit_is_done_with_whatever_became_of_the_message():
    delivery = scheduled()
    store([report(delivery_id=delivery.pk, is_machine=True)], NOW)
    assert apply_events(NOW) == 1
    assert status(delivery) == "scheduled"


@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1])
def test_a_full_batch_of_strangers_is_looked_at_once_and_not_for_ever(count):
    store((report(str(n), external_id=f"nobody's {n}") for n in range(count)), NOW)
    rounds = 1 if count < BATCH else 2
    with CaptureQueriesContext(connection) as queries:
        assert apply_events(NOW) == 0
    assert applied_statements(queries) == rounds
    assert ProviderEvent.objects.filter(parked_at=NOW).count() == count
    with CaptureQueriesContext(connection) as queries:
        assert retry_parked(NOW) == 0
    assert applied_statements(queries) == rounds


def applied_statements(queries):
    return sum("picked AS MATERIALIZED" in query["sql"] for query in queries)


def test_strangers_before_it_do_not_keep_a_report_from_its_message(monkeypatch):
    monkeypatch.setattr("messaging.track.BATCH", 10)
    delivery = sent()
    store([report(str(n), external_id=f"nobody's {n}") for n in range(25)], NOW)
    store([report("good", delivery_id=delivery.pk)], NOW)
    assert apply_events(NOW) == 1
    assert status(delivery) == "delivered"


@pytest.mark.parametrize("text", ["a\0b", "\\u0000", "\ud800", "\\", '"'])
def test_what_postgresql_cannot_keep_does_not_fail_the_rest(text):
    delivery = sent()
    detail = {"error": text, text: [text, {"deep": (text, 1, None)}]}
    bad = report(f"bad {text}", kind="failed", external_id=f"x{text}", detail=detail)
    assert store([bad, report("good", delivery_id=delivery.pk)], NOW) == 2
    assert apply_events(NOW) == 1
    assert status(delivery) == "delivered"


def test_a_failure_reported_without_words_has_some():
    delivery = sent()
    store([report(kind="failed", delivery_id=delivery.pk, detail={"error": ""})], NOW)
    apply_events(NOW)
    assert status(delivery) == "failed"
    assert delivery.error_message == "The provider could not deliver it."


@pytest.mark.django_db(transaction=True)
def test_the_same_reports_at_once_in_any_order_never_wait_in_a_circle():
    events = [report(str(n), external_id=f"x{n}") for n in range(2_000)]
    stored = at_once(
        lambda: store(events, NOW),
        lambda: store(events[::-1], NOW),
        lambda: store(events, NOW),
        lambda: store(events[::-1], NOW),
    )
    assert sum(stored) == 2_000
    assert ProviderEvent.objects.count() == 2_000


@pytest.mark.django_db(transaction=True)
def test_two_lanes_at_once_fold_each_report_once():
    enrolled(60, days=(0,), channels=("sms",))
    send_all(NOW)
    ids = list(MessageDelivery.objects.values_list("pk", flat=True))
    store([report(f"{n}", delivery_id=pk) for n, pk in enumerate(ids)], NOW)
    assert sum(at_once(*[lambda: apply_events(NOW)] * 3)) == 60
    assert set(MessageDelivery.objects.values_list("status", flat=True)) == {"delivered"}
