"""What providers report, from the signed call to the delivery."""

import itertools
from datetime import timedelta

import pytest

from messaging import reports
from messaging.models import MessageDelivery, ProviderEvent
from tests.engine import NOW, enrolled, send_all
from tests.webhook_calls import (
    interakt,
    interakt_report,
    ses,
    ses_event,
    status,
)

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


def sent(channel):
    enrolled(days=(0,), channels=(channel,))
    send_all(NOW)
    MessageDelivery.objects.update(external_id=None)  # the report comes before our own record
    return MessageDelivery.objects.get()


def state(delivery):
    delivery.refresh_from_db()
    return delivery.status


def test_a_status_is_kept_and_nothing_is_counted_before_the_answer():
    delivery = sent("sms")
    answer = status("SM1", "delivered", delivery.pk)
    assert (answer.status_code, answer.content) == (200, b"<Response></Response>")
    assert state(delivery) == "sent"
    event = ProviderEvent.objects.get()
    assert (event.provider, event.event_key, event.kind) == (
        "twilio",
        "SM1:delivered:",
        "delivered",
    )
    assert (event.external_id, event.delivery_id, event.processed_at) == ("SM1", delivery.pk, None)
    assert event.detail == {"raw": {"MessageSid": "SM1", "MessageStatus": "delivered"}}
    reports.take(NOW + MINUTE)
    assert state(delivery) == "delivered"


@pytest.mark.parametrize("order", list(itertools.permutations(["sent", "delivered", "read"])))
def test_statuses_shuffled_and_doubled_reach_the_highest_rank(order):
    delivery = sent("whatsapp")
    for name in (*order, *order):
        assert status("SM1", name, delivery.pk).status_code == 200
        reports.take(NOW + MINUTE)
    assert state(delivery) == "opened"
    assert ProviderEvent.objects.count() == 3


def test_a_status_names_the_message_by_twilios_id_alone():
    delivery = sent("sms")
    MessageDelivery.objects.update(external_id="SM7")
    status("SM7", "delivered")
    reports.take(NOW)
    assert state(delivery) == "delivered"


def test_a_status_that_comes_before_our_own_record_is_put_aside_and_tried_again():
    delivery = sent("sms")
    status("SM8", "delivered")
    reports.take(NOW)
    assert state(delivery) == "sent"
    MessageDelivery.objects.update(external_id="SM8")
    assert reports.retry(NOW + MINUTE) == 1
    assert state(delivery) == "delivered"


@pytest.mark.parametrize(
    ("name", "became"),
    [
        ("accepted", "sent"),
        ("scheduled", "sent"),
        ("queued", "sent"),
        ("sending", "sent"),
        ("sent", "sent"),
        ("delivered", "delivered"),
        ("read", "opened"),
        ("undelivered", "failed"),
        ("failed", "failed"),
        ("canceled", "failed"),
        ("not-known-yet", "sent"),
    ],
)
def test_each_status_of_twilios(name, became):
    delivery = sent("sms")
    status("SM1", name, delivery.pk)
    reports.take(NOW)
    assert state(delivery) == became


def test_a_failure_says_why_in_words():
    delivery = sent("sms")
    status("SM1", "undelivered", delivery.pk, ErrorCode="30005")
    reports.take(NOW)
    assert state(delivery) == "failed"
    assert delivery.error_message == "Nobody has this number."
    assert ProviderEvent.objects.get().detail["code"] == "30005"


@pytest.mark.parametrize(
    ("kind", "became"),
    [
        ("message_api_sent", "sent"),
        ("message_api_delivered", "delivered"),
        ("message_api_read", "opened"),
        ("message_api_clicked", "clicked"),
        ("message_api_failed", "failed"),
    ],
)
def test_each_report_of_interakts(kind, became):
    delivery = sent("whatsapp")
    report = interakt_report(kind, delivery.pk, channel_failure_reason="Message undeliverable.")
    assert interakt(report).status_code == 200
    assert interakt(report).status_code == 200
    reports.take(NOW + MINUTE)
    assert state(delivery) == became
    event = ProviderEvent.objects.get()
    assert event.event_key == f"ik-1:{kind}" + (
        ":2026-03-04T06:31:00.000000" if kind == "message_api_clicked" else ""
    )
    assert "9812345678" not in str(event.detail)
    assert "words" not in str(event.detail)


def test_interakts_own_time_counts_and_never_lies_ahead(time_machine):
    time_machine.move_to(NOW + 5 * MINUTE, tick=False)
    delivery = sent("whatsapp")
    interakt(
        interakt_report(
            "message_api_delivered", delivery.pk, delivered_at_utc="2026-03-04T06:32:00"
        )
    )
    interakt(interakt_report("message_api_read", delivery.pk, seen_at_utc="2036-03-04T06:32:00"))
    reports.take(NOW + 6 * MINUTE)
    delivery.refresh_from_db()
    assert delivery.delivered_at == NOW + 2 * MINUTE
    assert delivery.opened_at == NOW + 5 * MINUTE


def test_a_type_that_interakt_adds_is_answered_and_forgotten():
    assert interakt(interakt_report("account_alerts")).status_code == 200
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize(
    ("event", "became"),
    [
        (("Send", {}), "sent"),
        (("Delivery", {"delivery": {"recipients": ["d1@example.com"]}}), "delivered"),
        (("Open", {"open": {"userAgent": "Thunderbird"}}), "opened"),
        (("Open", {"open": {"userAgent": "Mozilla/5.0"}}), "sent"),  # Apple's preloading
        (("Click", {"click": {"link": "https://clirnet.example", "userAgent": "x"}}), "clicked"),
        (
            (
                "Bounce",
                {
                    "bounce": {
                        "bounceType": "Permanent",
                        "bounceSubType": "General",
                        "bouncedRecipients": [
                            {"emailAddress": "d1@example.com", "diagnosticCode": "550 no such user"}
                        ],
                    }
                },
            ),
            "failed",
        ),
    ],
)
def test_each_event_of_ses(event, became):
    delivery = sent("email")
    kind, more = event
    for _ in range(46):  # so many copies have been seen
        assert ses(ses_event(kind, delivery.pk, **more)).status_code == 200
    reports.take(NOW + MINUTE)
    assert state(delivery) == became
    stored = ProviderEvent.objects.get()
    assert stored.provider == "amazon_ses"
    assert "d1@example.com" not in str(stored.detail)
    assert stored.is_machine == (became == "sent" and kind == "Open")
