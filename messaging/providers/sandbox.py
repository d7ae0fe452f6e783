"""The provider that sends nothing: what it accepts is kept, to be read in the admin."""

from collections.abc import Sequence
from datetime import datetime

from django.db import DatabaseError

from messaging.models import SandboxMessage
from messaging.providers.base import Accepted, Outgoing, Receipt, Unknown


class SandboxProvider:
    """Accepts everything on every channel; the default, and what `demo` sends through."""

    name = "sandbox"

    def send(self, messages: Sequence[Outgoing], now: datetime) -> list[Receipt]:
        """Keep the messages, in one statement; all are kept, or none and all are Unknown.

        Handing a delivery over again leaves its first text as it is: that one "went out".
        """
        rows = [
            SandboxMessage(
                delivery_id=message.delivery_id,
                recipient=message.recipient,
                subject=message.subject,
                text=message.text,
                html=message.html,
                accepted_at=now,
            )
            for message in messages
        ]
        try:
            SandboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
        except DatabaseError as error:
            # Its text may quote the message.
            return [Unknown(type(error).__name__)] * len(messages)
        return [Accepted(f"{self.name}-{message.delivery_id}") for message in messages]
