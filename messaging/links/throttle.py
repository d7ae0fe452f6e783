"""Whoever tries tokens that are nobody's is told to wait. Without a cache, nobody is.

A token that somebody has is served all the same: it is looked up before this is asked.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress

from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest

SECONDS = 60


def address(request: HttpRequest) -> str:
    """Who asks; of IPv6 the network, which one subscriber has whole. '': not known.

    The nearest proxy writes the last entry of X-Forwarded-For; what stands before it anybody can
    write, and without BEHIND_PROXY all of it.
    """
    told = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        told = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or told
    try:
        known = ipaddress.ip_address(told)
    except ValueError:
        return ""
    if known.version == 6:
        return str(ipaddress.ip_network((known, 64), strict=False))
    return str(known)


def is_turned_away(who: str) -> bool:
    """Whether the address tried too much in the last minute."""
    return bool(who) and int(cache.get(_key(who), 0)) >= settings.LINK_MISSES_PER_MINUTE


def missed(who: str) -> None:
    """The address asked for what is nobody's."""
    if who and not cache.add(_key(who), 1, SECONDS):
        with suppress(ValueError):  # it ran out just now, or the cache is away
            cache.incr(_key(who))


def _key(who: str) -> str:
    return f"links:missed:{who}"
