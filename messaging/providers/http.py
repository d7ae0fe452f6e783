"""The base of providers that are reached by HTTP: many calls at once, each told for what it is.

A call is definitely not taken where no connection could be made, or where the server says so by
4xx. Whatever else goes wrong once the call was written is Unknown. One gap is left: a server may
close a connection in the very moment in which the next call is written on it. Such a call comes
back as Unknown, too; connections that rested for 3 seconds are not used again, so it is rare.
"""

from __future__ import annotations

import http.client
import logging
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.utils import parsedate_to_datetime
from functools import partial
from queue import Empty, SimpleQueue
from urllib.parse import SplitResult

from messaging.providers.base import (
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
    discreet,
    is_trouble,
)
from messaging.providers.http_line import Answer, BodyError, Line, Lines, Request, split
from messaging.providers.sockets import describe, words

logger = logging.getLogger(__name__)

IN_FLIGHT_AT_FIRST = 4
GRACE_SECONDS = 2.0  # after the deadline, for the threads to say so
LONGEST_RETRY_AFTER = timedelta(days=1)
LONGEST_ID = 255  # characters, MessageDelivery.external_id

# Refusals that say nothing of the message: 401 and 407, the credentials are not known.
OUTAGES = frozenset({401, 407})
# The server gave up waiting for the call, or does not want it yet.
FOR_NOW = frozenset({408, 425})

Done = SimpleQueue[tuple[int, Receipt]]


class UnfitError(ValueError):
    """This message cannot go out as it is, whoever is asked; the text says why."""


