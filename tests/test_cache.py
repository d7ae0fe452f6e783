"""The cache without Redis: empty, and nobody waits for it."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.cache.backends.base import BaseCache

from reengage import cache as cache_module
from reengage.cache import Client, RedisCache
from tests.servers import Valkey, own_valkey

LONGEST = 5.0  # seconds that a request waits, however often it asks; 48 if each time


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path) as server:
        yield server


@pytest.fixture
def cache(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> BaseCache:
    """Our settings, on a Redis that may be killed."""
    monkeypatch.setattr(Client, "away_until", {})
    made = RedisCache(valkey.url, {"OPTIONS": settings.CACHES["default"]["OPTIONS"]})
    made.set("number", 1)
    made.set("text", "kept")
    return made


def everything(cache: BaseCache) -> list[Any]:
    """What each operation answers."""
    return [
        cache.get("text", "none"),
        cache.get_many(["text", "number"]),
        cache.has_key("text"),
        cache.touch("text", 60),
        cache.add("new", 1),
        cache.set("other", 1),
        cache.set_many({"a": 1, "b": 2}),
        cache.get_or_set("made", lambda: "made", 60),
        cache.delete("text"),
        cache.delete_many(["a", "b"]),
        cache.clear(),
    ]


def test_cache_with_redis_is_djangos_own(cache: BaseCache) -> None:
    assert cache.incr("number", 2) == 3
    found = {"text": "kept", "number": 3}
    assert everything(cache) == [
        *("kept", found, True, True, True, None, [], "made", True, None, True)
    ]
    assert cache.get("number") is None


@pytest.mark.parametrize("state", ["killed", "frozen"])
def test_cache_without_redis_is_empty_and_nobody_waits(
    cache: BaseCache,
    valkey: Valkey,
    state: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(cache_module, "AWAY_SECONDS", 60)
    nothing = ["none", {}, False, False, False, None, [], "made", False, None, False]
    valkey.break_down(state)
    began = time.monotonic()
    with caplog.at_level(logging.WARNING, "reengage.cache"):
        for _ in range(20):
            assert everything(cache) == nothing
            with pytest.raises(ValueError, match="number"):
                cache.incr("number")
    assert time.monotonic() - began < LONGEST
    assert len(caplog.records) == 1


def test_cache_is_used_again_when_redis_is_back(
    cache: BaseCache, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "AWAY_SECONDS", 0.1)
    valkey.kill()
    assert cache.get("text") is None
    valkey.start()
    deadline = time.monotonic() + 5
    while cache.get("text") is None and time.monotonic() < deadline:
        cache.set("text", "kept anew")
    assert cache.get("text") == "kept anew"


def seconds(ask: Callable[[], Any]) -> float:
    began = time.monotonic()
    ask()
    return time.monotonic() - began


def test_threads_share_what_one_of_them_found_out(
    cache: BaseCache, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "AWAY_SECONDS", 60)
    valkey.freeze()
    assert seconds(lambda: cache.get("text")) > 0.2
    waited: list[float] = []
    patient = settings.CACHES["default"]["OPTIONS"] | {"socket_timeout": 30}

    def ask() -> None:  # Django makes a cache of its own for each thread
        own = RedisCache(valkey.url, {"OPTIONS": patient})
        waited.append(seconds(lambda: own.get("text")))

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert waited[0] < LONGEST


def test_value_of_another_version_of_the_code_is_none(cache: BaseCache, valkey: Valkey) -> None:
    assert isinstance(cache, RedisCache)
    cache._cache.get_client(write=True).set(cache.make_key("text"), b"c reengage.cache\nGone\n.")
    assert cache.get("text", "none") == "none"
    assert cache.get_many(["text", "number"]) == {}
    assert cache.get("number") == 1  # Redis is there all the same


def test_cache_of_the_settings_waits_shortly() -> None:
    configured: dict[str, Any] = settings.CACHES["default"]
    assert configured["BACKEND"] == "reengage.cache.RedisCache"
    assert configured["OPTIONS"]["socket_timeout"] <= 0.5
    assert configured["OPTIONS"]["socket_connect_timeout"] <= 0.5
