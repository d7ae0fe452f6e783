"""Buttons of a campaign's life: who may, what is asked, and what a forged POST comes to."""

import re
import uuid
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from campaigns.buckets import bucket
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage
from messaging.models import ProviderAccount
from reengage.health import problems
from tests import engine
from tests.admin.test_campaigns import campaign_form, press, save, step_fields
from tests.admin.world import messages_of, page, staff
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


def address(campaign: Campaign, button: str) -> str:
    return page(Campaign, "change", campaign.pk).replace("change", button)


def read(campaign: Campaign) -> Campaign:
    return Campaign.objects.get(pk=campaign.pk)


def titles(client: Client, campaign: Campaign) -> list[str]:
    response = client.get(page(Campaign, "change", campaign.pk))
    return [button["title"] for button in response.context["actions_detail"]]


@pytest.mark.parametrize(
    ("button", "status", "permission"),
    [
        ("launch", "draft", "launch_campaign"),
        ("widen", "active", "launch_campaign"),
        ("resume_rollout", "active", "launch_campaign"),
        ("pause", "active", "stop_campaign"),
        ("resume", "paused", "stop_campaign"),
        ("complete", "active", "stop_campaign"),
    ],
)
def test_each_button_has_its_permission_and_change_alone_is_none(
    button: str, status: str, permission: str
) -> None:
    campaign = engine.campaign(status=status, rollout_percent=10)
    if button == "resume_rollout":
        Campaign.objects.update(rollout_halted="Failed.")
    client = staff("campaigns.view_campaign", "campaigns.change_campaign")
    before = Campaign.objects.values().get()
    form = {"confirmed": "yes", "to": "25", "choice": "skip"}
    assert client.get(address(campaign, button)).status_code == 403
    assert client.post(address(campaign, button), form).status_code == 403
    assert Campaign.objects.values().get() == before
    user = User.objects.get(username="marketer")
    user.user_permissions.add(
        *User._meta.apps.get_model("auth", "Permission").objects.filter(codename=permission)
    )
    assert client.post(address(campaign, button), form).status_code == 302
    assert Campaign.objects.values().get() != before


def test_launch_asks_with_people_messages_and_rupees(admin_client: Client) -> None:
    draft = engine.campaign(
        days=(0, 3), channels=("sms", "email"), status="draft", holdout_percent=50
    )
    people = [engine.member() for _ in range(10)]
    ProviderAccount.objects.update_or_create(
        channel="sms", provider="sandbox", defaults={"price_per_message": "0.25"}
    )
    shown = admin_client.get(address(draft, "launch"), {"counts": 1}).context["ask"]
    held = sum(bucket(f"holdout:{draft.pk}", doctor.pk) < 5_000 for doctor in people)
    assert shown.facts[0].startswith("10 doctors of the segment “Unclaimed certificates”")
    is_or_are = "is" if held == 1 else "are"
    assert shown.facts[1].startswith(f"{held} of them {is_or_are} in the holdout (50 %)")
    (table,) = shown.tables
    messages = 2 * (10 - held)
    assert table.rows[0][:2] == ("SMS", f"{messages}")
    assert table.rows[-1][1] == f"{2 * messages}"
    assumed = " ".join(shown.facts[3:])
    assert "an SMS takes" in assumed
    assert "E-mail costs nothing, since its account has no price yet." in assumed


@pytest.mark.parametrize(
    ("button", "status"), [("launch", "draft"), ("widen", "active"), ("resume", "paused")]
)
def test_question_that_counts_doctors_is_loaded_by_its_page(
    button: str, status: str, admin_client: Client
) -> None:
    made = engine.campaign(status=status, rollout_percent=10)
    url = address(made, button)
    with CaptureQueriesContext(connection) as captured:
        html = admin_client.get(url).content.decode()
    assert not [query["sql"] for query in captured if "user_segments" in query["sql"]]
    assert 'data-part="?part=1"' in html
    assert 'name="confirmed"' not in html
    assert str(made) in html
    part = admin_client.get(url, {"part": 1}).content.decode()
    assert "<html" not in part
    assert "csrfmiddlewaretoken" in part
    whole = admin_client.get(url, {"counts": 1}).content.decode()
    assert "<html" in whole
    for counted in (part, whole):
        assert 'name="confirmed"' in counted
    clerk = staff("campaigns.view_campaign")
    assert clerk.get(url, {"part": 1}).status_code == 403


