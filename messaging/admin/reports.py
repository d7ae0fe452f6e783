"""What providers reported, and what the sandbox kept."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from messaging import reported
from messaging.models import ProviderEvent, SandboxMessage
from messaging.preview import locked
from reengage.admin_base import DropdownFilter, ReadOnlyAdmin, display
from segments.admin.search import DoctorSearchMixin


class WaitingFilter(DropdownFilter):
    """Reports that nothing was done with yet (idx_provider_events_open)."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Only the few that wait."""
        return [("waiting", "Waiting to be counted")]

    def queryset(
        self, request: HttpRequest, events: QuerySet[ProviderEvent]
    ) -> QuerySet[ProviderEvent]:
        """Keep those."""
        return events.filter(processed_at=None) if self.value() == "waiting" else events


@admin.register(ProviderEvent)
class ProviderEventAdmin(DoctorSearchMixin, ReadOnlyAdmin[ProviderEvent]):
    """Every report as it came."""

    doctor_path = "delivery__doctor"
    list_display = (
        "kind",
        "doctor",
        "provider",
        "occurred_at",
        "received_at",
        "done",
        "cause",
    )
    list_filter = (WaitingFilter,)
    list_select_related = ("delivery__doctor",)

    @display(description="doctor")
    def doctor(self, event: ProviderEvent) -> str | None:
        """Whose message it is about, where it is known."""
        return str(event.delivery.doctor) if event.delivery else None

    @display(description="caused by")
    def cause(self, event: ProviderEvent) -> str:
        """A machine's opens and clicks are kept, not counted."""
        machine = reported.why_machine(event)
        return f"A machine; {machine}" if machine else "The doctor or the provider"

    @display(description="what was done")
    def done(self, event: ProviderEvent) -> str:
        """Counted, waits, put aside or ignored."""
        return reported.fate(event, timezone.now())


@admin.register(SandboxMessage)
class SandboxMessageAdmin(DoctorSearchMixin, ReadOnlyAdmin[SandboxMessage]):
    """Messages that would have gone out."""

    doctor_path = "delivery__doctor"
    list_display = ("recipient", "channel", "kind", "first_words", "accepted_at")
    fields = ("kind", "delivery", "recipient", "accepted_at", "subject", "message_text", "page")
    readonly_fields = ("kind", "message_text", "page")

    @display(description="kind", label={"test": "warning"})
    def kind(self, message: SandboxMessage) -> tuple[str, str] | None:
        """Marks what somebody sent to themselves; the others are doctors' messages."""
        return ("test", "Test") if message.is_test else None

    @display(description="message")
    def first_words(self, message: SandboxMessage) -> str:
        """The subject, or how the text begins."""
        text = message.subject or " ".join(message.text.split())
        return text if len(text) <= 80 else f"{text[:79]}…"

    @display(description="text")
    def message_text(self, message: SandboxMessage) -> str:
        """The text, its lines kept."""
        return format_html('<div style="white-space: pre-wrap">{}</div>', message.text)

    @display(description="as an e-mail program shows it")
    def page(self, message: SandboxMessage) -> str:
        """The HTML part in a frame that can neither load nor run anything."""
        if not message.html:
            return ""
        return format_html(
            '<iframe sandbox="" title="E-mail" srcdoc="{}" '
            'style="width: 100%; height: 40rem; background: white"></iframe>',
            locked(message.html),
        )
