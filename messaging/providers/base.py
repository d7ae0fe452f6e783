"""What every provider does: take rendered messages and say what became of each."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar, NamedTuple, Protocol, runtime_checkable

from django.conf import settings

# Answers in a row that do not come from a provider in good health: then nothing more is begun.
TROUBLE_LIMIT = 5


class Outgoing(NamedTuple):
    """One rendered message, ready to go to one person.

    Two kinds belong to no delivery: an answer to what a doctor wrote, of which reports are taken
    apart (inbound_reported.py), and a test, to whoever tries a text out, of which the provider is
    asked for none, where it can be.
    """

    delivery_id: uuid.UUID  # of an answer: the Reply's; of a test: its own
    channel: str
    recipient: str  # E.164 number or e-mail address
    text: str
    subject: str = ""  # e-mail only
    html: str = ""  # e-mail only
    unsubscribe_url: str = ""
    is_test: bool = False
    is_answer: bool = False
    # What was approved or registered of its template; a provider that takes any text ignores it.
    content_sid: str = ""  # WhatsApp at Twilio
    whatsapp_name: str = ""  # WhatsApp at Interakt
    whatsapp_language: str = ""
    parameters: tuple[str, ...] = ()  # values of {{1}}, {{2}} and so on, all of them
    dlt_template_id: str = ""  # SMS in India
    # WhatsApp: goes as text and not as the template; only within 24 h of the person's last message.
    is_free_text: bool = False

    @property
    def is_delivery(self) -> bool:
        """Whether it is a campaign's."""
        return not (self.is_test or self.is_answer)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it."""

    external_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider definitely did not take it: only then may it be tried again.

    `retry_after`: the provider's own wish, at least that long. `is_throttle`: that wish is about
    everything, not about this message. `is_outage`: the provider is at fault and not the message,
    such as a connection that cannot be made. `verdict`: what it says of the doctor's channel, as
    models.Verdict; '': nothing.
    """

    code: str
    message: str
    permanent: bool
    retry_after: timedelta | None = None
    is_throttle: bool = False
    is_outage: bool = False
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that says: it may have been taken, so it is never tried again on its own."""

    error: str


@dataclass(frozen=True, slots=True)
class NotSent:
    """It was never begun: the window's time was up, or the provider had stopped answering."""


Receipt = Accepted | Refused | Unknown | NotSent


def clock() -> float:
    """Seconds that also pass while the process is stopped or the machine is asleep."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class HandOff:
    """One window on its way out: what a provider asks before each message and tells after it.

    Not before asking, and not without telling: that is what keeps a worker that was frozen from
    sending what somebody else may have given back, and a dead provider from taking a whole window
    down with it. Safe to use from the threads of one window.
    """

    def __init__(self, now: datetime, authorised: float | None = None) -> None:
        """`now`: the engine's time; `authorised`: clock() when the window was authorised."""
        self.now = now
        began = clock() if authorised is None else authorised
        self._begin_by = began + settings.HAND_OFF_WITHIN.total_seconds()
        self._end_by = began + settings.CALL_DEADLINE.total_seconds()
        self._trouble = 0

    def may_begin(self) -> bool:
        """Whether one more message may be begun now; if not, its receipt is NotSent."""
        return self._trouble < TROUBLE_LIMIT and clock() < self._begin_by

    def seconds_left(self) -> float:
        """For what has begun: seconds until it must have ended; never less than zero."""
        return max(0.0, self._end_by - clock())

    def note(self, receipt: Receipt) -> Receipt:
        """Tell what became of a message, as soon as it is known; returns the same."""
        if is_trouble(receipt):
            self._trouble += 1
        elif isinstance(receipt, Refused) and receipt.is_throttle:
            self._trouble = TROUBLE_LIMIT
        elif not isinstance(receipt, NotSent):
            self._trouble = 0
        return receipt


def is_trouble(receipt: Receipt) -> bool:
    """Whether the answer says that the provider, and not the message, is unwell."""
    return isinstance(receipt, Unknown) or (isinstance(receipt, Refused) and receipt.is_outage)


def discreet(receipt: Receipt, recipient: str) -> Receipt:
    """The same without the number or address, which servers like to repeat: it will be stored."""
    recipient = str(recipient or "")  # never a reason to lose the receipt
    is_number = recipient.startswith("+")
    names = [recipient, recipient[1:], recipient[-10:]] if is_number else [recipient]
    pattern = "|".join(map(re.escape, filter(None, names))) or "(?!)"
    if isinstance(receipt, Refused):
        return replace(receipt, message=re.sub(pattern, "…", receipt.message, flags=re.IGNORECASE))
    if isinstance(receipt, Unknown):
        return Unknown(re.sub(pattern, "…", receipt.error, flags=re.IGNORECASE))
    return receipt


class Provider(Protocol):
    """A way to hand messages over. Never retries by itself, never runs in a transaction."""

    name: str

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """Hand the messages over; one receipt each, in the same order. Raises nothing.

        Asks `hand_off` before each message, tells it each receipt, and has every call ended by
        its deadline.
        """
        ...


@runtime_checkable
class CanLookUp(Protocol):
    """A provider that can be asked what became of a message."""

    def look_up(self, delivery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Receipt]:
        """What it says of these deliveries; one that it does not know or cannot tell is absent."""
        ...


class Need(Enum):
    """What a template must have before a provider takes its messages on a channel."""

    NOTHING = "nothing"
    CONTENT_SID = "the SID of content that WhatsApp approved, at Twilio"
    WHATSAPP_NAME = "name and language of an approved template, at Interakt"
    DLT = "the id of a text registered with India's operators, and that text"


class NeedsTemplate(Protocol):
    """A provider that does not take just any text; one that does need not say so."""

    needs: ClassVar[Mapping[str, Need]]  # by channel; one that is absent needs nothing
