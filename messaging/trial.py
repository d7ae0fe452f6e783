"""“Send me a test”: one message of an unsaved text to an address of the marketer's own.

It goes through the channel's real provider as doctors' messages do, and is counted nowhere: it has
no delivery and no attempt, and its links say that it was a test.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from django.conf import settings
from django.core.cache import cache
from uuid_utils.compat import uuid7

from messaging import accounts, approval, preview
from messaging.approval import Registered
from messaging.models import Channel, MessageTemplate
from messaging.outgoing import NOT_SET, hand_over_apart, outgoing
from messaging.preview import Person, Sight
from messaging.providers.base import (
    Accepted,
    HandOff,
    Need,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
    clock,
)
from messaging.providers.sandbox import SandboxProvider
from messaging.validation import Draft
from segments.imports.emails import parse_email
from segments.imports.phones import parse_phone
from segments.imports.values import BadValueError

PER_HOUR = 10
HOUR = timedelta(hours=1)
MARK = "[Test] "
# A person waits for the answer, in a request that web servers end after half a minute.
PATIENCE = 20.0
# Longer than any call: only for a process that was ended in the middle of one.
_BUSY_SECONDS = 60

Level = Literal["success", "warning", "error"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a test, in words. `was_sent`: the provider heard of it."""

    level: Level
    words: str
    was_sent: bool = False
    kept: UUID | None = None  # of the SandboxMessage, where the sandbox took it


class AddressError(ValueError):
    """An address that cannot be used; the text says why."""


class _Brief(HandOff):
    """A hand-off that somebody waits for."""

    def __init__(self, now: datetime) -> None:
        super().__init__(now)
        self._answer_by = clock() + PATIENCE

    def seconds_left(self) -> float:
        """Never more than PATIENCE in all."""
        return max(0.0, min(super().seconds_left(), self._answer_by - clock()))


def address(channel: str, typed: str) -> str:
    """The e-mail address or number as providers want it. AddressError: it is none."""
    is_email = channel == Channel.EMAIL
    if not typed.strip():
        kind = "an e-mail address" if is_email else "a mobile number"
        raise AddressError(f"Write {kind} of your own.")
    try:
        return parse_email(typed.strip()) if is_email else parse_phone(typed.strip())
    except BadValueError as error:
        raise AddressError(str(error)) from None


def masked(address: str) -> str:
    """Enough of it to be known again by its owner: a…@example.com, +91…3210."""
    name, at, domain = address.partition("@")
    return f"{name[:1]}…@{domain}" if at else f"{address[:3]}…{address[-4:]}"


def send_trial(  # noqa: PLR0913  what, of which template, as whose, to where, by whom, when
    draft: Draft,
    person: Person,
    recipient: str,
    user_id: int,
    now: datetime,
    *,
    saved: MessageTemplate | None,
) -> Outcome:
    """Send the draft, as this person would get it, to `recipient` (from address()).

    `saved`: the template that the draft is of, None where it was never saved: its language and
    approval stand there only, and another template may have the same registration.

    Nothing goes out where the text has errors or the person lacks a value, where the provider would
    not take the template, where the channel's account waits, where the user has another test on its
    way or sent PER_HOUR within the hour. Takes at most PATIENCE seconds.
    """
    sight = preview.look(draft, person, now)
    registered, problem = _registered(draft, saved)
    if why := _unfit(person, sight) or problem:
        return Outcome("error", why)
    busy = f"messaging:trial:{user_id}"
    if not cache.add(busy, 1, _BUSY_SECONDS):
        return Outcome("warning", _why_not(busy))
    try:
        return _send(_outgoing(draft, person, recipient, registered), user_id, now)
    finally:
        cache.delete(busy)


def _unfit(person: Person, sight: Sight) -> str:
    errors = [str(finding) for finding in sight.findings if finding.level == "error"]
    if errors:
        return f"The text cannot be sent: {errors[0]}"
    return preview.verdict(person, sight) if sight.missing else ""


