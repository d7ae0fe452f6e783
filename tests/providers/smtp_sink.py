"""A real SMTP server on loopback that takes mail as fast as one process can, and writes it down.

`with smtp_sink() as sink:` in a test, or `python -m tests.providers.smtp_sink --port 0
--ledger FILE`. It is strict where real servers are: MAIL within a transaction is refused until
RSET, and what comes before its time (a command that was not to be pipelined, content before
354) is counted as `early`. Mails of others than this project are written down without an id.
"""

from __future__ import annotations

import heapq
import select
import socket
import struct
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from itertools import count
from pathlib import Path

from tests.providers.peer import Desk, Fault, Peer, Plan, announce, arguments, running

DELIVERY = b"\r\nX-Reengage-Delivery: "
OK, NESTED, NO_MAIL, NOBODY = b"250 ok", b"503 nested MAIL", b"503 need MAIL", b"554 no recipients"
TOO_MANY = b"421 too many messages on this connection"
GARBAGE = b"\x00\xffwhat?"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


def smtp_sink(
    ledger: Path | None = None, plan: Plan | None = None, port: int = 0
) -> AbstractContextManager[Peer]:
    """A sink in a process of its own; without `ledger`, in a file that goes away with it."""
    return running("tests.providers.smtp_sink", "smtp", ledger, plan or Plan(), port)


class Hold(Exception):  # noqa: N818  nothing is wrong
    """This connection is not served for so many seconds (None: ever), then hears `answer`."""

    def __init__(self, seconds: float | None = None, answer: bytes = b"") -> None:
        self.seconds, self.answer = seconds, answer


class Connection:
    """One client."""

    def __init__(self, sock: socket.socket, desk: Desk) -> None:
        self.sock = sock
        self.desk = desk
        self.is_held = False
        self._buffer = b""
        self._sender = False
        self._recipient = ""
        self._is_content = False
        self._messages = 0
        self._slow = 0.0  # seconds that the next answer takes
        self._commands = {
            b"MAIL": self._mail,
            b"RCPT": self._rcpt,
            b"DATA": self._data,
            b"RSET": self._rset,
            b"EHLO": self._ehlo,
            b"HELO": self._rset,
            b"NOOP": lambda _: OK,
            b"QUIT": self._quit,
        }

    def greet(self) -> None:
        """The first words."""
        answer = self._act("connect", "", b"220 sink ESMTP")
        self._wait_for(answer)
        self._say([answer])

    def feed(self, data: bytes) -> None:
        """Serve what came. Hold: it waits with the rest. OSError: the connection is to be reset."""
        self._buffer += data
        answers: list[bytes] = []
        try:
            self._answer(answers)
        finally:
            self._say(answers)

    def keep(self, data: bytes) -> None:
        """For after a hold."""
        self._buffer += data

    def resume(self, answer: bytes) -> None:
        """After a hold."""
        self.is_held = False
        self._say([answer])
        self.feed(b"")

    def _say(self, answers: list[bytes]) -> None:
        if answers:
            self.sock.send(b"\r\n".join([*answers, b""]))

    def _answer(self, answers: list[bytes]) -> None:
        """Answers to all that the buffer holds; what was read is gone from it, also on a raise."""
        place = 0
        try:
            while (end := self._end(place)) >= 0:
                start, place = place, end
                answer = self._dot(start, end) if self._is_content else self._command(start, end)
                self._wait_for(answer)
                answers.append(answer)
        finally:
            self._buffer = self._buffer[place:]

    def _end(self, start: int) -> int:
        """Where the line or the content that begins at a place of the buffer ends; -1: not yet."""
        if not self._is_content:
            end = self._buffer.find(b"\r\n", start)
            return end + 2 if end >= 0 else -1
        if self._buffer.startswith(b".\r\n", start):
            return start + 3
        end = self._buffer.find(b"\r\n.\r\n", start)
        return end + 5 if end >= 0 else -1

    def _command(self, start: int, end: int) -> bytes:
        line = self._buffer[start : end - 2]
        verb = line[:4].upper()
        groups = self.desk.plan.pipelining and verb in (b"MAIL", b"RCPT", b"RSET")
        if end < len(self._buffer) and not groups:
            self.desk.counts["early"] += 1
        command = self._commands.get(verb)
        return command(line) if command else b"502 what?"

    def _wait_for(self, answer: bytes) -> None:
        """Hold: the answer is one that takes its time."""
        if self._slow:
            seconds, self._slow = self._slow, 0.0
            raise Hold(seconds, answer)

    def _ehlo(self, _: bytes) -> bytes:
        self._rset(b"")
        extensions = [b"PIPELINING"] if self.desk.plan.pipelining else []
        names = [b"sink", *extensions, b"8BITMIME"]
        return b"\r\n".join([*(b"250-" + name for name in names[:-1]), b"250 " + names[-1]])

    def _rset(self, _: bytes) -> bytes:
        self._sender, self._recipient = False, ""
        return OK

    def _quit(self, _: bytes) -> bytes:
        raise Hold(answer=b"221 bye")

    def _mail(self, _: bytes) -> bytes:
        if self._sender:
            return NESTED
        if self._messages == self.desk.plan.per_connection > 0:
            raise Hold(answer=TOO_MANY)
        answer = self._act("mail", "", OK)
        self._sender = answer is OK
        return answer

    def _rcpt(self, line: bytes) -> bytes:
        if not self._sender:
            return NO_MAIL
        recipient = line[9 : line.rfind(b">")].decode()  # RCPT TO:<...>
        answer = self._act("rcpt", recipient, OK)
        if answer is OK:
            self._recipient = recipient
        return answer

    def _data(self, _: bytes) -> bytes:
        answer = b"354 go on"
        if self._recipient:
            answer = self._act("data", self._recipient, answer)
        elif not self.desk.plan.is_eager:
            answer = NOBODY if self._sender else NO_MAIL
        self._is_content = answer.startswith(b"354")
        return answer

    def _dot(self, start: int, end: int) -> bytes:
        """The message is complete: everything between the two places of the buffer."""
        recipient = self._recipient
        self._is_content = False
        self._rset(b"")
        if not recipient:
            return NOBODY
        self._messages += 1
        fault = self.desk.fault("dot", recipient)
        if fault is None or fault.accepts or fault.act == "slow":
            self._accept(start, end, recipient)
        self._slow = self.desk.plan.latency
        return self._do(fault, OK) if fault else OK

    def _accept(self, start: int, end: int, recipient: str) -> None:
        place = self._buffer.find(DELIVERY, start, end) + len(DELIVERY)
        is_ours = place >= len(DELIVERY)
        self.desk.accept(self._buffer[place : place + 36].decode() if is_ours else "", recipient)

    def _act(self, at: str, recipient: str, answer: bytes) -> bytes:
        fault = self.desk.fault(at, recipient)
        return self._do(fault, answer) if fault else answer

    def _do(self, fault: Fault, answer: bytes) -> bytes:
        """What a fault answers. Hold, or ConnectionResetError, where it answers nothing now."""
        if fault.act == "reset":
            raise ConnectionResetError
        if fault.act == "hang":
            raise Hold
        if fault.act == "421":
            raise Hold(answer=b"421 going away")
        if fault.act == "slow":
            self._slow = fault.seconds
            return answer
        return GARBAGE if fault.act == "garbage" else f"{fault.act} as planned".encode()


