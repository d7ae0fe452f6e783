"""Ways out: which provider carries which channel. A new one is a module and a line here."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from messaging.providers.base import Provider
from messaging.providers.sandbox import SandboxProvider
from messaging.providers.smtp import SmtpProvider

PROVIDERS: dict[str, type[Provider]] = {
    "sandbox": SandboxProvider,
    "smtp": SmtpProvider,
}


def provider_for(channel: str) -> Provider:
    """The provider that settings.MESSAGE_PROVIDERS names for a channel; one per process.

    ImproperlyConfigured: it names none for the channel, or one that does not exist.
    """
    name = settings.MESSAGE_PROVIDERS.get(channel)
    if name not in PROVIDERS:
        raise ImproperlyConfigured(
            f"MESSAGE_PROVIDERS names {name!r} for {channel}. Known providers: "
            f"{', '.join(sorted(PROVIDERS))}."
        )
    return instance(name)


@cache
def instance(name: str) -> Provider:
    """The provider of that name, one per process: it may keep connections open."""
    return PROVIDERS[name]()
