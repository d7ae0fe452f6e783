"""How many requests a key may make in a minute, counted in the cache.

Without Redis nobody is counted and nobody is held up (reengage/cache.py says in the log that it is
away): the limit protects the database from a program that runs wild, and a report that is not
taken is the greater harm.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from django.core.cache import cache

PER_MINUTE = 600
SECONDS = 60


@dataclass(frozen=True, slots=True)
class Rate:
    """How a key stands in the present minute."""

    limit: int
    used: int
    reset: int  # seconds until the count begins anew

    @property
    def is_over(self) -> bool:
        """More than it may."""
        return self.used > self.limit

    def headers(self) -> dict[str, str]:
        """RateLimit-*, as IETF's draft named them while it had three of them; Retry-After."""
        told = {
            "RateLimit-Limit": str(self.limit),
            "RateLimit-Remaining": str(max(0, self.limit - self.used)),
            "RateLimit-Reset": str(self.reset),
        }
        return {**told, "Retry-After": str(self.reset)} if self.is_over else told


def take(who: str) -> Rate:
    """Count one request of a key in the present minute."""
    minute, passed = divmod(int(time.time()), SECONDS)
    name = f"api:{who}:{minute}"
    used = 1
    if not cache.add(name, 1, 2 * SECONDS):
        try:
            used = cache.incr(name)
        except ValueError:  # the cache is away
            used = 0
    return Rate(PER_MINUTE, used, SECONDS - passed)
