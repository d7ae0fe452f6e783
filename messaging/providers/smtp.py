"""E-mail over SMTP: one connection kept open by each process, one round trip for each mail.

A mail is definitely not taken until its content has been written; from then on only the
server's answer to the content tells. So what breaks off before the content may be tried again,
and what breaks off after it is Unknown.
"""

from __future__ import annotations

import logging
import os
import re
import smtplib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import ClassVar

from django.conf import settings

from messaging.mime import Composer, Mail, UnmailableError
from messaging.providers.account import Account, Variable
from messaging.providers.base import (
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
    clock,
    discreet,
)
from messaging.providers.codes import SMTP, Fate
from messaging.providers.smtp_line import Line, Reply, open_line, server_of
from messaging.providers.sockets import describe, words

logger = logging.getLogger(__name__)

ASK_SECONDS = 8.0
URL = Variable("URL", "the mail server, as smtp+tls://user:password@host:587")
_ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}\b")


class SmtpProvider:
    """Hands e-mail to the server of SMTP_URL, from settings.DEFAULT_FROM_EMAIL."""

    name = "smtp"
    channels = frozenset({"email"})
    variables: ClassVar = (URL,)

    def __init__(self, account: Account = Account("smtp")) -> None:  # noqa: B008  it is frozen
        """ImproperlyConfigured: one of the two settings cannot be used."""
        self.name = account.name
        self._variable = account.variable(URL.name)
        self._server = server_of(account.get(URL), self._variable)
        self._composer = Composer(settings.DEFAULT_FROM_EMAIL)
        self._kept: deque[Line] = deque()
        self._process = os.getpid()

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """One mail to each, over as few connections as the server allows. Raises nothing.

        A connection that breaks after it carried mails is replaced at once; one that cannot be
        made, or breaks before it carried any, costs the mail in hand, until `hand_off` says stop.
        """
        window = _Window(messages, self._composer, hand_off)
        line: Line | None = None
        try:
            while window.has_more():
                line = self._line_for(window, hand_off)
                if line and window.carry(line):
                    self._keep(line)
                    line = None
        except Exception:
            logger.exception("sending a window over SMTP broke off")
        finally:
            if line:
                line.close()
        return window.receipts

    def problems(self, _channel: str) -> Iterator[str]:
        """Connects and logs in, and says NOOP. What is wrong, in words."""
        end_by = clock() + ASK_SECONDS
        try:
            line = open_line(self._server, lambda: max(0.0, end_by - clock()))
        except (OSError, UnicodeError) as error:
            why = describe(error).rstrip(".")
            yield f"{self._server.host} does not let us in: {why}. Check {self._variable}."
            return
        try:
            code, said = line.noop()
            if code != 250:
                yield f"{self._server.host} is not ready: {code} {words(said)}."
        except OSError as error:
            yield f"{self._server.host} gave no answer: {describe(error)}."
        finally:
            line.close()

    def _line_for(self, window: _Window, hand_off: HandOff) -> Line | None:
        """An open connection; None when there is none, which the window is then told."""
        self._leave_parents_lines()
        while self._kept:
            line = self._kept.pop()
            line.seconds_left = hand_off.seconds_left
            if line.is_ready():
                return line
            line.close()
        try:
            return open_line(self._server, hand_off.seconds_left)
        except (OSError, UnicodeError) as error:
            window.refuse_next(error)
            return None

    def _keep(self, line: Line) -> None:
        line.rest()
        self._kept.append(line)

    def _leave_parents_lines(self) -> None:
        """After a fork: two processes must not talk over one connection."""
        if self._process != os.getpid():
            self._process = os.getpid()
            while self._kept:
                self._kept.pop().close()


