"""What the server takes for an address: seconds and statements, counted anew and from the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.cache import cache
from django.db import connection
from django.test import Client

from tests.bench.measure import Figure

MOST_SECONDS = 1.0
MOST_COUNTING = 10.0  # where doctors are counted anew: the page is open, or a program waits
TRIES = 3  # the machine may be busy: the quickest counts
# Beyond this share (and so many seconds) a look without the cache is another thing than one with.
DIFFERS, DIFFERS_SECONDS = 1.5, 0.05


@dataclass(frozen=True)
class Ask:
    """An address to open. `body`: what is posted to the API; None: it is read.

    `is_part`: an open page loads it once it stands, so it may take longer where nothing is kept.
    `most`: seconds that it may take.
    """

    name: str
    path: str
    body: Any = None
    is_part: bool = False
    most: float = MOST_SECONDS


@dataclass(frozen=True)
class Opened:
    """One address, opened once: seconds of the server, and the statements that it asked."""

    status: int
    seconds: float
    queries: Sequence[tuple[float, str]]

    def is_good(self, most: float) -> bool:
        """Whether it answered, within so many seconds."""
        return self.status == 200 and self.seconds < most


def opened(client: Client, ask: Ask) -> Opened:
    """Open it once."""
    with _statements() as queries:
        started = time.perf_counter()
        if ask.body is None:
            response = client.get(ask.path, follow=True)
        else:
            response = client.post(ask.path, ask.body, content_type="application/json")
        seconds = time.perf_counter() - started
    return Opened(response.status_code, seconds, queries)


def figure(client: Client, ask: Ask, floor: Opened) -> Figure:
    """Open it to warm up, with an empty cache, and with what that look has left there."""
    opened(client, ask)
    found = []
    for _ in range(TRIES):
        cache.clear()
        found.append((opened(client, ask), opened(client, ask)))
        if found[-1][0].is_good(ask.most):
            break
    counted = min((first for first, _ in found), key=lambda one: one.seconds)
    kept = min((second for _, second in found), key=lambda one: one.seconds)
    page = kept if ask.is_part else counted  # the one that has to be quick
    is_missed = not page.is_good(ask.most)
    value = words(counted, floor)
    if counted.seconds > max(DIFFERS * kept.seconds, kept.seconds + DIFFERS_SECONDS):
        value += f"; {1000 * kept.seconds:,.0f} ms where it was counted lately"
    if is_missed and page.queries:
        seconds, sql = max(page.queries)
        value += f"\n      slowest: {1000 * seconds:,.0f} ms: {' '.join(sql.split())[:600]}"
    aim = f"{ask.most:.0f} s" + (" from the cache" if ask.is_part else "")
    return Figure(ask.name, value, aim, is_missed=is_missed)


def words(page: Opened, floor: Opened) -> str:
    """Seconds, beside those of the floor, and how many statements it took."""
    answer = "" if page.status == 200 else f", answered {page.status}"
    return (
        f"{1000 * page.seconds:,.0f} ms, {page.seconds / floor.seconds:.1f}x the floor, "
        f"{len(page.queries)} queries{answer}"
    )


@contextmanager
def _statements() -> Iterator[list[tuple[float, str]]]:
    """Seconds and text of each statement in the block."""
    seen: list[tuple[float, str]] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, *args)
        finally:
            seen.append((time.perf_counter() - started, sql))

    with connection.execute_wrapper(note):
        yield seen
