"""The accounts that channels send through."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.text import get_text_list
from django.utils.timezone import localtime

from messaging import accounts
from messaging.models import Channel, ProviderAccount
from messaging.providers import PROVIDERS, channels_of, configured
from reengage.admin_base import (
    ActionVariant,
    Confirmation,
    ModelAdmin,
    ModelForm,
    Notice,
    PageExtrasMixin,
    SelectWidget,
    action,
    confirm,
    display,
    is_confirmed,
)

STATE_COLOURS = {
    "unused": "info",
    "well": "success",
    "paused": "warning",
    "waits": "danger",
    "tries": "info",
}
STATE_NAMES = {
    "unused": "Not used",
    "well": "Well",
    "paused": "Paused by hand",
    "waits": "Waits",
    "tries": "Tries again",
}
STATE_LEVELS = {
    "unused": "warning",
    "well": "success",
    "paused": "warning",
    "waits": "error",
    "tries": "info",
}
TITLES = {
    "well": "Well: messages go out.",
    "paused": "Paused by hand: its messages wait. Nothing fails and nothing is lost.",
    "tries": "One message tries whether the provider is back; the others wait for it.",
}


def state_of(account: ProviderAccount, now: datetime) -> str:
    """One of STATE_NAMES."""
    if not accounts.is_used(account):
        return "unused"
    if account.is_paused:
        return "paused"
    if account.closed_until is not None and account.closed_until > now:
        return "waits"
    return "tries" if accounts.is_open(account) else "well"


def state_words(account: ProviderAccount, now: datetime) -> str:
    """The state and its cause, such as "Waits until 14:05: …timeout (5 times in a row)"."""
    state = state_of(account, now)
    if state == "unused":
        used = settings.MESSAGE_PROVIDERS.get(account.channel)
        return f"Not used: {account.get_channel_display()} goes through {used}."
    if state != "waits":
        return TITLES[state]
    until = localtime(account.closed_until)
    day = "" if until.date() == localtime(now).date() else f"{until:%d %b}, "
    why = accounts.why_waiting(account, now).rstrip(".")
    times = f" ({account.failures_in_row} times in a row)" if accounts.is_open(account) else ""
    return f"Waits until {day}{until:%H:%M}: {why[:1].lower()}{why[1:]}{times}"


def account_choices() -> list[tuple[str, str]]:
    """The first account at each provider and those of the settings, and what each is for."""
    return [(name, f"{name}: {_role(name)}") for name in sorted({*PROVIDERS, *configured()})]


def _role(name: str) -> str:
    """What goes through an account now, or could."""
    used = [c.label for c in Channel if settings.MESSAGE_PROVIDERS.get(c) == name]
    if used:
        return f"{get_text_list(used, 'and')} {'go' if len(used) > 1 else 'goes'} through it now"
    able = [channel.label for channel in Channel if channel in channels_of(name)]
    return f"not used now, could carry {get_text_list(able, 'or')}"


class AccountForm(ModelForm[ProviderAccount]):
    """Keeps an account to the channels that its provider carries."""

    def clean(self) -> dict[str, Any]:
        """Say so where the two do not fit."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        channel, name = cleaned.get("channel"), cleaned.get("provider")
        if channel and name and channel not in channels_of(name):
            able = [each.label for each in Channel if each in channels_of(name)]
            why = f"{name} does not carry {Channel(channel).label}, only"
            self.add_error("provider", f"{why} {get_text_list(able, 'and')}.")
        return cleaned


