"""Whether the account of each channel could send now: what is missing, and what it refuses.

Sends nothing to anybody: settings are looked at, and providers are asked by calls that only read.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Iterator, Sequence
from email.utils import parseaddr
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from messaging.approval import need_of
from messaging.models import Channel
from messaging.providers import (
    PROVIDERS,
    channels_of,
    configured,
    instance,
    provider_for,
    provider_kind,
    variables_of,
)
from messaging.providers.account import Account, kind_of
from messaging.providers.base import Need, Provider

logger = logging.getLogger(__name__)

SANDBOX = "sandbox"
# Whose reports are believed only with a key: its name in settings.WEBHOOK_KEYS, the variable that
# sets it, and what that is.
REPORTS = {
    "twilio": ("twilio", "TWILIO_AUTH_TOKEN", "the account's auth token"),
    "interakt": (
        "interakt",
        "INTERAKT_WEBHOOK_KEYS",
        "the secret key of the webhook in Interakt's developer settings",
    ),
    "sendgrid": (
        "sendgrid",
        "SENDGRID_WEBHOOK_KEYS",
        "the verification key of SendGrid's signed Event Webhook",
    ),
    "ses": (
        "amazon_ses",
        "SES_WEBHOOK_KEYS",
        "user:password, as they stand in the address that SNS posts to",
    ),
}

# How a provider writes what identifies an account.
SHAPES = {("twilio", "ACCOUNT_SID"): r"AC[0-9a-fA-F]{32}"}


class Examined(NamedTuple):
    """One account: the problems, and what could not be found out. No channel: none uses it."""

    channel: str
    account: str
    problems: list[str]
    note: str = ""


def examine() -> Iterator[Examined]:
    """Each channel's account, then those that are set besides; slow, since providers are asked."""
    for channel in Channel.values:
        name = settings.MESSAGE_PROVIDERS.get(channel, "")
        yield Examined(channel, name, list(_problems(channel, name)), _unasked(name))
    for name in configured():
        if name not in settings.MESSAGE_PROVIDERS.values():
            yield Examined("", name, list(dict.fromkeys(_problems_of_spare(name))), _unasked(name))


def address_problems() -> Iterator[str]:
    """What keeps doctors and providers from reaching us, where anything leaves the machine."""
    if set(settings.MESSAGE_PROVIDERS.values()) <= {SANDBOX}:
        return
    url = settings.PUBLIC_BASE_URL
    advice = "set it to the https address under which doctors and providers reach this server"
    if _is_private(urlsplit(url).hostname or ""):
        yield f"PUBLIC_BASE_URL is {url}, which nobody reaches from outside: {advice}."
    elif urlsplit(url).scheme != "https":
        yield f"PUBLIC_BASE_URL is {url}, and providers report to https only: {advice}."
    if need_of(Channel.SMS) is Need.DLT and not settings.SMS_HEADER:
        yield (
            "SMS_HEADER is not set: the registered header, without which India's operators reject "
            "the links of SMS (SMS_DLT_REQUIRED=false where none go to India)."
        )


def fictional() -> Iterator[str]:
    """Addresses that are still the example's."""
    platform = settings.PLATFORM_BASE_URL
    if _is_private(urlsplit(platform).hostname or ""):
        yield (
            f"PLATFORM_BASE_URL is {platform}, which nobody reaches from outside: set it to the "
            "address of the platform, to which the links of messages lead."
        )
    if settings.MESSAGE_PROVIDERS.get(Channel.EMAIL, SANDBOX) == SANDBOX:
        return
    sender = settings.DEFAULT_FROM_EMAIL
    if _is_private(parseaddr(sender)[1].rpartition("@")[2]):
        yield (
            f"DEFAULT_FROM_EMAIL is {sender}, and no mail comes from there: set it to the address "
            "that doctors see as the sender, such as Name <news@your domain>."
        )


def _unasked(name: str) -> str:
    note: str = getattr(provider_kind(name), "unasked", "")
    return note


def _problems(channel: str, name: str) -> Iterator[str]:
    if channel not in channels_of(name):
        able = ", ".join(each for each in sorted(PROVIDERS) if channel in channels_of(each))
        what = f"does not carry {channel}" if provider_kind(name) else "is no account"
        yield f"{channel.upper()}_PROVIDER is “{name}”, which {what}: set it to one of {able}."
        return
    missing = [*Account(name).missing(variables_of(name), channel), *_malformed(name)]
    yield from missing
    yield from _unbelieved(name, missing)
    if missing:
        return
    try:
        provider = provider_for(channel)
    except ImproperlyConfigured as error:
        yield str(error)
    else:
        yield from _asked(provider, channel)


def _problems_of_spare(name: str) -> Iterator[str]:
    """Of an account that no channel uses, for those channels that it is set for."""
    account, variables = Account(name), variables_of(name)
    missing = {each: list(account.missing(variables, each)) for each in sorted(channels_of(name))}
    able = [channel for channel, lacks in missing.items() if not lacks]
    if not able:
        yield from next(iter(missing.values()))
        return
    if malformed := list(_malformed(name)):
        yield from malformed
        return
    yield from _unbelieved(name, [])
    try:
        provider = instance(name)
    except ImproperlyConfigured as error:
        yield str(error)
    else:
        for channel in able:
            yield from _asked(provider, channel)


def _malformed(name: str) -> Iterator[str]:
    """What is set and cannot be right; not what is set, which may be a secret in a wrong place."""
    account = Account(name)
    for variable in variables_of(name):
        shape = SHAPES.get((account.kind, variable.name))
        value = account.get(variable)
        if shape and value and not re.fullmatch(shape, value):
            yield f"{account.variable(variable.name)} is malformed; it is {variable.what}."


def _asked(provider: Provider, channel: str) -> Iterator[str]:
    ask = getattr(provider, "problems", None)
    if ask is None:
        return
    try:
        yield from ask(channel)
    except Exception:
        logger.exception("asking %s broke off", provider.name)
        yield f"{provider.name} could not be asked: see the log."


def _unbelieved(name: str, missing: Sequence[str]) -> Iterator[str]:
    """Twilio signs with the auth token: where that is missing, it was said."""
    reports, variable, what = REPORTS.get(kind_of(name), ("", "", ""))
    was_said = any("_AUTH_TOKEN is not set" in line for line in missing)
    if reports and not was_said and not any(settings.WEBHOOK_KEYS.get(reports, ())):
        yield f"{variable} is not set: {what}. Until then no report of {kind_of(name)} is believed."


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".example", ".test")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host
