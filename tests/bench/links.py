"""Links and open pixels through the web server as in production, with lanes sending beside it."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.cache import cache
from django.db import connection, connections
from django.test import override_settings
from django.utils import timezone

from messaging import reports
from messaging.models import MessageDelivery, ProviderAccount, ProviderEvent
from messaging.send import run_lane
from tests.bench.engine import NOW
from tests.bench.load import Load, send
from tests.bench.measure import Figure, cpu_of_tree
from tests.bench.sending import clear, prepare
from tests.servers import free_port

RATE = 400  # visits a second, half of them of pixels
SECONDS = 15
LINKS = 4_000
LANES = 2
A_SECOND = 200  # messages that the lanes send meanwhile
CONNECTIONS = 48
EMPTY = "/empty/"  # a view that does nothing
AIM = "400/s, p99 150 ms, no 5xx"


def run(rows: int = 100_000) -> list[Figure]:
    """Measure with `rows` deliveries, most of them still to be sent, in an empty database."""
    settings.LOGGING_CONFIG = None
    clear()
    cache.clear()
    prepare("email", max(rows, 4 * LINKS))
    tokens = _sent()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(override_settings(SPOOL_DIR=Path(folder) / "spool"))
        port, pid = stack.enter_context(_web(Path(folder)))
        send(port, _visits([*_mixed(tokens[:200]), EMPTY]), 16)  # warms up
        return [
            *_with_lanes(port, pid, tokens),
            *_against_empty(port, tokens),
            *_while_away(port, tokens),
        ]


def _redirects(tokens: Sequence[str]) -> list[str]:
    return [f"/r/{token}" for token in tokens]


def _pixels(tokens: Sequence[str]) -> list[str]:
    return [f"/o/{token}.gif" for token in tokens]


def _mixed(tokens: Sequence[str]) -> list[str]:
    return [path for token in tokens for path in (f"/r/{token}", f"/o/{token}.gif")]


def _visits(paths: Sequence[str]) -> list[bytes]:
    """Each by another visitor, as our proxy hands it on."""
    return [
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Proto: https\r\n"
        f"X-Forwarded-For: 10.1.{number // 250 % 250}.{number % 250}\r\n"
        "User-Agent: Mozilla/5.0 (Linux; Android 14) Chrome/130\r\n\r\n".encode()
        for number, path in enumerate(paths)
    ]


def _sent() -> list[str]:
    """Tokens of messages that went out as fast as they could; the others go out slowly."""
    account = ProviderAccount.objects.filter(channel="email")
    account.update(rate_per_second=0.001, burst=LINKS, tokens=LINKS, tokens_at=NOW)
    clock = _clock()
    run_lane("email", clock, clock() + settings.LANE_TIME_LIMIT)
    account.update(rate_per_second=A_SECOND, burst=A_SECOND, tokens=0)
    sent = MessageDelivery.objects.filter(status="sent")
    tokens = [token for token in sent.values_list("token", flat=True) if token]
    assert len(tokens) == LINKS, len(tokens)
    return tokens


def _clock() -> Callable[[], datetime]:
    """The benchmark's day, going on."""
    began = time.monotonic()
    return lambda: NOW + timedelta(seconds=time.monotonic() - began)


