"""What a doctor does on a phone with the link of a message: no JavaScript, no login."""

import pytest
from playwright.sync_api import Page, expect

from messaging.models import MessageDelivery, UnsubscribeRecord
from tests import engine
from tests.browser.conftest import PHONE
from tests.browser.watch import overflow
from tests.engine import NOW


@pytest.fixture
def token() -> str:
    """Of an SMS that went out."""
    engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    return str(MessageDelivery.objects.get().token)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.browser_context_args(viewport=PHONE, java_script_enabled=False, has_touch=True)
def test_doctor_leaves_one_channel_and_comes_back_without_javascript(
    page: Page, token: str, scheme: str
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto(f"/u/{token}")
    expect(page.get_by_label("SMS")).to_be_checked()
    page.get_by_role("button", name="Stop SMS").tap()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    expect(page.get_by_label("SMS")).not_to_be_checked()
    expect(page.get_by_label("WhatsApp")).to_be_checked()
    (record,) = UnsubscribeRecord.objects.standing()
    assert (record.channel, record.segment_type) == ("sms", None)

    page.get_by_label("SMS").check()
    page.get_by_role("button", name="Save my choice").tap()
    expect(page.get_by_role("status")).to_contain_text("You get all messages.")
    expect(page.get_by_label("SMS")).to_be_checked()
    assert not UnsubscribeRecord.objects.standing().exists()
    assert overflow(page) is None
