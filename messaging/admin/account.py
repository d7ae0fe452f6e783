"""The accounts that channels send through."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from messaging.models import ProviderAccount
from reengage.admin_base import ModelAdmin, display


@admin.register(ProviderAccount)
class ProviderAccountAdmin(ModelAdmin[ProviderAccount]):
    """Pause a channel by hand, and say what a message costs."""

    list_display = ("name", "state", "price_per_message")
    fields = ("channel", "provider", "is_paused", "price_per_message")

    @display(description="account")
    def name(self, account: ProviderAccount) -> str:
        """Channel and provider."""
        return str(account)

    @display(description="state", label={"Paused by hand": "warning", "Open": "success"})
    def state(self, account: ProviderAccount) -> str:
        """Whether the channel waits."""
        return "Paused by hand" if account.is_paused else "Open"

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> tuple[str, ...]:
        """An account stays what it is: attempts refer to it."""
        return ("channel", "provider") if obj else ()
