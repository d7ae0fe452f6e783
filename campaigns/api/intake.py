"""The body: at most a megabyte of JSON, not too deep, and nothing that cannot be stored."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja.parser import Parser

from campaigns.api.errors import Problem
from messaging.webhooks import body

JSON = "application/json"


def take(request: HttpRequest) -> None:
    """Read the body and keep it parsed. Refused: 400, 411, 413, 415."""
    if request.META.get("HTTP_TRANSFER_ENCODING"):  # Django reads as much as Content-Length says
        raise Problem(411)
    if request.META.get("CONTENT_LENGTH") in (None, "", "0"):
        return
    request.json = body.parse_json(body.read(request, JSON))  # type: ignore[attr-defined]


class Taken(Parser):
    """Hands ninja what was parsed already."""

    def parse_body(self, request: HttpRequest) -> Any:
        """The body as JSON."""
        return request.json  # type: ignore[attr-defined]
