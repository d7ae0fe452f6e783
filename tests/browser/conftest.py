"""The machine's own Chromium, a server on this test's database, and somebody who is logged in.

The tests and the server talk over loopback; names of other hosts can not be looked up.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Locator,
    Page,
    Playwright,
    expect,
    sync_playwright,
)

from tests.browser.watch import Watch

CHROMIUM = shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-quic",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
]
PATIENCE = 20_000  # ms: only what never comes takes so long
DESKTOP = {"width": 1440, "height": 1000}
PHONE = {"width": 390, "height": 844}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without Chromium nothing here runs, and one line of each file says why."""
    if CHROMIUM is None:
        reason = "Chromium is not installed: `apt-get install chromium` first"
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    """Runs an event loop in this thread, of which other tests must not see anything.

    While it runs, Django takes this thread for an asynchronous one: it has to be told that
    the database may be used, and gives it a connection of its own, which must not outlive it.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        yield playwright
        connections.close_all()


@pytest.fixture(scope="package")
def browser(playwright: Playwright, browser_type_launch_args: dict[str, Any]) -> Iterator[Browser]:
    """One for all tests of this worker; each has a context of its own."""
    expect.set_options(timeout=PATIENCE)
    browser = playwright.chromium.launch(
        **browser_type_launch_args, executable_path=CHROMIUM, args=ARGUMENTS
    )
    yield browser
    browser.close()


@pytest.fixture(scope="package")
def browser_context_args(live_server: Any) -> dict[str, Any]:
    """A marketer's desk; paths are those of the server."""
    return {
        "base_url": live_server.url,
        "viewport": DESKTOP,
        "locale": "en-IN",
        "timezone_id": "Asia/Kolkata",
        "reduced_motion": "reduce",
    }


@pytest.fixture(autouse=True)
def watch(context: BrowserContext, live_server: Any) -> Iterator[Watch]:
    """No test may end with an error on a page, or with a word to another host."""
    context.set_default_timeout(PATIENCE)
    watch = Watch(context, live_server.url)
    yield watch
    assert watch.faults == []


def log_in(context: BrowserContext, user: User, origin: str) -> None:
    """As the login page does, which has a test of its own."""
    client = Client()
    client.force_login(user)
    cookie = client.cookies[settings.SESSION_COOKIE_NAME].value
    context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": cookie, "url": origin}])


@pytest.fixture
def desk(context: BrowserContext, admin_user: User, live_server: Any) -> Page:
    """A window in which somebody who may do everything is logged in."""
    log_in(context, admin_user, live_server.url)
    return context.new_page()


def named(page: Page, words: str) -> Locator:
    """A link that says these words, and before them, to a screen reader, its icon's name."""
    return page.get_by_role("link", name=re.compile(rf"^(\w+ )?{re.escape(words)}$"))
