"""Puts what a request changes down to the person who sent it (campaigns/trail.py)."""

from __future__ import annotations

from collections.abc import Callable

from django.db import Error, connection
from django.http import HttpRequest, HttpResponse

from campaigns import trail

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """After the login's middleware: whoever is logged in did what the request does.

    A request that only reads costs nothing. The API says itself who its key's owner is.
    """

    def answer(request: HttpRequest) -> HttpResponse:
        try:
            if request.method not in SAFE and request.user.is_authenticated:
                trail.act_as(request.user)
            return get_response(request)
        finally:
            _stop()

    return answer


def _stop() -> None:
    """No later request on this connection is put down to this person."""
    try:
        trail.stop_acting()
    except Error:
        connection.close()  # it is broken: the next request gets a new one
