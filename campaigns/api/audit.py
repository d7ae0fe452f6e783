"""Who did what over the API: in the history that the admin shows, with the key's name."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.contenttypes.models import ContentType

from campaigns.models import ApiKey

__all__ = ["ADDITION", "CHANGE", "DELETION", "note"]


def note(key: ApiKey, changed: Any, what: str, flag: int = CHANGE) -> None:
    """Write it down, as the key's owner."""
    LogEntry.objects.create(
        user_id=key.owner_id,
        content_type=ContentType.objects.get_for_model(type(changed)),
        object_id=str(changed.pk),
        object_repr=str(changed)[:200],
        action_flag=flag,
        change_message=f"{what} (API key “{key.name}”)",
    )
