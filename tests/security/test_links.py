"""What strangers try with links: other people's tokens, other headers, odd paths."""

import io
import logging

import pytest
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from messaging import track
from messaging.links import throttle
from messaging.models import ProviderEvent, UnsubscribeRecord
from messaging.privacy.logs import Discreet

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_is_turned_away")]
NOBODYS = "0123456789012345678901"
WAYS = ("r/", "h/", "u/", "CLIRNT/", "CLIRNT/u/")


# --- enumeration ----------------------------------------------------------------------------

ODD = [
    NOBODYS,
    "x",
    "a" * 21,
    "a" * 23,
    "a" * 4000,
    "%00",
    "..",
    "%2e%2e%2fadmin%2f",
    "../admin/",
    "a/b/c",
    "%0d%0aSet-Cookie:%20a=b",
    "'%20OR%201=1--",
    "%F0%9F%92%A9",
    "%ff%fe",
    "०१२३४५६७८९०१२३४५६७८९०१",
    "{{7*7}}",
    f"{NOBODYS}/",
    f"{NOBODYS}%0a",
    f"{NOBODYS}%20",
    f"{NOBODYS};a=b",
]


@pytest.mark.parametrize("way", ["r/", "h/", "u/"])
def test_every_unknown_token_gets_the_same_page(browser, way):
    first = browser.get(f"/{way}{NOBODYS}")
    assert first.status_code == 404
    assert NOBODYS.encode() not in first.content
    for token in ODD:
        response = browser.get(f"/{way}{token}")
        assert (token, response.status_code) == (token, 404)
        assert (token, response.content) == (token, first.content)
        assert (token, set(response.headers)) == (token, set(first.headers))
        assert response["Referrer-Policy"] == "no-referrer"


def test_pages_of_all_kinds_of_links_are_the_same(browser):
    pages = {browser.get(f"/{way}{NOBODYS}").content for way in WAYS}
    assert len(pages) == 1
    assert browser.post(f"/u/{NOBODYS}", {"scope": "all"}).content in pages


def test_pixel_of_nobody_is_that_of_somebody(browser, delivery):
    known = browser.get(f"/o/{delivery.token}.gif")
    for token in (NOBODYS, "x", "%00", "a" * 4000):
        unknown = browser.get(f"/o/{token}.gif")
        assert (unknown.status_code, unknown.content) == (200, known.content)
        assert set(unknown.headers) == set(known.headers)


def test_tokens_are_case_sensitive_and_whole(browser, delivery):
    for token in (delivery.token.swapcase(), delivery.token[:-1], f"{delivery.token}a"):
        assert browser.get(f"/r/{token}").status_code == 404
    assert not ProviderEvent.objects.exists()


def test_ids_are_no_tokens(browser, delivery):
    for known in (delivery.pk, delivery.pk.hex, delivery.doctor_id, delivery.doctor.external_id):
        assert browser.get(f"/u/{known}").status_code == 404


def test_unknown_asks_the_database_what_known_does(browser, delivery):
    """One query either way, so that the time of an answer tells nothing."""

    def asked(token):
        with CaptureQueriesContext(connection) as queries:
            browser.get(f"/o/{token}.gif")
        return [query["sql"].partition("token =")[0] for query in queries]

    known = asked(delivery.token)
    assert len(known) == 1
    assert asked(NOBODYS) == known


def test_who_tries_many_is_turned_away_and_nobody_else(browser, delivery, settings):
    settings.LINK_MISSES_PER_MINUTE = 5
    pages = [browser.get(f"/r/{NOBODYS[:-1]}{n}") for n in range(7)]
    assert [page.status_code for page in pages] == [404] * 5 + [429] * 2
    assert [b"try again in a minute" in page.content for page in pages] == [False] * 5 + [True] * 2
    assert int(pages[-1]["Retry-After"]) > 0
    assert browser.post(f"/u/{NOBODYS}").status_code == 429
    other = browser.get(f"/r/{NOBODYS}", REMOTE_ADDR="192.0.2.7")
    assert other.status_code == 404