@contextmanager
def _web(folder: Path) -> Iterator[tuple[int, int]]:
    """The web server by the README's production command; its port and process."""
    port = free_port()
    variables = {
        "PRODUCTION": "1",
        "BEHIND_PROXY": "1",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ERASURE_KEY": secrets.token_urlsafe(50),
        "PUBLIC_BASE_URL": "https://localhost",
        "ALLOWED_HOSTS": "localhost",
        "SPOOL_DIR": str(settings.SPOOL_DIR),
    }
    options = f"--bind 127.0.0.1:{port} --workers 2 --threads 8 --no-control-socket"
    command = [sys.executable, "-m", "gunicorn", "tests.bench.empty", *options.split()]
    environment = {**os.environ, **variables, "DJANGO_SETTINGS_MODULE": "reengage.settings"}
    log = folder / "web.log"
    with log.open("wb") as said:
        server = subprocess.Popen(command, env=environment, stdout=said, stderr=said)
    try:
        deadline = time.monotonic() + 60
        while not _is_up(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port, server.pid
    finally:
        server.terminate()
        server.wait()


def _is_up(port: int) -> bool:
    try:
        return send(port, _visits([EMPTY]), 1).statuses[200] == 1
    except OSError:
        return False


@contextmanager
def _sending() -> Iterator[None]:
    """Lanes at work meanwhile."""
    command = [sys.executable, "-m", "tests.bench.lane", "email"]
    pipe = subprocess.PIPE
    lanes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(LANES)]
    try:
        for lane in lanes:
            assert lane.stdout
            assert lane.stdin
            assert lane.stdout.readline() == "ready\n"
        for lane in lanes:
            assert lane.stdin
            lane.stdin.write("go\n")
            lane.stdin.flush()
        yield
    finally:
        for lane in lanes:
            lane.kill()
            lane.communicate()


def _with_lanes(port: int, pid: int, tokens: list[str]) -> Iterator[Figure]:
    visits = _visits(_mixed(tokens)[: RATE * SECONDS])
    kept, sent, cpu = _kept(), _number_sent(), cpu_of_tree(pid)
    with _sending():
        load = send(port, visits, CONNECTIONS, RATE)
        sent = _number_sent() - sent
    events = _all_kept(load, kept)
    assert sent > 0
    yield Figure(
        f"links and pixels at {RATE}/s, while {sent / load.seconds:,.0f} messages/s go out",
        f"{_words(load)}; {1000 * (cpu_of_tree(pid) - cpu) / len(visits):.2f} ms of CPU each; "
        f"{len(visits):,} answers, {events:,} events",
        AIM,
    )


def _against_empty(port: int, tokens: list[str]) -> Iterator[Figure]:
    """As fast as it goes, in turns."""
    paths = {"empty": [EMPTY] * 3000, "links": _redirects(tokens), "pixels": _pixels(tokens)}
    rates: dict[str, float] = dict.fromkeys(paths, 0.0)
    for _ in range(3):
        for name, some in paths.items():
            rates[name] = max(rates[name], send(port, _visits(some[:3000]), 16).rate)
    for name in ("links", "pixels"):
        share = rates[name] / rates["empty"]
        yield Figure(
            f"{name} as fast as they go",
            f"{rates[name]:,.0f}/s, {share:.2f}x an empty view ({rates['empty']:,.0f}/s)",
        )


def _while_away(port: int, tokens: list[str]) -> Iterator[Figure]:
    visits = _visits(_mixed(tokens)[: RATE * SECONDS])
    kept = _kept()
    with _database_away():
        load = send(port, visits, CONNECTIONS, RATE)
    reports.take(timezone.now())
    reports.take(timezone.now())  # what is on the disk is stored once
    events = _all_kept(load, kept)
    yield Figure(
        f"the same at {RATE}/s while PostgreSQL is away",
        f"{_words(load)}; {len(visits):,} answers, afterwards {events:,} events",
        AIM,
    )


def _all_kept(load: Load, before: int) -> int:
    """Events since then: as many as there were answers, none of which was an error."""
    visits = len(load.waits)
    assert load.statuses == Counter({302: visits // 2, 200: visits // 2}), load.statuses
    events = _kept() - before
    assert events == visits, (events, visits)
    return events


@contextmanager
def _database_away() -> Iterator[None]:
    """PostgreSQL ends every connection to this database, and takes no new one."""
    name = connection.settings_dict["NAME"]
    owner = connections.create_connection("default")
    owner.settings_dict = {**connection.settings_dict, "NAME": "postgres"}
    connection.close()
    with owner.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    owner.close()


def _kept() -> int:
    return ProviderEvent.objects.filter(provider="link").count()


def _number_sent() -> int:
    return MessageDelivery.objects.filter(status="sent").count()


def _words(load: Load) -> str:
    p50, p99, worst = (load.percentile(share) for share in (0.5, 0.99, 1))
    return f"{load.rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, worst {worst:.0f} ms"
