"""Who comes back by a number, when and for what; and which of our numbers it was written to."""

from datetime import timedelta

import pytest

from messaging import reports
from messaging.models import InboundMessage, ProviderEvent, Suppression, SuppressionReason
from messaging.optout import opt_out
from messaging.suppress import suppress
from tests.engine import DAY, NOW, doctor
from tests.messaging.webhooks.test_inbound import standing
from tests.webhook_calls import says

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def _clock(time_machine):
    time_machine.move_to(NOW, tick=False)


def test_start_that_comes_late_does_not_undo_what_the_doctor_said_since():
    who = doctor()
    says(f"whatsapp:{who.phone}", "START")  # it waits: nobody has taken it in
    opt_out(who.pk, None, None, source="link", now=NOW + 2 * MINUTE)
    reports.take(NOW + 3 * MINUTE)
    assert InboundMessage.objects.get().kind == "start"
    assert standing(who) == {(None, None)}


def test_start_from_a_shared_number_undoes_only_what_was_said_from_it(time_machine):
    owner = doctor(phone="+919000000001")
    other = doctor(whatsapp="+919000000001")
    opt_out(owner.pk, None, None, source="link", now=NOW - DAY)
    says("whatsapp:+919000000001", "STOP")
    reports.take(NOW)
    assert standing(other) == {("whatsapp", None)}
    assert standing(owner) == {(None, None), ("whatsapp", None)}
    time_machine.move_to(NOW + MINUTE)
    says("whatsapp:+919000000001", "START", "SM2")
    reports.take(NOW + MINUTE)
    assert (standing(owner), standing(other)) == ({(None, None)}, set())


def test_a_message_names_the_account_that_it_came_to(settings):
    settings.PROVIDER_VARIABLES = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_SECOND_ACCOUNT_SID": "AC2"}
    settings.TWILIO_ACCOUNT_SID = "AC1"
    for number, sid in enumerate(("AC1", "AC2", "AC3", "")):
        says("whatsapp:+15550001111", "hello", f"SM{number}", AccountSid=sid)
    reports.take(NOW)
    named = InboundMessage.objects.order_by("pk").values_list("provider", flat=True)
    assert list(named) == ["twilio", "twilio:second", "twilio", "twilio"]
    settings.PROVIDER_VARIABLES = {"TWILIO_ACCOUNT_SID": "AC1", "TWILIO_SECOND_ACCOUNT_SID": "AC1"}
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "twilio:second"}
    says("whatsapp:+15550001111", "hello", "SM9", AccountSid="AC1")
    reports.take(NOW)
    assert InboundMessage.objects.latest("pk").provider == "twilio:second"


def test_a_late_stop_holds_though_somebody_with_the_number_started_again_elsewhere(time_machine):
    owner = doctor(phone="+919000000001")
    other = doctor(phone="+919000000002", whatsapp="+919000000001")
    says("whatsapp:+919000000001", "STOP")
    ProviderEvent.objects.update(parked_at=NOW)  # it could not be taken in at first
    time_machine.move_to(NOW + MINUTE)
    says("whatsapp:+919000000002", "START", "SM2")
    reports.take(NOW + MINUTE)
    reports.retry(NOW + 2 * MINUTE)
    assert standing(owner) == {("whatsapp", None)}
    assert standing(other) == set()


def test_start_that_comes_late_lifts_no_later_opt_out_at_the_provider():
    who = doctor()
    says(f"whatsapp:{who.phone}", "START")
    suppress(who.pk, "whatsapp", SuppressionReason.OPTED_OUT, now=NOW + MINUTE)
    reports.take(NOW + 2 * MINUTE)
    assert Suppression.objects.standing().exists()