class HttpProvider(ABC):
    """Calls a provider's HTTP interface once for each message."""

    name: str
    in_flight = 200  # calls at once, at most; each has a thread and a connection

    def __init__(self) -> None:
        self._pace = _Pace(self.in_flight)
        self._crew = _Crew()
        self._lines = Lines()
        self._process = os.getpid()

    @abstractmethod
    def request_for(self, message: Outgoing) -> Request:
        """The call that hands the message over. Runs in a thread: no database here.

        UnfitError: there is no such call for this message, which is refused for good.
        """

    @abstractmethod
    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:
        """What an answer of 2xx or 4xx (not 429) says of the message; no database here.

        For 4xx without a code that the provider documents, return refusal(status, ...). Whatever
        it raises makes a 2xx Unknown and a 4xx that refusal.
        """

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """One call each, many at once. Raises nothing.

        A process begins with a few calls in flight and doubles them with each round that goes
        well, so that a provider that is down takes few messages with it.
        """
        self._begin_anew_after_fork()
        receipts: list[Receipt] = [NotSent()] * len(messages)
        waiting: set[int] = set()
        try:
            self._send(messages, hand_off, receipts, waiting)
        except Empty:
            logger.error("%d calls to %s did not end by their deadline", len(waiting), self.name)  # noqa: TRY400
        except Exception:
            logger.exception("sending a window to %s broke off", self.name)
        for place in waiting:
            receipts[place] = Unknown("The call did not end.")
        return receipts

    def _send(
        self,
        messages: Sequence[Outgoing],
        hand_off: HandOff,
        receipts: list[Receipt],
        waiting: set[int],
    ) -> None:
        done: Done = SimpleQueue()
        following = 0
        while True:
            while (
                following < len(messages)
                and len(waiting) < self._pace.limit
                and hand_off.may_begin()
            ):
                waiting.add(following)
                call = partial(self._call, following, messages[following], hand_off, done)
                self._crew.give(call, at_once=len(waiting))
                following += 1
            if not waiting:
                return
            place, receipt = done.get(timeout=hand_off.seconds_left() + GRACE_SECONDS)
            receipts[place] = receipt
            waiting.remove(place)
            self._pace.follow(receipt)

    def _call(self, place: int, message: Outgoing, hand_off: HandOff, done: Done) -> None:
        """One message, in a thread of its own."""
        try:
            receipt = self._hand_over(message, hand_off)
        except Exception as error:
            logger.exception("the call for delivery %s broke off", message.delivery_id)
            receipt = Unknown(type(error).__name__)
        done.put((place, hand_off.note(discreet(receipt, message.recipient))))

    def _hand_over(self, message: Outgoing, hand_off: HandOff) -> Receipt:
        try:
            request = self.request_for(message)
            parts = split(request.url)
        except UnfitError as error:
            return Refused("unfit", words(str(error)), permanent=True)
        except Exception as error:
            logger.exception("the call for delivery %s cannot be made up", message.delivery_id)
            return _outage("request", error)
        try:
            line = self._lines.take(parts, hand_off.seconds_left)
        except (OSError, ValueError) as error:
            return _outage("no line", error)
        if not hand_off.may_begin():
            self._lines.give_back(parts, line)
            return NotSent()
        return self._ask(request, parts, line, message, hand_off)

    def _ask(
        self,
        request: Request,
        parts: SplitResult,
        line: Line,
        message: Outgoing,
        hand_off: HandOff,
    ) -> Receipt:
        try:
            answer = line.call(request, parts, hand_off.seconds_left)
        except BodyError as error:
            line.close()
            if 400 <= error.status < 500:
                return self._receipt(Answer(error.status, error.headers, b""), message, hand_off)
            return Unknown(f"HTTP {error.status} without a whole body: {describe(error)}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            line.close()
            if line.has_written:
                return Unknown(f"no answer: {describe(error)}")
            if isinstance(error, TimeoutError):
                return NotSent()  # frozen meanwhile: others may have taken over
            logger.exception("the call for delivery %s cannot be written", message.delivery_id)
            return _outage("request", error)
        self._lines.give_back(parts, line)
        return self._receipt(answer, message, hand_off)

    def _receipt(self, answer: Answer, message: Outgoing, hand_off: HandOff) -> Receipt:
        status, headers, body = answer
        if status == 429:
            wait = retry_after(headers, hand_off.now)
            return Refused("429", words(body), permanent=False, retry_after=wait, is_throttle=True)
        is_refusal = 400 <= status < 500
        if not is_refusal and not 200 <= status < 300:
            return Unknown(f"HTTP {status} {words(body)}")
        try:
            receipt = self.receipt_for(status, headers, body, message)
            if isinstance(receipt, Accepted):
                return Accepted(words(receipt.external_id)[:LONGEST_ID])
            return receipt  # noqa: TRY300
        except Exception as error:  # noqa: BLE001  whatever a strange body leads to
            if is_refusal:
                return refusal(status, body)
            return Unknown(f"HTTP {status} that cannot be understood: {type(error).__name__}")

    def _begin_anew_after_fork(self) -> None:
        """Threads do not come along into a child, and its parent's connections are not its own."""
        if self._process != os.getpid():
            self._process = os.getpid()
            self._crew = _Crew()
            self._lines.close()
            self._lines = Lines()


class _Pace:
    """How many calls may be in flight: slow at the start and after trouble, then doubling."""

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self.limit = min(IN_FLIGHT_AT_FIRST, at_most)

    def follow(self, receipt: Receipt) -> None:
        """One more call for each that went well: twice as many with every round."""
        if is_trouble(receipt) or (isinstance(receipt, Refused) and receipt.is_throttle):
            self.limit = min(IN_FLIGHT_AT_FIRST, self._at_most)
        elif not isinstance(receipt, NotSent):
            self.limit = min(self.limit + 1, self._at_most)


class _Crew:
    """Threads that wait for calls to make. They never keep the process from ending."""

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._size = 0

    def give(self, call: Callable[[], None], at_once: int) -> None:
        """Have it made, by one of `at_once` threads at least."""
        self._calls.put(call)
        while self._size < at_once:
            self._size += 1
            threading.Thread(target=self._work, name=f"call {self._size}", daemon=True).start()

    def _work(self) -> None:
        while True:
            self._calls.get()()


def refusal(status: int, body: bytes) -> Refused:
    """A 4xx about which nothing more is known: for good, unless the status says otherwise."""
    for_now = status in OUTAGES or status in FOR_NOW
    return Refused(str(status), words(body), permanent=not for_now, is_outage=status in OUTAGES)


def retry_after(headers: Message, now: datetime) -> timedelta | None:
    """How long the server asks to wait: in seconds, or until a date by its own clock."""
    value = headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdigit():
        wait = timedelta(seconds=min(int(value[:9]), LONGEST_RETRY_AFTER.total_seconds()))
    else:
        until = _date(value)
        if until is None:
            return None
        wait = until - (_date(headers.get("Date", "")) or now)
    return min(max(wait, timedelta()), LONGEST_RETRY_AFTER)


def _date(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _outage(code: str, error: Exception) -> Refused:
    """Nothing was written: definitely not taken."""
    return Refused(code, describe(error), permanent=False, is_outage=True)