def test_four_eyes_hold_in_the_admin_from_draft_to_launch(
    settings: Any, admin_client: Client
) -> None:
    settings.FOUR_EYES = True
    draft = engine.campaign(status="draft")
    assert "Launch" not in titles(admin_client, draft)
    press(admin_client, "submit", draft)
    assert read(draft).status == "in_review"
    shown = admin_client.get(address(draft, "launch"), {"counts": 1})
    assert "You submitted it: somebody else has to look at it" in shown.content.decode()
    response = press(admin_client, "launch", draft)
    assert "nothing was done. You submitted it" in messages_of(response)[0]
    other = staff("campaigns.view_campaign", "campaigns.launch_campaign")
    assert messages_of(press(other, "launch", draft)) == [f"“{draft}” is launched."]
    assert read(draft).launched_by == User.objects.get(username="marketer")


def shown_titles(client: Client, campaign: Campaign) -> list[str]:
    response = client.get(page(Campaign, "change", campaign.pk))
    return [notice.title for notice in response.context["notices"]]


def test_banner_says_who_does_what_next_under_four_eyes(
    settings: Any, admin_client: Client
) -> None:
    settings.FOUR_EYES = True
    draft = engine.campaign(status="draft")
    said = " ".join(shown_titles(admin_client, draft))
    assert "Submit it for review" in said
    assert "press Launch" not in said
    press(admin_client, "submit", draft)
    said = " ".join(shown_titles(admin_client, draft))
    assert "In review since" in said
    assert "somebody else looks at it and launches it." in said
    assert "Paused" not in said
    assert "Launch" not in titles(admin_client, draft)
    other = staff("campaigns.view_campaign", "campaigns.launch_campaign")
    assert "Launch" in titles(other, draft)


