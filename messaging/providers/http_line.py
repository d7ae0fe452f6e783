"""A connection to an HTTP server, on which no call outlives its deadline, and a store of them.

http.client does the talking. It waits for each piece of an answer anew, so that a server which
drips one byte a second could hold a call for ever; here each wait ends by the deadline.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from collections import defaultdict, deque
from email.message import Message
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import SplitResult, urlsplit

from messaging.providers.base import clock
from messaging.providers.sockets import (
    CONNECT_SECONDS,
    SecondsLeft,
    is_quiet,
    read_for,
    wait_for,
)

# Servers close a connection that nobody uses, many after 5 seconds; one that is about to be
# closed must not be used, as nobody could tell then whether the call was heard.
IDLE_SECONDS = 3.0
LONGEST_BODY = 1024 * 1024


class Request(NamedTuple):
    """One HTTP call."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """What a server answered; names of headers are found in any case."""

    status: int
    headers: Message
    body: bytes


class BodyError(http.client.HTTPException):
    """There is a status, but no whole body to it, or too much of one."""

    def __init__(self, status: int, headers: Message, why: str) -> None:
        self.status, self.headers = status, headers
        super().__init__(why)


class Line(http.client.HTTPConnection):
    """An open connection. Errors are OSError and HTTPException; then it is of no more use."""

    auto_open = 0  # never again behind our back

    def __init__(self, host: str, port: int | None, **tls: ssl.SSLContext) -> None:
        self.has_written = False
        self._seconds_left: SecondsLeft = lambda: 0.0
        self._last_used = clock()
        # The context of `tls` is for HTTPSConnection, which comes next in TlsLine.
        super().__init__(host, port, **tls)  # type: ignore[arg-type]

    def open(self, seconds_left: SecondsLeft) -> None:
        """Connect, with TLS where that is wanted."""
        self.timeout = wait_for(seconds_left, CONNECT_SECONDS)
        self.connect()

    def call(self, request: Request, parts: SplitResult, seconds_left: SecondsLeft) -> Answer:
        """Make one call. From the moment that `has_written` is True, it may have been heard."""
        self.has_written = False
        self._seconds_left = seconds_left
        target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
        self.request(request.method, target, request.body, request.headers)
        with self.getresponse() as response:
            try:
                body = response.read(LONGEST_BODY + 1)
            except (OSError, http.client.HTTPException) as error:
                raise BodyError(response.status, response.headers, type(error).__name__) from error
            if len(body) > LONGEST_BODY or response.length:
                raise BodyError(response.status, response.headers, f"{len(body)} bytes")
        self._last_used = clock()
        return Answer(response.status, response.headers, body)

    def is_ready(self) -> bool:
        """Whether it may be used again: soon after, and the server has not closed it."""
        is_fresh = clock() - self._last_used < IDLE_SECONDS
        return is_fresh and self.sock is not None and is_quiet(self.sock)

    def send(self, data: Any) -> None:
        """Where http.client writes."""
        self.sock.settimeout(wait_for(self._seconds_left))
        self.has_written = True
        super().send(data)

    def response_class(self, sock: socket.socket, **options: Any) -> http.client.HTTPResponse:  # type: ignore[override]
        """Where http.client reads."""
        return http.client.HTTPResponse(_Readable(sock, self._seconds_left), **options)  # type: ignore[arg-type]


class TlsLine(Line, http.client.HTTPSConnection):
    """The same over TLS."""


class _Readable:
    """As much of a socket as an HTTPResponse asks of it."""

    def __init__(self, sock: socket.socket, seconds_left: SecondsLeft) -> None:
        self._stream = _Stream(sock, seconds_left)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self._stream)


class _Stream(io.RawIOBase):
    """A socket to read from, with an end to every wait."""

    def __init__(self, sock: socket.socket, seconds_left: SecondsLeft) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._seconds_left = seconds_left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(read_for(self._seconds_left))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class Lines:
    """The open connections of one process, the one used last on top. Safe to use from threads."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], deque[Line]] = defaultdict(deque)

    def take(self, parts: SplitResult, seconds_left: SecondsLeft) -> Line:
        """A connection to where this address points. OSError, or ValueError for no such name."""
        kept = self._kept[parts.scheme, parts.netloc]
        while True:
            try:
                line = kept.pop()
            except IndexError:
                break
            if line.is_ready():
                return line
            line.close()
        line = self._new(parts)
        try:
            line.open(seconds_left)
        except BaseException:
            line.close()
            raise
        return line

    def give_back(self, parts: SplitResult, line: Line) -> None:
        """Keep it for the next call, unless it ended with the last."""
        if line.sock is not None:
            self._kept[parts.scheme, parts.netloc].append(line)

    def close(self) -> None:
        """Close every connection that is kept."""
        for kept in self._kept.values():
            while kept:
                kept.pop().close()

    def _new(self, parts: SplitResult) -> Line:
        if parts.scheme == "https":
            return TlsLine(parts.hostname or "", parts.port, context=self._context)
        return Line(parts.hostname or "", parts.port)

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context()


def ask(request: Request, seconds: float) -> Answer:
    """One call on a connection of its own, ended within `seconds`: for questions, not messages.

    OSError, HTTPException, ValueError: there is no answer.
    """
    end_by = clock() + seconds
    lines = Lines()
    parts = split(request.url)
    line = lines.take(parts, lambda: end_by - clock())
    try:
        return line.call(request, parts, lambda: end_by - clock())
    finally:
        line.close()


def split(url: str) -> SplitResult:
    """The parts of an address. ValueError: it is not one for HTTP."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an address of an HTTP server")
    return parts
