"""What every connection needs: waits that end by a deadline, a look before use, clean words."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Callable

SecondsLeft = Callable[[], float]

CONNECT_SECONDS = 5.0  # for each address of a server

_UNREADABLE = re.compile(r"[\x00-\x20\x7f-\x9f]+")  # among them NUL, which no database column takes


def wait_for(seconds_left: SecondsLeft, at_most: float = float("inf")) -> float:
    """How many seconds one wait may take. TimeoutError: the deadline has come."""
    seconds = min(at_most, seconds_left())
    if seconds <= 0:
        raise TimeoutError("The time for this window is up.")
    return seconds


def read_for(seconds_left: SecondsLeft, at_most: float = float("inf")) -> float:
    """The same for reading; after the deadline 0: an answer that has come by then counts."""
    return max(0.0, min(at_most, seconds_left()))


def is_quiet(sock: socket.socket) -> bool:
    """Whether the other side has neither closed nor said anything; sends nothing.

    False is final: what may have been there to read is lost. Leaves the socket not waiting.
    """
    try:
        sock.settimeout(0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        return True
    except OSError:
        pass
    return False


def words(said: bytes | str) -> str:
    """What somebody said out there, on one line that can be stored and read; 300 characters."""
    data = said if isinstance(said, bytes) else said.encode("utf-8", "replace")
    return _UNREADABLE.sub(" ", data[:1200].decode("utf-8", "replace")).strip()[:300]


def describe(error: Exception) -> str:
    """What went wrong, in the same form."""
    return words(f"{type(error).__name__}: {error}")
