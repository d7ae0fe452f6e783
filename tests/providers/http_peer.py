"""A real HTTP/1.1 server on loopback that takes messages as JSON, and writes them down.

`with http_peer() as peer:` in a test, or `python -m tests.providers.http_peer --port 0
--ledger FILE`. It takes POST of {"delivery_id", "to", ...} on any path, keeps connections
open, and answers {"id": "peer-<delivery_id>"}.
"""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AbstractContextManager
from email.utils import formatdate
from http import HTTPStatus
from pathlib import Path

from tests.providers.peer import Desk, Fault, Peer, Plan, announce, arguments, running

LENGTH = re.compile(rb"\r\nContent-Length: *(\d+)\r\n", re.IGNORECASE)


def http_peer(
    ledger: Path | None = None, plan: Plan | None = None, port: int = 0
) -> AbstractContextManager[Peer]:
    """A peer in a process of its own; without `ledger`, in a file that goes away with it."""
    return running("tests.providers.http_peer", "http", ledger, plan or Plan(), port)


def answer(status: int, body: bytes, **headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One client; it makes its calls one after the other."""

    transport: asyncio.Transport

    def __init__(self, house: House) -> None:
        self._house = house
        self._desk = house.desk
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody is there."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._house.connections.add(self)
        self._desk.counts["connections"] += 1
        if fault := self._desk.fault("connect"):
            self._misbehave(fault, b"")

    def connection_lost(self, _: Exception | None) -> None:
        """They are gone."""
        self._house.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """A piece of a call."""
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        length = LENGTH.search(self._buffer, 0, head + 2)
        end = head + 4 + (int(length[1]) if length else 0)
        if len(self._buffer) < end:
            return
        body, self._buffer = self._buffer[head + 4 : end], self._buffer[end:]
        self._desk.counts["calls"] += 1
        self._house.begin()
        self._serve(json.loads(body))

    def _serve(self, call: dict[str, str]) -> None:
        fault = self._desk.fault("call", call["to"])
        if fault is None or fault.accepts or fault.act in ("slow", "close"):
            self._desk.accept(call["delivery_id"], call["to"])
        body = json.dumps({"id": f"peer-{call['delivery_id']}"}).encode()
        if fault:
            self._later(self._desk.plan.latency, self._misbehave, fault, body)
        else:
            self._later(self._desk.plan.latency, self._say, answer(200, body))

    def _later(self, seconds: float, action: object, *given: object) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, action, *given)
        else:
            action(*given)

    def _misbehave(self, fault: Fault, body: bytes) -> None:
        if fault.act == "reset":
            self._house.end()
            self.transport.abort()
        elif fault.act == "garbage":
            self._say(b"\x00\xffwhat?\r\n\r\n")
        elif fault.act == "slow":
            self._later(fault.seconds, self._say, answer(200, body))
        elif fault.act == "drip":
            self._drip(answer(200, body), fault.seconds)
        elif fault.act == "bad_json":
            self._say(answer(200, b'{"id": '))
        elif fault.act == "big":
            self._say(answer(200, b" " * 2 * 1024 * 1024 + body))
        elif fault.act == "close":
            self._say(answer(200, body))
            self.transport.close()
        elif fault.act != "hang":
            reason = b'{"error": "as planned"}'
            self._say(answer(int(fault.act), reason, Retry_After=fault.retry_after))

    def _say(self, data: bytes) -> None:
        self._house.end()
        self.transport.write(data)

    def _drip(self, data: bytes, seconds: float) -> None:
        self.transport.write(data[:1])
        if data and not self.transport.is_closing():
            self._later(seconds, self._drip, data[1:], seconds)


class House:
    """The server and everybody in it."""

    def __init__(self, desk: Desk, port: int) -> None:
        self.desk = desk
        self.connections: set[Connection] = set()
        self._port = port
        self._in_flight = 0
        self._server: asyncio.Server | None = None

    async def run(self, control: str) -> None:
        """Serve until killed."""
        await self._open_or_close()
        if control:
            await asyncio.start_unix_server(self._take_order, control)
        announce(self._port)
        await asyncio.Event().wait()

    def begin(self) -> None:
        """A call has come."""
        self._in_flight += 1
        counts = self.desk.counts
        counts["most at once"] = max(counts["most at once"], self._in_flight)

    def end(self) -> None:
        """A call is answered."""
        self._in_flight -= 1

    async def _open_or_close(self) -> None:
        if self._server is None and self.desk.plan.is_open:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: Connection(self), "127.0.0.1", self._port, backlog=1024
            )
            self._port = self._server.sockets[0].getsockname()[1]
        elif self._server and not self.desk.plan.is_open:
            self._server.close()
            self._server = None

    async def _take_order(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answer = self.desk.obey(await reader.readline(), self._hang_up)
        await self._open_or_close()
        while any(connection.transport.is_closing() for connection in self.connections):
            await asyncio.sleep(0)  # a transport closes its socket in a later turn of the loop
        writer.write(answer)
        await writer.drain()
        writer.close()

    def _hang_up(self, say: str) -> None:
        for connection in self.connections:
            connection.transport.write(say.encode())
            connection.transport.close()


if __name__ == "__main__":
    given = arguments(__doc__)
    asyncio.run(House(Desk(given.plan, given.ledger), given.port).run(given.control))
