"""What stays unknown is asked for, and after a day given up with its reason."""

import logging
from datetime import timedelta

import pytest
from django.db import transaction

from campaigns.schedule import schedule_due
from messaging.again import send_again
from messaging.models import (
    DeliveryAttempt,
    EventKind,
    MessageDelivery,
    ProviderAccount,
    SandboxMessage,
)
from messaging.providers import PROVIDERS, instance
from messaging.providers.base import Accepted, Refused, Unknown
from messaging.reconcile import ASK_AFTER, BATCH, GIVE_UP_AFTER, reconcile
from messaging.record import Tally
from messaging.send import send_due
from messaging.track import Event, apply_events, store
from tests.engine import DAY, NOW, answer, enrolled
from tests.messaging.scripted import SILENT, Scripted
from tests.messaging.together import Worker, at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
GIVEN_UP = "No answer within 24 hours: it may have arrived, and was not sent again."


@pytest.fixture
def asked(monkeypatch):
    """A provider with a look-up behind the sms account; whom it was asked for."""
    answers, calls = {}, []

    class Knowing(Scripted):
        name = "knowing"

        def look_up(self, delivery_ids):
            calls.append(list(delivery_ids))
            return {pk: answers[pk] for pk in delivery_ids if pk in answers}

    monkeypatch.setitem(PROVIDERS, "knowing", Knowing)
    instance.cache_clear()
    yield answers, calls
    instance.cache_clear()


def unknown(provider, count=3, name="knowing", settings=None):
    """So many deliveries without an answer, of an account at the provider of that name."""
    ProviderAccount.objects.update_or_create(channel="sms", defaults={"provider": name})
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "sms": name}
    enrolled(count, days=(0,), channels=("sms",))
    schedule_due(NOW)
    provider(SILENT)
    while send_due("sms", NOW, size=4):
        pass
    ProviderAccount.objects.update(failures_in_row=0, closed_until=None)
    while send_due("sms", NOW, size=4):
        ProviderAccount.objects.update(failures_in_row=0, closed_until=None)
    return list(MessageDelivery.objects.order_by("pk").values_list("pk", flat=True))


@pytest.fixture
def unknown_ones(provider, asked, settings):
    return unknown(provider, settings=settings)


def statuses():
    return list(MessageDelivery.objects.order_by("pk").values_list("status", flat=True))


def test_what_the_provider_knows_is_settled_and_the_rest_waits(unknown_ones, asked):
    first, second, third = unknown_ones
    asked[0].update({first: Accepted("x-1"), second: Refused("400", "no such number", True)})
    later = NOW + ASK_AFTER
    assert reconcile(later) == 2
    assert statuses() == ["sent", "failed", "unknown"]
    sent = MessageDelivery.objects.get(pk=first)
    assert (sent.external_id, sent.sent_at, sent.error_message) == ("x-1", later, None)
    assert MessageDelivery.objects.get(pk=second).error_message == "no such number (400)"
    outcomes = DeliveryAttempt.objects.order_by("delivery_id").values_list("outcome", "counts")
    assert list(outcomes) == [("accepted", True), ("refused", False), ("unknown", True)]
    assert reconcile(later) == 0
    assert asked[1][-1] == [third]  # nobody is asked for twice over


def test_a_provider_is_given_time_to_learn_of_a_message_itself(unknown_ones, asked):
    assert reconcile(NOW + ASK_AFTER - SECOND) == 0
    assert asked[1] == []


def test_what_was_refused_according_to_the_provider_is_not_sent_again_on_its_own(
    unknown_ones, asked
):
    asked[0].update(dict.fromkeys(unknown_ones, Refused("404", "never heard of it", False)))
    assert reconcile(NOW + ASK_AFTER) == 3
    assert set(statuses()) == {"failed"}
    assert "never heard of it" in MessageDelivery.objects.first().error_message


def test_an_answer_that_is_none_settles_nothing(unknown_ones, asked):
    asked[0].update(dict.fromkeys(unknown_ones, Unknown("still queued")))
    assert reconcile(NOW + ASK_AFTER) == 0
    assert set(statuses()) == {"unknown"}


def test_answers_on_what_nobody_asked_for_are_left_aside(unknown_ones, asked, monkeypatch):
    class Talkative(PROVIDERS["knowing"]):
        def look_up(self, delivery_ids):
            return {pk: Accepted("x") for pk in [*delivery_ids, stranger.pk]}

    stranger = MessageDelivery.objects.get(pk=unknown_ones[0])
    answer_of(stranger, Accepted("its own"))
    monkeypatch.setitem(PROVIDERS, "knowing", Talkative)
    instance.cache_clear()
    assert reconcile(NOW + ASK_AFTER) == 2
    stranger.refresh_from_db()
    assert stranger.external_id == "its own"


def answer_of(delivery, receipt):
    """Its worker is late with the answer."""
    claim = delivery.attempts.get()
    return answer([claim], [receipt], NOW)