def test_saving_keeps_who_made_and_who_changed_it(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    form = campaign_form(draft, [step_fields(draft.steps.get(), 1)])
    admin_client.post(page(Campaign, "change", draft.pk), {**form, "priority": "3"})
    assert read(draft).changed_by == User.objects.get(username="admin")
    assert read(draft).author is None
    press(admin_client, "copy", draft)
    assert Campaign.objects.latest("pk").author == User.objects.get(username="admin")


def test_sending_back_needs_a_reason_which_stands_on_the_page(admin_client: Client) -> None:
    draft = engine.campaign(status="draft")
    press(admin_client, "submit", draft)
    press(admin_client, "send_back", draft)
    assert read(draft).status == "in_review"
    url = address(draft, "send_back")
    admin_client.post(url, {"confirmed": "yes", "reason": "Too many <b>messages</b>."})
    html = admin_client.get(page(Campaign, "change", draft.pk)).content.decode()
    assert "Sent back from review" in html
    assert "Too many &lt;b&gt;messages&lt;/b&gt;." in html


def test_resume_asks_what_to_do_and_does_nothing_without_an_answer(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(0,), channels=("sms",))
    CampaignEnrollment.objects.update(enrolled_at=NOW - 5 * DAY, next_due_at=NOW - 5 * DAY)
    paused = enrollment.campaign
    Campaign.objects.update(status="paused", paused_at=NOW - 5 * DAY)
    shown = admin_client.get(address(paused, "resume"), {"counts": 1}).context["ask"]
    assert [option.value for option in shown.options] == ["skip", "shift", "spread"]
    assert "The day of 1 message to 1 doctor has passed" in shown.facts[1]
    press(admin_client, "resume", paused)
    assert read(paused).status == "paused"
    form = {"confirmed": "yes", "choice": "skip"}
    unseen = admin_client.post(address(paused, "resume"), form)
    assert "Look at the figures first." in unseen.content.decode()
    assert read(paused).status == "paused"
    seen = unseen.context["ask"].options[0].seen
    response = admin_client.post(
        address(paused, "resume"), {**form, "seen-skip": seen}, follow=True
    )
    done = f"“{paused}” is resumed. Messages skipped: 1; given another day: 0."
    assert messages_of(response)[-1] == done


def test_spread_is_done_for_the_number_of_days_whose_figures_were_shown(
    admin_client: Client,
) -> None:
    (enrollment,) = engine.enrolled(days=(0,), channels=("sms",))
    CampaignEnrollment.objects.update(enrolled_at=NOW - 5 * DAY, next_due_at=NOW - 5 * DAY)
    paused = enrollment.campaign
    Campaign.objects.update(status="paused", paused_at=NOW - 5 * DAY)
    url = address(paused, "resume")
    first = admin_client.get(url, {"counts": 1}).context["ask"].options[2]
    assert first.number_value == 7
    form = {"choice": "spread", "days": "3", "seen-spread": first.seen}
    other = admin_client.post(url, {**form, "confirmed": "yes"})
    said = " ".join(messages_of(other))
    assert "The figures shown were for 7 days; you asked for 3." in said
    assert read(paused).status == "paused"
    for shown in (other, admin_client.post(url, {**form, "look": "spread"})):
        assert (shown.context["ask"].chosen, shown.status_code) == ("spread", 200)
        option = shown.context["ask"].options[2]
        assert option.number_value == 3
        assert "1 message gets another day" in option.facts[0]
        assert "These are the figures for 3 days" in shown.content.decode()
    admin_client.post(url, {**form, "confirmed": "yes", "seen-spread": option.seen})
    assert read(paused).status == "active"


def test_widening_twice_by_the_same_page_is_one_stage(admin_client: Client) -> None:
    made = engine.campaign(rollout_percent=10, rollout_since=NOW - DAY)
    for _ in range(30):
        engine.member()
    shown = admin_client.get(address(made, "widen"), {"counts": 1}).context["ask"]
    assert dict(shown.hidden) == {"to": "25"}
    form = {"confirmed": "yes", "to": "25"}
    admin_client.post(address(made, "widen"), form)
    response = admin_client.post(address(made, "widen"), form, follow=True)
    assert "at 25 % already" in messages_of(response)[-1]
    assert read(made).rollout_percent == 25


def test_a_rollout_that_stopped_is_said_on_its_page_and_on_the_dashboard(
    admin_client: Client,
) -> None:
    made = engine.campaign(rollout_percent=10, status="paused", paused_at=NOW)
    Campaign.objects.update(rollout_halted="Complaints: 1.00 %.")
    html = admin_client.get(page(Campaign, "change", made.pk)).content.decode()
    assert "The rollout stopped at 10 %. The campaign is paused." in html
    texts = [problem.text for problem in problems(now())]
    assert f"The rollout of “{made}” stopped and was paused. Complaints: 1.00 %." in texts
    assert "Too few to tell (30 at least)" in html


def test_saving_a_campaign_under_way_shows_what_it_does_first(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(3,), channels=("sms",))
    made = enrollment.campaign
    press(admin_client, "pause", made)
    form = campaign_form(made, [step_fields(made.steps.get(), 1) | {"delay_days": "5"}])
    admin_client.post(page(Campaign, "change", made.pk), form)
    assert made.steps.get().delay_days == 3
    shown = save(admin_client, made, form)
    assert "moves from day 3 to day 5: 1 doctors wait for it" in shown.content.decode()
    assert made.steps.get().delay_days == 5
    assert read(made).changed_by == User.objects.get(username="admin")


def test_a_forged_or_old_token_changes_nothing(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(3,), channels=("sms",))
    made = enrollment.campaign
    press(admin_client, "pause", made)
    form = campaign_form(made, [step_fields(made.steps.get(), 1) | {"delay_days": "5"}])
    forged = {**form, "confirmed": "yes", "revision_token": "0" * 64}
    response = admin_client.post(page(Campaign, "change", made.pk), forged)
    assert "changed since you looked" in response.content.decode()
    assert made.steps.get().delay_days == 3
    reader = staff("campaigns.view_campaign")
    assert reader.post(page(Campaign, "change", made.pk), forged).status_code == 403
    assert CampaignMessage.objects.get().delay_days == 3


def test_launch_of_what_was_changed_since_it_was_looked_at_is_not_done(
    admin_client: Client,
) -> None:
    draft = engine.campaign(days=(0, 3), channels=("sms",), status="draft")
    url = reverse("admin:campaigns_campaign_launch", args=[draft.pk])

    def looked_at() -> str:
        shown = admin_client.get(f"{url}?counts=1").content.decode()
        found = re.search(r'name="seen" value="([0-9a-f]{64})"', shown)
        assert found
        return found[1]

    def launched(seen: str) -> str:
        answer = admin_client.post(url, {"confirmed": "yes", "seen": seen}, follow=True)
        return str(answer.content.decode())

    seen = looked_at()
    draft.steps.filter(delay_days=3).update(delay_days=5)
    assert "It was changed since you looked at it" in launched(seen)
    draft.refresh_from_db()
    assert draft.status == "draft"
    assert "is launched" in launched(looked_at())


def test_page_that_is_gone_or_not_allowed_says_so_to_those_in_the_office(
    admin_client: Client, client: Client
) -> None:
    gone = reverse("admin:campaigns_campaign_launch", args=[uuid.uuid4()])
    assert "somebody may have deleted it" in admin_client.get(gone).content.decode()
    client.force_login(User.objects.create_user("support", is_staff=True))
    refused = client.get(reverse("admin:campaigns_campaign_add"))
    assert refused.status_code == 403
    assert "Nothing was done" in refused.content.decode()
