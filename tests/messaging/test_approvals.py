"""What Twilio says of our templates, asked over real HTTP, and what is kept of it."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from kombu.exceptions import OperationalError

from messaging import approvals, tasks
from messaging.models import MessageTemplate, TemplateVersion
from messaging.providers import twilio_content as asking
from tests import engine
from tests.engine import NOW
from tests.providers.twilio_content import ACCOUNT, SID, TOKEN, TwilioContent, twilio_content

pytestmark = pytest.mark.django_db

OTHER = "HX" + "2" * 32


@pytest.fixture
def twilio(settings: Any) -> Iterator[TwilioContent]:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    with twilio_content() as fake:
        settings.TWILIO_CONTENT_URL = fake.url
        yield fake


def template(**fields: Any) -> MessageTemplate:
    """A WhatsApp template of a running campaign."""
    made = engine.campaign(days=(0,), channels=("whatsapp",)).steps.get().template
    values = {"content_sid": SID, "registered_text": "As it is.", **fields}
    MessageTemplate.objects.filter(pk=made.pk).update(**values)
    return MessageTemplate.objects.get(pk=made.pk)


def asked(row: MessageTemplate) -> MessageTemplate:
    approvals.ask(row, NOW)
    return MessageTemplate.objects.get(pk=row.pk)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("approved", "approved"),
        ("APPROVED", "approved"),
        ("pending", "pending"),
        ("received", "pending"),
        ("unsubmitted", "unsubmitted"),
        ("paused", "paused"),
        ("disabled", "disabled"),
        (None, "unsubmitted"),
    ],
)
def test_status_is_what_twilio_says(said: str | None, status: str, twilio: TwilioContent) -> None:
    twilio.has(said)
    row = asked(template())
    assert (row.approval_status, row.approval_detail) == (status, "")
    assert row.approval_checked_at == NOW
    assert twilio.calls == [f"/v1/Content/{SID}/ApprovalRequests"]


def test_rejection_keeps_its_reason(twilio: TwilioContent) -> None:
    twilio.has("rejected", rejection_reason="Promotional words in a utility template")
    row = asked(template())
    assert row.approval_status == "rejected"
    assert row.approval_detail == "Reason: Promotional words in a utility template"


def test_category_is_taken_over_and_another_one_is_told(twilio: TwilioContent) -> None:
    twilio.has("approved", category="UTILITY")
    assert asked(template()).whatsapp_category == "utility"
    row = asked(template(whatsapp_category="marketing"))
    assert row.whatsapp_category == "marketing"
    assert row.approval_detail == "WhatsApp files it under “utility”, which decides its price."


def test_content_that_twilio_does_not_know_is_not_approved(twilio: TwilioContent) -> None:
    row = asked(template(approval_status="approved"))
    assert (row.approval_status, row.approval_checked_at) == ("", NOW)
    assert row.approval_detail == f"Twilio does not know {SID}: copy it again from Twilio."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((429, b"{}"), "Twilio asks to be asked later (HTTP 429)."),
        ((500, b"oops"), "Twilio gave no answer (HTTP 500)."),
        ((302, b""), "Twilio gave an answer that cannot be understood."),
        ((200, b"\x00\xff{"), "Twilio gave an answer that cannot be understood."),
        ((200, b"[]"), "Twilio gave an answer that cannot be understood."),
        ((200, b'{"whatsapp": "yes"}'), "Twilio gave an answer that cannot be understood."),
        ((200, b"{}"), "Twilio gave an answer that cannot be understood."),
        (
            (200, b'{"whatsapp": {"status": "in_appeal"}}'),
            "Twilio calls it “in_appeal”, which is not known here.",
        ),
        ((200, b" " * 2_000_000), "Twilio gave no answer"),
    ],
)
def test_answer_that_says_nothing_leaves_the_status(
    answer: tuple[int, bytes], words: str, twilio: TwilioContent
) -> None:
    twilio.answers.append(answer)
    row = asked(template(approval_status="approved"))
    assert (row.approval_status, row.approval_checked_at) == ("approved", None)
    assert row.approval_detail.startswith(words)
    assert row.approval_detail.endswith("It was asked on 04 Mar 2026, 12:00; nothing was changed.")


def test_wrong_credentials_are_told_and_change_nothing(
    twilio: TwilioContent, settings: Any
) -> None:
    twilio.has("rejected")
    settings.TWILIO_AUTH_TOKEN = "wrong"
    row = asked(template(approval_status="approved"))
    assert row.approval_status == "approved"
    assert "does not accept TWILIO_ACCOUNT_SID" in row.approval_detail
    assert "wrong" not in row.approval_detail


def test_without_credentials_nobody_is_called(twilio: TwilioContent, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = ""
    assert "set TWILIO_ACCOUNT_SID" in asked(template()).approval_detail
    assert twilio.calls == []


@pytest.mark.parametrize("how", ["silent", "dripping"])
def test_slow_answer_ends_by_its_deadline(
    how: str, twilio: TwilioContent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ASK_SECONDS", 0.3)
    twilio.has("approved")
    if how == "silent":
        twilio.answers.append(None)
    else:
        twilio.drip = 0.2
    began = time.monotonic()
    row = asked(template(approval_status="pending"))
    assert time.monotonic() - began < 20  # the fake takes longer
    assert row.approval_status == "pending"
    assert row.approval_detail.startswith("Twilio gave no answer (")


def test_server_that_is_away_is_told(twilio: TwilioContent, settings: Any) -> None:
    settings.TWILIO_CONTENT_URL = "http://127.0.0.1:9"
    assert "ConnectionRefused" in asked(template()).approval_detail


def test_registered_text_is_fetched_where_there_is_none(twilio: TwilioContent) -> None:
    twilio.has("approved", body="Dear Dr. {{1}}: {{2}}")
    row = asked(template(registered_text=""))
    assert row.registered_text == "Dear Dr. {{1}}: {{2}}"
    assert twilio.calls[-1] == f"/v1/Content/{SID}"
    newest = TemplateVersion.objects.filter(template=row).first()
    assert newest is not None
    assert newest.note == "Registered text taken over from Twilio."
    asked(row)
    assert len(twilio.calls) == 3  # not the text again


def test_fetched_text_is_that_of_the_approved_type_with_its_footer(twilio: TwilioContent) -> None:
    twilio.has("approved", content_type="whatsapp/card")
    twilio.contents[SID].types = {
        "twilio/text": {"body": "Short"},
        "whatsapp/card": {"body": "Long", "footer": "Reply STOP to opt out"},
    }
    assert asked(template(registered_text="")).registered_text == "Long\n\nReply STOP to opt out"


def test_text_that_cannot_be_fetched_leaves_the_approval(twilio: TwilioContent) -> None:
    twilio.has("approved")
    row = template(registered_text="")
    twilio.contents[SID].types = {"twilio/media": {"media": ["x"]}, "odd": None}
    row = asked(row)
    assert (row.approval_status, row.registered_text) == ("approved", "")


def test_answer_about_a_sid_that_was_changed_meanwhile_is_dropped(twilio: TwilioContent) -> None:
    twilio.has("approved")
    row = template()
    MessageTemplate.objects.filter(pk=row.pk).update(content_sid=OTHER)
    assert asked(row).approval_status == ""


def test_approval_lost_while_a_campaign_runs_is_an_error_in_the_log(
    twilio: TwilioContent, caplog: pytest.LogCaptureFixture
) -> None:
    twilio.has("paused")
    row = template(approval_status="approved")
    with caplog.at_level(logging.ERROR):
        asked(row)
    assert caplog.messages == [
        (
            f"template {row.template_key}, which a running campaign sends, "
            "is no longer approved: paused"
        )
    ]
    caplog.clear()
    asked(MessageTemplate.objects.get(pk=row.pk))  # told once
    row.steps.get().campaign.steps.model.objects.all().delete()
    asked(row)  # approved as it was read, and sent by nobody
    assert caplog.messages == []


# --- all of them ----------------------------------------------------------------------------


def test_every_morning_each_template_with_a_sid_is_asked_about(twilio: TwilioContent) -> None:
    twilio.has("approved")
    template()
    template(content_sid="")
    twilio.has("rejected", OTHER)
    template(content_sid=OTHER)
    tasks.check_template_approvals()
    found = MessageTemplate.objects.order_by("content_sid")
    assert list(found.values_list("approval_status", flat=True)) == ["", "approved", "rejected"]
    assert len(twilio.calls) == 2


def test_twilio_that_does_not_answer_is_left_alone_after_five(twilio: TwilioContent) -> None:
    for _ in range(7):
        template()
    twilio.answers += [(500, b"")] * 7
    done = approvals.ask_all(NOW)
    assert (done.asked, done.untold, done.left) == (5, 5, 2)
    assert len(twilio.calls) == 5


def test_template_that_nobody_asked_about_for_long_is_the_first(twilio: TwilioContent) -> None:
    twilio.has("approved")
    late = template(approval_checked_at=NOW)
    early = template(approval_checked_at=NOW - engine.DAY)
    assert [row.pk for row in approvals.to_ask_about()] == [early.pk, late.pk]


def test_nothing_is_asked_where_a_person_says_it(twilio: TwilioContent, settings: Any) -> None:
    row = template()
    settings.TWILIO_ACCOUNT_SID = ""
    assert not approvals.is_told_by_provider("whatsapp")
    assert approvals.ask_all(NOW) == approvals.Asked()
    assert approvals.ask_one(row.pk, NOW) is None
    assert twilio.calls == []


@pytest.mark.parametrize(
    ("name", "prefix"), [("twilio", "TWILIO"), ("twilio:second", "TWILIO_SECOND")]
)
def test_account_that_whatsapp_goes_through_is_asked(
    twilio: TwilioContent, settings: Any, name: str, prefix: str
) -> None:
    settings.TWILIO_ACCOUNT_SID = settings.TWILIO_AUTH_TOKEN = ""
    settings.PROVIDER_VARIABLES = {
        f"{prefix}_ACCOUNT_SID": ACCOUNT,
        f"{prefix}_AUTH_TOKEN": TOKEN,
    }
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": name}
    twilio.has("approved")
    assert approvals.is_told_by_provider("whatsapp")
    assert asked(template()).approval_status == "approved"


def test_other_account_is_not_asked_for_the_one_that_whatsapp_goes_through(
    twilio: TwilioContent, settings: Any
) -> None:
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "twilio:second"}
    row = asked(template())
    assert "set TWILIO_SECOND_ACCOUNT_SID and TWILIO_SECOND_AUTH_TOKEN" in row.approval_detail
    assert twilio.calls == []


# --- after saving ---------------------------------------------------------------------------


def test_task_after_a_save_asks_about_that_template(twilio: TwilioContent) -> None:
    twilio.has("approved")
    row = template()
    template(content_sid=OTHER)
    tasks.check_template_approval(str(row.pk))
    row.refresh_from_db()
    assert row.approval_status == "approved"
    assert len(twilio.calls) == 1


def test_saving_goes_on_where_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr("celery.app.task.Task.apply_async", away)
    row = template()
    with transaction.atomic():
        row.title = "Kept"
        row.save()
    assert tasks.ring_approval(row.pk) is False
    assert MessageTemplate.objects.get(pk=row.pk).title == "Kept"


def test_another_sid_is_another_content_that_nobody_approved() -> None:
    row = template(approval_status="approved", approval_detail="x", approval_checked_at=NOW)
    row.content_sid = OTHER
    row.save()
    row = MessageTemplate.objects.get(pk=row.pk)
    told = (row.approval_status, row.approval_detail, row.approval_checked_at)
    assert told == ("", "", None)
    assert row.registered_text == ""  # that of the other content


def test_another_sid_saved_alone_takes_the_approval_along() -> None:
    row = template(approval_status="approved", approval_checked_at=NOW)
    row.content_sid = OTHER
    row.save(update_fields=["content_sid"])
    row = MessageTemplate.objects.get(pk=row.pk)
    assert (row.approval_status, row.approval_checked_at, row.registered_text) == ("", None, "")


def test_approval_stays_where_only_the_text_is_edited() -> None:
    row = template(approval_status="approved", approval_checked_at=NOW)
    row.template_content = "Hello {{shortlink}}"
    row.save()
    row = MessageTemplate.objects.get(pk=row.pk)
    assert (row.approval_status, row.approval_checked_at) == ("approved", NOW)


def test_approval_said_together_with_another_name_stays() -> None:
    row = template(content_sid="", whatsapp_name="one", approval_status="rejected")
    row.whatsapp_name, row.approval_status = "two", "approved"
    row.save()
    assert MessageTemplate.objects.get(pk=row.pk).approval_status == "approved"


def test_registered_text_typed_together_with_a_sid_stays() -> None:
    row = template()
    row.content_sid, row.registered_text = OTHER, "New {{1}}"
    row.save()
    assert MessageTemplate.objects.get(pk=row.pk).registered_text == "New {{1}}"
