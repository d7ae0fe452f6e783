"""I6 and I7: the providers' books and the reports, against ours."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest

from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import (
    DeliveryAttempt,
    EventKind,
    MessageDelivery,
    ProviderAccount,
    ProviderEvent,
    SandboxMessage,
)
from messaging.providers.base import Accepted, Refused
from messaging.suppress import settle as settle_verdicts
from messaging.track import Event, apply_events, retry_parked, store
from tests.engine import DAY, NOW, answer, enrolled
from tests.messaging.history import (
    HOUR,
    MINUTE,
    SECOND,
    found,
    ledger,
    run_sql,
    sent,
    settle,
    unguarded,
    words,
)

pytestmark = pytest.mark.django_db
QUARTER = timedelta(minutes=15)


# --- I6: the sandbox's own ledger ----------------------------------------------------------------


def test_i6_accepted_attempt_that_the_sandbox_does_not_know():
    sent()
    SandboxMessage.objects.all().delete()
    assert found() == {"I6": 1}
    (said,) = words("I6")
    assert said.startswith("It was accepted, as the attempt of 04 Mar 2026 12:00:00 says, but the")


@pytest.mark.parametrize("outcome", ["refused", "released"])
def test_i6_kept_message_whose_attempt_reached_nobody(outcome):
    delivery = sent()
    with unguarded():
        delivery.attempts.update(outcome=outcome, counts=False)
        run_sql("UPDATE message_deliveries SET status = 'scheduled' WHERE id = %s", delivery.pk)
    assert found() == {"I6": 1}


def test_i6_sent_message_that_nobody_accepted_or_reported():
    delivery = sent()
    with unguarded():
        delivery.attempts.update(outcome="unknown", external_id=None)
    assert found() == {"I6": 1}
    store([Event("test", "k", EventKind.SENT, NOW, delivery_id=delivery.pk)], NOW)
    apply_events(NOW)
    assert found() == {}


# --- I6 and I1: a provider's ledger -------------------------------------------------------------


@pytest.fixture
def elsewhere() -> list[MessageDelivery]:
    """Three mails that went out through an account of another provider."""
    account = ProviderAccount.objects.create(channel="email", provider="smtp")
    mails = [sent("email") for _ in range(3)]
    DeliveryAttempt.objects.update(account=account, external_id="<1@example.com>")
    SandboxMessage.objects.all().delete()
    return mails


def test_ledger_that_agrees_breaks_nothing(elsewhere, tmp_path):
    path = ledger(tmp_path / "a", *elsewhere)
    assert found(ledgers=[path], covers=["email"]) == {}
    halves = [
        ledger(tmp_path / "b", *elsewhere[:1]),
        ledger(tmp_path / "c", *elsewhere[1:]),
    ]
    assert found(ledgers=halves) == {}


def test_i1_two_accepted_calls_in_the_ledgers(elsewhere, tmp_path):
    first = ledger(tmp_path / "a", *elsewhere)
    second = ledger(tmp_path / "b", elsewhere[0])
    assert found(ledgers=[first, second]) == {"I1": 1}


def test_i1_two_accepted_calls_of_a_ledger_that_tells_no_times(elsewhere, tmp_path):
    path = tmp_path / "a"
    path.write_text(f'{{"delivery_id": "{elsewhere[0].pk}"}}\n' * 2)
    assert found(ledgers=[path])["I1"] == 1


def test_i1_second_call_after_an_attempt_was_written_off_is_none(elsewhere, tmp_path):
    (attempt,) = elsewhere[0].attempts.all()
    attempt.pk, attempt.outcome, attempt.counts = None, "written_off", False
    attempt.authorised_at -= DAY
    attempt.save(force_insert=True)
    assert found(ledgers=[ledger(tmp_path / "a", elsewhere[0], *elsewhere)]) == {}
    assert found(ledgers=[ledger(tmp_path / "a", *elsewhere[:1] * 2, *elsewhere)]) == {"I1": 1}


def test_i6_call_without_an_attempt(elsewhere, tmp_path):
    stranger = "01a2052f-a77d-720b-99e1-ccb3122a4455"
    path = ledger(tmp_path / "a", *elsewhere, stranger)
    assert found(ledgers=[path]) == {"I6": 1}
    assert found(ledgers=[ledger(tmp_path / "a", *elsewhere, "None", "")]) == {"I6": 2}
    assert found(ledgers=[path], since=NOW + SECOND) == {}


def test_i6_accepted_attempt_without_a_call(elsewhere, tmp_path):
    sent("sms")  # through the sandbox: the ledger is not about it
    path = ledger(tmp_path / "a", *elsewhere[1:])
    assert found(ledgers=[path]) == {"I6": 1}
    assert found(ledgers=[path], covers=["email"]) == {"I6": 1}
    assert found(ledgers=[path], covers=["sms"]) == {"I6": 1}


def test_i6_empty_ledger_covers_what_it_is_said_to_cover(elsewhere, tmp_path):
    path = ledger(tmp_path / "a")
    assert found(ledgers=[path]) == {}
    assert found(ledgers=[path], covers=["email"]) == {"I6": 3}


# --- I7: reports -------------------------------------------------------------------------------


def test_i7_report_that_nobody_counts():
    delivery = sent()
    store([Event("test", "k", EventKind.OPENED, NOW, delivery_id=delivery.pk)], NOW)
    assert found(NOW + QUARTER) == {}
    assert found(NOW + QUARTER + SECOND) == {"I7": 1}
    apply_events(NOW + HOUR)
    assert found(NOW + HOUR) == {}


def test_i7_report_that_was_put_aside_for_good_reason_breaks_nothing():
    store([Event("test", "k", EventKind.OPENED, NOW, external_id="nobody")], NOW)
    apply_events(NOW)
    assert found() == {}


def test_i7_report_that_stays_aside_though_its_message_is_known():
    store([Event("test", "k", EventKind.OPENED, NOW, external_id="late")], NOW)
    apply_events(NOW)
    MessageDelivery.objects.filter(pk=sent().pk).update(external_id="late")
    assert found(NOW + QUARTER) == {}
    assert found(NOW + QUARTER + SECOND) == {"I7": 1}
    retry_parked(NOW + HOUR)
    assert found() == {}


def test_i7_complaint_that_nobody_acts_on():
    verdict = {"delivery_id": sent().pk, "verdict": "complaint"}
    store([Event("test", "k", EventKind.COMPLAINED, NOW, **verdict)], NOW)
    apply_events(NOW)
    assert found(NOW + QUARTER) == {}
    assert found(NOW + QUARTER + SECOND) == {"I7": 1}
    settle_verdicts(NOW + HOUR)
    assert found() == {}


def reported(*kinds: EventKind) -> MessageDelivery:
    delivery = sent()
    events = [
        Event("test", kind, kind, NOW + (n + 1) * MINUTE, delivery_id=delivery.pk)
        for n, kind in enumerate(kinds)
    ]
    store(events, NOW)
    apply_events(NOW)
    return delivery


ALL_KINDS = (EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED)


@pytest.mark.parametrize(
    "change",
    [
        {"delivered_at": None},
        {"delivered_at": NOW},
        {"delivered_at": NOW + 9 * MINUTE},
        {"opened_at": None},
        {"opened_at": NOW},
        {"clicked_at": None},
        {"clicked_at": NOW + 9 * MINUTE},
        {"failed_at": NOW},
        {"status": "opened"},
        {"status": "sent"},
        {"sent_at": None},
    ],
    ids=str,
)
def test_i7_fact_that_its_reports_do_not_say(change):
    delivery = reported(*ALL_KINDS)
    assert found() == {}
    with unguarded():
        MessageDelivery.objects.filter(pk=delivery.pk).update(**change)
    assert found() == {"I7": 1}


@pytest.mark.parametrize("fact", ["delivered_at", "opened_at", "clicked_at"])
def test_i7_fact_that_nobody_reported(fact):
    delivery = sent()
    MessageDelivery.objects.filter(pk=delivery.pk).update(**{fact: NOW})
    assert found() == {"I7": 1}
    assert words("I7") == [f"Its {fact} is 04 Mar 2026 12:00:00, by its reports empty."]


@pytest.mark.parametrize("change", [{"failed_at": None}, {"failed_at": NOW + 9 * MINUTE}], ids=str)
def test_i7_failure_that_was_reported(change):
    delivery = reported(EventKind.FAILED)
    assert found() == {}
    MessageDelivery.objects.filter(pk=delivery.pk).update(**change)
    assert found() == {"I7": 1}


def test_i7_failure_of_our_own_needs_no_report():
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    claims = authorize_due("sms", NOW).claims
    answer(claims, [Refused("21211", "no such number", permanent=True)], NOW)
    assert found() == {}
    late = Event("test", "k", EventKind.DELIVERED, NOW, delivery_id=claims[0].delivery_id)
    store([late], NOW)
    apply_events(NOW)
    # What the provider says to have delivered, it had refused: our own books show both.
    assert found() == {}
    assert MessageDelivery.objects.get().status == "delivered"


def test_i7_machines_reports_are_no_facts():
    delivery = reported(*ALL_KINDS)
    ProviderEvent.objects.filter(kind="clicked").update(is_machine=True)
    assert found() == {"I7": 1}
    with unguarded():
        MessageDelivery.objects.filter(pk=delivery.pk).update(clicked_at=None, status="opened")
    assert found() == {}


def test_i7_since_folds_all_reports_of_what_was_reported_on_lately():
    reported(*ALL_KINDS)
    other = sent()
    MessageDelivery.objects.filter(pk=other.pk).update(opened_at=NOW)
    end = NOW + 2 * DAY
    assert found(end) == {"I7": 1}
    assert found(end, since=NOW + MINUTE) == {}
    store([Event("test", "k", EventKind.SENT, NOW, delivery_id=other.pk)], NOW + DAY)
    apply_events(NOW + DAY)
    assert found(end, since=NOW + MINUTE) == {"I7": 1}


# --- Any order gives the same --------------------------------------------------------------------

FACTS = ("delivered_at", "opened_at", "clicked_at", "failed_at", "status")


def folded(events: Iterable[Event]) -> tuple[Any, ...]:
    """The facts by the rules of design, section 4, in plain Python."""
    counted = [event for event in events if not event.is_machine]

    def first(*kinds: EventKind) -> datetime | None:
        return min((e.occurred_at for e in counted if e.kind in kinds), default=None)

    clicked = first(EventKind.CLICKED)
    opened = first(EventKind.CLICKED, EventKind.OPENED)
    delivered = first(EventKind.CLICKED, EventKind.OPENED, EventKind.DELIVERED)
    failed = first(EventKind.FAILED)
    ranks = ((clicked, "clicked"), (opened, "opened"), (delivered, "delivered"), (failed, "failed"))
    status = next((rank for at, rank in ranks if at), "sent")
    return delivered, opened, clicked, failed, status


def some_events(rng: random.Random, delivery: MessageDelivery) -> list[Event]:
    events = [
        Event(
            "test",
            f"{delivery.pk}:{number}",
            rng.choice([kind for kind in EventKind if kind != EventKind.INBOUND]),
            NOW + rng.randrange(-600, 600) * SECOND,
            delivery_id=delivery.pk,
            is_machine=rng.random() < 0.25,
        )
        for number in range(rng.randrange(1, 7))
    ]
    return events + rng.sample(events, rng.randrange(len(events)))  # some come twice


@pytest.mark.parametrize("seed", range(12))
def test_reports_in_any_order_and_portion_fold_to_the_same_facts(seed):
    rng = random.Random(seed)
    enrolled(8, days=(0,), channels=("sms",))
    schedule_due(NOW)
    settle()
    claims = authorize_due("sms", NOW).claims
    deliveries = list(MessageDelivery.objects.all())
    events = [event for delivery in deliveries for event in some_events(rng, delivery)]
    rng.shuffle(events)
    recorded_after = rng.randrange(len(events))  # our own record comes anywhere in between
    for number, event in enumerate(events):
        store([event], NOW)
        if rng.random() < 0.3:
            apply_events(NOW)
        if number == recorded_after:
            answer(claims, [Accepted(f"x-{claim.delivery_id}") for claim in claims], NOW)
    apply_events(NOW)
    for delivery in deliveries:
        facts = MessageDelivery.objects.values_list(*FACTS).get(pk=delivery.pk)
        assert facts == folded(event for event in events if event.delivery_id == delivery.pk)
    assert found() == {}
