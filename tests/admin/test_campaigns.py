"""Campaigns in the admin: from draft to done, and their steps."""

from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from campaigns import launch
from campaigns.models import Campaign, CampaignAnalytics, CampaignMessage
from tests import engine
from tests.admin.world import messages_of, page, seen, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db


def press(client: Client, button: str, campaign: Campaign) -> Any:
    url = page(Campaign, "change", campaign.pk).replace("change", button)
    return client.post(url, {"confirmed": "yes"}, follow=True)


def status(campaign: Campaign) -> str:
    return Campaign.objects.values_list("status", flat=True).get(pk=campaign.pk)


def test_launch_asks_first_and_says_how_many(admin_client: Client) -> None:
    draft = engine.campaign(status="draft")
    for _ in range(3):
        engine.member()
    url = page(Campaign, "change", draft.pk).replace("change", "launch")
    html = admin_client.get(url, {"counts": 1}).content.decode()
    assert "3 doctors of the segment “Unclaimed certificates” are enrolled" in html
    assert "At most 18 messages" in html
    admin_client.post(url)
    assert status(draft) == "draft"
    response = press(admin_client, "launch", draft)
    assert messages_of(response) == [f"“{draft}” is launched."]
    assert status(draft) == "active"


def test_launch_says_what_is_missing(admin_client: Client) -> None:
    draft = engine.campaign(days=(), status="draft")
    html = admin_client.get(page(Campaign, "change", draft.pk)).content.decode()
    assert "Before this campaign can be launched:" in html
    response = press(admin_client, "launch", draft)
    assert messages_of(response) == [
        f"“{draft}”: nothing was done. The campaign has no steps: add at least one below."
    ]
    assert status(draft) == "draft"