def test_links_that_somebody_has_are_served_to_whoever_is_turned_away(browser, delivery, settings):
    """A stranger behind a carrier's address must not close everybody's links."""
    settings.LINK_MISSES_PER_MINUTE = 1
    assert [browser.get(f"/r/{NOBODYS}").status_code for _ in range(2)] == [404, 429]
    told = {way: browser.get(f"/{way}/{delivery.token}").status_code for way in ("r", "h", "u")}
    assert told == {"r": 302, "h": 302, "u": 200}
    assert browser.get(f"/o/{delivery.token}.gif").status_code == 200
    assert ProviderEvent.objects.filter(kind="opened").count() == 1


def test_opt_out_is_heard_from_whoever_is_turned_away(browser, delivery, settings):
    """Mail programs post from few addresses, also for doctors who are long gone."""
    settings.LINK_MISSES_PER_MINUTE = 1
    browser.post(f"/u/{NOBODYS}")
    assert browser.get(f"/u/{NOBODYS}").status_code == 429
    one_click = {"List-Unsubscribe": "One-Click"}
    assert browser.post(f"/u/{delivery.token}", one_click).status_code == 200
    assert UnsubscribeRecord.objects.exists()


def test_good_links_are_never_too_many(browser, delivery, settings):
    settings.LINK_MISSES_PER_MINUTE = 5
    assert {browser.get(f"/r/{delivery.token}").status_code for _ in range(20)} == {302}


def test_without_redis_nobody_is_turned_away(browser, settings, monkeypatch):
    settings.LINK_MISSES_PER_MINUTE = 1
    monkeypatch.setattr("reengage.cache.Client._ask", lambda *_, otherwise: otherwise)
    assert {browser.get(f"/r/{NOBODYS}").status_code for _ in range(5)} == {404}


# --- headers of proxies ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("behind_proxy", "forwarded", "expected"),
    [
        (False, "198.51.100.1", "192.0.2.1"),
        (True, "198.51.100.1", "198.51.100.1"),
        (True, "203.0.113.9, 198.51.100.1", "198.51.100.1"),  # the first is the visitor's own word
        (True, "", "192.0.2.1"),
        (True, "unknown", ""),
        (True, "198.51.100.1\r\nX: y", ""),
        (True, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    ],
)
def test_forwarded_for_is_believed_of_our_proxy_only(settings, behind_proxy, forwarded, expected):
    settings.BEHIND_PROXY = behind_proxy
    request = RequestFactory().get(
        "/", REMOTE_ADDR="192.0.2.1", headers={"X-Forwarded-For": forwarded}
    )
    assert throttle.address(request) == expected


def test_a_new_forwarded_for_each_time_does_not_help(browser, settings):
    settings.LINK_MISSES_PER_MINUTE = 3
    told = [
        browser.get(f"/r/{NOBODYS}", headers={"X-Forwarded-For": f"198.51.100.{n}"}).status_code
        for n in range(5)
    ]
    assert told == [404] * 3 + [429] * 2


def test_host_and_forwarded_host_are_in_no_answer(browser, delivery):
    odd = {"X-Forwarded-Host": "evil.example", "X-Original-URL": "/admin/", "Forwarded": "host=x"}
    response = browser.get(f"/r/{delivery.token}", headers=odd)
    assert response["Location"] == delivery.target_url
    posted = browser.post(f"/u/{delivery.token}", {"scope": "channel"}, headers=odd)
    assert posted["Location"] == f"/u/{delivery.token}?saved"
    assert browser.get(f"/r/{delivery.token}", headers={"Host": "evil.example"}).status_code == 400


# --- methods, paths and sizes ---------------------------------------------------------------


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete", "options", "trace"])
@pytest.mark.parametrize("way", ["r/{}", "h/{}", "o/{}.gif", "CLIRNT/{}"])
def test_links_are_only_to_be_fetched(browser, delivery, method, way):
    for token in (delivery.token, NOBODYS):
        response = getattr(browser, method)(f"/{way.format(token)}")
        assert response.status_code == 405
    assert not ProviderEvent.objects.exists()


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options", "trace"])
def test_preferences_are_only_fetched_and_posted(browser, delivery, method):
    told = {getattr(browser, method)(f"/u/{t}").status_code for t in (delivery.token, NOBODYS)}
    assert told == {405}
    assert not UnsubscribeRecord.objects.exists()


