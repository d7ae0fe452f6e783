"""A provider that takes as long as the test wants: it says what it has, and waits to be let go.

The provider's side lives in the worker, `Desk` in the test; they talk over TCP on loopback.
"""

import json
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from messaging.providers.base import Accepted, HandOff, Outgoing, Receipt

PORT = "SLOW_PROVIDER_PORT"
PATIENCE = 30.0  # seconds


class SlowProvider:
    """Connects to the test's desk for each call and returns when the desk answers."""

    name = "slow"

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """Accept every message, once the desk says so."""
        call = {"pid": os.getpid(), "deliveries": [str(m.delivery_id) for m in messages]}
        with socket.create_connection(("127.0.0.1", int(os.environ[PORT]))) as line:
            line.sendall(json.dumps(call).encode() + b"\n")
            line.recv(1)
        return [Accepted(f"slow-{message.delivery_id}") for message in messages]


@dataclass(frozen=True)
class Call:
    """A provider in the middle of its call."""

    line: socket.socket
    pid: int
    deliveries: list[str]

    def answer(self) -> None:
        """Let the provider return: it took every message."""
        self.line.sendall(b".")
        self.line.close()

    def await_hang_up(self) -> None:
        """Wait until nobody is at the other end any more. TimeoutError: somebody still is."""
        with suppress(ConnectionResetError):
            assert self.line.recv(1) == b""
        self.line.close()


class Desk:
    """Where the provider's calls arrive, in their order."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])

    def call(self, seconds: float = PATIENCE) -> Call:
        """The next call, waited for. TimeoutError: there is none."""
        self._server.settimeout(seconds)
        line, _ = self._server.accept()
        line.settimeout(PATIENCE)
        return Call(line, **json.loads(line.makefile().readline()))

    def is_empty(self) -> bool:
        """Whether no call waits."""
        try:
            self.call(0).line.close()
        except BlockingIOError:
            return True
        return False

    def close(self) -> None:
        """Hang up on everybody."""
        self._server.close()
