"""The button Copy of a template: a new one that says the same, to be changed before it is saved."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse

from messaging.in_use import READ
from messaging.models import MessageTemplate
from reengage.admin_base import AnyAdmin, action

# Registrations and approvals are of a text, so a copy has none: it is there to be changed.
COPIED = (*READ, "title", "segment_type", "channel", "max_sms_segments")


class CopiedMixin(AnyAdmin):
    """Fills the page of a new template in from another one."""

    @action(description="Copy", icon="content_copy", permissions=["copy"])
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Lead to the page of a new template. Nothing is made before that is saved."""
        return redirect(f"{reverse('admin:messaging_messagetemplate_add')}?copy_of={object_id}")

    def has_copy_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may add a template."""
        return self.has_add_permission(request)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What `copy_of` says, at the next free place; else what Django finds."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        source = _template(initial.pop("copy_of", ""))
        return initial if source is None else {**initial, **_copied(source)}


def _template(key: str) -> MessageTemplate | None:
    try:
        return MessageTemplate.objects.filter(pk=key).first()
    except ValidationError:  # no UUID: an address that somebody typed
        return None


def _copied(source: MessageTemplate) -> dict[str, Any]:
    """The text, with a key and number of its own."""
    place = {"segment_type": source.segment_type, "channel": source.channel}
    last = MessageTemplate.objects.filter(**place).aggregate(at=Max("sequence_order"))["at"] or 0
    number = last + 1
    while MessageTemplate.objects.filter(template_key=_key(source, number)).exists():
        number += 1
    own = {"template_key": _key(source, number), "sequence_order": number}
    return {**{name: getattr(source, name) for name in COPIED}, **own}


def _key(source: MessageTemplate, number: int) -> str:
    return f"{source.segment_type}.{source.channel}.{number}"
