"""What a campaign needs before it may send, and its way from draft to done."""

from datetime import time, timedelta

import pytest

from campaigns.launch import NotReady, Stopped, complete, launch, pause, problems, resume
from campaigns.models import CampaignEnrollment, CampaignMessage
from campaigns.overdue import Choice, Outcome
from campaigns.schedule import schedule_due
from messaging.models import MessageTemplate
from messaging.providers import PROVIDERS
from messaging.providers.base import Need
from messaging.providers.sandbox import SandboxProvider
from tests.engine import DAY, NOW, campaign, enrolled, send_all, statuses

HOUR = timedelta(hours=1)
pytestmark = pytest.mark.django_db


def test_a_complete_draft_has_no_problems_and_launches():
    made = campaign(status="draft", start_date=None)
    assert problems(made, NOW) == []
    launch(made, NOW)
    assert (made.status, made.start_date) == ("active", NOW)


def test_launch_keeps_a_start_in_the_future():
    made = campaign(status="draft", start_date=NOW + DAY)
    launch(made, NOW)
    assert made.start_date == NOW + DAY


def test_a_campaign_without_steps_says_so_and_does_not_launch():
    made = campaign(days=(), status="draft")
    with pytest.raises(NotReady) as error:
        launch(made, NOW)
    assert error.value.problems == ["The campaign has no steps: add at least one below."]
    made.refresh_from_db()
    assert made.status == "draft"


def test_a_past_end_date_is_a_problem():
    assert problems(campaign(status="draft", end_date=NOW), NOW) == [
        "The end date is past: move it or leave it empty."
    ]


def test_a_template_without_text_or_of_another_channel_or_segment_is_a_problem():
    made = campaign(days=(0,), channels=("sms", "email"), status="draft")
    sms, email = CampaignMessage.objects.order_by("sequence_order")
    MessageTemplate.objects.filter(pk=sms.template.pk).update(template_content=" ")
    MessageTemplate.objects.filter(pk=email.template.pk).update(
        channel="whatsapp", segment_type="no_show"
    )
    found = problems(made, NOW)
    assert [text.split(": ")[0] for text in found] == [
        "Step 1 (Day 0, SMS)",
        "Step 2 (Day 0, E-mail)",
        "Step 2 (Day 0, E-mail)",
    ]
    assert "has no text" in found[0]
    assert "is for WhatsApp" in found[1]
    assert "No-show registrants" in found[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Dear {{lastname}} {{shortlink}}", "There is no variable {{lastname}}."),
        ("Dear {{#last_name}} {{shortlink}}", "would go out broken"),
        ("Dear {{last_name}}", "{{shortlink}}"),
    ],
)
def test_a_text_that_would_go_out_broken_keeps_its_campaign_from_launch(text, words):
    made = campaign(days=(0,), channels=("sms",), status="draft")
    MessageTemplate.objects.update(template_content=text)
    (found,) = problems(made, NOW)
    assert found.startswith("Step 1 (Day 0, SMS): the template “")
    assert words in found
    with pytest.raises(NotReady):
        launch(made, NOW)


def test_a_steps_own_subject_is_checked_as_the_templates():
    made = campaign(days=(0,), channels=("email",), status="draft")
    CampaignMessage.objects.update(subject_line="For {{nobody}}")
    (found,) = problems(made, NOW)
    assert "{{nobody}}" in found


def test_hours_in_which_a_channel_may_not_be_used_are_a_problem():
    made = campaign(
        days=(0,), channels=("sms",), status="draft", send_from=time(21), send_until=time(23)
    )
    assert problems(made, NOW) == [
        (
            "SMS may be sent from 10:00 to 21:00 only, the campaign sends from 21:00 to 23:00: "
            "change its hours."
        )
    ]


def test_launching_twice_is_refused_in_words():
    made = campaign(status="draft")
    launch(made, NOW)
    with pytest.raises(NotReady, match="The campaign is active and can't be launched"):
        launch(made, NOW)


def test_pause_holds_everything_and_resume_goes_on():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    made = enrollment.campaign
    schedule_due(NOW)
    pause(made, NOW)
    send_all(NOW)
    assert statuses() == {}
    assert resume(made, NOW + HOUR) == Outcome()  # its day has not passed: it goes on
    send_all(NOW + HOUR)
    assert statuses() == {"sms 0": "sent"}


def test_what_was_paused_for_too_long_is_skipped_and_not_sent_in_a_flood():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    pause(enrollment.campaign, NOW)
    send_all(NOW + 3 * DAY)
    resume(enrollment.campaign, NOW + 3 * DAY, Choice.SKIP)
    send_all(NOW + 3 * DAY)
    assert statuses() == {"sms 0": "campaign_paused"}


def test_complete_ends_every_enrolment_and_skips_what_was_to_come():
    (enrollment,) = enrolled(days=(0,))
    schedule_due(NOW)
    assert complete(enrollment.campaign, NOW) == Stopped(people=1, skipped=3, sending=0)
    assert set(statuses().values()) == {"campaign_over"}
    assert CampaignEnrollment.objects.get().status == "completed"
    with pytest.raises(NotReady):
        resume(enrollment.campaign, NOW)


class Demanding(SandboxProvider):
    """The sandbox, as demanding as Twilio is on WhatsApp."""

    name = "demanding"
    needs = {"whatsapp": Need.CONTENT_SID}


@pytest.fixture
def demanding(monkeypatch, settings):
    monkeypatch.setitem(PROVIDERS, "demanding", Demanding)
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "demanding"}


@pytest.mark.usefixtures("demanding")
def test_a_template_that_is_not_approved_blocks_the_launch_naming_step_and_reason():
    made = campaign(days=(0,), channels=("whatsapp", "sms"), status="draft")
    template = made.steps.get(channel="whatsapp").template
    found = [
        (
            f"Step 1 (Day 0, WhatsApp): the template “{template.template_key}” may not go out: "
            "it has no Twilio content SID: enter that of the approved template."
        )
    ]
    with pytest.raises(NotReady) as error:
        launch(made, NOW)
    assert error.value.problems == found
    MessageTemplate.objects.filter(pk=template.pk).update(
        content_sid="HX" + "1" * 32,
        parameters=["first_name", "session_name", "shortlink"],
        approval_status="approved",
        approval_checked_at=NOW,
    )
    launch(made, NOW)
    assert made.status == "active"


@pytest.mark.usefixtures("demanding")
def test_a_template_that_lost_its_approval_blocks_resuming():
    made = campaign(days=(0,), channels=("whatsapp",), status="paused")
    MessageTemplate.objects.update(
        content_sid="HX" + "1" * 32, approval_status="paused", approval_checked_at=NOW
    )
    with pytest.raises(NotReady, match="WhatsApp has not approved it: paused by WhatsApp"):
        resume(made, NOW)
    made.refresh_from_db()
    assert made.status == "paused"


def test_an_sms_that_is_not_registered_blocks_the_launch_where_the_route_asks_for_it(settings):
    made = campaign(days=(0,), channels=("sms",), status="draft")
    assert problems(made, NOW) == []
    settings.SMS_DLT_REQUIRED = True
    assert [text.split(": ", 2)[2] for text in problems(made, NOW)] == [
        "it has no DLT template id: register the text with the operators, and enter its id."
    ]
