"""What exactly went out, long after: the text of the day, whatever was changed since."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import CampaignMessage
from campaigns.schedule import schedule_due
from messaging.again import send_again
from messaging.evidence import NoText, SentText, outcome, sent_text
from messaging.models import (
    AttemptOutcome,
    DeliveryAttempt,
    HandedOver,
    MessageDelivery,
    MessageTemplate,
    SandboxMessage,
)
from messaging.record import Tally
from messaging.send import send_due
from segments.models import Session
from tests.engine import DAY, NOW, enrolled
from tests.messaging.scripted import BUSY, SILENT, TAKEN, WRONG
from tests.messaging.test_frozen import Killed, killed

pytestmark = pytest.mark.django_db


def due(channel="sms"):
    enrolled(1, days=(0,), channels=(channel,))
    schedule_due(NOW)
    return MessageDelivery.objects.get()


def send(channel="sms", now=NOW):
    tally = send_due(channel, now)
    return tally, MessageDelivery.objects.select_related("doctor", "campaign_message").get()


def change_everything(delivery):
    """The template, the step's subject, the doctor, the session and where links lead."""
    MessageTemplate.objects.update(
        template_content="Quite another text {{shortlink}}",
        preheader="Another",
        subject_line="Another",
    )
    delivery.doctor.first_name = delivery.doctor.last_name = "Somebody"
    delivery.doctor.save()
    Session.objects.update(title="Another session")


@pytest.mark.parametrize("channel", ["whatsapp", "sms", "email"])
def test_evidence_is_the_text_of_the_day_after_everything_was_changed(channel, settings):
    due(channel)
    MessageTemplate.objects.update(preheader="For {{first_name}}" if channel == "email" else "")
    tally, delivery = send(channel)
    assert tally == Tally(sent=1)
    change_everything(delivery)
    settings.PUBLIC_BASE_URL = "https://moved.example"
    settings.SUPPORT_EMAIL = "moved@example.com"
    found = sent_text(MessageDelivery.objects.get())
    kept = SandboxMessage.objects.get()
    assert isinstance(found, SentText)
    assert (found.message.text, found.message.subject, found.message.html) == (
        kept.text,
        kept.subject,
        kept.html,
    )
    assert "moved" not in found.message.text
    assert (found.version.number, found.is_certain) == (2 if channel == "email" else 1, True)
    assert ("For Anita" in found.message.html) == (channel == "email")


def test_evidence_has_the_values_that_were_filled_in():
    due()
    _, delivery = send()
    name = delivery.doctor.last_name
    change_everything(delivery)
    found = sent_text(delivery)
    assert found.variables["last_name"] == name
    assert set(found.variables) == {"last_name", "session_name", "shortlink"}


def test_evidence_of_a_retried_delivery_is_of_the_attempt_that_went_out(provider):
    due()
    provider(BUSY, TAKEN)
    tally, delivery = send()
    assert tally == Tally(retried=1)
    assert isinstance(sent_text(delivery), NoText)
    MessageTemplate.objects.update(template_content="Second {{last_name}} {{shortlink}}")
    tally, delivery = send(now=delivery.scheduled_at)
    assert tally == Tally(sent=1)
    MessageTemplate.objects.update(template_content="Third {{shortlink}}")
    found = sent_text(delivery)
    assert found.message.text.startswith(f"Second {delivery.doctor.last_name} ")
    assert found.version.number == 2
    assert HandedOver.objects.count() == 2


def test_evidence_of_what_got_no_answer_is_what_may_have_arrived(provider):
    due()
    provider(SILENT)
    _, delivery = send()
    found = sent_text(delivery)
    assert found.attempt.outcome == AttemptOutcome.UNKNOWN
    assert (found.is_certain, "Heart failure" in found.message.text) == (False, True)


def test_evidence_of_what_is_to_be_sent_again_is_the_one_that_may_have_arrived(provider):
    due()
    provider(SILENT, TAKEN)
    _, delivery = send()
    send_again(delivery.pk, "meera", NOW)
    MessageTemplate.objects.update(template_content="Second {{shortlink}}")
    found = sent_text(MessageDelivery.objects.get())
    assert found.attempt.outcome == AttemptOutcome.WRITTEN_OFF
    assert "Heart failure" in found.message.text
    delivery = MessageDelivery.objects.get()
    tally, delivery = send(now=max(NOW + DAY + timedelta(hours=1), delivery.scheduled_at))
    assert tally == Tally(sent=1)
    found = sent_text(delivery)
    assert (found.is_certain, found.message.text[:6]) == (True, "Second")


