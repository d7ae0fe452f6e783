"""What every provider does: take rendered messages and say what became of each."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One rendered message, ready to go to one person."""

    delivery_id: uuid.UUID
    channel: str
    recipient: str  # E.164 number or e-mail address
    text: str
    subject: str = ""  # e-mail only
    html: str = ""  # e-mail only
    unsubscribe_url: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it."""

    external_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The provider definitely did not take it: only then may it be tried again."""

    code: str
    message: str
    permanent: bool
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No answer that says: it may have been taken, so it is never tried again on its own."""

    error: str


Receipt = Accepted | Refused | Unknown


class Provider(Protocol):
    """A way to hand messages over. Never retries by itself, never runs in a transaction."""

    name: str

    def send(self, messages: Sequence[Outgoing], now: datetime) -> list[Receipt]:
        """Hand the messages over; one receipt each, in the same order. Raises nothing."""
        ...
