"""Ways out: which account carries which channel. A new provider is a module and a line here."""

from functools import cache

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from messaging.providers.account import Account, Variable, is_name, kind_of, names_in
from messaging.providers.base import Provider
from messaging.providers.interakt import InteraktProvider
from messaging.providers.sandbox import SandboxProvider
from messaging.providers.sendgrid import SendGridProvider
from messaging.providers.ses import SesProvider
from messaging.providers.smtp import SmtpProvider
from messaging.providers.sns import SnsProvider
from messaging.providers.twilio import TwilioProvider


class MissingError(ImproperlyConfigured):
    """Something that an account needs is not set."""


PROVIDERS: dict[str, type[Provider]] = {
    "interakt": InteraktProvider,
    "sandbox": SandboxProvider,
    "sendgrid": SendGridProvider,
    "ses": SesProvider,
    "smtp": SmtpProvider,
    "sns": SnsProvider,
    "twilio": TwilioProvider,
}


def provider_for(channel: str) -> Provider:
    """The provider of the account that settings.MESSAGE_PROVIDERS names; one per process.

    ImproperlyConfigured: it names none for the channel, one that does not exist or does not carry
    the channel, or one of which something is not set.
    """
    name: str | None = settings.MESSAGE_PROVIDERS.get(channel)
    kind = provider_kind(name or "")
    if name is None or kind is None:
        raise ImproperlyConfigured(
            f"MESSAGE_PROVIDERS names {name!r} for {channel}. Known providers: "
            f"{', '.join(sorted(PROVIDERS))}."
        )
    if channel not in channels_of(name):
        raise ImproperlyConfigured(f"{name} does not carry {channel}.")
    if missing := next(Account(name).missing(variables_of(name), channel), None):
        raise MissingError(f"{channel} goes through {name}, but {missing}")
    return instance(name)


def channels_of(name: str) -> frozenset[str]:
    """Channels that an account of that name can carry."""
    kind = provider_kind(name)
    every = frozenset(settings.MESSAGE_PROVIDERS)
    channels: frozenset[str] = getattr(kind, "channels", every if kind else frozenset())
    return channels


def configured() -> list[str]:
    """The accounts that channels go through, and those of which something is set besides."""
    found = {name for name in settings.MESSAGE_PROVIDERS.values() if provider_kind(name)}
    values = [name for name, value in settings.PROVIDER_VARIABLES.items() if value]
    for kind in PROVIDERS:
        found.update(names_in(values, kind, variables_of(kind)))
    return sorted(found)


def provider_kind(name: str) -> type[Provider] | None:
    """What an account of that name is at; None: nothing that is known here."""
    return PROVIDERS.get(kind_of(name)) if is_name(name) else None


def variables_of(name: str) -> tuple[Variable, ...]:
    """What an account of that name is set by."""
    variables: tuple[Variable, ...] = getattr(provider_kind(name), "variables", ())
    return variables


@cache
def instance(name: str) -> Provider:
    """The provider of that account, one per process: it may keep connections open."""
    kind = PROVIDERS[kind_of(name)]
    # Those that have no settings of their own are made without an account.
    return kind(Account(name)) if hasattr(kind, "variables") else kind()  # type: ignore[call-arg]
