"""A provider that answers as the test says, and keeps a ledger of what it was handed."""

import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta

from messaging.providers.base import (
    Accepted,
    HandOff,
    NotSent,
    Outgoing,
    Receipt,
    Refused,
    Unknown,
)

BUSY = Refused("503", "busy", permanent=False)
WRONG = Refused("400", "no such number", permanent=True)
AWAY = Refused("connect", "connection refused", permanent=False, is_outage=True)
SILENT = Unknown("no answer")
TAKEN = Accepted("taken")  # stands for an id of its own for each message


def throttled(wait: timedelta | None) -> Refused:
    """What a provider says whom we ask too much."""
    return Refused("429", "too many", permanent=False, retry_after=wait, is_throttle=True)


class Scripted:
    """Says the answers of `script` in turn, and the last one to everything after it."""

    name = "scripted"

    def __init__(self, *script: Receipt) -> None:
        self.script = list(script) or [TAKEN]
        self.ledger: list[uuid.UUID] = []  # each delivery, as often as it was handed over
        self.during: Callable[[], None] = lambda: None  # what happens in the middle of a call

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """As a provider that holds to its contract."""
        return [self._send(message, hand_off) for message in messages]

    def _send(self, message: Outgoing, hand_off: HandOff) -> Receipt:
        if not hand_off.may_begin():
            return NotSent()
        self.ledger.append(message.delivery_id)
        self.during()
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if answer is TAKEN:
            answer = Accepted(f"x-{message.delivery_id}")
        return hand_off.note(answer)

    def look_up(self, delivery_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, Receipt]:
        """It took whatever it was handed."""
        asked = set(delivery_ids)
        return {pk: Accepted(f"x-{pk}") for pk in self.ledger if pk in asked}