def test_buttons_walk_through_the_life_of_a_campaign(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled()
    running = enrollment.campaign
    walked = []
    for button in ("pause", "resume", "complete"):
        press(admin_client, button, running)
        walked.append(status(running))
    assert walked == ["paused", "active", "completed"]
    enrollment.refresh_from_db()
    assert enrollment.status != "active"
    changes = LogEntry.objects.order_by("action_time").values_list("change_message", flat=True)
    assert sorted(changes) == [
        f"“{running}” is completed. Doctors who were under way: 1; messages skipped: 3.",
        f"“{running}” is paused.",
        f"“{running}” is resumed. Messages skipped: 0; given another day: 0.",
    ]


def test_buttons_fit_the_status(admin_client: Client) -> None:
    def shown(campaign: Campaign) -> list[str]:
        response = admin_client.get(page(Campaign, "change", campaign.pk))
        *first, menu = response.context["actions_detail"]
        return sorted(button["title"] for button in (*first, *menu["actions"]))

    always = ["Copy", "Results", "Pre-flight", "Check audience", "Why (not)?"]
    draft = shown(engine.campaign(status="draft"))
    assert draft == sorted(["Launch", "Submit for review", *always])
    assert shown(engine.campaign(status="active")) == sorted(["Pause", "Complete", *always])
    assert shown(engine.campaign(status="paused")) == sorted(["Resume", "Complete", *always])
    assert shown(engine.campaign(status="completed")) == sorted(always)


def test_list_actions_ask_first_and_act_on_each(admin_client: Client) -> None:
    chosen = [engine.campaign(), engine.campaign()]
    form = {"action": "pause_selected", "_selected_action": [str(one.pk) for one in chosen]}
    assert "Pause?" in admin_client.post(page(Campaign), form).content.decode()
    assert [status(one) for one in chosen] == ["active", "active"]
    admin_client.post(page(Campaign), {**form, "confirmed": "yes"})
    assert [status(one) for one in chosen] == ["paused", "paused"]


def test_buttons_without_the_permission_are_refused() -> None:
    client = staff("campaigns.view_campaign")
    running, draft = engine.campaign(), engine.campaign(status="draft")
    refused = [
        press(client, button, campaign).status_code
        for button, campaign in (
            ("launch", draft),
            ("pause", running),
            ("resume", running),
            ("complete", running),
            ("copy", running),
        )
    ]
    assert refused == [403] * 5
    form = {"action": "pause_selected", "_selected_action": str(running.pk), "confirmed": "yes"}
    client.post(page(Campaign), form)
    assert [status(running), status(draft)] == ["active", "draft"]


def test_copy_makes_a_draft_with_the_same_steps(admin_client: Client) -> None:
    running = engine.campaign(days=(0, 3), priority=3)
    press(admin_client, "copy", running)
    copy = Campaign.objects.get(name=f"Copy of {running.name}")
    assert (copy.status, copy.start_date, copy.priority) == ("draft", None, 3)
    fields = ("sequence_order", "channel", "delay_days", "template_id", "subject_line")
    assert list(copy.steps.values_list(*fields)) == list(running.steps.values_list(*fields))


def test_copy_needs_the_right_to_add_steps_where_there_are_any() -> None:
    """As the API asks."""
    client = staff("campaigns.view_campaign", "campaigns.add_campaign")
    with_steps, without = engine.campaign(), engine.campaign(days=())
    assert press(client, "copy", with_steps).status_code == 403
    titles = client.get(page(Campaign, "change", with_steps.pk)).content.decode()
    assert f"/{with_steps.pk}/copy/" not in titles
    assert press(client, "copy", without).status_code == 200
    assert [one.name for one in Campaign.objects.filter(status="draft")] == [
        f"Copy of {without.name}"
    ]


def campaign_form(campaign: Campaign, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """What the browser posts from the campaign's page."""
    form: dict[str, Any] = {
        "name": campaign.name,
        "description": "",
        "segment_type": campaign.segment_type,
        "inactivity_days": "0",
        "priority": "10",
        "channel_order": "whatsapp,sms,email",
        "send_from": "10:00",
        "send_until": "21:00",
        "holdout_percent": "0",
        "rollout_percent": "100",
        "min_delivery_rate": "90",
        "max_failure_rate": "5",
        "max_unsubscribe_rate": "2",
        "max_complaint_rate": "0.1",
        **seen(campaign),
        "steps-TOTAL_FORMS": str(len(steps)),
        "steps-INITIAL_FORMS": str(sum("id" in step for step in steps)),
    }
    for number, step in enumerate(steps):
        form |= {f"steps-{number}-{name}": value for name, value in step.items()}
        form[f"steps-{number}-campaign"] = str(campaign.pk)
    return form


def step_fields(step: CampaignMessage, place: int) -> dict[str, Any]:
    return {
        "id": str(step.pk),
        "sequence_order": str(place),
        "delay_days": str(step.delay_days),
        "template": step.template_id,
        "subject_line": "",
    }


def test_steps_change_places_and_new_ones_go_last(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), status="draft")
    whatsapp, sms, email = draft.steps.order_by("sequence_order")
    dragged = [
        step_fields(whatsapp, 2),
        step_fields(sms, 0),
        step_fields(email, 1),
        {"delay_days": "5", "template": sms.template_id, "subject_line": ""},
    ]
    url = page(Campaign, "change", draft.pk)
    response = admin_client.post(url, campaign_form(draft, dragged))
    assert response.status_code == 302, response.context["errors"]
    assert list(draft.steps.order_by("sequence_order").values_list("channel", "delay_days")) == [
        ("sms", 0),
        ("email", 0),
        ("whatsapp", 0),
        ("sms", 5),
    ]
    assert list(draft.steps.values_list("sequence_order", flat=True)) == [1, 2, 3, 4]


def test_several_new_steps_are_saved_at_once_in_the_order_of_the_page(
    admin_client: Client,
) -> None:
    draft = engine.campaign(days=(0,), status="draft")
    whatsapp, sms, email = draft.steps.order_by("sequence_order")
    CampaignMessage.objects.all().delete()
    new = [
        {"delay_days": day, "template": step.template_id, "subject_line": "", "sequence_order": ""}
        for day, step in (("0", email), ("3", sms), ("3", whatsapp))
    ]
    url = page(Campaign, "change", draft.pk)
    response = admin_client.post(url, campaign_form(draft, new))
    assert response.status_code == 302, response.context["errors"]
    assert list(draft.steps.order_by("sequence_order").values_list("channel", "delay_days")) == [
        ("email", 0),
        ("sms", 3),
        ("whatsapp", 3),
    ]


def save(client: Client, campaign: Campaign, form: dict[str, Any]) -> Any:
    """Save a campaign under way: look at what it does, and confirm."""
    url = page(Campaign, "change", campaign.pk)
    shown = client.post(url, form)
    assert shown.status_code == 200
    hidden = dict(shown.context["ask"].hidden)
    response = client.post(url, {**hidden, "confirmed": "yes"})
    assert response.status_code == 302
    return shown


def test_step_with_messages_keeps_its_channel(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(0,))
    engine.send_all(NOW)
    campaign = enrollment.campaign
    launch.pause(campaign, NOW)
    whatsapp, sms, email = campaign.steps.order_by("sequence_order")
    steps = [step_fields(step, place) for place, step in enumerate((whatsapp, sms, email))]
    steps[0]["template"] = email.template_id
    url = page(Campaign, "change", campaign.pk)
    response = admin_client.post(url, campaign_form(campaign, steps))
    assert "go over WhatsApp already" in response.content.decode()


def test_step_with_a_template_of_another_segment_is_refused(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    other = engine.campaign(days=(0,), channels=("sms",), segment_type="no_show").steps.get()
    forged = [{"delay_days": "1", "template": other.template_id, "subject_line": ""}]
    url = page(Campaign, "change", draft.pk)
    response = admin_client.post(url, campaign_form(draft, forged))
    assert response.status_code == 200
    assert draft.steps.count() == 1


def test_status_and_steps_of_a_running_campaign_are_not_edited_by_hand(
    admin_client: Client,
) -> None:
    running = engine.campaign(days=(0,), channels=("sms",))
    forged = campaign_form(running, [step_fields(running.steps.get(), 1) | {"delay_days": "9"}])
    admin_client.post(
        page(Campaign, "change", running.pk),
        {**forged, "status": "completed", "segment_type": "no_show"},
    )
    running.refresh_from_db()
    assert (running.status, running.segment_type) == ("active", "unclaimed_certificates")
    assert running.steps.get().delay_days == 0


def test_new_step_of_a_paused_campaign_reaches_doctors_under_way(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    enrollment.refresh_from_db()
    assert enrollment.next_due_at is None
    paused = enrollment.campaign
    press(admin_client, "pause", paused)
    step = paused.steps.get()
    steps = [step_fields(step, 1), {"delay_days": "400", "template": step.template_id}]
    steps[1] |= {"delay_days": "365", "subject_line": ""}
    save(admin_client, paused, campaign_form(paused, steps))
    enrollment.refresh_from_db()
    assert enrollment.next_due_at is not None


def test_hours_of_a_paused_campaign_move_what_is_still_to_come(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(3,), channels=("sms",))
    before = enrollment.next_due_at
    paused = enrollment.campaign
    press(admin_client, "pause", paused)
    form = campaign_form(paused, [step_fields(paused.steps.get(), 1) | {"delay_days": "3"}])
    changed = {**form, "send_from": "14:00", "send_until": "18:00"}
    save(admin_client, paused, changed)
    enrollment.refresh_from_db()
    assert before is not None
    assert enrollment.next_due_at is not None
    assert enrollment.next_due_at > before


def test_count_again_brings_the_figures_up_to_date(admin_client: Client) -> None:
    engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    url = reverse("admin:campaigns_campaignanalytics_count_again")
    assert admin_client.get(url).status_code == 200
    assert CampaignAnalytics.objects.count() == 0
    response = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == [
        "Counted. Rows that are new or changed: 2."
    ]  # and the cohort's
    assert CampaignAnalytics.objects.get().total_sent == 1
