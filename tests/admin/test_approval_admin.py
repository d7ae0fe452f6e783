"""A template's approval in the admin: what is shown, entered, compared and asked for."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from messaging.admin.approval import NamesField
from messaging.models import MessageTemplate
from messaging.providers import PROVIDERS
from messaging.providers.base import Need
from messaging.providers.sandbox import SandboxProvider
from tests import engine
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW
from tests.providers.twilio_content import ACCOUNT, SID, TOKEN, TwilioContent, twilio_content

pytestmark = pytest.mark.django_db

REGISTERED = "Dear Dr. {{1}}, {{2}}: {{3}}\n\nReply STOP to opt out"
NAMES = ["first_name", "session_name", "shortlink"]


class AtTwilio(SandboxProvider):
    name = "at twilio"
    needs = {"whatsapp": Need.CONTENT_SID}


class AtInterakt(SandboxProvider):
    name = "at interakt"
    needs = {"whatsapp": Need.WHATSAPP_NAME}


@pytest.fixture(autouse=True)
def _providers(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in (AtTwilio, AtInterakt):
        monkeypatch.setitem(PROVIDERS, provider.name, provider)


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioContent]:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "at twilio"}
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    with twilio_content() as fake:
        settings.TWILIO_CONTENT_URL = fake.url
        yield fake


@pytest.fixture
def interakt(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "at interakt"}


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Templates that a worker was told to ask about."""
    found: list[Any] = []
    monkeypatch.setattr("messaging.tasks.ring_approval", found.append)
    return found


def template(channel: str = "whatsapp", *, status: str = "active", **fields: Any) -> Any:
    made = engine.campaign(days=(0,), channels=(channel,), status=status).steps.get().template
    MessageTemplate.objects.filter(pk=made.pk).update(**fields)
    return MessageTemplate.objects.get(pk=made.pk)


def shown(client: Client, row: Any) -> Any:
    response = client.get(page(MessageTemplate, "change", row.pk))
    assert response.status_code == 200
    return response


def fields_of(response: Any) -> set[str]:
    return set(response.context["adminform"].form.fields)


def notices_of(response: Any) -> list[tuple[str, str, list[str]]]:
    """All but where the text is in use, which test_in_use.py looks at."""
    found = [n for n in response.context["notices"] if "a change counts from" not in n.title]
    return [(n.level, n.title, list(n.lines)) for n in found]


def save(client: Client, row: Any, **fields: Any) -> Any:
    form = {"sequence_order": "1", "template_content": row.template_content, **fields}
    url = page(MessageTemplate, "change", row.pk)
    form["opened_version"] = row.versions.count()
    return client.post(url, {"subject_line": row.subject_line or "", "defaults": "{}", **form})


SHOWN = {"registered_text", "parameters", "whatsapp_category", "approval_status"}


def test_each_channel_has_its_own_fields(admin_client: Client) -> None:
    everything = SHOWN | {"content_sid", "whatsapp_name", "whatsapp_language", "dlt_template_id"}
    found = fields_of(shown(admin_client, template()))
    assert found & everything == everything - {"dlt_template_id"}
    found = fields_of(shown(admin_client, template("sms")))
    assert found & everything == {"dlt_template_id", "registered_text"}
    assert fields_of(shown(admin_client, template("email"))) & everything == set()


@pytest.mark.usefixtures("twilio")
def test_status_is_read_only_where_twilio_says_it(admin_client: Client) -> None:
    response = shown(admin_client, template(approval_status="pending", approval_checked_at=NOW))
    assert "approval_status" not in fields_of(response)
    assert not fields_of(response) & {"whatsapp_name", "approval_detail"}
    assert "Waiting for approval" in response.content.decode()


@pytest.mark.usefixtures("interakt")
def test_status_said_by_hand_notes_who_said_it(admin_client: Client, rung: list[Any]) -> None:
    row = template(approval_checked_at=NOW)
    response = save(
        admin_client,
        row,
        whatsapp_name="cert_1",
        whatsapp_language="en",
        approval_status="approved",
        parameters="first_name\nsession_name\nshortlink",
    )
    assert response.status_code == 302
    row.refresh_from_db()
    assert (row.approval_status, row.approval_checked_at) == ("approved", None)
    assert row.approval_detail == "Said by admin, 04 Mar 2026, 12:00."
    assert row.parameters == NAMES
    assert rung == []


def test_variables_are_typed_as_names() -> None:
    field = NamesField(required=False)
    assert field.clean("first_name, {{session_name}}\r\n\r\nshortlink;") == NAMES
    assert field.clean("") == []
    assert field.prepare_value(NAMES) == "first_name\nsession_name\nshortlink"
    assert not field.has_changed(NAMES, "first_name, session_name, shortlink")
    assert not field.has_changed(None, "")
    assert field.has_changed(NAMES, "session_name, first_name, shortlink")


def test_variable_that_there_is_not_is_refused_beside_its_field(admin_client: Client) -> None:
    row = template()
    response = save(admin_client, row, content_sid=SID, parameters="frist_name")
    assert response.status_code == 200
    assert response.context["adminform"].form.errors == {
        "parameters": ["There is no variable {{frist_name}}. Did you mean {{first_name}}?"]
    }
    assert "frist_name" in response.content.decode()


@pytest.mark.usefixtures("twilio")
def test_text_as_registered_is_told(admin_client: Client) -> None:
    row = template(
        content_sid=SID,
        registered_text=REGISTERED,
        parameters=NAMES,
        approval_status="approved",
        approval_checked_at=NOW,
    )
    assert notices_of(shown(admin_client, row)) == [
        ("success", "The text is as registered, word for word.", [])
    ]