def _why_not(busy: str) -> str:
    """The cache kept no mark: another test has it, or there is no cache to count in."""
    if cache.get(busy):
        return "Another test of yours is on its way. Wait for its answer."
    return (
        "Tests cannot be sent at the moment: a part of the system is down. Try again in a minute."
    )


def _registered(draft: Draft, saved: MessageTemplate | None) -> tuple[Registered, str]:
    """What its provider knows the text by; else why it would not take it."""
    need = approval.need_of(draft.channel)
    if need is Need.NOTHING:
        return Registered(), ""
    if saved is None:
        return Registered(), "The text cannot be sent: save the template first."
    has = approval.registration_of(saved)._replace(content=draft.content)
    problem = approval.approval_problem(need, has)
    why = f"The text cannot be sent, because {problem}" if problem else ""
    return approval.registered_of(has), why


def _outgoing(draft: Draft, person: Person, recipient: str, registered: Registered) -> Outgoing:
    """The message as doctors get it; it bears the mark wherever the provider takes any text."""
    texts, links = preview.texts(draft, person), preview.links(draft.channel)
    rendered = preview.compiled(draft).fill(texts, links)
    if draft.channel == Channel.EMAIL:
        rendered = rendered._replace(subject=MARK + rendered.subject)
    elif approval.need_of(draft.channel) is Need.NOTHING:
        rendered = rendered._replace(text=MARK + rendered.text)
    made = outgoing(
        uuid7(),
        draft.channel,
        recipient,
        rendered=rendered,
        texts=texts,
        links=links,
        registered=registered,
    )
    return made._replace(is_test=True)


def _send(message: Outgoing, user_id: int, now: datetime) -> Outcome:
    counter = f"messaging:trials:{user_id}"
    sent = [at for at in cache.get(counter, ()) if at > now - HOUR]
    if len(sent) >= PER_HOUR:
        minutes = -(-(sent[0] + HOUR - now) // timedelta(minutes=1))
        return Outcome(
            "warning", f"You sent {PER_HOUR} tests within the hour. Next in {minutes} min."
        )
    allowance = accounts.admit(message.channel, 1, now)
    if not allowance.messages:
        return Outcome("warning", f"Nothing was sent: {allowance.why}")
    cache.set(counter, [*sent, now], HOUR.total_seconds())
    (receipt,) = hand_over_apart([message], allowance, _Brief(now))
    return _told(receipt, message)


def _told(receipt: Receipt, message: Outgoing) -> Outcome:
    """The answer in words."""
    name = settings.MESSAGE_PROVIDERS[message.channel]
    kept_as = f"{SandboxProvider.name}-{message.delivery_id}"
    if isinstance(receipt, Accepted) and receipt.external_id == kept_as:
        words = "The sandbox kept it: nothing left this system."
        return Outcome("success", words, was_sent=True, kept=message.delivery_id)
    if isinstance(receipt, Accepted):
        words = f"Sent: {name} accepted it as {receipt.external_id}.{_unmarked(message)}"
        return Outcome("success", words, was_sent=True)
    if isinstance(receipt, Refused) and receipt.code == NOT_SET:
        return Outcome("error", f"Nothing was sent: {receipt.message}")
    if isinstance(receipt, Refused):
        why = f"{receipt.message.rstrip('.')} ({receipt.code})"
        return Outcome("error", f"{name} refused it: {why}.", was_sent=True)
    if isinstance(receipt, Unknown):
        why = receipt.error.rstrip(".")
        return Outcome(
            "warning", f"{name} gave no clear answer ({why}). It may arrive.", was_sent=True
        )
    return Outcome("warning", f"{name} did not begin it. Try again in a minute.")


def _unmarked(message: Outgoing) -> str:
    """Why the mark is not seen, where it is not."""
    if MARK in message.subject + message.text:
        return ""
    return " It goes as it is registered, so without “[Test]”."