def test_method_override_is_ignored(browser, delivery):
    headers = {"X-HTTP-Method-Override": "POST"}
    browser.get(f"/u/{delivery.token}?scope=all&List-Unsubscribe=One-Click", headers=headers)
    assert not UnsubscribeRecord.objects.exists()


def test_head_is_get_without_a_body_and_counts_for_nobody(browser, delivery):
    for path in (f"/r/{delivery.token}", f"/u/{delivery.token}", f"/o/{delivery.token}.gif"):
        assert browser.head(path).content == b""
    assert set(ProviderEvent.objects.values_list("is_machine", flat=True)) == {True}


@pytest.mark.parametrize(
    "path",
    [
        "/r",
        "/r/",
        "/u/",
        "/o/",
        "//r/{}",
        "/r//{}",
        "/./r/{}/..",
        "/R/{}",
        "/r/{}.gif",
        "/o/{}",
        "/o/{}.gif/x",
        "/o/{}.GIF",
        "/clirnt/{}",
        "/CL/{}",
        "/CLIRNET12345/{}",
        "/CLIRNT/x/{}",
        "/CLIRNT/r/{}",
    ],
)
def test_odd_paths_lead_nowhere(browser, delivery, path):
    assert browser.get(path.format(delivery.token)).status_code in (301, 404)
    assert not ProviderEvent.objects.exists()


def test_huge_agents_are_cut_and_odd_ones_kept(delivery):
    agents = ["x" * 50_000, "Mozilla\x00/5.0", "हिन्दी", "'; DROP TABLE doctors;--", "\ud800"]
    for agent in agents:
        client = Client(headers={"User-Agent": agent})
        assert client.get(f"/r/{delivery.token}").status_code == 302
    kept = ProviderEvent.objects.values_list("detail__agent", flat=True)
    assert len(kept) == len(agents)
    assert max(map(len, kept)) == 300


def test_hostile_reasons_are_text(browser, delivery):
    hostile = ("<script>alert(1)</script>", "a\r\nBcc: x@y", "=cmd|'/c calc'!A1", "x" * 100_000)
    for reason in hostile:
        browser.post(f"/u/{delivery.token}", {"scope": "all", "reason": reason})
        assert b"<script" not in browser.get(f"/u/{delivery.token}").content
    assert UnsubscribeRecord.objects.count() == 1


def test_huge_and_broken_posts_change_nothing(browser, delivery):
    path = f"/u/{delivery.token}"
    huge = browser.post(
        path, b"a=" + b"x" * 5_000_000, content_type="application/x-www-form-urlencoded"
    )
    many = browser.post(
        path,
        "&".join(f"a{n}=1" for n in range(5000)),
        content_type="application/x-www-form-urlencoded",
    )
    broken = browser.post(path, b"--x\r\n", content_type="multipart/form-data")
    assert {huge.status_code, many.status_code, broken.status_code} <= {400, 413}
    assert not UnsubscribeRecord.objects.exists()


def test_another_sites_form_needs_the_token(browser, delivery):
    """No cookie takes part, so there is nothing that another site could borrow."""
    headers = {"Origin": "https://evil.example", "Referer": "https://evil.example/"}
    assert browser.post("/u/", {"scope": "all"}, headers=headers).status_code == 404
    assert browser.post(f"/u/{NOBODYS}", {"scope": "all"}, headers=headers).status_code == 404
    assert not UnsubscribeRecord.objects.exists()
    assert track.find_by_token(delivery.token)


def test_preferences_stand_in_nobodys_frame(browser, delivery):
    response = browser.get(f"/u/{delivery.token}")
    assert response["X-Frame-Options"] == "DENY"
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]


def test_no_token_is_logged(browser, delivery):
    console = next(
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler.formatter, Discreet)
    )
    kept, console.stream = console.stream, io.StringIO()
    try:
        for way in ("r", "u", "h", "CLIRNT", "CLIRNT/u"):
            browser.put(f"/{way}/{delivery.token}")
            browser.get(f"/{way}/{delivery.token}x")
        logged = console.stream.getvalue()
    finally:
        console.stream = kept
    assert "Method Not Allowed (PUT): /u/…" in logged
    assert "Not Found: /r/…" in logged
    assert delivery.token[:10] not in logged
