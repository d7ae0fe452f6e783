"""System checks of the settings: a wrong one is told at start, not by what it does at night."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

# The environment's name of each number, what it must be at least, and what holds it.
AT_LEAST: tuple[tuple[str, str, float | timedelta], ...] = (
    ("CAP_PER_DAY", "CAP_PER_DAY", 1),
    ("CAP_PER_WEEK", "CAP_PER_WEEK", 1),
    ("CAP_CHANNEL_INTERVAL_HOURS", "CAP_CHANNEL_INTERVAL", timedelta(0)),
    ("LANES_PER_CHANNEL", "LANES_PER_CHANNEL", 1),
    ("SEND_WINDOW_SIZE", "SEND_WINDOW_SIZE", 1),
    ("HEARTBEAT_SECONDS", "HEARTBEAT_EVERY", timedelta(seconds=0.1)),
    ("POLL_AFTER_SECONDS", "POLL_AFTER", timedelta(seconds=1)),
)
TAG = "settings"  # what reengage/start.py runs


@register(TAG)
def check_settings(**_: Any) -> list[CheckMessage]:
    """Numbers, channels and addresses that could not be meant (reengage.E001 to E003)."""
    return [*_numbers(), *_channels(), *_addresses()]


def _numbers() -> Iterator[CheckMessage]:
    for variable, name, least in AT_LEAST:
        value = getattr(settings, name)
        if value < least:
            said = f"{variable} is too small: {value}."
            yield Error(said, hint=f"At least {least}.", id="reengage.E001")


def _channels() -> Iterator[CheckMessage]:
    known = sorted(settings.MESSAGE_PROVIDERS)
    for channel in sorted(settings.CONSENT_REQUIRED - set(known)):
        said = f"CONSENT_REQUIRED names {channel!r}, which is no channel."
        yield Error(said, hint=f"Channels: {', '.join(known)}.", id="reengage.E002")


def _addresses() -> Iterator[CheckMessage]:
    for name in ("PUBLIC_BASE_URL", "PLATFORM_BASE_URL"):
        address = urlsplit(getattr(settings, name))
        if address.scheme not in ("http", "https") or not address.hostname:
            said = f"{name} is no web address: {getattr(settings, name)!r}."
            yield Error(said, hint="Such as https://go.example.com.", id="reengage.E003")
