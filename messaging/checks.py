"""System checks: a wrong provider is told at start, not with the first message."""

from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from messaging.models import Channel
from messaging.providers import provider_for


@register
def check_providers(**_: Any) -> list[CheckMessage]:
    """Every channel has a provider that exists (messaging.E001)."""
    errors: list[CheckMessage] = []
    for channel in Channel.values:
        try:
            provider_for(channel)
        except ImproperlyConfigured as error:
            hint = f"Set {channel.upper()}_PROVIDER in the environment."
            errors.append(Error(str(error), hint=hint, id="messaging.E001"))
    return errors