@admin.register(ProviderAccount)
class ProviderAccountAdmin(PageExtrasMixin[ProviderAccount], ModelAdmin[ProviderAccount]):
    """Pause a channel by hand, say how fast it may go and what a message costs."""

    form = AccountForm
    list_display = ("name", "state", "why", "rate", "price_per_message")
    actions_detail = ("try_again",)
    fieldsets = (
        (None, {"fields": ("channel", "provider", "is_paused")}),
        (
            "How fast",
            {
                "fields": (("rate_per_second", "burst"), "in_the_bucket"),
                "description": "For all workers together. A change holds from the next window on.",
            },
        ),
        ("What it costs", {"fields": ("price_per_message",)}),
        ("How it does", {"fields": ("why", "failures_in_row", "last_trouble")}),
    )
    add_fieldsets = ((None, {"fields": ("channel", "provider", "is_paused")}), *fieldsets[1:3])

    @display(description="account")
    def name(self, account: ProviderAccount) -> str:
        """Channel and provider."""
        return str(account)

    @display(description="state", label=STATE_COLOURS)
    def state(self, account: ProviderAccount) -> tuple[str, str]:
        """Whether the channel waits."""
        state = state_of(account, timezone.now())
        return state, STATE_NAMES[state]

    @display(description="in words")
    def why(self, account: ProviderAccount) -> str:
        """Since when it waits, and for what."""
        return state_words(account, timezone.now())

    @display(description="messages a second", empty_value="As fast as it goes")
    def rate(self, account: ProviderAccount) -> str | None:
        """The limit over all workers."""
        rate = account.rate_per_second
        return f"{rate:g}, {account.burst:,} at once" if rate else None

    @display(description="could go at once now")
    def in_the_bucket(self, account: ProviderAccount) -> str:
        """Messages that the limit lets go at this moment."""
        if account.rate_per_second is None:
            return "As many as are due: no limit is set."
        rested = 0.0
        if account.tokens_at is not None:
            rested = max(0.0, (timezone.now() - account.tokens_at).total_seconds())
        tokens = min(account.burst, account.tokens + rested * account.rate_per_second)
        return f"{int(tokens):,} of {account.burst:,}"

    def get_fieldsets(self, request: HttpRequest, obj: ProviderAccount | None = None) -> Any:
        """A new account has no state yet."""
        return self.fieldsets if obj else self.add_fieldsets

    def get_readonly_fields(
        self, request: HttpRequest, obj: ProviderAccount | None = None
    ) -> tuple[str, ...]:
        """An account stays what it is: attempts refer to it. Its state is the engine's."""
        kept = ("why", "in_the_bucket", "failures_in_row", "last_trouble")
        return ("channel", "provider", *kept) if obj else kept

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Choose among the accounts that there are."""
        if db_field.name == "provider":
            names = account_choices()
            help_text = "A second account at a provider is listed once its variables are set."
            widget = SelectWidget(choices=names)
            return forms.ChoiceField(
                label="Account", choices=names, widget=widget, help_text=help_text
            )
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: ProviderAccount, form: Any, change: Any
    ) -> None:
        """Write what was changed and nothing else: workers write the state meanwhile."""
        if change:
            obj.save(update_fields=form.changed_data)
        else:
            obj.save()

    def notices(self, request: HttpRequest, obj: ProviderAccount) -> list[Notice]:
        """How it does, at the top."""
        now = timezone.now()
        return [Notice(STATE_LEVELS[state_of(obj, now)], state_words(obj, now))]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the button where there is something to try."""
        account = self.get_object(request, object_id)
        if account is None or state_of(account, timezone.now()) in ("unused", "well", "paused"):
            return []
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return buttons

    @action(
        description="Try again now",
        icon="restart_alt",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
    )
    def try_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Close the breaker by hand."""
        account = self.get_object(request, object_id)
        if account is None:
            raise Http404
        page = reverse("admin:messaging_provideraccount_change", args=[account.pk])
        if not is_confirmed(request):
            facts = [state_words(account, timezone.now())]
            question = "Messages go out at once. If the provider is still unwell, it waits again."
            return confirm(
                self, request, Confirmation("Try again now", question, "Try again", facts), page
            )
        accounts.reset(account)
        self.log_change(request, account, "Tried again by hand.")
        messages.success(request, f"{account} is tried again with the next round.")
        return redirect(page)
