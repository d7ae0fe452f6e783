"""What somebody writes after they were erased: neither the number nor the text is kept."""

from __future__ import annotations

from datetime import datetime

from messaging.models import ProviderEvent
from segments import erased


def drop(event: ProviderEvent, now: datetime) -> bool:
    """Empty the report of a message from the number of somebody who was erased; it is done then.

    For numbers that no doctor has; one query. Nothing goes to that number anyhow, so a STOP in it
    has nothing left to stop. False: the number is not of such a person, and nothing was changed.
    """
    if not erased.is_erased_number(str(event.detail.get("from", ""))):
        return False
    waiting = ProviderEvent.objects.filter(pk=event.pk, processed_at=None)
    waiting.update(detail={"erased": True}, processed_at=now)
    return True
