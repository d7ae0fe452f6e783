"""WhatsApp's sessions: for 24 hours after somebody's last message, any text may go to them.

Outside of one WhatsApp takes approved templates only, and a template stays the way of a campaign
within one, too: free text is for answers, and for a campaign's message whose template cannot go.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Max, QuerySet

from messaging.models import Channel, InboundMessage
from messaging.providers import configured
from messaging.providers.account import kind_of
from messaging.providers.sandbox import SandboxProvider
from messaging.providers.twilio import TwilioProvider

# Less than WhatsApp's 24 hours by far more than a message is on its way to it, and than clocks
# differ: one that comes too late is lost.
OPEN_FOR = timedelta(hours=23, minutes=50)


def open_numbers(numbers: Collection[str], now: datetime) -> set[str]:
    """Those of the numbers (E.164) whose session is open, in one query; none: no query."""
    if not numbers:
        return set()
    return set(_written(numbers, now).order_by().values_list("sender", flat=True))


def open_until(number: str, now: datetime) -> datetime | None:
    """When the session with a number (E.164) ends; None: none is open."""
    last: datetime | None = _written([number], now).aggregate(last=Max("received_at"))["last"]
    return last + OPEN_FOR if last else None


def _written(numbers: Collection[str], now: datetime) -> QuerySet[InboundMessage]:
    """What keeps their sessions open, by idx_inbound_messages_session.

    A session is one between two numbers: whoever else is reached at the doctor's is in it, too,
    and a message to the number of another provider, or of another account at Twilio, opened none
    with ours. (Interakt's do not tell the account.) The sandbox has no number, so it holds nobody
    to one.
    """
    written = InboundMessage.objects.filter(
        channel=Channel.WHATSAPP,
        sender__in=numbers,
        received_at__gt=now - OPEN_FOR,
        received_at__lte=now,
    )
    account = settings.MESSAGE_PROVIDERS[Channel.WHATSAPP]
    kind = kind_of(account)
    if kind == SandboxProvider.name:
        return written
    is_known = kind == TwilioProvider.name and kind in configured()
    return written.filter(provider__in={account} if is_known else {account, kind})
