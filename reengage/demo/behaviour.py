"""How the sample's doctors take a message: pure functions of seed, doctor and message.

Nothing is kept in memory that could not be worked out again, so a replay that was interrupted goes
on with the same doctors in the same mood.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from random import Random
from typing import NamedTuple

from messaging.models import EventKind
from messaging.track import Event
from segments.models import SegmentType

PROVIDER = "sandbox"


class Message(NamedTuple):
    """A message that went out, and to whom."""

    delivery_id: uuid.UUID
    external_id: str  # the provider's
    sent_at: datetime
    channel: str
    doctor_id: int
    doctor: str  # CLIRNET id
    segment_type: str
    subject: str
    template: str
    variant: str = ""  # label of the A/B test's variant


@dataclass(frozen=True, slots=True)
class Manners:
    """What becomes of the messages of a channel. Shares of the line before; delays are means."""

    delivered: float
    failed: float  # of all: accepted by the provider and reported as failed later
    opened: float
    clicked: float  # of the delivered ones
    delivery: timedelta
    opening: timedelta


# A little below the strategy's Channel Performance targets.
MANNERS = {
    "whatsapp": Manners(0.97, 0.012, 0.79, 0.24, timedelta(seconds=20), timedelta(hours=1)),
    "sms": Manners(0.965, 0.015, 0.72, 0.14, timedelta(seconds=60), timedelta(minutes=40)),
    "email": Manners(0.975, 0.015, 0.29, 0.08, timedelta(minutes=2), timedelta(hours=6)),
}
FAILURES = {
    "whatsapp": "The number has no WhatsApp account.",
    "sms": "The phone was switched off for too long.",
    "email": "The mailbox does not exist.",
}
MACHINE_OPENS = 0.06  # of e-mails: a scanner fetches the picture
OPTS_OUT = 0.008  # of those who opened
# How much likelier a variant of the A/B tests (trials.py) is to be opened than the others.
BY_NAME = "With the doctor's name"
APPEAL = {BY_NAME: 1.9}
# Which channel and kind of campaign somebody opts out of, as shares: this channel, this kind, all.
SCOPES = {"channel": 5, "kind": 3, "all": 2}

# Of those who click, how many do what the campaign is for, and how soon after.
RETURNS: dict[str, tuple[float, timedelta]] = {
    SegmentType.AIDA_USERS: (0.2, timedelta(minutes=20)),
    SegmentType.INCOMPLETE_COURSES: (0.34, timedelta(hours=20)),
    SegmentType.NO_SHOW: (0.32, timedelta(minutes=50)),
    SegmentType.UNCLAIMED_CERTIFICATES: (0.55, timedelta(minutes=4)),
}


class Act(StrEnum):
    """What doctors do outside the message."""

    RETURN = "return"
    OPT_OUT = "opt out"


@dataclass(frozen=True, slots=True)
class Reaction:
    """Something that happens after a message went out."""

    at: datetime
    message: Message
    what: EventKind | Act
    scope: str = ""  # of an opt-out
    is_machine: bool = False

    def event(self) -> Event:
        """The report of it, as a provider or the link would send it."""
        failure = {"error": FAILURES[self.message.channel]}
        return Event(
            provider=PROVIDER,
            key=f"{self.what}{'-scan' if self.is_machine else ''}:{self.message.external_id}",
            kind=EventKind(self.what),
            occurred_at=self.at,
            delivery_id=self.message.delivery_id,
            external_id=self.message.external_id,
            is_machine=self.is_machine,
            detail=failure if self.what == EventKind.FAILED else {},
        )


def reactions(message: Message, seed: int) -> Iterator[Reaction]:
    """All that will come of a message, in no order; the same for the same seed."""
    chance = Random(f"{seed}:{message.doctor}:{message.template}:{message.subject}")  # noqa: S311
    manners = MANNERS[message.channel]
    drawn = chance.random()
    at = _later(message.sent_at, manners.delivery, chance)
    if drawn >= manners.delivered:
        if drawn < manners.delivered + manners.failed:
            yield Reaction(at, message, EventKind.FAILED)
        return  # of the others nobody ever hears
    yield Reaction(at, message, EventKind.DELIVERED)
    if message.channel == "email" and chance.random() < MACHINE_OPENS:
        seen = _later(at, timedelta(seconds=5), chance)
        yield Reaction(seen, message, EventKind.OPENED, is_machine=True)
    interest = chance.random() / (_keenness(message, seed) * APPEAL.get(message.variant, 1.0))
    if interest >= manners.opened:
        return
    opened = _later(at, manners.opening, chance)
    yield Reaction(opened, message, EventKind.OPENED)
    if chance.random() < OPTS_OUT:
        scope = chance.choices(list(SCOPES), list(SCOPES.values()))[0]
        moment = _later(opened, timedelta(minutes=2), chance)
        yield Reaction(moment, message, Act.OPT_OUT, scope=scope)
    elif interest < manners.clicked:
        yield from _follow(message, _later(opened, timedelta(minutes=3), chance), chance)


def _follow(message: Message, clicked: datetime, chance: Random) -> Iterator[Reaction]:
    yield Reaction(clicked, message, EventKind.CLICKED)
    share, soon = RETURNS[message.segment_type]
    if chance.random() < share:
        yield Reaction(_later(clicked, soon, chance), message, Act.RETURN)


def _keenness(message: Message, seed: int) -> float:
    """Some doctors look at everything and some at nothing; around 1."""
    return Random(f"{seed}:{message.doctor}").uniform(0.6, 1.4)  # noqa: S311


def _later(moment: datetime, mean: timedelta, chance: Random) -> datetime:
    """Some time after: around `mean`, at most six times that; to the second."""
    factor = min(chance.expovariate(1.0), 6.0)
    return moment + timedelta(seconds=1 + int(mean.total_seconds() * factor))
