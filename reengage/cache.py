"""The cache in Redis, which may be away: then it is empty, and nobody waits for it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from django.core.cache.backends.redis import RedisCache as DjangoRedisCache
from django.core.cache.backends.redis import RedisCacheClient
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

T = TypeVar("T")

# After a failure nobody asks for so long: a page with many look-ups waits for one of them.
AWAY_SECONDS = 5.0


class RedisCache(DjangoRedisCache):
    """Django's cache in Redis; where Redis does not answer, nothing is found and nothing is kept.

    How long an answer is waited for stands in settings.CACHES.
    """

    def __init__(self, server: str | list[str], params: dict[str, Any]) -> None:
        """As Django's own."""
        super().__init__(server, params)
        self._class = Client

    def set_fields(self, key: str, fields: Mapping[bytes, bytes], timeout: int) -> None:
        """Keep many small values under one key, with one command; `timeout` (s) is of them all."""
        client: Any = self._cache
        client.set_fields(self.make_and_validate_key(key), fields, timeout)

    def get_field(self, keys: Iterable[str], field: bytes) -> bytes | None:
        """The value of a field under the first of the keys that has it; None: none has."""
        client: Any = self._cache
        found: bytes | None = client.get_field(
            [self.make_and_validate_key(key) for key in keys], field
        )
        return found

    def delete_fields(self, keys: Iterable[str], fields: Iterable[bytes]) -> None:
        """Forget these fields under each of the keys."""
        client: Any = self._cache
        client.delete_fields([self.make_and_validate_key(key) for key in keys], list(fields))


class Client(RedisCacheClient):
    """What the cache asks of Redis."""

    # Until when nobody asks, by servers, on the monotonic clock. Of the class: Django makes a
    # client for each thread, and what one has found out spares the others the waiting.
    away_until: dict[str, float] = {}

    def __init__(self, servers: list[str], **options: Any) -> None:
        """As Django's own; connects when first asked."""
        super().__init__(servers, **options)
        self._name = ";".join(servers)
        self._clients: dict[bool, Any] = {}

    def get_client(self, key: Any = None, *, write: bool = False) -> Any:
        """The server's client, made once: making one costs twice as much as asking it."""
        if write not in self._clients:
            self._clients[write] = super().get_client(key, write=write)
        return self._clients[write]

    def _ask(self, ask: Callable[..., T], *args: Any, otherwise: T) -> T:
        """What `ask` returns, or `otherwise` where Redis is away or was a moment ago."""
        if time.monotonic() < self.away_until.get(self._name, 0.0):
            return otherwise
        try:
            return ask(*args)
        except (RedisError, OSError) as error:
            self.away_until[self._name] = time.monotonic() + AWAY_SECONDS
            logger.warning("The cache does not answer (%s): going on without.", error)
            return otherwise

    def _read(self, ask: Callable[..., T], *args: Any, otherwise: T) -> T:
        """The same; nor is anything found where another version of the code wrote what it is."""
        try:
            return self._ask(ask, *args, otherwise=otherwise)
        except Exception as error:  # noqa: BLE001  unpickling raises whatever it comes upon
            logger.warning("A value in the cache cannot be read (%s).", type(error).__name__)
            return otherwise

    def add(self, key: Any, value: Any, timeout: Any) -> bool:
        """Keep a value where there is none. False: nothing was kept."""
        return self._ask(super().add, key, value, timeout, otherwise=False)

    def get(self, key: Any, default: Any) -> Any:
        """The value, or `default`."""
        return self._read(super().get, key, default, otherwise=default)

    def set(self, key: Any, value: Any, timeout: Any) -> None:
        """Keep a value, if that is possible."""
        self._ask(super().set, key, value, timeout, otherwise=None)

    def touch(self, key: Any, timeout: Any) -> bool:
        """Keep a value for longer. False: there is none."""
        return self._ask(super().touch, key, timeout, otherwise=False)

    def delete(self, key: Any) -> bool:
        """Forget a value. False: there was none."""
        return self._ask(super().delete, key, otherwise=False)

    def get_many(self, keys: Iterable[Any]) -> dict[Any, Any]:
        """Those of the values that there are."""
        return self._read(super().get_many, keys, otherwise={})

    def has_key(self, key: Any) -> bool:
        """Whether there is a value."""
        return self._ask(super().has_key, key, otherwise=False)

    def incr(self, key: Any, delta: int) -> Any:
        """Add to a number. ValueError: there is none."""
        value = self._ask(super().incr, key, delta, otherwise=None)
        if value is None:
            raise ValueError(f"Key {key!r} not found.")
        return value

    def set_many(self, data: Mapping[Any, Any], timeout: Any) -> None:
        """Keep several values, if that is possible."""
        self._ask(super().set_many, data, timeout, otherwise=None)

    def set_fields(self, key: str, fields: Mapping[bytes, bytes], timeout: int) -> None:
        """Keep fields of a hash, if that is possible."""

        def keep() -> None:
            pipeline = self.get_client(key, write=True).pipeline(transaction=False)
            pipeline.hset(key, mapping=dict[Any, Any](fields))
            pipeline.expire(key, timeout)
            pipeline.execute()

        self._ask(keep, otherwise=None)

    def get_field(self, keys: list[str], field: bytes) -> bytes | None:
        """The field of the first hash that has it."""

        def look() -> bytes | None:
            pipeline = self.get_client(keys[0]).pipeline(transaction=False)
            for key in keys:
                pipeline.hget(key, field)
            return next((value for value in pipeline.execute() if value is not None), None)

        return self._ask(look, otherwise=None)

    def delete_fields(self, keys: list[str], fields: list[bytes]) -> None:
        """Forget fields of hashes, if that is possible."""

        def forget() -> None:
            pipeline = self.get_client(keys[0], write=True).pipeline(transaction=False)
            for key in keys:
                pipeline.hdel(key, *fields)
            pipeline.execute()

        self._ask(forget, otherwise=None)

    def delete_many(self, keys: Iterable[Any]) -> None:
        """Forget several values."""
        self._ask(super().delete_many, keys, otherwise=None)

    def clear(self) -> bool:
        """Forget everything. False: that could not be done."""
        return self._ask(super().clear, otherwise=False)
