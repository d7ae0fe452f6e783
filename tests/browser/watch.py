"""What the pages of one browser window asked for, and what went wrong on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, Page

# How far the page can be scrolled sideways, and what sticks out, for whoever has to mend it.
OVERFLOW = """() => {
    const over = document.documentElement.scrollWidth - window.innerWidth;
    if (over <= 0) return null;
    const wide = [...document.body.querySelectorAll("*")].filter(
        (each) => each.getBoundingClientRect().right > window.innerWidth + 1);
    const last = wide.slice(-3).map((each) => each.tagName.toLowerCase() + "." + each.className);
    return `${over} px too wide: ${last.join(" | ")}`;
}"""


class Watch:
    """Listens to one context. `faults` is what a person would have noticed, or our privacy would.

    An answer that is an error, a request that got none, an error in the console or in a script,
    and anything that was asked of another host.
    """

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.host = urlsplit(origin).netloc
        self.faults: list[str] = []
        self.asked = 0
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)
        context.on("console", self._console)
        context.on("weberror", lambda error: self.faults.append(f"script: {error.error}"))

    def _request(self, request: Any) -> None:
        self.asked += 1
        address = urlsplit(request.url)
        if address.scheme not in {"data", "blob", "about"} and address.netloc != self.host:
            self.faults.append(f"asked of another host: {request.url}")

    def _failed(self, request: Any) -> None:
        # Left for another page, replaced by a newer question, or saved as a file.
        if "ERR_ABORTED" not in (request.failure or ""):
            self.faults.append(f"no answer: {request.url}: {request.failure}")

    def _response(self, response: Any) -> None:
        if response.status >= 400:
            self.faults.append(f"{response.status}: {response.url}")

    def _console(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text}")

    @contextmanager
    def refusals(self, status: int) -> Iterator[None]:
        """Answers of this status, and the console's words on them, are what the test wants."""
        before = len(self.faults)
        yield
        wanted = (
            f"{status}: ",
            f"console: Failed to load resource: the server responded with a status of {status} ",
        )
        new = self.faults[before:]
        assert any(fault.startswith(wanted[0]) for fault in new), f"Nothing was answered {status}."
        self.faults[before:] = [fault for fault in new if not fault.startswith(wanted)]


def overflow(page: Page) -> str | None:
    """What makes the page wider than its window, in words; None where it fits."""
    return page.evaluate(OVERFLOW)
