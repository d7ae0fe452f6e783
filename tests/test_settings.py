"""Settings that are worked out from others."""

import pytest

from reengage.environment import database_after


@pytest.mark.parametrize(
    ("url", "next_url"),
    [
        ("redis://host:6379/0", "redis://host:6379/1"),
        ("redis://host/9", "redis://host/10"),
        ("redis://host:6379", "redis://host:6379/1"),
        ("redis://:secret7@host:6379/", "redis://:secret7@host:6379/1"),
        ("unix:///tmp/x/valkey.sock?db=0", "unix:///tmp/x/valkey.sock?db=1"),
        ("unix:///tmp/x2/valkey.sock", "unix:///tmp/x2/valkey.sock?db=1"),
    ],
)
def test_the_cache_has_the_database_after_the_brokers(url, next_url):
    assert database_after(url) == next_url