@pytest.mark.usefixtures("twilio")
def test_first_difference_and_the_campaign_that_runs_are_told(admin_client: Client) -> None:
    row = template(
        content_sid=SID,
        registered_text=REGISTERED.replace("Dear", "Hello"),
        parameters=NAMES,
        approval_status="rejected",
        approval_checked_at=NOW,
    )
    running, differs = notices_of(shown(admin_client, row))
    assert running == (
        "error",
        "A running campaign sends this text, and it may not go out: it is skipped.",
        ["WhatsApp has not approved it: rejected."],
    )
    assert differs[:2] == ("warning", "It does not fit what is registered:")
    where, ours, theirs, _ = differs[2]
    assert where == "The text is not as registered in line 1, column 1."
    assert (ours[:8], theirs[:11]) == ("Message:", "Registered:")
    assert ">Dear Dr. {{first_name}}, " in ours
    assert ">Hello Dr. {{1}}, " in theirs


@pytest.mark.usefixtures("twilio")
def test_template_that_no_running_campaign_sends_is_a_warning(admin_client: Client) -> None:
    ((level, title, lines),) = notices_of(shown(admin_client, template(status="draft")))
    assert (level, title) == ("warning", "This text may not go out:")
    assert lines == ["It has no Twilio content SID: enter that of the approved template."]


@pytest.mark.usefixtures("twilio")
def test_running_campaign_shows_what_keeps_its_text_back(admin_client: Client) -> None:
    campaign = template(content_sid=SID, approval_checked_at=NOW).steps.get().campaign
    MessageTemplate.objects.update(approval_status="paused")
    response = admin_client.get(page(type(campaign), "change", campaign.pk))
    level, title, lines = notices_of(response)[0]
    assert (level, title) == ("error", "This campaign can't send as it is:")
    assert lines[0].endswith("WhatsApp has not approved it: paused by WhatsApp.")


def test_nothing_is_said_where_nothing_is_asked_for(admin_client: Client) -> None:
    for channel in ("whatsapp", "sms", "email"):
        assert notices_of(shown(admin_client, template(channel))) == []


# --- asking ---------------------------------------------------------------------------------


def button(row: Any) -> str:
    return page(MessageTemplate, "change", row.pk).replace("change", "ask_again")


def test_button_asks_first_and_then_says_what_twilio_says(
    admin_client: Client, twilio: TwilioContent
) -> None:
    row = template(content_sid=SID, approval_status="approved")
    assert button(row) in shown(admin_client, row).content.decode()
    twilio.has("rejected", rejection_reason="Too many capitals", body=REGISTERED)
    assert "Twilio is asked" in admin_client.get(button(row)).content.decode()
    assert twilio.calls == []
    response = admin_client.post(button(row), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["Asked: Rejected. Reason: Too many capitals"]
    row.refresh_from_db()
    assert (row.approval_status, row.registered_text) == ("rejected", REGISTERED)


def test_button_says_when_twilio_does_not_answer(
    admin_client: Client, twilio: TwilioContent
) -> None:
    row = template(content_sid=SID, approval_status="approved")
    twilio.answers.append((500, b""))
    response = admin_client.post(button(row), {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["Twilio gave no answer (HTTP 500)."]
    row.refresh_from_db()
    assert row.approval_status == "approved"


def test_button_is_there_only_where_there_is_something_to_ask(
    admin_client: Client, twilio: TwilioContent, settings: Any
) -> None:
    row = template()
    assert button(row) not in shown(admin_client, row).content.decode()
    assert admin_client.post(button(row), {"confirmed": "yes"}).status_code == 404
    MessageTemplate.objects.update(content_sid=SID)
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "at interakt"}
    assert button(row) not in shown(admin_client, row).content.decode()
    assert twilio.calls == []


def test_asking_needs_the_permission_to_change(twilio: TwilioContent) -> None:
    row = template(content_sid=SID)
    client = staff("messaging.view_messagetemplate")
    assert client.post(button(row), {"confirmed": "yes"}).status_code == 403
    assert twilio.calls == []


@pytest.mark.usefixtures("twilio")
def test_saving_has_a_worker_ask_once_it_is_committed(
    admin_client: Client,
    rung: list[Any],
    django_capture_on_commit_callbacks: Any,
) -> None:
    row = template()
    with django_capture_on_commit_callbacks(execute=True):
        save(admin_client, row)
    assert rung == []
    with django_capture_on_commit_callbacks() as callbacks:
        assert save(admin_client, row, content_sid=SID).status_code == 302
    assert rung == []
    for callback in callbacks:
        callback()
    assert rung == [row.pk]


# --- the list -------------------------------------------------------------------------------


def test_list_shows_and_filters_by_approval(admin_client: Client, settings: Any) -> None:
    settings.SMS_DLT_REQUIRED = True
    template(approval_status="rejected", title="One")
    template(title="Two")
    template("sms", title="Three")
    template("email", title="Four")
    everything = admin_client.get(page(MessageTemplate)).content.decode()
    for words in ("Rejected", "Not asked yet", "Not registered"):
        assert words in everything
    rejected = admin_client.get(page(MessageTemplate), {"approval": "rejected"})
    assert [row.title for row in rejected.context["cl"].result_list] == ["One"]
    unsaid = admin_client.get(page(MessageTemplate), {"approval": "unknown"})
    assert [row.title for row in unsaid.context["cl"].result_list] == ["Two"]
