"""Who asks, and whether they may: the key's scope, and a permission of its owner.

In this order: the key (401), how often (429), scope and permission (403), and only then is the body
read. Cookies are not looked at, so no web page can have a browser do anything here.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja.security import HttpBearer

from campaigns import trail
from campaigns.api import intake, keys, throttle
from campaigns.api.errors import Problem, missing
from campaigns.models import ApiKey, ApiScope

# Methods that change nothing (RFC 9110): who asked is of no concern to the trail.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Asked(HttpRequest):
    """A request that has come in: with its key, and the body as JSON."""

    auth: ApiKey
    json: Any


class Key(HttpBearer):
    """Asks for a key with this scope, whose owner has these permissions."""

    openapi_description = "A key of the admin (API keys): clr_<prefix>_<secret>"

    def __init__(self, scope: ApiScope, *permissions: str) -> None:
        super().__init__()
        self.scope, self.permissions = scope, permissions

    def authenticate(self, request: HttpRequest, token: str) -> ApiKey | None:
        """The key. None: 401, and the same for every key that is no good. Problem: 403, 429."""
        now = timezone.now()
        if (key := keys.find(token, now)) is None:
            return None
        rate = throttle.take(str(key.pk))
        request.api_rate = rate  # type: ignore[attr-defined]  # told by every answer (urls.py)
        if rate.is_over:
            said = f"At most {rate.limit} requests a minute: wait {rate.reset} seconds."
            raise Problem(429, said, headers=rate.headers())
        keys.note_use(key, now)
        if self.scope not in key.scopes:
            raise Problem(403, f"The key lacks the scope “{self.scope}”.", kind="scope-missing")
        need(key, *self.permissions)
        intake.take(request)
        if request.method not in SAFE:
            trail.act_as(key.owner, f"API key “{key.name}”")
        return key


def need(key: ApiKey, *permissions: str) -> None:
    """Problem (403): the key's owner lacks a permission."""
    if lacking := [name for name in permissions if not key.owner.has_perm(name)]:
        said = f"The key's owner lacks the permission {missing(lacking)}."
        raise Problem(403, said, kind="permission-missing")
