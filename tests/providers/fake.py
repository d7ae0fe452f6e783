"""What the fakes of HTTP providers share: a real server on loopback, a plan of faults, a ledger.

A fake says in `take` what the provider's documentation says of a call, and raises Rejected where
it would refuse it. Faults are those of peer.py; each is done once, in their order.
"""

from __future__ import annotations

import base64
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from tests.providers.http_peer import answer
from tests.providers.peer import Fault

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Call:
    """One call, as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]  # names in small letters
    body: bytes


class Rejected(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The provider refuses the call."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        super().__init__(f"{status} {body!r}")
        self.status, self.body = status, body


@dataclass
class Fake:
    """A provider's server, as a test sees it."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    ledger: list[Any] = field(default_factory=list)  # what it took, as `take` keeps it
    rejected: list[Rejected] = field(default_factory=list)
    latency: float = 0.0  # seconds before a call is answered
    connections: int = 0
    at_once: int = 0  # calls, at most
    busy: int = 0
    ended: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """What the provider answers to a call that it takes; else Rejected."""
        raise NotImplementedError

    def next_fault(self) -> Fault | None:
        """The fault to do now."""
        with self.lock:
            return self.faults.pop(0) if self.faults else None

    def handle(self, call: Call, fault: Fault | None) -> bytes:
        """The bytes to answer with; takes the call unless the fault refuses it."""
        self.calls.append(call)
        status, body, headers = 200, b"", {}
        if fault is None or fault.accepts or fault.act == "slow":
            try:
                status, body, headers = self.take(call)
            except Rejected as rejected:
                self.rejected.append(rejected)
                status, body = rejected.status, rejected.body
        if fault is None or fault.act == "slow":
            return answer(status, body, **headers)
        if fault.act == "garbage":  # in an answer that says that all went well
            return answer(201, b'{"sid": ')
        return answer(int(fault.act), b"as planned", Retry_After=fault.retry_after)


F = TypeVar("F", bound=Fake)


def basic(user: str, password: str) -> str:
    """The Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class Handler(BaseHTTPRequestHandler):
    """One connection to a fake."""

    protocol_version = "HTTP/1.1"
    fake: Fake

    def setup(self) -> None:
        """Somebody is there."""
        super().setup()
        with self.fake.lock:
            self.fake.connections += 1

    def do_GET(self) -> None:
        """One call."""
        self.do_POST()

    def do_POST(self) -> None:
        """One call."""
        parts = urlsplit(self.path)
        call = Call(
            self.command,
            parts.path,
            parse_qs(parts.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(int(self.headers.get("Content-Length", 0))),
        )
        with self.fake.lock:
            self.fake.busy += 1
            self.fake.at_once = max(self.fake.at_once, self.fake.busy)
        try:
            self._serve(call)
        finally:
            with self.fake.lock:
                self.fake.busy -= 1

    def _serve(self, call: Call) -> None:
        fault = self.fake.next_fault()
        if fault and fault.act == "reset":
            self._reset(call, fault)
            return
        said = self.fake.handle(call, fault)
        seconds = fault.seconds if fault and fault.act == "slow" else self.fake.latency
        if seconds:
            self.fake.ended.wait(seconds)
        self.wfile.write(said)

    def _reset(self, call: Call, fault: Fault) -> None:
        """Take the call or not, and break the connection."""
        if fault.accepts:
            self.fake.handle(call, Fault("200", accepts=True))
        else:
            self.fake.calls.append(call)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the console."""

    def handle(self) -> None:
        """Whoever asked may hang up."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True


class Server(ThreadingHTTPServer):
    """A thread for each connection."""

    daemon_threads = True
    request_queue_size = 1024

    def shutdown_request(self, request: Any) -> None:
        """No orderly end first, so that a reset is one."""
        self.close_request(request)


@contextmanager
def serving(fake: F) -> Iterator[F]:
    """The fake on a port of its own, until the block ends."""
    handler = type("Handler", (Handler,), {"fake": fake})
    server = Server(("127.0.0.1", 0), handler)
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
