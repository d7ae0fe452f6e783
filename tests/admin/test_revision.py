"""Changes of a campaign under way: by two people on one page, and by one for another to make."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from campaigns.models import Campaign, CampaignMessage
from campaigns.revise import Proposed, apply_revision, as_it_is, plan_revision
from messaging.models import MessageDelivery, MessageTemplate
from tests import engine
from tests.admin.test_campaigns import campaign_form, step_fields
from tests.admin.test_lifecycle import address, read, shown_titles
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db
RIGHTS = (
    "campaigns.view_campaign",
    "campaigns.change_campaign",
    "campaigns.view_campaignmessage",
    "campaigns.add_campaignmessage",
    "campaigns.change_campaignmessage",
    "campaigns.delete_campaignmessage",
)


@pytest.fixture
def made() -> Campaign:
    return read(
        engine.enrolled(2, days=(0, 3, 6), channels=("sms",), start_date=None, goal_days=None)[
            0
        ].campaign
    )


def opened(client: Client, campaign: Campaign) -> dict[str, Any]:
    """The form as the browser has it: its values, and what it was opened with."""
    html = client.get(page(Campaign, "change", campaign.pk))
    steps = [
        step_fields(step, place)
        for place, step in enumerate(campaign.steps.order_by("sequence_order"), 1)
    ]
    return {**campaign_form(campaign, steps), "opened": html.context["form_opened"]}


def meanwhile(campaign: Campaign, by: str = "anna", steps: Any = None, **fields: Any) -> None:
    """A colleague changes it."""
    user, _ = User.objects.get_or_create(username=by)
    now = read(campaign)
    proposed = Proposed(fields, as_it_is(now) if steps is None else steps(as_it_is(now)))
    apply_revision(now, proposed, plan_revision(now, proposed, NOW).token, NOW, user)


def post(client: Client, campaign: Campaign, form: dict[str, Any]) -> Any:
    return client.post(page(Campaign, "change", campaign.pk), form)


def confirm(client: Client, campaign: Campaign, shown: Any, **more: str) -> Any:
    form = {**dict(shown.context["ask"].hidden), "confirmed": "yes", **more}
    return client.post(page(Campaign, "change", campaign.pk), form, follow=True)


def test_page_carries_what_it_was_opened_with(admin_client: Client, made: Campaign) -> None:
    html = admin_client.get(page(Campaign, "change", made.pk)).content.decode()
    form = html[html.index("<form") :]
    assert re.search(r'<input type="hidden" name="opened" value="\{', form)
    over = engine.campaign(status="completed")
    html = admin_client.get(page(Campaign, "change", over.pk)).content.decode()
    assert 'name="opened"' not in html


def test_what_a_colleague_changed_meanwhile_is_kept_and_named(
    admin_client: Client, made: Campaign
) -> None:
    form = opened(admin_client, made)
    meanwhile(made, send_until="20:00", priority=4)
    shown = post(admin_client, made, {**form, "send_from": "11:00"})
    assert shown.context["ask"].facts == [
        (
            "Send from: 10:00 → 11:00. What is still to come goes out in the new hours, on the "
            "same days."
        ),
        "Changed meanwhile by anna, and kept as it is now: Send until: 21:00 → 20:00.",
        "Changed meanwhile by anna, and kept as it is now: Priority: 10 → 4.",
    ]
    confirm(admin_client, made, shown)
    now = read(made)
    assert (f"{now.send_from:%H}", f"{now.send_until:%H}", now.priority) == ("11", "20", 4)


def test_nothing_of_a_colleagues_is_proposed_by_who_changed_nothing(
    admin_client: Client, made: Campaign
) -> None:
    form = opened(admin_client, made)
    meanwhile(made, priority=4, steps=lambda steps: (steps[0], steps[2]))
    response = admin_client.post(page(Campaign, "change", made.pk), form, follow=True)
    (said,) = messages_of(response)
    assert said.startswith("Nothing was changed. Changed meanwhile by anna, and kept")
    assert "The step of day 3 with" in said
    assert (read(made).priority, made.steps.count()) == (4, 2)


@pytest.mark.parametrize(("choice", "hour"), [("mine", "12"), ("theirs", "11")])
def test_what_both_changed_is_asked(
    choice: str, hour: str, admin_client: Client, made: Campaign
) -> None:
    form = opened(admin_client, made)
    meanwhile(made, send_from="11:00")
    asked = post(admin_client, made, {**form, "send_from": "12:00", "priority": "2"})
    assert asked.context["ask"].facts == [
        "Send from: you wrote 12:00; it is 11:00 now.",
    ]
    shown = confirm(admin_client, made, asked, choice=choice)
    assert (read(made).priority, f"{read(made).send_from:%H}") == (10, "11")
    facts = " ".join(shown.context["ask"].facts)
    assert ("Send from: 11:00 → 12:00" in facts) is (choice == "mine")
    confirm(admin_client, made, shown)
    assert (read(made).priority, f"{read(made).send_from:%H}") == (2, hour)


def test_steps_are_merged_as_well(admin_client: Client, made: Campaign) -> None:
    form = opened(admin_client, made)
    key = made.steps.first().template_id  # type: ignore[union-attr]

    def theirs(steps: Any) -> Any:
        moved = type(steps[1])(steps[1].id, 4, steps[1].template_key)
        return (steps[0], moved, type(steps[0])(None, 9, key), steps[2])

    meanwhile(made, steps=theirs)
    form |= {"steps-2-delay_days": "7", "steps-0-subject_line": ""}
    shown = post(admin_client, made, form)
    facts = shown.context["ask"].facts
    assert facts[0].startswith("Step 4 (SMS) moves from day 6 to day 7")
    assert [fact.split("now: ")[1] for fact in facts[1:]] == [
        "Step 2 (SMS), day: 3 → 4.",
        "Step 3 (SMS) of day 9 was added.",
    ]
    confirm(admin_client, made, shown)
    assert sorted(made.steps.values_list("delay_days", flat=True)) == [0, 4, 7, 9]


def test_removing_what_a_colleague_changed_and_changing_what_one_removed(
    admin_client: Client, made: Campaign
) -> None:
    form = opened(admin_client, made)

    def theirs(steps: Any) -> Any:
        return (type(steps[0])(steps[0].id, 1, steps[0].template_key), steps[2])

    meanwhile(made, steps=theirs)
    form |= {"steps-0-DELETE": "on", "steps-1-delay_days": "5"}
    asked = post(admin_client, made, form)
    assert asked.context["ask"].facts[0] == "Step 1 (SMS): you remove it; it has got day 1."
    assert "The step of day 3" in asked.context["ask"].facts[1]
    confirm(admin_client, made, confirm(admin_client, made, asked, choice="mine"))
    assert list(made.steps.values_list("delay_days", flat=True)) == [6]


def test_a_forged_base_gives_no_right_over_steps(made: Campaign) -> None:
    client = staff("campaigns.view_campaign", "campaigns.change_campaign")
    form = opened(client, made)
    forged = form["opened"].replace('"delay_days": 3', '"delay_days": 5')
    for base in (form["opened"], forged, "", "[]", '{"fields": {"x": 1}, "steps": []}'):
        shown = post(client, made, {**form, "opened": base, "steps-1-delay_days": "8"})
        if shown.status_code == 200:
            confirm(client, made, shown, choice="mine")
        assert list(made.steps.values_list("delay_days", flat=True)) == [0, 3, 6]


# --- Four eyes -------------------------------------------------------------------------------


def approver() -> Client:
    user = User.objects.create_user("approver", is_staff=True)
    for codename in ("view_campaign", "change_campaign", "launch_campaign"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    client = Client()
    client.force_login(user)
    return client


def test_four_eyes_hold_for_a_running_campaign(settings: Any, made: Campaign) -> None:
    settings.FOUR_EYES = True
    marketer, other = staff(*RIGHTS), approver()
    form = opened(marketer, made) | {"steps-1-delay_days": "5"}
    shown = post(marketer, made, form)
    assert shown.context["ask"].button == "Propose it"
    assert "Four eyes: it alters what is sent" in shown.content.decode()
    response = confirm(marketer, made, shown)
    assert "Nothing is changed until somebody else" in messages_of(response)[0]
    assert made.steps.filter(delay_days=5).count() == 0
    said = " ".join(shown_titles(other, made))
    assert "A change by marketer waits for a second person" in said
    assert marketer.post(address(made, "make_change"), {"confirmed": "yes"}).status_code == 403
    asked = other.get(address(made, "make_change"))
    assert "moves from day 3 to day 5: 2 doctors wait" in asked.content.decode()
    hidden = dict(asked.context["ask"].hidden)
    done = other.post(address(made, "make_change"), {**hidden, "confirmed": "yes"}, follow=True)
    assert messages_of(done)[0].startswith(f"“{made}” was changed.")
    assert made.steps.filter(delay_days=5).count() == 1
    assert read(made).changed_by == User.objects.get(username="approver")


def test_a_proposed_change_is_sent_back_with_a_reason(settings: Any, made: Campaign) -> None:
    settings.FOUR_EYES = True
    marketer, other = staff(*RIGHTS), approver()
    confirm(marketer, made, post(marketer, made, opened(marketer, made) | {"priority": "2"}))
    assert read(made).proposal is not None
    url = address(made, "drop_change")
    assert "What should be different?" in other.get(url).content.decode()
    other.post(url, {"confirmed": "yes"})
    assert read(made).proposal is not None
    other.post(url, {"confirmed": "yes", "reason": "Why <b>2</b>?"})
    html = marketer.get(page(Campaign, "change", made.pk)).content.decode()
    assert "A proposed change was sent back" in html
    assert "approver: Why &lt;b&gt;2&lt;/b&gt;?" in html
    assert read(made).priority == 10


def test_who_may_launch_does_not_change_alone_either(
    settings: Any, admin_client: Client, made: Campaign
) -> None:
    settings.FOUR_EYES = True
    shown = post(admin_client, made, opened(admin_client, made) | {"steps-1-DELETE": "on"})
    confirm(admin_client, made, shown)
    assert CampaignMessage.objects.filter(campaign=made).count() == 3
    own = admin_client.get(address(made, "make_change")).context["ask"]
    assert own.problems == [
        "You proposed it: somebody else who may launch looks at it and makes it."
    ]
    forged = {**dict(own.hidden), "confirmed": "yes"}
    admin_client.post(address(made, "make_change"), forged)
    assert CampaignMessage.objects.filter(campaign=made).count() == 3


def test_what_alters_no_message_is_changed_at_once(
    settings: Any, admin_client: Client, made: Campaign
) -> None:
    settings.FOUR_EYES = True
    shown = post(admin_client, made, opened(admin_client, made) | {"description": "For spring."})
    assert "alters nothing that is sent" in shown.context["ask"].notes[0]
    confirm(admin_client, made, shown)
    assert read(made).description == "For spring."


# --- A step that has sent something ------------------------------------------------------------


def test_step_that_has_sent_is_removed_after_its_question(
    admin_client: Client, made: Campaign
) -> None:
    engine.send_all(NOW)
    form = opened(admin_client, made) | {"steps-0-DELETE": "on"}
    assert MessageDelivery.objects.filter(campaign_message=made.steps.earliest("delay_days"))
    shown = post(admin_client, made, form)
    assert shown.context["ask"].facts[0].startswith("Step 1 (SMS) of day 0 is removed: 0 scheduled")
    confirm(admin_client, made, shown)
    assert list(made.steps.values_list("delay_days", flat=True)) == [3, 6]
    assert MessageDelivery.objects.count() == 2  # what was sent stays


def test_text_that_a_change_brings_is_confirmed_as_it_was_shown(
    admin_client: Client, made: Campaign
) -> None:
    other = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    form = opened(admin_client, made) | {"steps-1-template": other.template_key}
    shown = post(admin_client, made, form)
    MessageTemplate.objects.filter(pk=other.pk).update(template_content="Now: {{shortlink}}")
    again = confirm(admin_client, made, shown)
    (said,) = messages_of(again)
    assert "one of its texts was changed since you looked" in said
    assert again.context["ask"].facts == shown.context["ask"].facts
    assert not made.steps.filter(template=other).exists()
    confirm(admin_client, made, again)
    assert made.steps.filter(template=other).exists()


def test_step_that_has_sent_and_a_colleague_removed_goes_through(
    admin_client: Client, made: Campaign
) -> None:
    engine.send_all(NOW)
    form = opened(admin_client, made) | {"steps-1-delay_days": "5"}
    meanwhile(made, steps=lambda steps: steps[1:])
    shown = post(admin_client, made, form)
    assert "moves from day 3 to day 5" in shown.context["ask"].facts[0]
    confirm(admin_client, made, shown)
    assert list(made.steps.values_list("delay_days", flat=True)) == [5, 6]


def test_step_of_a_completed_campaign_stays(admin_client: Client, made: Campaign) -> None:
    engine.send_all(NOW)
    Campaign.objects.update(status="completed")
    form = campaign_form(made, [step_fields(step, 1) for step in made.steps.all()])
    assert post(admin_client, made, form | {"steps-0-DELETE": "on"}).status_code == 403
    assert made.steps.count() == 3


def test_why_a_draft_keeps_a_step_is_told_on_its_card(admin_client: Client, made: Campaign) -> None:
    engine.send_all(NOW)
    Campaign.objects.update(status="draft")
    form = campaign_form(made, [step_fields(step, 1) for step in made.steps.all()])
    shown = post(admin_client, made, form | {"steps-0-DELETE": "on"})
    (error,) = shown.context["sequence"]["errors"]["steps-0"]
    assert "would require deleting" in error
    assert shown.context["sequence"]["problems"] == []  # told once


def test_what_is_wrong_with_all_steps_is_told_above_the_grid(
    admin_client: Client, made: Campaign
) -> None:
    form = campaign_form(made, [step_fields(step, 1) for step in made.steps.all()])
    shown = post(admin_client, made, form | {"steps-TOTAL_FORMS": "x"})
    (problem,) = shown.context["sequence"]["problems"]
    assert "TOTAL_FORMS" in problem
