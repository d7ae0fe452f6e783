"""Deliveries through the engine and real providers: what is on the template goes along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

import pytest

from campaigns.schedule import schedule_due
from messaging.accounts import FIRST_PAUSE
from messaging.models import (
    DeliveryAttempt,
    MessageDelivery,
    MessageTemplate,
    ProviderAccount,
    Suppression,
    SuppressionReason,
)
from messaging.providers import instance
from messaging.record import Tally
from messaging.send import send_due
from tests.engine import DAY, NOW, doctor, enrolled, member, send_all
from tests.providers.aws import AwsFake, variables
from tests.providers.fake import serving
from tests.providers.interakt_fake import KEY as INTERAKT_KEY
from tests.providers.interakt_fake import InteraktFake
from tests.providers.peer import Fault
from tests.providers.sendgrid_fake import KEY as SENDGRID_KEY
from tests.providers.sendgrid_fake import SendGridFake
from tests.providers.twilio_fake import CONTENT, SID, SMS_NUMBER, TOKEN, TwilioFake

# A provider's threads must not see the database: the tests' transaction is not theirs.
pytestmark = pytest.mark.django_db

SANDBOX = dict.fromkeys(("whatsapp", "sms", "email"), "sandbox")
NAMES = ["first_name", "session_name", "shortlink"]


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    instance.cache_clear()
    yield
    instance.cache_clear()


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake(contents={CONTENT: 3})) as fake:
        settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
        settings.PROVIDER_VARIABLES = {
            "TWILIO_ACCOUNT_SID": SID,
            "TWILIO_AUTH_TOKEN": TOKEN,
            "TWILIO_WHATSAPP_FROM": SMS_NUMBER,
            "TWILIO_SMS_FROM": SMS_NUMBER,
            "TWILIO_API_URL": fake.url,
        }
        yield fake


def approve(channel: str, **fields: Any) -> None:
    MessageTemplate.objects.filter(channel=channel).update(
        approval_status="approved", approval_checked_at=NOW, parameters=NAMES, **fields
    )


def due(channel: str) -> None:
    """One doctor, one step on the channel."""
    member(doctor(first_name="Meera", last_name="Iyer"))
    enrolled(0, days=(0,), channels=(channel,))


def test_content_and_values_of_the_template_go_to_twilio(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio"}
    due("whatsapp")
    approve("whatsapp", content_sid=CONTENT)
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    (form,) = twilio.ledger
    assert (form["ContentSid"], form["StatusCallback"].partition("=")[2]) == (
        CONTENT,
        str(delivery.pk),
    )
    values = json.loads(form["ContentVariables"])
    assert (values["1"], values["2"]) == ("Meera", "Heart failure")
    assert values["3"].endswith(f"/{delivery.token}")
    assert set(values) == {"1", "2", "3"}
    assert (delivery.status, delivery.external_id) == ("sent", f"SM{1:032x}")


def test_name_language_and_values_of_the_template_go_to_interakt(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "interakt:second"}
    with serving(InteraktFake(templates={("certificate", "hi"): 3})) as interakt:
        settings.PROVIDER_VARIABLES = {
            "INTERAKT_SECOND_API_KEY": INTERAKT_KEY,
            "INTERAKT_SECOND_API_URL": interakt.url,
        }
        due("whatsapp")
        approve("whatsapp", whatsapp_name="certificate", whatsapp_language="hi")
        send_all(NOW)
    delivery = MessageDelivery.objects.get()
    (told,) = interakt.ledger
    assert told["callbackData"] == str(delivery.pk)
    assert told["template"]["bodyValues"][:2] == ["Meera", "Heart failure"]
    assert (delivery.status, delivery.external_id) == ("sent", "interakt-1")
    assert DeliveryAttempt.objects.get().account.provider == "interakt:second"


def test_dlt_id_of_the_template_goes_to_sns(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "sns"}
    with serving(AwsFake(service="sns")) as aws:
        settings.PROVIDER_VARIABLES = {**variables("SNS", aws.url), "SNS_SENDER_ID": "CLIRNT"}
        due("sms")
        MessageTemplate.objects.update(dlt_template_id="1107654321098765432")
        send_all(NOW)
    (form,) = map(parse_qs, map(bytes.decode, aws.ledger))
    assert ["1107654321098765432"] in form.values()
    assert MessageDelivery.objects.get().external_id == "aws-1"


def test_mail_of_a_delivery_goes_to_sendgrid_with_its_way_out(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "email": "sendgrid"}
    with serving(SendGridFake()) as sendgrid:
        settings.PROVIDER_VARIABLES = {
            "SENDGRID_API_KEY": SENDGRID_KEY,
            "SENDGRID_API_URL": f"{sendgrid.url}/v3",
        }
        due("email")
        send_all(NOW)
    delivery = MessageDelivery.objects.get()
    (mail,) = sendgrid.ledger
    assert mail["custom_args"]["delivery_id"] == str(delivery.pk) == delivery.external_id
    assert mail["headers"]["List-Unsubscribe"].endswith(f"/u/{delivery.token}>")


def test_lost_answer_leaves_the_message_unknown_and_sends_no_other(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    settings.SMS_DLT_REQUIRED = False
    twilio.faults = [Fault("reset", accepts=True)]
    due("sms")
    send_all(NOW)
    send_all(NOW)
    assert MessageDelivery.objects.get().status == "unknown"
    assert len(twilio.ledger) == len(twilio.calls) == 1


def test_stop_at_twilio_fails_the_message_and_closes_the_channel(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    person = doctor()
    member(person)
    enrolled(0, days=(0,), channels=("sms",))
    twilio.refuses[str(person.phone)] = (400, 21610)
    schedule_due(NOW)
    send_due("sms", NOW)
    delivery = MessageDelivery.objects.get()
    assert delivery.status == "failed"
    words = "Unable to create record for … (21610)"  # without the number
    assert delivery.error_message == words
    held = Suppression.objects.get()
    assert (held.doctor, held.channel, held.detail) == (person, "sms", words)
    assert held.reason == SuppressionReason.OPTED_OUT
    assert twilio.ledger == []


def test_number_that_is_off_for_now_closes_nothing(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    person = doctor()
    member(person)
    enrolled(0, days=(0,), channels=("sms",))
    twilio.refuses[str(person.phone)] = (400, 30003)
    schedule_due(NOW)
    send_due("sms", NOW)
    assert MessageDelivery.objects.get().status == "scheduled"
    assert not Suppression.objects.exists()


def test_limit_of_marketing_messages_waits_for_a_day(twilio: TwilioFake, settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio"}
    person = member(doctor())
    enrolled(0, days=(0,), channels=("whatsapp",))
    approve("whatsapp", content_sid=CONTENT)
    twilio.refuses[f"whatsapp:{person.phone}"] = (400, 63049)
    schedule_due(NOW)
    send_due("whatsapp", NOW)
    delivery = MessageDelivery.objects.get()
    assert delivery.status == "scheduled"
    assert NOW + DAY <= delivery.scheduled_at < delivery.expires_at
    assert not Suppression.objects.exists()
    account = ProviderAccount.objects.get(channel="whatsapp")
    assert (account.failures_in_row, account.closed_until) == (0, None)


@pytest.mark.parametrize(
    ("refusal", "wait"),
    [(Fault("429", retry_after="120"), timedelta(minutes=2)), (None, FIRST_PAUSE)],
)
def test_throttle_of_twilio_makes_the_whole_account_wait(
    twilio: TwilioFake, settings: Any, refusal: Fault | None, wait: timedelta
) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    settings.SMS_DLT_REQUIRED = False
    person = member(doctor())
    enrolled(0, days=(0,), channels=("sms",))
    if refusal:
        twilio.faults = [refusal]
    else:
        twilio.refuses[str(person.phone)] = (400, 20429)
    schedule_due(NOW)
    send_due("sms", NOW)
    assert MessageDelivery.objects.get().status == "scheduled"
    assert ProviderAccount.objects.get(channel="sms").closed_until == NOW + wait
    assert send_due("sms", NOW + wait / 2) == Tally()
    assert len(twilio.calls) == 1


def test_account_that_is_not_there_fails_nothing(twilio: TwilioFake, settings: Any) -> None:
    """Refused connections are definite: the messages wait for it."""
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    settings.SMS_DLT_REQUIRED = False
    settings.PROVIDER_VARIABLES |= {"TWILIO_API_URL": "http://127.0.0.1:1"}
    enrolled(8, days=(0,), channels=("sms",))
    schedule_due(NOW)
    send_due("sms", NOW)
    assert set(MessageDelivery.objects.values_list("status", flat=True)) == {"scheduled"}
    account = ProviderAccount.objects.get(channel="sms")
    assert account.closed_until == NOW + FIRST_PAUSE
    assert "connection refused" in account.last_trouble.lower()


def test_text_outside_of_a_session_fails_for_good_and_says_why(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio"}
    person = member(doctor())
    enrolled(0, days=(0,), channels=("whatsapp",))
    approve("whatsapp", content_sid=CONTENT)
    twilio.refuses[f"whatsapp:{person.phone}"] = (400, 63016)
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    assert (delivery.status, "63016" in str(delivery.error_message)) == ("failed", True)
    assert not Suppression.objects.exists()
    assert len(twilio.calls) == 1