class Sink:
    """The loop that serves everybody."""

    def __init__(self, desk: Desk, port: int, control: str) -> None:
        self._desk = desk
        self._port = port
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._orders: dict[int, socket.socket] = {}
        self._due: list[tuple[float, int, Connection, bytes]] = []
        self._number = count()
        self._server: socket.socket | None = None
        self._listen()
        self._control = socket.socket(socket.AF_UNIX)
        if control:
            self._control.bind(control)
            self._control.listen()
            self._poll.register(self._control, select.EPOLLIN)
        announce(self._port)

    def run(self) -> None:
        """Serve until killed."""
        while True:
            for fileno, _ in self._poll.poll(self._pause()):
                if connection := self._connections.get(fileno):
                    self._serve(connection, self._read, connection)
                elif self._server and fileno == self._server.fileno():
                    self._meet()
                elif fileno == self._control.fileno():
                    line, _ = self._control.accept()
                    self._orders[line.fileno()] = line
                    self._poll.register(line, select.EPOLLIN)
                elif fileno in self._orders:
                    self._obey(self._orders.pop(fileno))
            self._resume_due()

    def _listen(self) -> None:
        if self._server is None and self._desk.plan.is_open:
            self._server = socket.create_server(("127.0.0.1", self._port), backlog=1024)
            self._port = self._server.getsockname()[1]
            self._poll.register(self._server, select.EPOLLIN)
        elif self._server and not self._desk.plan.is_open:
            self._server.close()
            self._server = None

    def _meet(self) -> None:
        sock, _ = self._server.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._desk.counts["connections"] += 1
        connection = Connection(sock, self._desk)
        self._connections[sock.fileno()] = connection
        self._poll.register(sock, select.EPOLLIN)
        self._serve(connection, connection.greet)

    def _read(self, connection: Connection) -> None:
        data = connection.sock.recv(65_536)
        if not data:
            self._close(connection)
        elif connection.is_held:
            connection.keep(data)
        else:
            connection.feed(data)

    def _serve(self, connection: Connection, step: Callable[..., None], *given: object) -> None:
        """Take a step with a client, and see to what comes of it."""
        try:
            step(*given)
        except Hold as hold:
            self._hold(connection, hold)
        except OSError:
            self._reset(connection)

    def _hold(self, connection: Connection, hold: Hold) -> None:
        """Leave it alone for a while; after a 421 or 221, for good."""
        if hold.seconds is None and hold.answer:
            with suppress(OSError):
                connection.sock.send(hold.answer + b"\r\n")
            self._close(connection)
            return
        connection.is_held = True
        if hold.seconds is not None:
            when = time.monotonic() + hold.seconds
            heapq.heappush(self._due, (when, next(self._number), connection, hold.answer))

    def _reset(self, connection: Connection) -> None:
        """Close it so that the client gets a reset."""
        with suppress(OSError):
            connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._close(connection)

    def _close(self, connection: Connection) -> None:
        if connection.sock.fileno() >= 0:
            del self._connections[connection.sock.fileno()]
            connection.sock.close()

    def _pause(self) -> float | None:
        return max(0.0, self._due[0][0] - time.monotonic()) if self._due else None

    def _resume_due(self) -> None:
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, connection, answer = heapq.heappop(self._due)
            if connection.sock.fileno() >= 0:
                self._serve(connection, connection.resume, answer)

    def _obey(self, line: socket.socket) -> None:
        with line:
            self._poll.unregister(line)
            order = line.makefile("rb").readline()
            if not order:
                return
            answer = self._desk.obey(order, self._hang_up)
            self._listen()
            line.sendall(answer)

    def _hang_up(self, say: str) -> None:
        for connection in list(self._connections.values()):
            if say:
                with suppress(OSError):
                    connection.sock.send(f"{say}\r\n".encode())
            self._close(connection)


if __name__ == "__main__":
    given = arguments(__doc__)
    Sink(Desk(given.plan, given.ledger), given.port, given.control).run()
