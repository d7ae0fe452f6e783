"""Targets in the cache, so that links lead somewhere while PostgreSQL is away.

One hash for each day, so that a window costs one command. A token is a capability: the cache holds
its digest only, and targets unreadable without it. Nothing here is the only copy of anything.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from hashlib import blake2b, shake_256
from typing import Any, NamedTuple

from django.core.cache import caches

DAY = 86_400
# Most clicks come within two days of the message; older links wait for the database.
DAYS = 4


class Remembered(NamedTuple):
    """What a redirect needs."""

    delivery_id: uuid.UUID
    target_url: str


def keep(links: Iterable[tuple[str, uuid.UUID, str]]) -> None:
    """Keep token, delivery and target of a window's links, if there is a cache."""
    fields = {
        _digest(token): _veiled(token, pk.bytes + target.encode()) for token, pk, target in links
    }
    if fields:
        _cache().set_fields(_key(_today()), fields, DAYS * DAY)


def recall(token: str) -> Remembered | None:
    """The delivery and target of a link sent in the last days; None: not found."""
    today = _today()
    found: bytes | None = _cache().get_field(
        [_key(today - back) for back in range(DAYS)], _digest(token)
    )
    if found is None:
        return None
    found = _veiled(token, found)
    return Remembered(uuid.UUID(bytes=found[:16]), found[16:].decode())


def forget(tokens: Iterable[str]) -> None:
    """Take links out of the cache, if there is one."""
    if fields := [_digest(token) for token in tokens]:
        _cache().delete_fields([_key(_today() - back) for back in range(-1, DAYS)], fields)


def _cache() -> Any:
    """The project's own (settings.CACHES), which can keep fields; Django's interface cannot."""
    return caches["default"]


def _today() -> int:
    return int(time.time()) // DAY


def _key(day: int) -> str:
    return f"links:{day}"


def _digest(token: str) -> bytes:
    return blake2b(token.encode(), digest_size=12).digest()


def _veiled(token: str, value: bytes) -> bytes:
    """The value, unreadable without the token, and back: a target may name a certificate.

    A token has one value, so the bits that it is mixed with are used once.
    """
    pad = shake_256(b"target" + token.encode()).digest(len(value))
    return (int.from_bytes(value) ^ int.from_bytes(pad)).to_bytes(len(value))
