"""What may come in at all: how big, how deep, of which type."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from django.http import HttpRequest, UnreadablePostError

from messaging import deadline

MOST_BYTES = 1_000_000
MOST_DEPTH = 20
MOST_SECONDS = 3.0  # for a body to come in


class Refused(Exception):  # noqa: N818  it is an answer
    """A request that is not taken; `status` is what it is answered with."""

    def __init__(self, status: int, why: str) -> None:
        """`why`: for the log and the sender; never anything that the sender wrote."""
        super().__init__(why)
        self.status = status


def read(request: HttpRequest, content_type: str) -> bytes:
    """The raw body. Refused: 415 for another type or encoding, 413 for too much, 400 for half."""
    if request.content_type != content_type:
        raise Refused(415, f"Send {content_type}.")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise Refused(415, "Send the body as it is, not compressed.")
    declared = _length(request)
    if declared > MOST_BYTES:
        raise Refused(413, f"Send at most {MOST_BYTES:,} bytes.")
    try:
        with _in_time(request):
            body = request.body
    except UnreadablePostError:
        raise Refused(400, "The body broke off.") from None
    if len(body) != declared:
        raise Refused(400, "The body broke off.")
    return body


@contextmanager
def _in_time(request: HttpRequest) -> Iterator[None]:
    """End the reading after a while: a sender that dawdles would keep one of the few threads."""
    connection: socket.socket | None = request.META.get("gunicorn.socket")
    if connection is None:  # another server, which has its own ways
        yield
        return
    # Whoever reads is told that this was all.
    descriptor = connection.fileno()
    by = time.monotonic() + MOST_SECONDS
    with deadline.watched(by, lambda: deadline.hang_up(os.dup(descriptor), socket.SHUT_RD)):
        yield


def _length(request: HttpRequest) -> int:
    declared = request.META.get("CONTENT_LENGTH") or "0"
    if not (declared.isascii() and declared.isdigit()):
        raise Refused(400, "Say how long the body is.")
    return int(declared[:20])


def parse_json(body: bytes) -> Any:
    """The body as JSON. Refused: 400 where it is none, nests too deep, or has no finite numbers."""
    try:
        value = json.loads(body, parse_constant=_no_number, parse_float=_finite)
    except (ValueError, RecursionError):  # of its syntax, its encoding, or a number too long
        raise Refused(400, "This is no JSON.") from None
    if _is_deeper(value, MOST_DEPTH):
        raise Refused(400, f"Nest at most {MOST_DEPTH} deep.")
    return value


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects stand in each other further than so; looked at level by level."""
    inside = [value]
    for _ in range(levels):
        inside = [
            each
            for outer in inside
            if type(outer) is dict or type(outer) is list  # json makes no others
            for each in (outer.values() if type(outer) is dict else outer)
            if type(each) is dict or type(each) is list
        ]
        if not inside:
            return False
    return True


def _no_number(_name: str) -> NoReturn:
    raise ValueError  # NaN and Infinity are not JSON, and PostgreSQL does not keep them


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number
