"""Links, the open pixel and the preferences page, as doctors and machines reach them."""

import pytest
from django.test import Client

from messaging.models import MessageDelivery, ProviderEvent, UnsubscribeRecord
from tests.engine import NOW, enrolled, send_all

pytestmark = pytest.mark.django_db
PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/130"}


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    return MessageDelivery.objects.get()


@pytest.fixture
def browser():
    return Client(headers=PHONE, enforce_csrf_checks=True)


def test_link_redirects_to_its_stored_target_and_counts(browser, delivery):
    response = browser.get(f"/r/{delivery.token}")
    assert (response.status_code, response["Location"]) == (302, delivery.target_url)
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies
    delivery.refresh_from_db()
    assert delivery.status == "clicked"


def test_repeated_clicks_keep_the_first_time(browser, delivery):
    browser.get(f"/r/{delivery.token}")
    first = MessageDelivery.objects.get().clicked_at
    browser.get(f"/r/{delivery.token}")
    assert MessageDelivery.objects.get().clicked_at == first
    assert ProviderEvent.objects.count() == 2


@pytest.mark.parametrize("agent", ["WhatsApp/2.23", "Googlebot/2.1", "", "facebookexternalhit/1.1"])
def test_machines_follow_the_link_and_are_not_counted(delivery, agent):
    assert Client(headers={"User-Agent": agent}).get(f"/r/{delivery.token}").status_code == 302
    delivery.refresh_from_db()
    assert delivery.clicked_at is None
    assert ProviderEvent.objects.get().is_machine


def test_head_is_not_counted(browser, delivery):
    assert browser.head(f"/r/{delivery.token}").status_code == 302
    assert MessageDelivery.objects.get().clicked_at is None


def test_pixel_counts_an_open(browser, delivery):
    response = browser.get(f"/o/{delivery.token}.gif")
    assert response["Content-Type"] == "image/gif"
    assert MessageDelivery.objects.get().status == "opened"


def test_unknown_tokens_say_nothing(browser):
    assert browser.get("/r/unknown").status_code == 404
    assert browser.get("/u/unknown").status_code == 404
    assert browser.post("/u/unknown").status_code == 404
    assert browser.get("/o/unknown.gif").status_code == 200


def test_nul_bytes_are_no_crash(browser, delivery):
    assert browser.get("/r/%00").status_code == 404
    assert browser.get("/u/%00").status_code == 404
    browser.post(f"/u/{delivery.token}", {"scope": "all", "reason": "too\x00 many"})
    assert UnsubscribeRecord.objects.get().reason == "too many"


def test_looking_at_preferences_changes_nothing(browser, delivery):
    response = browser.get(f"/u/{delivery.token}")
    assert response.status_code == 200
    assert "Stop these messages" in response.content.decode()
    assert not UnsubscribeRecord.objects.exists()


@pytest.mark.parametrize(
    ("scope", "wish"),
    [
        ("channel", ("sms", None)),
        ("kind", (None, "unclaimed_certificates")),
        ("all", (None, None)),
        ("nonsense", (None, None)),
    ],
)
def test_post_acts_at_once(browser, delivery, scope, wish):
    response = browser.post(f"/u/{delivery.token}", {"scope": scope, "reason": " Busy "})
    assert response.status_code == 302
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type) == wish
    assert (record.reason, record.source, record.delivery) == ("Busy", "link", delivery)
    page = browser.get(f"/u/{delivery.token}").content.decode()
    assert "You have opted out of" in page


def test_one_click_post_answers_200_without_cookie_or_redirect(browser, delivery):
    response = browser.post(f"/u/{delivery.token}", {"List-Unsubscribe": "One-Click"})
    assert response.status_code == 200
    record = UnsubscribeRecord.objects.get()
    assert (record.channel, record.segment_type, record.source) == ("sms", None, "one-click")


def test_coming_back_takes_all_opt_outs_back(browser, delivery):
    browser.post(f"/u/{delivery.token}", {"scope": "channel"})
    browser.post(f"/u/{delivery.token}", {"scope": "back"})
    assert not UnsubscribeRecord.objects.standing().exists()
