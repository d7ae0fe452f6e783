"""“Send me a test” where only registered texts go: the way of the real message, to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.core.cache import cache

from messaging.models import DeliveryAttempt, MessageTemplate
from messaging.preview import TEST_TOKEN, Person
from messaging.providers import instance
from messaging.trial import Outcome, send_trial
from tests.engine import NOW
from tests.providers.aws import AwsFake
from tests.providers.aws import variables as aws_variables
from tests.providers.fake import serving
from tests.providers.interakt_fake import KEY, InteraktFake
from tests.providers.peer import Fault
from tests.providers.twilio_fake import CONTENT, TwilioFake, variables

pytestmark = pytest.mark.django_db
SANDBOX = dict.fromkeys(("whatsapp", "sms", "email"), "sandbox")
ME = "+919876543210"
TEXTS = {
    "whatsapp": "Dear Dr. {{first_name}}: {{shortlink}}",
    "sms": "Dr. {{last_name}}: {{shortlink}} -CLIRNET",
}
UNMARKED = "It goes as it is registered, so without “[Test]”."


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    cache.clear()
    instance.cache_clear()
    yield
    cache.clear()
    instance.cache_clear()


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    with serving(TwilioFake()) as fake:
        settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio", "sms": "twilio"}
        settings.PROVIDER_VARIABLES = variables(fake)
        settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
        yield fake


def template(channel: str = "whatsapp", **fields: Any) -> MessageTemplate:
    given: dict[str, Any] = {
        "template_key": f"no_show.{channel}.1",
        "channel": channel,
        "segment_type": "no_show",
        "sequence_order": 1,
        "template_content": TEXTS[channel],
        "approval_status": "approved",
        "approval_checked_at": NOW,
    }
    if channel == "whatsapp":
        given["parameters"] = ["first_name", "shortlink"]
    return MessageTemplate.objects.create(**{**given, **fields})


def send(what: MessageTemplate) -> Outcome:
    who = Person({"first_name": "Asha", "last_name": "Rao"})
    return send_trial(what.draft(), who, ME, 1, NOW, saved=what)


def test_whatsapp_test_goes_as_the_approved_content_with_its_values(twilio: TwilioFake) -> None:
    outcome = send(template(content_sid=CONTENT))
    assert outcome == Outcome(
        "success", f"Sent: twilio accepted it as SM{1:032x}. {UNMARKED}", was_sent=True
    )
    (form,) = twilio.ledger
    values = json.loads(form["ContentVariables"])
    assert (form["To"], form["ContentSid"], values["1"]) == (f"whatsapp:{ME}", CONTENT, "Asha")
    assert values["2"].endswith(TEST_TOKEN)
    assert "StatusCallback" not in form
    assert not DeliveryAttempt.objects.exists()


def test_whatsapp_test_goes_by_name_and_language_at_interakt(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "interakt"}
    with serving(InteraktFake()) as interakt:
        settings.PROVIDER_VARIABLES = {"INTERAKT_API_KEY": KEY, "INTERAKT_API_URL": interakt.url}
        english = {"template_key": "no_show.whatsapp.2", "sequence_order": 2}
        template(**english, whatsapp_name="reminder", approval_status="rejected")
        hindi = template(whatsapp_name="reminder", whatsapp_language="hi")
        assert send(hindi).level == "success"
    (told,) = interakt.ledger
    assert (told["template"]["name"], told["template"]["languageCode"]) == ("reminder", "hi")
    assert told["template"]["bodyValues"][0] == "Asha"


def test_sms_of_a_registered_text_goes_with_its_id_and_without_the_mark(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "sns"}
    settings.SMS_DLT_REQUIRED = True
    with serving(AwsFake(service="sns")) as aws:
        settings.PROVIDER_VARIABLES = {**aws_variables("SNS", aws.url), "SNS_SENDER_ID": "CLIRNT"}
        registered = "Dr. {#var#}: {#var#} -CLIRNET\nStop: {#var#}"
        outcome = send(
            template("sms", dlt_template_id="1107654321098765432", registered_text=registered)
        )
    assert outcome.level == "success", outcome
    assert outcome.words.endswith(UNMARKED)
    (form,) = (parse_qs(body.decode()) for body in aws.ledger)
    assert ["1107654321098765432"] in form.values()
    assert form["Message"][0].startswith("Dr. Rao: ")


def test_sms_on_a_route_that_takes_any_text_bears_the_mark(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.SMS_DLT_REQUIRED = False
    outcome = send(template("sms"))
    assert outcome.words == f"Sent: twilio accepted it as SM{1:032x}."
    assert twilio.ledger[0]["Body"].startswith("[Test] Dr. Rao: ")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({}, "it has no Twilio content SID: enter that of the approved template."),
        (
            {"content_sid": CONTENT, "approval_status": "pending"},
            "WhatsApp has not approved it: waiting for approval.",
        ),
        (
            {"content_sid": CONTENT, "approval_checked_at": None},
            "Twilio has not said yet whether WhatsApp approved it: ask again.",
        ),
    ],
)
def test_template_that_could_not_go_out_is_not_sent_as_a_test(
    twilio: TwilioFake, fields: dict[str, Any], why: str
) -> None:
    outcome = send(template(**fields))
    assert outcome == Outcome("error", f"The text cannot be sent, because {why}")
    assert twilio.calls == []


def test_text_that_is_not_saved_yet_is_not_sent(twilio: TwilioFake) -> None:
    made = template(content_sid=CONTENT)
    made.delete()
    outcome = send_trial(made.draft(), Person({"first_name": "Asha"}), ME, 1, NOW, saved=None)
    assert outcome == Outcome("error", "The text cannot be sent: save the template first.")


def test_account_that_lacks_something_is_told(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "sms": "twilio"}
    settings.SMS_DLT_REQUIRED = False
    settings.PROVIDER_VARIABLES = {}
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    assert send(template("sms")).words == (
        "Nothing was sent: sms goes through twilio, but TWILIO_ACCOUNT_SID is not set: "
        "the account, AC and 32 digits or a to f."
    )


def test_lost_answer_is_no_clear_answer_and_nothing_is_sent_again(
    twilio: TwilioFake, settings: Any
) -> None:
    settings.SMS_DLT_REQUIRED = False
    twilio.faults = [Fault("reset", accepts=True)]
    assert send(template("sms")).level == "warning"
    assert len(twilio.calls) == 1
