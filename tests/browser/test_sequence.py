"""A draft on its page: what the pre-flight finds leads to its mend, and steps are moved."""

import pytest
from playwright.sync_api import Page, Route, expect

from campaigns.models import Campaign, CampaignMessage
from messaging.models import MessageTemplate
from reengage.initial import create_missing
from tests import engine
from tests.browser.conftest import PHONE, named
from tests.browser.watch import overflow


def days(campaign: Campaign) -> list[tuple[int, str]]:
    """Day and channel of each step, in its order."""
    steps = campaign.steps.order_by("sequence_order")
    return list(steps.values_list("delay_days", "channel"))


def test_finding_of_the_preflight_leads_to_the_text_that_it_is_about(desk: Page) -> None:
    create_missing()
    campaign = Campaign.objects.get(segment_type="unclaimed_certificates")
    text = MessageTemplate.objects.get(template_key="unclaimed_certificates.sms.2")
    MessageTemplate.objects.filter(pk=text.pk).update(template_content="Dr. {{nobody_knows}}")
    desk.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    named(desk, "Pre-flight").click()
    blocking = desk.get_by_role("region", name="this campaign from sending")
    finding = blocking.get_by_role("listitem").filter(has_text="nobody_knows")
    finding.get_by_role("link").click()
    expect(desk.get_by_role("textbox", name="Text*", exact=True)).to_have_value(
        "Dr. {{nobody_knows}}"
    )


def test_preflight_names_what_never_goes_out_and_a_mend_is_made_after_a_question(
    desk: Page,
) -> None:
    create_missing()
    campaign = Campaign.objects.get(segment_type="no_show")
    before = days(campaign)
    counts: list[Route] = []
    desk.route(lambda url: url.endswith("?part=1"), lambda route: counts.append(route))  # noqa: PLW0108  playwright reads its parameters
    desk.goto(f"/admin/campaigns/campaign/{campaign.pk}/preflight/")
    desk.get_by_role("link", name="See why, and what would help").click()
    counts[0].continue_()  # what was counted comes above it, after the jump
    expect(desk.get_by_text("counted anew after")).to_be_visible()
    expect(desk.get_by_role("heading", name="What would help")).to_be_in_viewport()
    desk.get_by_role("button", name="Mend all").click()
    assert days(campaign) == before
    desk.get_by_role("button").last.click()
    expect(desk.get_by_text("can never go out")).to_have_count(0)
    assert days(campaign) != before


@pytest.fixture
def draft() -> Campaign:
    """A message by WhatsApp on day 0 and one on day 3."""
    return engine.campaign(days=(0, 3), channels=("whatsapp",), status="draft")


def save(desk: Page) -> None:
    desk.get_by_role("button", name="Save and continue editing").click()
    expect(desk.get_by_text("was changed successfully")).to_be_visible()


def test_step_is_dragged_to_another_day(desk: Page, draft: Campaign) -> None:
    first, second = CampaignMessage.objects.filter(campaign=draft).order_by("sequence_order")
    # What is loaded once the page stands moves what is on it.
    desk.goto(f"/admin/campaigns/campaign/{draft.pk}/change/", wait_until="networkidle")
    grip = desk.get_by_title("Drag WhatsApp of day 0 to another day")
    grip.drag_to(desk.get_by_role("article", name="WhatsApp of day 3"))
    expect(desk.get_by_role("article", name="WhatsApp of day 0")).to_have_count(0)
    expect(desk.get_by_role("article", name="WhatsApp of day 3")).to_have_count(2)
    assert days(draft) == [(0, "whatsapp"), (3, "whatsapp")]
    save(desk)
    assert days(draft) == [(3, "whatsapp"), (3, "whatsapp")]
    assert set(draft.steps.values_list("pk", flat=True)) == {first.pk, second.pk}