class _Window:
    """The mails of one hand-off on their way, and how far each one got."""

    def __init__(self, messages: Sequence[Outgoing], composer: Composer, hand_off: HandOff) -> None:
        self.receipts: list[Receipt] = [NotSent()] * len(messages)
        self._messages = iter(enumerate(messages))
        self._recipients = [message.recipient for message in messages]
        self._composer = composer
        self._hand_off = hand_off
        self._ready: deque[tuple[int, Mail]] = deque()  # composed
        self._begun: tuple[int, Mail] | None = None  # its envelope is written, no content yet
        self._given: tuple[int, Mail] | None = None  # its content is written, in whole or part

    def has_more(self) -> bool:
        """Whether one more mail may be begun."""
        self._prepare()
        return bool(self._ready) and self._hand_off.may_begin()

    def carry(self, line: Line) -> bool:
        """Send over the line until no more may begin. False: it broke, and was closed."""
        try:
            self._write(line, b"")
            while self._given or self._begun:
                self._prepare()  # while the server is at work
                if self._given:
                    self._settle_given(line, line.reply())
                self._write(line, self._content(line))
        except OSError as error:
            line.close()
            self._break(error, has_carried=line.carried > 0)
            return False
        return True

    def refuse_next(self, error: Exception) -> None:
        """No connection can be made."""
        place, _ = self._ready.popleft()
        self._settle(place, _outage(error))

    def _prepare(self) -> None:
        """Compose one mail ahead."""
        while not self._ready:
            place, message = next(self._messages, (0, None))
            if message is None:
                return
            try:
                mail = self._composer.compose(message, self._hand_off.now)
            except UnmailableError as error:
                self._settle(place, Refused("unmailable", str(error), permanent=True))
            except Exception:
                logger.exception("delivery %s cannot be written as a mail", message.delivery_id)
                self._settle(place, Refused("unmailable", "It cannot be written.", permanent=True))
            else:
                self._ready.append((place, mail))

    def _content(self, line: Line) -> bytes:
        """The content of the mail that was begun, if the server will have it."""
        if not self._begun:
            return b""
        refusal = line.envelope_refusal()
        if refusal:
            self._settle(self._begun[0], _refused(refusal))
            self._begun = None
            return b""
        if not self._hand_off.seconds_left():  # frozen meanwhile: others may have taken over
            raise TimeoutError("The time for this window was up before the content was written.")
        # First of all, so that it holds wherever an exception (a time limit, say) may come from.
        self.receipts[self._begun[0]] = Unknown("Sending broke off.")
        self._given, self._begun = self._begun, None
        return self._given[1].content

    def _write(self, line: Line, content: bytes) -> None:
        """Write the content of one mail and the envelope of the next, as far as they are there."""
        if self._ready and self._hand_off.may_begin():
            self._begun = self._ready.popleft()
        line.begin(content, self._begun[1] if self._begun else None)

    def _settle_given(self, line: Line, reply: Reply) -> None:
        if self._given is None:
            return
        place, mail = self._given
        if reply.code < 300:
            line.carried += 1
            self._settle(place, Accepted(mail.message_id))
        elif reply.code < 400:
            self._settle(place, Unknown(f"{reply.code} {words(reply.text)}"))
        else:
            self._settle(place, _refused(reply))
        self._given = None
        if reply.code == 421 or 300 <= reply.code < 400:
            raise smtplib.SMTPResponseException(reply.code, words(reply.text))

    def _break(self, error: OSError, *, has_carried: bool) -> None:
        """The line is gone: what that means for the mails that were on it."""
        if self._given:
            self._settle(self._given[0], Unknown(f"no answer to the content: {describe(error)}"))
            self._given = None
        if self._begun and has_carried:
            self._ready.appendleft(self._begun)  # it was about the line: another one, then
        elif self._begun:
            self._settle(self._begun[0], _outage(error))
        self._begun = None

    def _settle(self, place: int, receipt: Receipt) -> None:
        self.receipts[place] = self._hand_off.note(discreet(receipt, self._recipients[place]))


def _refused(reply: Reply) -> Refused:
    enhanced = _ENHANCED.match(reply.text)
    of_mailbox = SMTP.get(enhanced[0].decode() if enhanced else "")
    is_outage = SMTP.get(reply.code).fate is Fate.OUTAGE
    return Refused(
        code=str(reply.code),
        message=words(reply.text),
        permanent=reply.code >= 500 and not is_outage,
        is_outage=is_outage,
        verdict=of_mailbox.verdict or "",
    )


def _outage(error: Exception) -> Refused:
    """There is no connection, or it broke before any content: definitely not taken."""
    code, text = "no line", describe(error)
    if isinstance(error, smtplib.SMTPResponseException):
        code, text = str(error.smtp_code), words(error.smtp_error)
    return Refused(code, text, permanent=False, is_outage=True)
