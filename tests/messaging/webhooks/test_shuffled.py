"""Whatever the order, the number of copies and the moment of reports: the same end."""

from datetime import timedelta

from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from messaging import reports
from messaging.models import MessageDelivery, ProviderEvent, Suppression
from messaging.track import Event, store
from tests.engine import NOW, enrolled, send_all

SECOND = timedelta(seconds=1)
# Of one message, as providers tell it: kind, verdict, and seconds after it was sent.
TOLD = [
    ("sent", "", 1),
    ("delivered", "", 2),
    ("opened", "", 3),
    ("opened", "", 9),
    ("clicked", "", 5),
    ("failed", "soft_bounce", 4),
    ("failed", "invalid", 6),
    ("complained", "complaint", 7),
]
FACTS = ("status", "sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at")


def report(place, delivery):
    """One report; every second one names the message by the provider's id alone."""
    kind, verdict, after = TOLD[place]
    named = {"delivery_id": delivery.pk} if place % 2 else {"external_id": "sid"}
    at = NOW + after * SECOND
    return Event("test", f"{place}", kind, at, **named, verdict=verdict, detail={"error": "no"})


def outcome(delivery, told, recorded_after):
    """What is known in the end; our own record is committed after so many of the reports."""
    now = NOW + timedelta(minutes=1)
    for number, place in enumerate(told):
        if number == recorded_after:
            MessageDelivery.objects.update(external_id="sid")
        store([report(place, delivery)], now)
        reports.take(now)
    MessageDelivery.objects.update(external_id="sid")
    reports.retry(now + SECOND)
    assert ProviderEvent.objects.count() == len(set(told))
    assert not ProviderEvent.objects.filter(processed_at=None).exists()
    facts = MessageDelivery.objects.values(*FACTS).get()
    return facts, set(Suppression.objects.values_list("channel", flat=True))


class Shuffled(TestCase):
    """Hypothesis gives each example a transaction of its own."""

    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.sets(st.integers(0, len(TOLD) - 1), min_size=1).flatmap(
            lambda places: st.tuples(
                st.just(sorted(places)),
                st.permutations([*places, *places]),
                st.integers(0, 2 * len(places)),
            )
        )
    )
    def test_reports_in_any_order_doubled_and_early_end_alike(self, drawn):
        in_order, shuffled, recorded_after = drawn
        ends = []
        for told, after in ((in_order, 0), (shuffled, recorded_after)):
            with transaction.atomic():
                enrolled(days=(0,), channels=("sms",))
                send_all(NOW)
                ends.append(outcome(MessageDelivery.objects.get(), told, after))
                transaction.set_rollback(True)
        assert ends[0] == ends[1]
