"""What handing over costs: e-mail over SMTP with and without pipelining, and calls over HTTP."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings

from messaging.mime import Composer
from messaging.providers.base import Accepted, HandOff, Outgoing, Provider
from messaging.providers.smtp import SmtpProvider
from tests.bench.measure import Figure
from tests.providers.http_peer import http_peer
from tests.providers.http_provider import URL, PeerProvider
from tests.providers.messages import messages
from tests.providers.peer import Peer, Plan
from tests.providers.smtp_sink import smtp_sink

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
LATENCY = 0.1  # seconds, of the HTTP provider

TEXT = "you have completed 4 of the 6 modules of Heart failure — well done.\n" * 16
HTML = '<p style="margin:0 0 16px">You have completed 4 of the 6 modules — well done.</p>\n'


def run(n: int = 100_000) -> list[Figure]:
    """Measure both ways out; a fifth of `n` mails, a tenth as many calls."""
    mails, calls = max(1_000, n // 5), max(2_000, n // 10)
    return [
        _compose(mails),
        *(_smtp(mails, lines, pipelining=on) for on in (True, False) for lines in (18, 37)),
        _http(calls),
    ]


def _mails(count: int, html_lines: int) -> list[Outgoing]:
    """1.1 KB of text and HTML of 1.5 KB (18 lines) or 3 KB (37)."""
    return [
        message._replace(
            text=f"Dear Dr. Rao {message.recipient},\n\n{TEXT}",
            html=f"<p>Dear Dr. Rao {message.recipient},</p>\n{HTML * html_lines}",
        )
        for message in messages(count)
    ]


def _compose(count: int) -> Figure:
    composer = Composer("CLIRNET <news@clirnet.example>")
    spent, size = 0.0, 0
    for window in _windows(lambda: _mails(500, 37), count):
        before = time.process_time()
        size = sum(len(composer.compose(message, NOW).content) for message in window) // 500
        spent += time.process_time() - before
    return Figure(
        "compose a mail of 1.1 KB text and 3 KB HTML",
        f"{1e6 * spent / count:.0f} us ({size / 1000:.1f} KB)",
        "40 us",
    )


def _smtp(count: int, html_lines: int, *, pipelining: bool) -> Figure:
    with smtp_sink(plan=Plan(pipelining=pipelining)) as sink:
        settings.SMTP_URL = sink.url
        figure = _send(SmtpProvider(), sink, lambda: _mails(500, html_lines), count)
    size = (len(TEXT) + html_lines * len(HTML)) / 1000
    name = f"SMTP, mails of {size:.1f} KB, {'with' if pipelining else 'without'} pipelining"
    return Figure(name, figure, "7,000/s, 0.060 ms" if pipelining else "")


def _http(count: int) -> Figure:
    with http_peer(plan=Plan(latency=LATENCY)) as peer:
        os.environ[URL] = peer.url
        provider = PeerProvider()
        figure = _send(provider, peer, lambda: messages(1_000, "sms"), count)
        name = f"HTTP, answers after {1000 * LATENCY:.0f} ms, {provider.in_flight} in flight"
    return Figure(name, figure, "1,500/s, 0.450 ms")


def _send(provider: Provider, peer: Peer, window: Callable[[], list[Outgoing]], count: int) -> str:
    for _ in range(3):  # connections made, threads started, at full pace
        provider.send(window(), HandOff(NOW))
    seconds = spent = accepted = 0.0
    with _cpu_of(peer) as peers:
        for messages_ in _windows(window, count):
            before, began = time.process_time(), time.perf_counter()
            receipts = provider.send(messages_, HandOff(NOW))
            seconds += time.perf_counter() - began
            spent += time.process_time() - before
            accepted += sum(isinstance(receipt, Accepted) for receipt in receipts)
    return (
        f"{accepted / seconds:,.0f}/s, {1000 * spent / accepted:.3f} ms CPU each "
        f"(and {1000 * peers[0] / accepted:.3f} ms in the fake)"
    )


def _windows(window: Callable[[], list[Outgoing]], count: int) -> Iterator[list[Outgoing]]:
    while count > 0:
        made = window()
        count -= len(made)
        yield made


@contextmanager
def _cpu_of(peer: Peer) -> Iterator[list[float]]:
    """Seconds of CPU that the fake spends during the block."""
    spent = [0.0]
    before = _cpu(peer)
    yield spent
    spent[0] = _cpu(peer) - before


def _cpu(peer: Peer) -> float:
    fields = Path(f"/proc/{peer.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