def test_a_provider_that_is_away_is_asked_another_time(unknown_ones, asked, monkeypatch, caplog):
    def away(self, delivery_ids):
        raise ConnectionError("refused")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "messaging.reconcile"):
        patch.setattr(PROVIDERS["knowing"], "look_up", away)
        assert reconcile(NOW + ASK_AFTER) == 0
    assert "knowing could not be asked" in caplog.text
    assert set(statuses()) == {"unknown"}
    asked[0].update(dict.fromkeys(unknown_ones, Accepted("x")))
    assert reconcile(NOW + ASK_AFTER) == 3


@pytest.mark.parametrize("name", ["mute", "gone"])
def test_a_provider_that_cannot_be_asked_is_not(provider, monkeypatch, settings, name):
    class CannotTell:
        name = "mute"

    monkeypatch.setitem(PROVIDERS, "mute", CannotTell)
    unknown(provider, name=name, settings=settings)  # "gone": no such provider any more
    assert reconcile(NOW + ASK_AFTER) == 0
    assert reconcile(NOW + GIVE_UP_AFTER) == 3


def test_the_sandbox_knows_what_it_kept(provider, settings):
    first, *_ = unknown(provider, name="sandbox", settings=settings)
    SandboxMessage.objects.create(
        pk=first, delivery_id=first, recipient="+919800000001", text="Dear", accepted_at=NOW
    )
    assert reconcile(NOW + ASK_AFTER) == 1
    assert MessageDelivery.objects.get(status="sent").external_id == f"sandbox-{first}"


def test_many_are_asked_for_in_batches(provider, asked, settings, monkeypatch):
    monkeypatch.setattr("messaging.reconcile.BATCH", 3)
    unknown(provider, 7, settings=settings)
    reconcile(NOW + ASK_AFTER)
    assert [len(call) for call in asked[1]] == [3, 3, 1]
    assert BATCH == 500


# --- Giving up ------------------------------------------------------------------------------


def test_after_a_day_it_is_given_up_and_says_so(unknown_ones):
    assert reconcile(NOW + GIVE_UP_AFTER - SECOND) == 0
    ended = NOW + GIVE_UP_AFTER
    assert reconcile(ended) == 3
    rows = MessageDelivery.objects.values_list("status", "error_message", "failed_at")
    assert set(rows) == {("failed", GIVEN_UP, ended)}
    assert set(DeliveryAttempt.objects.values_list("outcome", "counts")) == {("unknown", True)}
    assert reconcile(ended + DAY) == 0
    assert send_due("sms", ended) == Tally()


def test_a_report_after_giving_up_still_counts(unknown_ones):
    ended = NOW + GIVE_UP_AFTER
    reconcile(ended)
    store([Event("test", "1", EventKind.DELIVERED, ended, unknown_ones[0])], ended)
    assert apply_events(ended) == 1
    assert statuses() == ["delivered", "failed", "failed"]


def test_a_late_answer_after_giving_up_is_kept_beside_the_reason(unknown_ones):
    reconcile(NOW + GIVE_UP_AFTER)
    late = MessageDelivery.objects.get(pk=unknown_ones[0])
    answer_of(late, Accepted("x-1"))
    late.refresh_from_db()
    assert (late.status, late.external_id, late.error_message) == ("failed", "x-1", GIVEN_UP)
    assert late.attempts.get().outcome == "accepted"


# --- Together -------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_reconcilers_at_once_settle_each_once(provider, asked, settings):
    ids = unknown(provider, 12, settings=settings)
    asked[0].update(dict.fromkeys(ids[:6], Accepted("x")))
    at_once(*[lambda: reconcile(NOW + ASK_AFTER)] * 3)
    assert statuses() == ["sent"] * 6 + ["unknown"] * 6
    assert sum(at_once(*[lambda: reconcile(NOW + GIVE_UP_AFTER)] * 3)) == 6
    assert statuses() == ["sent"] * 6 + ["failed"] * 6


@pytest.mark.django_db(transaction=True)
def test_an_answer_for_what_was_sent_again_meanwhile_is_not_this_attempts(unknown_ones, asked):
    first = unknown_ones[0]
    asked[0].update({first: Accepted("first copy")})
    with transaction.atomic():
        send_again(first, "Asha", NOW + ASK_AFTER)
        asking = Worker(lambda: reconcile(NOW + ASK_AFTER))
        assert waits_for_a_lock()
    assert asking.result() == 0
    delivery = MessageDelivery.objects.get(pk=first)
    assert (delivery.status, delivery.external_id) == ("scheduled", None)
    assert delivery.attempts.get().outcome == "written_off"


@pytest.mark.django_db(transaction=True)
def test_giving_up_passes_by_what_is_just_settled(unknown_ones):
    with transaction.atomic():
        MessageDelivery.objects.select_for_update().get(pk=unknown_ones[0])
        assert at_once(lambda: reconcile(NOW + GIVE_UP_AFTER)) == [2]
    assert statuses() == ["unknown", "failed", "failed"]
