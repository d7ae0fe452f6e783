"""What a channel's provider needs of a template, and what happens without it."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.approval import Registration, approval_problem, need_of, problem_of
from messaging.authorize import authorize_due
from messaging.facts import load_rows
from messaging.models import MessageDelivery, MessageTemplate
from messaging.providers import PROVIDERS
from messaging.providers.base import HandOff, Need, Outgoing, Receipt
from messaging.providers.sandbox import SandboxProvider
from messaging.validation import Draft, check_template
from tests import engine
from tests.engine import NOW, enrolled, schedule_due, send_all, statuses

pytestmark = pytest.mark.django_db

SID = "HX" + "1" * 32
WHATSAPP = engine.TEXTS["whatsapp"]
REGISTERED = "Dear Dr. {{1}}, {{2}}: {{3}}\n\nReply STOP to opt out"
NAMES = ["first_name", "session_name", "shortlink"]
DLT = {
    "dlt_template_id": "1107160000000000001",
    "registered_text": "Dr. {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}",
}
APPROVED: dict[str, Any] = {
    "content_sid": SID,
    "registered_text": REGISTERED,
    "parameters": NAMES,
    "approval_status": "approved",
    "approval_checked_at": NOW,
}


class Strict(SandboxProvider):
    """The sandbox, as demanding as Twilio is on WhatsApp."""

    name = "strict"
    needs = {"whatsapp": Need.CONTENT_SID}


class ByHand(SandboxProvider):
    """The same, as Interakt is."""

    name = "by hand"
    needs = {"whatsapp": Need.WHATSAPP_NAME}


class Plain:
    """A provider that says nothing of needs."""

    name = "plain"

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def _providers(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in (Strict, ByHand, Plain):
        monkeypatch.setitem(PROVIDERS, provider.name, provider)


@pytest.fixture
def strict(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "strict"}


def has(**fields: Any) -> Registration:
    values = {"whatsapp_language": "en", **fields}
    row = MessageTemplate(
        channel=values.pop("channel", "whatsapp"),
        segment_type="unclaimed_certificates",
        template_content=values.pop("content", WHATSAPP),
        sequence_order=1,
        **values,
    )
    return Registration(
        row.channel,
        row.segment_type,
        row.template_content,
        row.content_sid,
        row.whatsapp_name,
        row.whatsapp_language,
        row.parameters,
        row.dlt_template_id,
        row.registered_text,
        row.approval_status,
        row.approval_checked_at is not None,
    )


def test_provider_that_says_nothing_needs_nothing(settings: Any) -> None:
    for name in ("plain", "sandbox", "nobody"):
        settings.MESSAGE_PROVIDERS = dict.fromkeys(("whatsapp", "sms", "email"), name)
        assert {need_of(channel) for channel in settings.MESSAGE_PROVIDERS} == {Need.NOTHING}
    assert approval_problem(Need.NOTHING, has()) is None


def test_need_is_the_providers_and_for_sms_the_routes(settings: Any) -> None:
    settings.MESSAGE_PROVIDERS = {"whatsapp": "strict", "sms": "strict", "email": "strict"}
    settings.SMS_DLT_REQUIRED = True
    found = [need_of(channel) for channel in ("whatsapp", "sms", "email")]
    assert found == [Need.CONTENT_SID, Need.DLT, Need.NOTHING]


def test_approved_template_that_fits_may_go() -> None:
    assert approval_problem(Need.CONTENT_SID, has(**APPROVED)) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"content_sid": ""}, "it has no Twilio content SID"),
        ({"approval_checked_at": None}, "Twilio has not said yet"),
        ({"approval_status": ""}, "nobody has said yet"),
        ({"approval_status": "rejected"}, "WhatsApp has not approved it: rejected."),
        ({"approval_status": "pending"}, "WhatsApp has not approved it: waiting for approval."),
        ({"approval_status": "paused"}, "WhatsApp has not approved it: paused by WhatsApp."),
        ({"parameters": NAMES[:2]}, "{{3}} of the registered text has no variable."),
        ({"parameters": []}, "{{1}} of the registered text has no variable."),
        ({"parameters": [*NAMES[:2], "nonsense"]}, "there is no variable {{nonsense}}."),
        ({"registered_text": f"{REGISTERED}."}, "the text is not as registered, line 3, column"),
        ({"content": "{{#a}}x{{/a}} {{shortlink}}"}, "a registered text has a fixed number"),
        ({"content": "{{#a}}"}, "its text is broken"),
    ],
)
def test_template_at_twilio_says_what_it_lacks(fields: dict[str, Any], words: str) -> None:
    problem = approval_problem(Need.CONTENT_SID, has(**{**APPROVED, **fields}))
    assert problem is not None
    assert problem.startswith(words)


def test_template_at_interakt_is_approved_by_hand() -> None:
    need = Need.WHATSAPP_NAME
    named = {"whatsapp_name": "cert_1", "parameters": NAMES}
    assert approval_problem(need, has()) == (
        "it has no name and language at Interakt: enter those of the approved template."
    )
    assert "no name and language" in str(approval_problem(need, has(**named, whatsapp_language="")))
    assert "nobody has said yet" in str(approval_problem(need, has(**named)))
    assert approval_problem(need, has(**named, approval_status="approved")) is None
    del named["parameters"]
    problem = approval_problem(need, has(**named, approval_status="approved"))
    assert problem == (
        "{{first_name}} of the text has no number. "
        "Name it among the variables, the first for {{1}}."
    )


def test_sms_needs_its_id_and_its_text() -> None:
    def problem(**fields: Any) -> str | None:
        sms = {"channel": "sms", "content": engine.TEXTS["sms"]}
        return approval_problem(Need.DLT, has(**sms, **fields))

    assert problem(**DLT) is None
    assert "no DLT template id" in str(problem())
    assert "registered text is not known" in str(problem(**{**DLT, "registered_text": ""}))
    assert "not as registered, line 1, column 1" in str(problem(**{**DLT, "registered_text": "x"}))


# --- while a campaign runs ------------------------------------------------------------------


def update(**fields: Any) -> None:
    MessageTemplate.objects.update(**fields)


@pytest.mark.usefixtures("strict")
def test_message_of_a_template_that_is_not_approved_is_skipped_with_the_reason() -> None:
    enrolled(days=(0,), channels=("whatsapp",))
    update(**{**APPROVED, "approval_status": "paused"})
    send_all(NOW)
    assert statuses() == {"whatsapp 0": "template_not_approved"}
    delivery = MessageDelivery.objects.get()
    words = "WhatsApp has not approved it: paused by WhatsApp."
    assert delivery.skip_detail == words
    assert delivery.trace[-1] == {"gate": "template", "verdict": "skip", "detail": words}


@pytest.mark.usefixtures("strict")
def test_message_of_an_approved_template_goes_out() -> None:
    enrolled(days=(0,), channels=("whatsapp", "email"))
    MessageTemplate.objects.filter(channel="whatsapp").update(**APPROVED)
    send_all(NOW)
    assert statuses() == {"whatsapp 0": "sent", "email 0": "sent"}


def test_sms_that_is_not_as_registered_is_skipped_where_the_route_asks_for_it(
    settings: Any,
) -> None:
    enrolled(days=(0,), channels=("sms",))
    settings.SMS_DLT_REQUIRED = True
    update(**{**DLT, "registered_text": "Dr. {#var#}"})
    send_all(NOW)
    assert statuses() == {"sms 0": "template_not_approved"}
    assert "not as registered, line 1" in MessageDelivery.objects.get().skip_detail


def test_step_with_a_template_of_another_channel_says_so() -> None:
    enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    update(channel="email")
    authorize_due("sms", NOW)
    delivery = MessageDelivery.objects.get()
    assert delivery.skip_reason == "template_not_approved"
    assert delivery.skip_detail == "the step's template is one for email now"


@pytest.mark.usefixtures("strict")
def test_approval_is_decided_once_for_each_step_and_asks_no_query(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    enrolled(4, days=(0,), channels=("whatsapp",))
    update(**APPROVED)
    schedule_due(NOW)
    ids = list(MessageDelivery.objects.values_list("pk", flat=True))
    decided = []
    ask = approval_problem
    monkeypatch.setattr(
        "messaging.approval.approval_problem", lambda *args: decided.append(args) or ask(*args)
    )
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert len(load_rows(ids)) == 4
    assert (len(queries), len(decided)) == (2, 1)


# --- on saving ------------------------------------------------------------------------------


def findings(**fields: Any) -> list[tuple[str, str, str]]:
    values: dict[str, Any] = {
        "channel": "whatsapp",
        "segment_type": "unclaimed_certificates",
        "content": WHATSAPP,
        "content_sid": SID,
        "parameters": NAMES,
        "registered_text": REGISTERED,
        **fields,
    }
    return [(f.level, f.field, f.text) for f in check_template(Draft(**values))]


def test_template_that_fits_has_no_findings() -> None:
    assert findings() == []
    assert findings(registered_text="") == []
    assert findings(content_sid="", parameters=[], registered_text="") == []


def test_variables_that_cannot_be_right_are_errors() -> None:
    assert findings(parameters=["first_name", "course_name", "shortlink"]) == [
        (
            "error",
            "parameters",
            (
                "{{course_name}} is for “Incomplete courses”; “Unclaimed certificates” "
                "does not have it."
            ),
        )
    ]
    assert [found[:2] for found in findings(parameters=[*NAMES, "specialty"])] == [
        ("error", "parameters"),
        ("error", "parameters"),
    ]
    assert findings(parameters=[3])[0][0] == "error"


def test_what_may_be_the_work_of_a_moment_is_a_warning() -> None:
    levels = {found[:2] for found in findings(parameters=[])}
    assert levels == {("warning", "parameters")}
    assert [found[:2] for found in findings(registered_text=f"{REGISTERED}!")] == [
        ("warning", "registered_text")
    ]


def test_list_in_a_registered_text_is_an_error_in_the_text() -> None:
    content = "{{#modules}}{{module_name}}{{/modules}} {{shortlink}}"
    found = findings(segment_type="", content=content, parameters=[])
    assert ("error", "template_content") in {each[:2] for each in found}


def test_template_is_not_saved_with_variables_that_cannot_be_right() -> None:
    row = engine.campaign(days=(0,), channels=("whatsapp",)).steps.get().template
    row.content_sid, row.parameters = SID, ["frist_name"]
    with pytest.raises(ValidationError) as raised:
        row.full_clean()
    assert raised.value.message_dict == {
        "parameters": ["There is no variable {{frist_name}}. Did you mean {{first_name}}?"]
    }


def test_problem_of_a_row_is_that_of_its_columns(strict: None) -> None:
    row = engine.campaign(days=(0,), channels=("whatsapp",)).steps.get().template
    assert str(problem_of(row)).startswith("it has no Twilio content SID")
    update(**APPROVED)
    row.refresh_from_db()
    assert problem_of(row) is None
