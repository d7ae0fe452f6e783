"""The provider that sends nothing: what it accepts is kept, to be read in the admin."""

import uuid
from collections.abc import Sequence

from django.db import DatabaseError

from messaging.models import SandboxMessage
from messaging.providers.base import Accepted, HandOff, NotSent, Outgoing, Receipt, Unknown


class SandboxProvider:
    """Accepts everything on every channel; the default, and what `demo` sends through."""

    name = "sandbox"

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """Keep the messages, in one statement; all are kept, or none and all are Unknown.

        Handing a delivery over again leaves its first text as it is: that one "went out".
        """
        if not hand_off.may_begin():
            return [NotSent()] * len(messages)
        rows = [
            SandboxMessage(
                id=message.delivery_id,
                delivery_id=message.delivery_id if message.is_delivery else None,
                answers_id=message.delivery_id if message.is_answer else None,
                channel=message.channel,
                recipient=message.recipient,
                subject=message.subject,
                text=message.text,
                html=message.html,
                accepted_at=hand_off.now,
            )
            for message in messages
        ]
        try:
            SandboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
        except DatabaseError as error:
            # Its text may quote the message.
            return [Unknown(type(error).__name__)] * len(messages)
        return [Accepted(f"{self.name}-{message.delivery_id}") for message in messages]

    def look_up(self, delivery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Receipt]:
        """Accepted, for each that was kept."""
        kept = SandboxMessage.objects.filter(pk__any_of=delivery_ids)
        return {pk: Accepted(f"{self.name}-{pk}") for pk in kept.values_list("pk", flat=True)}
