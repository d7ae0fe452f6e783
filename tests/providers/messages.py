"""Messages to hand to a provider, and what must hold of its receipts."""

import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from messaging.providers.base import Accepted, HandOff, Outgoing, Provider, Receipt, Unknown
from tests.providers.peer import Entry, Peer

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)


def messages(count: int, channel: str = "email") -> list[Outgoing]:
    """So many, to d1@example.com, d2@example.com, ..."""
    return [
        Outgoing(
            delivery_id=uuid.uuid4(),
            channel=channel,
            recipient=f"d{number}@example.com",
            text=f"Dear Dr. Rao {number} —\n.\n..",
            subject=f"Certificate {number}",
            html=f"<p>Dear Dr. Rao {number} —</p>",
            unsubscribe_url=f"https://go.example/u/{number}",
        )
        for number in range(1, count + 1)
    ]


def kinds(receipts: Iterable[Receipt]) -> list[str]:
    """The class of each."""
    return [type(receipt).__name__ for receipt in receipts]


def said(receipt: Receipt) -> str:
    """What the receipt says of why."""
    return getattr(receipt, "message", "") or getattr(receipt, "error", "")


def send(provider: Provider, sent: list[Outgoing], peer: Peer | None = None) -> list[Receipt]:
    """Send one window; given `peer`, compare with its ledger, which must have been empty."""
    receipts = provider.send(sent, HandOff(NOW))
    if peer:
        check_against_ledger(sent, receipts, peer.ledger())
        assert peer.counts()["early"] == 0
    return receipts


def check_against_ledger(
    sent: Sequence[Outgoing], receipts: Sequence[Receipt], ledger: Sequence[Entry]
) -> None:
    """What was accepted is there, once; what was refused or not sent is not."""
    assert len(receipts) == len(sent)
    there = Counter(entry.delivery_id for entry in ledger)
    for message, receipt in zip(sent, receipts, strict=True):
        times = there.pop(str(message.delivery_id), 0)
        assert "\0" not in said(receipt)  # the database would refuse the whole window
        if isinstance(receipt, Accepted):
            assert times == 1, receipt
        elif isinstance(receipt, Unknown):
            assert times <= 1, receipt
        else:
            assert times == 0, receipt
    assert not there