def test_evidence_of_a_killed_worker_is_what_it_was_handing_over(provider):
    due()
    provider().during = killed
    with pytest.raises(Killed):
        send_due("sms", NOW)
    found = sent_text(MessageDelivery.objects.get())
    assert found.attempt.outcome == AttemptOutcome.PENDING
    assert "Heart failure" in found.message.text


def test_evidence_shows_the_subject_that_the_step_had():
    due("email")
    CampaignMessage.objects.update(subject_line="Own {{first_name}}")
    _, delivery = send("email")
    CampaignMessage.objects.update(subject_line="Another")
    assert sent_text(delivery).message.subject == "Own Anita"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "scheduled"}, "Nothing has gone out yet"),
        ({"status": "skipped", "skip_reason": "frequency_cap"}, "The doctor had messages enough"),
        ({"status": "failed", "error_message": "x"}, "could not be prepared"),
        ({"status": "unknown"}, "Nothing is on record"),
    ],
)
def test_evidence_of_what_did_not_go_out_says_why(fields, words):
    delivery = due()
    for name, value in fields.items():
        setattr(delivery, name, value)
    found = sent_text(delivery)
    assert isinstance(found, NoText)
    assert words in found.reason
    assert found.attempt is None


def test_evidence_of_what_was_refused_is_that_nothing_went_out(provider):
    due()
    provider(WRONG)
    _, delivery = send()
    assert "the provider refused it" in sent_text(delivery).reason


def test_evidence_of_what_went_out_before_texts_were_kept_says_so():
    due()
    _, delivery = send()
    HandedOver.objects.all().delete()
    found = sent_text(delivery)
    assert isinstance(found, NoText)
    assert "not kept" in found.reason
    assert found.attempt == DeliveryAttempt.objects.get()


def test_evidence_of_a_version_that_is_gone_says_so():
    due()
    _, delivery = send()
    delivery.campaign_message.template.versions.all().delete()
    assert "version is gone" in sent_text(delivery).reason


def test_evidence_of_a_claim_that_is_not_handed_over_yet_says_so():
    delivery = due()
    DeliveryAttempt.objects.create(
        delivery=delivery,
        doctor=delivery.doctor,
        channel="sms",
        claim_id=delivery.pk,
        authorised_at=NOW,
        consent_version=0,
        timezone="Asia/Kolkata",
    )
    assert "no provider has heard of it" in sent_text(delivery).reason


def test_evidence_takes_three_queries_and_the_steps():
    due()
    send()
    delivery = MessageDelivery.objects.get()
    with CaptureQueriesContext(connection) as queries:
        assert isinstance(sent_text(delivery), SentText)
    assert len(queries) == 3  # attempt, window, version


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": "scheduled"}, "It waits for 04 Mar 2026, 12:00."),
        ({"status": "sending"}, "It is being handed to the provider."),
        (
            {"status": "skipped", "skip_reason": "frequency_cap", "skip_detail": "2 in a day"},
            "It was not sent, on purpose: the doctor had messages enough (2 in a day).",
        ),
        ({"status": "unknown"}, "It was handed over and got no answer: it may have arrived."),
        (
            {"status": "sent", "sent_at": NOW},
            "It was sent on 04 Mar 2026, 12:00, no report of its arrival has come yet.",
        ),
        (
            {"status": "clicked", "sent_at": NOW, "delivered_at": NOW, "clicked_at": NOW + DAY},
            (
                "It was sent on 04 Mar 2026, 12:00, arrived on 04 Mar 2026, 12:00, "
                "its link was followed on 05 Mar 2026, 12:00."
            ),
        ),
        (
            {"status": "failed", "failed_at": NOW, "error_message": "Nobody has this number."},
            "Failed on 04 Mar 2026, 12:00: Nobody has this number.",
        ),
    ],
)
def test_outcome_is_one_sentence(fields, words):
    delivery = due()
    for name, value in fields.items():
        setattr(delivery, name, value)
    assert outcome(delivery) == words
