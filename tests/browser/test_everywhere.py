"""Every kind of page, at a desk and on a phone, light and dark: whole, and of this host alone."""

from collections import deque
from urllib.parse import urlsplit

from django.urls import Resolver404, resolve
from playwright.sync_api import Error, Page

from messaging.models import MessageDelivery
from messaging.preview import TEST_TOKEN
from reengage.initial import create_missing
from tests import engine
from tests.admin.world import make
from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.watch import Watch, overflow
from tests.engine import NOW

LINKS = "() => [...document.querySelectorAll('a[href]')].map((each) => each.href)"


def kind(path: str) -> str:
    """The name of the view: one page of each kind is looked at. Resolver404: a dead link."""
    return str(resolve(path).view_name)


def is_worth_a_visit(name: str) -> bool:
    """Not what logs out, nor the theme's own pages of histories and deletions."""
    return not name.endswith(("logout", "_history", "_delete"))


class Walk:
    """From page to page by their links, one of each kind."""

    def __init__(self, page: Page, watch: Watch) -> None:
        self.page = page
        self.watch = watch
        self.visited: dict[str, str] = {}
        self.ahead: deque[tuple[str, str]] = deque()
        self.faults: list[str] = []

    def start(self, *paths: str) -> None:
        for path in paths:
            self._add(path, "the start")
        while self.ahead:
            path, origin = self.ahead.popleft()
            self._visit(path, origin)

    def _add(self, path: str, origin: str) -> None:
        try:
            name = kind(urlsplit(path).path)
        except Resolver404:
            self.faults.append(f"{origin} leads to {path}, which is nowhere")
            return
        if is_worth_a_visit(name) and name not in self.visited:
            self.visited[name] = path
            self.ahead.append((path, origin))

    def _visit(self, path: str, origin: str) -> None:
        before = len(self.watch.faults)
        try:
            self.page.goto(path)
        except Error as error:
            if "Download is starting" not in str(error):
                raise
            return
        for links in self.page.evaluate(LINKS):
            address = urlsplit(links)
            if address.netloc == self.watch.host:
                self._add(address.path, path)
        self._look(path)
        new = self.watch.faults[before:]
        self.watch.faults[before:] = []
        self.faults += [f"{path} (from {origin}): {fault}" for fault in new]

    def _look(self, path: str) -> None:
        for size, scheme in ((DESKTOP, "light"), (PHONE, "dark")):
            self.page.set_viewport_size(size)
            self.page.emulate_media(color_scheme=scheme)
            if found := overflow(self.page):
                self.faults.append(f"{path} at {size['width']} px: {found}")


def test_every_page_of_the_admin_is_whole(desk: Page, watch: Watch) -> None:
    create_missing()
    make(1)
    walk = Walk(desk, watch)
    walk.start("/admin/")
    assert walk.faults == []
    # Every list of the sidebar at the least, and a row and a form of most of them.
    assert len(walk.visited) > 100


def test_every_public_page_is_whole(page: Page, watch: Watch) -> None:
    engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    token = MessageDelivery.objects.get().token
    walk = Walk(page, watch)
    walk.start("/admin/login/", f"/u/{token}", f"/u/{TEST_TOKEN}", "/api/v1/docs")
    assert walk.faults == []
    with watch.refusals(404):
        page.goto("/u/nobodys-token")
    assert overflow(page) is None
