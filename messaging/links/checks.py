"""System checks of the links' settings: a link that leads nowhere is told at start."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

from messaging.links.target import is_allowed
from segments.definitions import DEFINITIONS


@register("settings")
def check_links(**_: Any) -> list[CheckMessage]:
    """Links lead where they may (messaging.E030), and the header of SMS is one (E031)."""
    return [*_targets(), *_header()]


def _targets() -> Iterator[CheckMessage]:
    for segment_type, definition in DEFINITIONS.items():
        address = definition.cta_url("1")
        if not is_allowed(address):
            said = f"LINK_HOSTS lacks the host to which links of {segment_type} lead: {address}."
            yield Error(said, hint="Add it, such as: clirnet.example.", id="messaging.E030")


def _header() -> Iterator[CheckMessage]:
    if settings.SMS_HEADER and not re.fullmatch(r"[A-Z0-9]{3,11}", settings.SMS_HEADER):
        said = f"SMS_HEADER is no header of SMS: {settings.SMS_HEADER!r}."
        yield Error(said, hint="Three to eleven letters and digits.", id="messaging.E031")
