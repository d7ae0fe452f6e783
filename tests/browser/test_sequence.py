"""A draft on its page: what the pre-flight finds leads to its mend, and steps are moved."""

import pytest
from playwright.sync_api import Page, expect

from campaigns.models import Campaign, CampaignMessage
from messaging.models import MessageTemplate
from reengage.initial import create_missing
from tests import engine
from tests.browser.conftest import named


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
    desk.goto(f"/admin/campaigns/campaign/{campaign.pk}/preflight/")
    desk.get_by_role("link", name="See why, and what would help").click()
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
    desk.goto(f"/admin/campaigns/campaign/{draft.pk}/change/")
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
