"""Requests over a few open connections, by blocking sockets: as little work as a client can do."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of many requests."""

    seconds: float = 0.0
    waits: list[float] = field(default_factory=list)  # of each, in seconds
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return 1000 * sorted(self.waits)[min(int(share * len(self.waits)), len(self.waits) - 1)]


def post(port: int, path: str, body: bytes, **headers: str) -> bytes:
    """A request as it goes over the line; underscores in the names stand for hyphens."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def send(port: int, requests: Sequence[bytes], connections: int, a_second: float = 0) -> Load:
    """Send them all, each on the next connection that is free.

    `a_second`: how many begin in a second, whatever becomes of them; waiting for a free connection
    counts as waiting for the answer. 0: as many as the server takes.
    """
    load, lock, numbers = Load(), threading.Lock(), itertools.count()
    began = time.perf_counter() + 0.05

    def work() -> None:
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (number := next(numbers)) < len(requests):
                due = began + number / a_second if a_second else time.perf_counter()
                time.sleep(max(0.0, due - time.perf_counter()))
                status = _exchange(line, requests[number])
                wait = time.perf_counter() - due
                with lock:
                    load.waits.append(wait)
                    load.statuses[status] += 1

    with ThreadPoolExecutor(connections) as clients:
        for client in [clients.submit(work) for _ in range(connections)]:
            client.result()
    load.seconds = time.perf_counter() - began
    return load


def _exchange(line: socket.socket, request: bytes) -> int:
    line.sendall(request)
    got = b""
    while b"\r\n\r\n" not in got:
        more = line.recv(65536)
        if not more:
            raise ConnectionError(got)
        got += more
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    while len(body) < length:
        body += line.recv(65536)
    return int(head[9:12])
