"""What carries the messages: providers, accounts, sender, footer, and the address of our links."""

from __future__ import annotations

from collections.abc import Iterator
from email.utils import parseaddr

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse
from django.utils.text import get_text_list

from campaigns.preflight.finding import Finding, Level, Look, fine
from messaging import accounts
from messaging.models import Channel, ProviderAccount
from messaging.providers import provider_for
from messaging.providers.account import kind_of
from messaging.providers.examine import SANDBOX, address_problems

ASK = "Ask whoever runs the system to set"
# What reengage/settings.py has where nobody has set anything.
NO_ADDRESS = "CLIRNET, India"
NO_PHONE = "00000000"  # its last digits
RESERVED = (".example", ".invalid", ".test", ".localhost")  # RFC 2606: nobody's


def providers(look: Look) -> Iterator[Finding]:
    """The account of each channel is set up; nothing of that is asked over the network."""
    found = [finding for channel in look.channels for finding in _of_provider(channel)]
    yield from found
    if look.channels and not found:
        ways = [f"{Channel(c).label} via {settings.MESSAGE_PROVIDERS[c]}" for c in look.channels]
        yield fine("providers", f"Every channel has its provider: {', '.join(ways)}.")


def _of_provider(channel: str) -> Iterator[Finding]:
    label = Channel(channel).label
    try:
        provider_for(channel)
    except ImproperlyConfigured as error:
        text = f"{label} has no provider that could send: {error}"
        yield Finding("blocking", "provider_missing", text)
        return
    if settings.PRODUCTION and not _leaves(channel):
        text = f"{label} goes to the sandbox: no doctor gets it. {ASK} {channel.upper()}_PROVIDER."
        yield Finding("warning", "provider_sandbox", text)


def _leaves(channel: str) -> bool:
    """Whether messages of the channel leave this machine."""
    return kind_of(settings.MESSAGE_PROVIDERS.get(channel, "")) != SANDBOX


def _level(*channels: str) -> Level:
    """What is missing blocks where doctors would see it; on a trial machine it is worth a word."""
    return "blocking" if settings.PRODUCTION and any(map(_leaves, channels)) else "warning"


def sender(look: Look) -> Iterator[Finding]:
    """Who writes, from where, and whom a doctor can ask, as far as the texts say it."""
    found = list(_of_sender(look))
    yield from found
    if look.channels and not found:
        yield fine("sender", "Sender, footer and contacts in the texts are ours.")


def _of_sender(look: Look) -> Iterator[Finding]:
    if Channel.EMAIL in look.channels:
        address = parseaddr(settings.DEFAULT_FROM_EMAIL)[1]
        if _is_nobodys(address):
            text = f"E-mails have no sender of ours, but “{address}”. {ASK} DEFAULT_FROM_EMAIL."
            yield Finding(_level(Channel.EMAIL), "sender_missing", text)
        if settings.SENDER_ADDRESS.strip() in ("", NO_ADDRESS):
            text = f"The footer of e-mails has no postal address of ours. {ASK} SENDER_ADDRESS."
            yield Finding(_level(Channel.EMAIL), "footer_missing", text)
    contacts = (
        ("support_email", settings.SUPPORT_EMAIL, _is_nobodys(settings.SUPPORT_EMAIL)),
        ("support_phone", settings.SUPPORT_PHONE, _is_no_phone(settings.SUPPORT_PHONE)),
    )
    for name, value, is_missing in contacts:
        users = [step.channel for step in look.steps if name in step.template.template_content]
        if users and is_missing:
            text = f"{{{{{name}}}}} in the texts would say “{value}”. {ASK} {name.upper()}."
            yield Finding(_level(*users), f"{name}_missing", text)


def _is_nobodys(address: str) -> bool:
    _, at, host = address.rpartition("@")
    return not at or "." not in host or host.lower().endswith(RESERVED)


def _is_no_phone(phone: str) -> bool:
    digits = "".join(filter(str.isdigit, phone))
    return not digits or digits.endswith(NO_PHONE)


def links(look: Look) -> Iterator[Finding]:
    """Links in messages lead to us from everywhere."""
    if not any(map(_leaves, look.channels)):
        return
    found = list(address_problems())
    for text in found:
        yield Finding(_level(*look.channels), "public_address", f"{text} {ASK} it.")
    if not found:
        yield fine("links", f"Links in messages begin with {settings.PUBLIC_BASE_URL}.")


def carriers(look: Look) -> Iterator[Finding]:
    """Each channel's account is open and has a price. One query."""
    rows = {(row.channel, row.provider): row for row in ProviderAccount.objects.all()}
    found, unpriced = [], []
    for channel in look.channels:
        account = rows.get((channel, settings.MESSAGE_PROVIDERS.get(channel, "")))
        label = Channel(channel).label
        if account and (why := accounts.why_waiting(account, look.now)):
            text = f"{label} waits: {why} What is too late by then is not sent."
            page = reverse("admin:messaging_provideraccount_change", args=[account.pk])
            found.append(Finding("warning", "account_waits", text, page, "Open the account"))
        if account is None or not account.price_per_message:
            unpriced.append(str(label))
    if unpriced:
        have = "has" if len(unpriced) == 1 else "have"
        text = f"{get_text_list(unpriced, 'and')} {have} no price: cost and ROI can't be told."
        page = reverse("admin:messaging_provideraccount_changelist")
        found.append(Finding("warning", "price_missing", text, page, "Open the accounts"))
    yield from found
    if look.channels and not found:
        yield fine("carriers", "Every channel's account is open and has a price.")
