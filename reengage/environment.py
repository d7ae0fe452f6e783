"""What the settings make of the environment: keys of this checkout, addresses of Redis."""

from __future__ import annotations

import contextlib
import re
import secrets
from pathlib import Path
from typing import Any


def local_key(checkout: Path, name: str) -> str:
    """A random key of the checkout's own, made once; production sets its keys instead."""
    path = checkout / ".data" / name
    path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)
        path.write_text(secrets.token_urlsafe(50))
    return path.read_text()


def database_after(url: str) -> str:
    """The next database of the same Redis: clearing the cache must not empty the broker's."""
    numbered = re.fullmatch(r"(.*(?:db=|[^/]/))(\d+)", url)
    if numbered:
        return f"{numbered[1]}{int(numbered[2]) + 1}"
    return f"{url}?db=1" if url.startswith("unix:") else f"{url.rstrip('/')}/1"


def redis_timeouts(url: str, seconds: float) -> dict[str, Any]:
    """How long a Redis client waits for an answer; sockets of this machine have no keepalive."""
    timeouts = {"socket_timeout": seconds, "socket_connect_timeout": seconds}
    return timeouts if url.startswith("unix:") else {**timeouts, "socket_keepalive": True}