def test_step_is_moved_and_removed_by_keyboard_alone(desk: Page, draft: Campaign) -> None:
    desk.goto(f"/admin/campaigns/campaign/{draft.pk}/change/")
    desk.get_by_role("button", name="Later: WhatsApp of day 3").press("Enter")
    expect(desk.get_by_role("article", name="WhatsApp of day 4")).to_be_visible()
    expect(desk.get_by_role("button", name="Later: WhatsApp of day 4")).to_be_focused()
    desk.get_by_role("button", name="Remove WhatsApp of day 0").press("Enter")
    expect(desk.get_by_role("article", name="WhatsApp of day 0")).to_have_count(0)
    assert days(draft) == [(0, "whatsapp"), (3, "whatsapp")]
    save(desk)
    assert days(draft) == [(4, "whatsapp")]


def test_mark_of_a_step_that_never_goes_out_leads_to_what_would_help(desk: Page) -> None:
    create_missing()
    campaign = Campaign.objects.get(segment_type="no_show")
    desk.goto(f"/admin/campaigns/campaign/{campaign.pk}/change/")
    desk.get_by_role("link", name="See what would help").first.click()
    expect(desk.get_by_role("heading", name="What would help")).to_be_in_viewport()


def test_menu_of_a_campaigns_page_works_by_keyboard_on_a_phone(desk: Page, draft: Campaign) -> None:
    desk.set_viewport_size(PHONE)
    desk.goto(f"/admin/campaigns/campaign/{draft.pk}/change/")
    expect(desk.get_by_role("heading", level=1, name=draft.name, exact=True)).to_be_visible()
    menu = desk.locator("summary", has_text="More")
    check = desk.get_by_role("link", name="Check audience", exact=True)
    expect(check).to_be_hidden()
    menu.press("Enter")
    expect(check).to_be_in_viewport()
    assert overflow(desk) is None
    desk.keyboard.press("Tab")
    desk.keyboard.press("Escape")
    expect(check).to_be_hidden()
    expect(menu).to_be_focused()


def test_what_a_mouse_can_click_can_be_reached_by_keyboard(desk: Page, draft: Campaign) -> None:
    desk.goto("/admin/campaigns/campaign/")
    filters = desk.get_by_role("button", name="Filters", exact=True)
    filters.press("Enter")
    expect(desk.get_by_role("button", name="Apply Filters")).to_be_visible()
    expect(desk.get_by_role("link", name="A/B tests", exact=True)).to_be_visible()


def test_day_of_a_step_under_test_stays_and_no_day_is_moved_across_it(desk: Page) -> None:
    made = engine.campaign(days=(0, 3, 6), channels=("whatsapp",))
    step = made.steps.get(delay_days=3)
    made.experiments.create(step=step, name="Which?", kind="send_time", status="running")
    desk.goto(f"/admin/campaigns/campaign/{made.pk}/change/", wait_until="networkidle")
    held = desk.get_by_role("region", name="Day 3", exact=True)
    expect(held.get_by_text("Day 3", exact=True)).to_be_visible()
    expect(held.get_by_role("button", name="Day 3")).to_have_count(0)
    expect(held.get_by_title("Drag day 3")).to_have_count(0)
    expect(held.get_by_role("spinbutton", name="Day of all")).to_have_count(0)
    told = desk.get_by_text("A step of day 3 is in a running A/B test")
    expect(told).to_have_count(0)
    desk.get_by_role("button", name="Day 0 later", exact=True).press("Enter")
    expect(told).to_be_visible()
    for day in (0, 3, 6):
        expect(desk.get_by_role("article", name=f"WhatsApp of day {day}")).to_be_visible()
    desk.get_by_role("button", name="Later: WhatsApp of day 0").press("Enter")
    expect(desk.get_by_role("article", name="WhatsApp of day 3")).to_have_count(2)


def test_why_a_removed_step_stays_is_told_beside_it(desk: Page) -> None:
    (enrollment,) = engine.enrolled(days=(0, 3), channels=("whatsapp",))
    engine.send_all(engine.NOW)
    Campaign.objects.update(status="draft")
    desk.goto(f"/admin/campaigns/campaign/{enrollment.campaign_id}/change/")
    desk.get_by_role("button", name="Remove WhatsApp of day 0").press("Enter")
    desk.get_by_role("button", name="Save and continue editing").click()
    gone = desk.locator(".sequence-gone", has_text="WhatsApp of day 0 goes when you save")
    expect(gone).to_contain_text("would require deleting")
