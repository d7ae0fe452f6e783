"""Links, the open pixel and the hidden link, as doctors and machines reach them."""

from datetime import timedelta

import pytest
from django.core.cache import cache, caches
from django.test import Client
from django.utils import timezone

from messaging import render, track
from messaging.links import remember, target, timing
from messaging.links.checks import check_links
from messaging.models import DeliveryAttempt, MessageDelivery, ProviderEvent, SandboxMessage
from messaging.preview import TEST_TOKEN
from tests.engine import NOW, enrolled, send_all

pytestmark = pytest.mark.django_db
PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 14; CUBOT X30) Chrome/130"}


@pytest.fixture(autouse=True)
def nobody_is_turned_away():
    cache.clear()


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("email",))
    send_all(NOW)
    return MessageDelivery.objects.get()


@pytest.fixture
def browser():
    return Client(headers=PHONE)


def folded(delivery):
    """The delivery once the hits have settled."""
    track.apply_events(timezone.now() + timing.SETTLES)
    delivery.refresh_from_db()
    return delivery


def test_link_redirects_to_its_stored_target_and_counts(browser, delivery):
    response = browser.get(f"/r/{delivery.token}")
    assert (response.status_code, response["Location"]) == (302, delivery.target_url)
    assert response["Referrer-Policy"] == "no-referrer"
    assert "no-store" in response["Cache-Control"]
    assert not response.cookies
    assert folded(delivery).status == "clicked"
    event = ProviderEvent.objects.get()
    assert event.detail == {"link": "target", "agent": PHONE["User-Agent"]}


def test_target_tells_the_platform_which_message_it_was(delivery):
    campaign = delivery.campaign_message.campaign
    slug = campaign.name.lower().replace(" ", "-")
    assert delivery.target_url.partition("?")[2] == (
        f"utm_source=clirnet&utm_medium=email&utm_campaign={slug}&utm_content=step-1"
    )


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://x.in/a", "https://x.in/a?utm_source=clirnet&utm_medium=sms"),
        ("https://x.in/a?b=1", "https://x.in/a?b=1&utm_source=clirnet&utm_medium=sms"),
        ("https://x.in/a#top", "https://x.in/a?utm_source=clirnet&utm_medium=sms#top"),
        ("https://x.in/a?b=%20&c#t", "https://x.in/a?b=%20&c&utm_source=clirnet&utm_medium=sms#t"),
        ("https://x.in/?utm_source=own", "https://x.in/?utm_source=own&utm_medium=sms"),
    ],
)
def test_query_is_added_to_what_an_address_has(url, expected):
    assert target.with_query(url, "utm_source=clirnet&utm_medium=sms") == expected


def test_repeated_clicks_are_kept_and_count_once(browser, delivery):
    browser.get(f"/r/{delivery.token}")
    first = folded(delivery).clicked_at
    browser.get(f"/r/{delivery.token}")
    assert folded(delivery).clicked_at == first
    assert ProviderEvent.objects.filter(processed_at__isnull=False).count() == 2


@pytest.mark.parametrize(
    "agent",
    [
        "WhatsApp/2.23.20.0",
        "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        "",
        "facebookexternalhit/1.1 Facebot Twitterbot/1.0",
        "Mozilla/5.0 (Windows NT 6.1) SkypeUriPreview Preview/0.5",
        "python-requests/2.31",
    ],
)
def test_machines_follow_the_link_and_are_not_counted(delivery, agent):
    assert Client(headers={"User-Agent": agent}).get(f"/r/{delivery.token}").status_code == 302
    assert folded(delivery).clicked_at is None
    event = ProviderEvent.objects.get()
    assert (event.is_machine, event.detail["machine"]) == (True, "agent")


def test_head_and_prefetch_are_not_counted(browser, delivery):
    assert browser.head(f"/r/{delivery.token}").status_code == 302
    browser.get(f"/r/{delivery.token}", headers={"Sec-Purpose": "prefetch;prerender"})
    assert folded(delivery).clicked_at is None
    told = ProviderEvent.objects.order_by("pk").values_list("detail__machine", flat=True)
    assert list(told) == ["head", "prefetch"]


def test_pixel_counts_an_open_and_apple_loading_it_does_not(browser, delivery):
    Client(headers={"User-Agent": "Mozilla/5.0"}).get(f"/o/{delivery.token}.gif")
    assert folded(delivery).opened_at is None
    response = browser.get(f"/o/{delivery.token}.gif")
    assert response["Content-Type"] == "image/gif"
    assert folded(delivery).status == "opened"


def test_clicks_wait_until_the_hits_around_them_are_in(browser, delivery):
    browser.get(f"/r/{delivery.token}")
    assert track.apply_events(timezone.now()) == 0
    assert folded(delivery).clicked_at is not None


@pytest.mark.parametrize("order", [("h", "r"), ("r", "h")])
def test_whoever_follows_the_hidden_link_is_a_machine(browser, delivery, order):
    for way in order:
        response = browser.get(f"/{way}/{delivery.token}")
        assert response["Location"] == delivery.target_url
    assert folded(delivery).clicked_at is None
    assert ProviderEvent.objects.filter(is_machine=True).count() == 2


