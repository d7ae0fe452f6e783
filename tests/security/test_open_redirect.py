"""Where links may lead: to our own platform, whatever a file, an address or a database says."""

import pytest

from messaging.links import target
from messaging.models import MessageDelivery
from tests.engine import NOW, certificate, doctor, enrolled, member, send_all

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_is_turned_away")]

# Where an open redirect would lead, with clirnet.example allowed.
ELSEWHERE = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "https://clirnet.example@evil.example/",
    "https://clirnet.example:pass@evil.example/",
    "https://user@clirnet.example/",
    "https://clirnet.example.evil.example/",
    "https://evil.example/clirnet.example",
    "https://evil.example#clirnet.example",
    "https://evil.example?clirnet.example",
    "https://evil.example\\.clirnet.example/",
    "https://clirnet.example\\@evil.example/",
    "https://clirnet.example%2eevil.example/",
    "https://clirnet.example:8443/",
    "https://clirnet.example:@evil.example/",
    "https://[::1]/",
    "https://127.0.0.1/",
    "javascript:alert(1)",
    "JaVaScRiPt://clirnet.example/%0aalert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "ftp://clirnet.example/",
    "file:///etc/passwd",
    "intent://clirnet.example#Intent;scheme=http;end",
    "https://clirnet.example/\r\nSet-Cookie: a=b",
    "https://clirnet.example/\x00",
    "https://clirnet\u3002example/",
    "https://ｃlirnet.example/",
    "https://evil.example\u2044clirnet.example/",
    "\u202ehttps://clirnet.example/",
    "/courses/1",
    "",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_no_link_leads_elsewhere(browser, delivery, url):
    assert not target.is_allowed(url)
    if "\x00" not in url:  # PostgreSQL keeps none
        MessageDelivery.objects.update(target_url=url)
        response = browser.get(f"/r/{delivery.token}")
        assert (response.status_code, response.get("Location")) == (404, None)


@pytest.mark.parametrize(
    "url",
    [
        "https://clirnet.example/courses/1?a=b#c",
        "http://clirnet.example",
        "https://CLIRNET.example/",
        "https://clirnet.example/redirect?to=https://evil.example/",
        "https://clirnet.example/hindi/हिन्दी",
    ],
)
def test_links_to_our_platform_lead_there(url):
    assert target.is_allowed(url)


@pytest.mark.parametrize(
    "query", ["url=https://evil.example", "next=//evil.example", "target_url=https://evil.example"]
)
def test_nothing_in_the_address_changes_the_target(browser, delivery, query):
    for way in ("r", "h"):
        response = browser.get(f"/{way}/{delivery.token}?{query}")
        assert response["Location"] == delivery.target_url


@pytest.mark.parametrize(
    "subject", ["c1\r\nSet-Cookie: a=b", "@evil.example", "../../x", "a?b#c", "/\\evil.example"]
)
def test_no_header_comes_out_of_what_a_file_called_a_course(browser, subject):
    owner = doctor()
    certificate(owner, external_id=subject)
    member(owner, subject)
    enrolled(0, days=(0,), channels=("sms",))
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    response = browser.get(f"/r/{delivery.token}")
    assert "Set-Cookie" not in response
    location = response.get("Location", "")
    assert "\r" not in location
    assert "\n" not in location
    assert response.status_code == 302
    assert location == delivery.target_url
    assert location.startswith("https://clirnet.example/certificates/")
    assert location.count("?") == 1  # the one of our own query
