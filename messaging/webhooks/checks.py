"""System check of webhooks: a provider that cannot report is told of at start."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register  # noqa: A004  Django's name

from messaging.webhooks.base import keys_of

# By kind of account: whose keys its reports are checked with, and what sets them.
_KEYS = {
    "twilio": ("twilio", "TWILIO_WEBHOOK_KEYS or the account's AUTH_TOKEN"),
    "interakt": ("interakt", "INTERAKT_WEBHOOK_KEYS"),
    "sendgrid": ("sendgrid", "SENDGRID_WEBHOOK_KEYS"),
    "ses": ("amazon_ses", "SES_WEBHOOK_KEYS"),
}


@register("settings")
def check_webhooks(**_: Any) -> list[CheckMessage]:
    """Providers in use whose reports would be refused, since there is no key for them (W020)."""
    kinds = {name.partition(":")[0] for name in settings.MESSAGE_PROVIDERS.values()}
    return [
        Warning(
            f"Reports of {kind} are refused: there is no key to check them with.",
            hint=f"Set {variables}.",
            id="messaging.W020",
        )
        for kind, (provider, variables) in _KEYS.items()
        if kind in kinds and not keys_of(provider)
    ]
