"""The editor of texts: what a doctor would get stands beside it, and changes while one types."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from messaging.models import MessageTemplate
from reengage.initial import create_missing
from segments.identify import identify
from segments.models import SegmentType
from tests.office import doctor


@pytest.fixture
def template() -> MessageTemplate:
    """A text of the strategy's, and one doctor in its segment."""
    create_missing()
    doctor("Rao", phone="+919812345678")
    identify(SegmentType.UNCLAIMED_CERTIFICATES, timezone.now())
    return MessageTemplate.objects.get(template_key="unclaimed_certificates.sms.1")


def test_preview_follows_the_typing_and_an_error_keeps_the_text_from_being_saved(
    desk: Page, template: MessageTemplate
) -> None:
    path = f"/admin/messaging/messagetemplate/{template.pk}/change/"
    desk.goto(path)
    text = desk.get_by_role("textbox", name="Text*", exact=True)
    panel = desk.get_by_role("complementary", name="Variables and preview")
    expect(panel).to_contain_text("Dr. Rao, Certificate ready for Heart failure!")

    text.fill("Dr. {{last_nam}}, your certificate: {{shortlink}}")
    expect(panel.get_by_role("listitem").filter(has_text="Error: Text")).to_contain_text("last_nam")
    desk.get_by_role("button", name="Save and continue editing").click()
    expect(desk.get_by_role("list", name="Fields to correct")).to_contain_text("last_nam")
    template.refresh_from_db()
    assert "Certificate ready" in template.template_content

    text.fill("Dr. {{last_name}}, your points wait: {{shortlink}} -CLIRNET")
    expect(panel).to_contain_text("Dr. Rao, your points wait: ")
    expect(panel.get_by_role("listitem").filter(has_text="Error: ")).to_have_count(0)
    desk.get_by_role("button", name="Save and continue editing").click()
    expect(desk.get_by_text("was changed successfully")).to_be_visible()
    template.refresh_from_db()
    assert template.template_content.startswith("Dr. {{last_name}}, your points wait")


def test_variable_is_put_in_at_the_cursor_by_keyboard_alone(
    desk: Page, template: MessageTemplate
) -> None:
    desk.goto(f"/admin/messaging/messagetemplate/{template.pk}/change/")
    text = desk.get_by_role("textbox", name="Text*", exact=True)
    text.fill("Hello ")
    desk.get_by_label("Find by name or meaning").fill("first_name")
    desk.get_by_role("button", name="first_name").first.press("Enter")
    expect(text).to_have_value("Hello {{first_name}}")
    expect(text).to_be_focused()
    expect(desk.get_by_role("complementary", name="Variables and preview")).to_contain_text(
        "Hello Asha"
    )