def test_a_click_long_after_the_scanner_counts(browser, delivery):
    browser.get(f"/h/{delivery.token}")
    ProviderEvent.objects.update(occurred_at=timezone.now() - 2 * timing.TRAP_SPOILS)
    browser.get(f"/r/{delivery.token}")
    assert folded(delivery).clicked_at is not None


def test_two_links_in_one_moment_are_a_machine(browser, delivery):
    browser.get(f"/u/{delivery.token}")
    browser.get(f"/r/{delivery.token}")
    assert folded(delivery).clicked_at is None
    assert set(ProviderEvent.objects.values_list("is_machine", flat=True)) == {True}


def test_the_page_first_and_the_link_later_is_a_person(browser, delivery):
    browser.get(f"/u/{delivery.token}")
    ProviderEvent.objects.update(occurred_at=timezone.now() - 2 * timing.SAME_MOMENT)
    browser.get(f"/r/{delivery.token}")
    assert folded(delivery).clicked_at is not None


@pytest.mark.parametrize(("seconds", "is_counted"), [(0.5, False), (3, True)])
def test_a_click_sooner_than_anybody_reads_is_a_machine(browser, delivery, seconds, is_counted):
    authorised_at = timezone.now() - timedelta(seconds=seconds)
    DeliveryAttempt.objects.update(authorised_at=authorised_at)
    browser.get(f"/r/{delivery.token}")
    assert (folded(delivery).clicked_at is not None) == is_counted


def test_every_email_has_the_hidden_link_and_no_person_sees_it(delivery):
    links = render.links(delivery.token)
    rendered = render.render_message("email", "Hello", "Subject", {}, links)
    (tag,) = [line for line in rendered.html.splitlines() if links.hidden in line]
    assert 'tabindex="-1"' in tag
    assert 'aria-hidden="true"' in tag
    assert "display: none" in tag
    assert tag.endswith("></a>")
    assert links.hidden not in rendered.text


def test_links_of_sms_carry_the_header(browser, delivery, settings):
    settings.SMS_HEADER = "CLIRNT"
    links = render.links(delivery.token, "sms")
    base = settings.PUBLIC_BASE_URL
    assert links.shortlink == f"{base}/CLIRNT/{delivery.token}"
    assert links.unsubscribe == f"{base}/CLIRNT/u/{delivery.token}"
    assert render.links(delivery.token, "email").shortlink == f"{base}/r/{delivery.token}"
    response = browser.get(links.shortlink.removeprefix(base))
    assert response["Location"] == delivery.target_url
    assert browser.get(links.unsubscribe.removeprefix(base)).status_code == 200
    assert folded(delivery).clicked_at is None  # both within a moment


def test_links_of_sms_go_out_with_the_header(settings):
    settings.SMS_HEADER = "CLIRNT"
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    text = SandboxMessage.objects.get().text
    assert f"/CLIRNT/{delivery.token}" in text
    assert f"Stop: {settings.PUBLIC_BASE_URL}/CLIRNT/u/{delivery.token}" in text


@pytest.mark.parametrize(
    "shortlink", ["https://old.in/r/{}", "https://old.in/CLIRNT/{}", "http://x:80/a/OLD123/{}"]
)
def test_old_links_are_told_as_they_went_out(shortlink):
    token = "a" * 22
    links = render.links_like(shortlink.format(token), token)
    assert links.shortlink == shortlink.format(token)
    assert links.pixel.endswith(f"/o/{token}.gif")


def test_links_of_tests_say_so(browser, settings):
    for way in ("r/", "h/", "u/", "CLIRNT/", "CLIRNT/u/"):
        response = browser.get(f"/{way}{TEST_TOKEN}")
        assert response.status_code == 200
        assert "This was a test" in response.content.decode()


def test_cache_knows_what_was_authorised_and_no_token(delivery):
    found = remember.recall(delivery.token)
    assert found == (delivery.pk, delivery.target_url)
    assert remember.recall("x" * 22) is None
    client = caches["default"]._cache.get_client("x")
    for key in client.keys("*links*"):
        held = [*client.hgetall(key), *client.hgetall(key).values()]
        assert held
        assert not any(delivery.token.encode() in value for value in held)


def test_a_host_that_is_no_longer_allowed_is_not_redirected_to(browser, delivery, settings):
    settings.LINK_HOSTS = frozenset({"other.example"})
    assert browser.get(f"/r/{delivery.token}").status_code == 404


def test_hit_is_one_round_trip(browser, delivery, django_assert_num_queries):
    with django_assert_num_queries(1):
        browser.get(f"/r/{delivery.token}")


def test_settings_that_would_break_links_are_told_at_start(settings):
    assert check_links() == []
    settings.LINK_HOSTS = frozenset({"other.example"})
    settings.SMS_HEADER = "CLIRNET-MARKETING"
    assert {error.id for error in check_links()} == {"messaging.E030", "messaging.E031"}
