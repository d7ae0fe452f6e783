"""WhatsApp's sessions: a template stays the way; free text only where it may not go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging import session
from messaging.models import InboundMessage, MessageDelivery, MessageTemplate
from messaging.providers import instance
from messaging.send import send_due
from segments.models import Doctor
from tests.engine import NOW, doctor, enrolled, member, statuses
from tests.providers.fake import serving
from tests.providers.interakt_fake import KEY, InteraktFake
from tests.providers.twilio_fake import CONTENT, TwilioFake, variables

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)
SANDBOX = dict.fromkeys(("whatsapp", "sms", "email"), "sandbox")
NOT_APPROVED = "template_not_approved"


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioFake]:
    instance.cache_clear()
    with serving(TwilioFake(contents={CONTENT: 3})) as fake:
        settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "twilio"}
        settings.PROVIDER_VARIABLES = variables(fake)
        settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
        yield fake
    instance.cache_clear()


def due(**fields: Any) -> Doctor:
    """One doctor with a WhatsApp message that is due; `fields` of the template."""
    who = member(doctor(first_name="Meera"))
    enrolled(0, days=(0,), channels=("whatsapp",))
    given = {"content_sid": CONTENT, "approval_checked_at": NOW, **fields}
    MessageTemplate.objects.update(parameters=["first_name", "session_name", "shortlink"], **given)
    schedule_due(NOW)
    return who


def wrote(who: Doctor, age: timedelta = timedelta(hours=1), **fields: Any) -> InboundMessage:
    given = {"provider": "twilio", "channel": "whatsapp", "doctor": who, "sender": who.phone}
    return InboundMessage.objects.create(
        **{**given, **fields}, text="Thank you", received_at=NOW - age
    )


def test_approved_template_stays_the_way_in_an_open_session(twilio: TwilioFake) -> None:
    wrote(due(approval_status="approved"))
    assert send_due("whatsapp", NOW).sent == 1
    (form,) = twilio.ledger
    assert form["ContentSid"] == CONTENT
    assert json.loads(form["ContentVariables"])["1"] == "Meera"


@pytest.mark.parametrize("fields", [{"approval_status": "pending"}, {"content_sid": ""}])
def test_text_goes_out_in_an_open_session_while_its_template_waits(
    twilio: TwilioFake, fields: dict[str, str]
) -> None:
    who = due(**fields)
    wrote(who)
    assert send_due("whatsapp", NOW).sent == 1
    (form,) = twilio.ledger
    link = f"http://127.0.0.1:8000/r/{MessageDelivery.objects.get().token}"
    assert form["Body"].startswith(f"Dear Dr. Meera, Heart failure: {link}")
    assert "Reply STOP" in form["Body"]
    assert "ContentSid" not in form
    assert "StatusCallback" in form


@pytest.mark.parametrize("status", ["rejected", "paused", "disabled"])
def test_text_that_whatsapp_turned_down_goes_nowhere(twilio: TwilioFake, status: str) -> None:
    wrote(due(approval_status=status))
    send_due("whatsapp", NOW)
    assert statuses() == {"whatsapp 0": NOT_APPROVED}
    assert twilio.calls == []


@pytest.mark.parametrize(
    ("age", "status"),
    [
        (session.OPEN_FOR - SECOND, "sent"),
        (session.OPEN_FOR, NOT_APPROVED),
        (timedelta(hours=24), NOT_APPROVED),
        (timedelta(0), "sent"),
        (-SECOND, NOT_APPROVED),  # a clock that is ahead opens nothing
    ],
)
def test_session_ends_ten_minutes_before_whatsapp_ends_it(
    twilio: TwilioFake, age: timedelta, status: str
) -> None:
    wrote(due(approval_status="pending"), age)
    send_due("whatsapp", NOW)
    assert statuses() == {"whatsapp 0": status}


@pytest.mark.parametrize(
    "fields",
    [{"channel": "sms"}, {"provider": "interakt"}, {"sender": "+919812399999"}],
)
def test_message_on_another_way_opens_no_session(
    twilio: TwilioFake, fields: dict[str, str]
) -> None:
    wrote(due(approval_status="pending"), **fields)
    send_due("whatsapp", NOW)
    assert statuses() == {"whatsapp 0": NOT_APPROVED}


def test_session_is_one_of_the_number_that_messages_go_to(twilio: TwilioFake) -> None:
    who = due(approval_status="pending")
    Doctor.objects.filter(pk=who.pk).update(whatsapp="+919812300000")
    wrote(who)  # from the phone, which WhatsApp messages do not go to
    wrote(who, doctor=None, sender="+919812300000")
    assert send_due("whatsapp", NOW).sent == 1
    assert twilio.ledger[0]["To"] == "whatsapp:+919812300000"


def test_interakt_takes_free_text_too(settings: Any) -> None:
    instance.cache_clear()
    settings.MESSAGE_PROVIDERS = {**SANDBOX, "whatsapp": "interakt:second"}
    with serving(InteraktFake()) as interakt:
        settings.PROVIDER_VARIABLES = {
            "INTERAKT_SECOND_API_KEY": KEY,
            "INTERAKT_SECOND_API_URL": interakt.url,
        }
        wrote(due(approval_status="pending"), provider="interakt")
        assert send_due("whatsapp", NOW).sent == 1
    (told,) = interakt.ledger
    assert told["data"]["message"].startswith("Dear Dr. Meera, Heart failure: ")
    instance.cache_clear()


def _queries(count: int) -> int:
    MessageDelivery.objects.all().delete()
    CampaignEnrollment.objects.all().delete()
    enrolled(count, days=(0,), channels=("whatsapp",))
    MessageTemplate.objects.update(approval_status="pending", content_sid=CONTENT)
    for who in Doctor.objects.all():
        wrote(who)
    schedule_due(NOW)
    with CaptureQueriesContext(connection) as queries:
        assert send_due("whatsapp", NOW).sent >= count
    return len(queries)


def test_sessions_cost_the_same_queries_for_one_and_three(twilio: TwilioFake) -> None:
    _queries(1)  # fills the cache of social proof figures
    assert _queries(1) == _queries(3)


def test_sessions_are_not_asked_about_where_templates_may_go(twilio: TwilioFake) -> None:
    due(approval_status="approved")
    with CaptureQueriesContext(connection) as queries:
        assert send_due("whatsapp", NOW).sent == 1
    assert not [query for query in queries if "inbound_messages" in query["sql"]]


def test_sessions_are_found_by_their_index() -> None:
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as queries:
        cursor.execute("SET LOCAL enable_seqscan = off")
        session.open_numbers({"+919812300000", "+919812300001"}, NOW)
        cursor.execute(f"EXPLAIN {queries[-1]['sql']}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "idx_inbound_messages_session" in plan
