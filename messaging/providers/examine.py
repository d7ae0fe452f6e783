"""Whether the account of each channel could send now: what is missing, and what it refuses.

Sends nothing to anybody: settings are looked at, and providers are asked by calls that only read.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from messaging.models import Channel
from messaging.providers import provider_for, provider_kind, variables_of
from messaging.providers.account import Account, kind_of

logger = logging.getLogger(__name__)

SANDBOX = "sandbox"
# Whose reports are believed only with a key: its name in settings.WEBHOOK_KEYS, and the variable.
REPORTS = {
    "twilio": ("twilio", "TWILIO_WEBHOOK_KEYS"),
    "interakt": ("interakt", "INTERAKT_WEBHOOK_KEYS"),
    "sendgrid": ("sendgrid", "SENDGRID_WEBHOOK_KEYS"),
    "ses": ("amazon_ses", "SES_WEBHOOK_KEYS"),
}


class Examined(NamedTuple):
    """One channel and its account: the problems, and what could not be found out."""

    channel: str
    account: str
    problems: list[str]
    note: str


def examine() -> Iterator[Examined]:
    """Each channel in turn; slow, since providers are asked."""
    for channel in Channel.values:
        name = settings.MESSAGE_PROVIDERS.get(channel, "")
        note: str = getattr(provider_kind(name), "unasked", "")
        yield Examined(channel, name, list(_problems(channel, name)), note)


def address_problems() -> Iterator[str]:
    """What keeps doctors and providers from reaching us, where anything leaves the machine."""
    if set(settings.MESSAGE_PROVIDERS.values()) <= {SANDBOX}:
        return
    address = urlsplit(settings.PUBLIC_BASE_URL)
    if address.scheme != "https":
        yield f"PUBLIC_BASE_URL is {settings.PUBLIC_BASE_URL}: providers report to https only."
    if _is_private(address.hostname or ""):
        yield f"PUBLIC_BASE_URL is {settings.PUBLIC_BASE_URL}: nobody reaches it from outside."


def _problems(channel: str, name: str) -> Iterator[str]:
    if missing := list(Account(name).missing(variables_of(name), channel)):
        yield from missing
        yield from _unbelieved(name)
        return
    try:
        provider = provider_for(channel)
    except ImproperlyConfigured as error:
        yield str(error)
        return
    yield from _unbelieved(name)
    ask = getattr(provider, "problems", None)
    if ask is None:
        return
    try:
        yield from ask(channel)
    except Exception:
        logger.exception("asking %s broke off", name)
        yield f"{name} could not be asked: see the log."


def _unbelieved(name: str) -> Iterator[str]:
    reports, variable = REPORTS.get(kind_of(name), ("", ""))
    if reports and not any(settings.WEBHOOK_KEYS.get(reports, ())):
        yield f"{variable} is not set: no report of {kind_of(name)} is believed."


def _is_private(host: str) -> bool:
    if host == "localhost" or host.endswith((".localhost", ".local", ".example", ".test")):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host
