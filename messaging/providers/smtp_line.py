"""A connection to an SMTP server, on which no wait outlives the window's deadline.

smtplib makes it (greeting, EHLO, STARTTLS, AUTH); replies are read here, and mails go out by
groups of commands where the server offers PIPELINING (RFC 2920).
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from django.core.mail.utils import DNS_NAME

from messaging.mime import Mail
from messaging.providers.base import clock
from messaging.providers.sockets import (
    CONNECT_SECONDS,
    SecondsLeft,
    is_quiet,
    read_for,
    wait_for,
    words,
)

REPLY_SECONDS = 10.0  # for an answer to a command
IDLE_SECONDS = 60.0  # after that a firewall on the way may have forgotten the connection
LONGEST_REPLY = 65_536  # bytes

RSET, DATA = b"RSET\r\n", b"DATA\r\n"
_REPLY = re.compile(rb"([2-5]\d\d)([ -]|$)")
# The usual answers to MAIL, RCPT and DATA, where they have come at once.
_GO_ON = re.compile(rb"2\d\d [^\n]*\n2\d\d [^\n]*\n354 [^\n]*\n")
PORTS = {"smtp": 25, "smtps": 465, "smtp+tls": 587}


class GarbledError(smtplib.SMTPException):
    """The server said what is no answer to what it was told."""


class Reply(NamedTuple):
    """What a server answers; lines of a long one are joined by line feeds."""

    code: int
    text: bytes


@dataclass(frozen=True, slots=True)
class Server:
    """Where mails are handed over, and as whom."""

    scheme: str  # smtp, smtps (TLS from the start) or smtp+tls (STARTTLS, or nothing)
    host: str
    port: int
    user: str
    password: str


def server_of(url: str, variable: str = "SMTP_URL") -> Server:
    """`scheme://user:password@host:port`, percent-coded. ImproperlyConfigured: it is none."""
    advice = f"{variable} must look like smtp+tls://user:password@host:587 (or smtp://, smtps://)."
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(advice) from error
    if parts.scheme not in PORTS or not parts.hostname:
        raise ImproperlyConfigured(advice)
    return Server(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
    )


class Line(smtplib.SMTP):
    """An open connection. Every method raises OSError when it has become useless."""

    def __init__(self, server: Server, seconds_left: SecondsLeft, **tls: ssl.SSLContext) -> None:
        """Connect and wait for the greeting; `seconds_left` says how long one may wait, now."""
        self.seconds_left = seconds_left
        self.carried = 0  # mails accepted on this connection
        self._unread = b""
        self._commands: Sequence[bytes] = ()  # of the mail that was begun, not yet answered
        self._needs_reset = False
        self._last_used = clock()
        seconds = wait_for(seconds_left, CONNECT_SECONDS)
        name = DNS_NAME.get_fqdn()
        # The context of `tls` is for SMTP_SSL, which comes next in TlsLine; SMTP takes none.
        super().__init__(server.host, server.port, name, timeout=seconds, **tls)  # type: ignore[arg-type]
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def begin(self, content: bytes, mail: Mail | None) -> None:
        """Write the content of the mail that was begun before, if any, and begin `mail`, if any.

        Answers come in that order: reply() to the content, then envelope_refusal() of the mail.
        """
        self._commands = self._envelope(mail) if mail else ()
        parts = [content.replace(b"\r\n.", b"\r\n.."), b".\r\n"] if content else []
        if self._may_pipeline:
            parts += self._commands
        if parts:
            self._write(b"".join(parts))

    def envelope_refusal(self) -> Reply | None:
        """What the server has against the mail that was begun; None: its content may come."""
        if len(self._commands) == 3 and (usual := _GO_ON.match(self._unread)):
            self._unread = self._unread[usual.end() :]
            return None
        refusal: Reply | None = None
        for command in self._commands:
            if not self._may_pipeline:
                self._write(command)
            reply = self.reply(REPLY_SECONDS)
            if reply.code == 421:
                raise smtplib.SMTPResponseException(reply.code, words(reply.text))
            if refusal and command is DATA and reply.code == 354:
                # It waits for content though nobody is to get it: nothing, then (RFC 2920, 3.1).
                self._write(b".\r\n")
                self.reply(REPLY_SECONDS)
            elif refusal is None and not _agrees(command, reply):
                refusal = reply
                if not self._may_pipeline:
                    break
        self._needs_reset = refusal is not None
        return refusal

    def reply(self, seconds: float = float("inf")) -> Reply:
        """The next answer, waited for up to `seconds`, and not past the deadline."""
        lines: list[bytes] = []
        size = 0
        while True:
            line = self._read_line(seconds)
            size += len(line)
            match = _REPLY.match(line)
            if match is None or size > LONGEST_REPLY:
                raise GarbledError(f"not an answer: {line[:80]!r}")
            lines.append(line[4:])
            if match[2] != b"-":
                return Reply(int(match[1]), b"\n".join(lines))

    def getreply(self) -> tuple[int, bytes]:
        """What smtplib itself reads its answers by."""
        try:
            return self.reply(REPLY_SECONDS)
        except OSError:
            self.close()
            raise

    def secure(self, context: ssl.SSLContext) -> None:
        """Go on over TLS, or not at all."""
        self.starttls(context=context)
        if self._unread:  # said before TLS, by whoever sits in between
            raise GarbledError("unasked for, before TLS")

    def rest(self) -> None:
        """Nothing is under way: from now on it may be kept for later."""
        self._last_used = clock()

    def is_ready(self) -> bool:
        """Whether the server has kept it open since rest() and said nothing; writes nothing."""
        is_fresh = clock() - self._last_used < IDLE_SECONDS
        # What comes unasked is the end, or a 421 before it.
        return is_fresh and not self._unread and is_quiet(self._socket)

    @property
    def _socket(self) -> socket.socket:
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("The connection is closed.")
        return self.sock

    @property
    def _may_pipeline(self) -> bool:
        return "pipelining" in self.esmtp_features

    def _envelope(self, mail: Mail) -> list[bytes]:
        commands = [
            f"MAIL FROM:<{mail.sender}>\r\n".encode("ascii"),
            f"RCPT TO:<{mail.recipient}>\r\n".encode("ascii"),
            DATA,
        ]
        return [RSET, *commands] if self._needs_reset else commands

    def _write(self, data: bytes) -> None:
        self._socket.settimeout(wait_for(self.seconds_left))
        self._socket.sendall(data)

    def _read_line(self, seconds: float) -> bytes:
        while (end := self._unread.find(b"\n")) < 0:
            if len(self._unread) > LONGEST_REPLY:
                raise GarbledError("an endless line")
            self._socket.settimeout(read_for(self.seconds_left, seconds))
            received = self._socket.recv(LONGEST_REPLY)
            if not received:
                raise smtplib.SMTPServerDisconnected("The server closed the connection.")
            self._unread += received
        line, self._unread = self._unread[:end], self._unread[end + 1 :]
        return line.rstrip()


class TlsLine(Line, smtplib.SMTP_SSL):
    """The same over TLS from the first byte."""


def open_line(server: Server, seconds_left: SecondsLeft) -> Line:
    """Connect, greet, go over to TLS and log in, as the server's address asks.

    OSError, or UnicodeError where a name or password is not ASCII: it cannot be used.
    """
    if server.scheme == "smtps":
        line: Line = TlsLine(server, seconds_left, context=ssl.create_default_context())
    else:
        line = Line(server, seconds_left)
    try:
        line.ehlo_or_helo_if_needed()
        if server.scheme == "smtp+tls":
            line.secure(ssl.create_default_context())
            line.ehlo_or_helo_if_needed()
        if server.user:
            line.login(server.user, server.password)
    except BaseException:
        line.close()
        raise
    return line


def _agrees(command: bytes, reply: Reply) -> bool:
    """Whether the command was taken. GarbledError: the answer makes no sense after it."""
    agrees = reply.code == 354 if command is DATA else reply.code < 300
    if not agrees and (reply.code < 400 or command is RSET):
        raise GarbledError(f"{command[:4].decode()} answered by {reply.code} {words(reply.text)}")
    return agrees
