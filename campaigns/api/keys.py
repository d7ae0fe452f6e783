"""Keys of programs: made and shown once, found by what a request says, revoked."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import User
from django.db.models import Q

from campaigns.models import ApiKey

START = "clr"  # what a scanner for leaked secrets looks for
USED_EVERY = timedelta(minutes=1)
_PREFIX_BYTES, _SECRET_BYTES = 5, 32
_NOBODYS = "0" * 64  # what an unknown key is compared with


def make(
    name: str, owner: User, scopes: Sequence[str], expires_at: datetime | None = None
) -> tuple[ApiKey, str]:
    """A new key, and its text: `clr_<prefix>_<secret>`, which is kept nowhere and told only now."""
    prefix = secrets.token_hex(_PREFIX_BYTES)
    text = f"{START}_{prefix}_{secrets.token_urlsafe(_SECRET_BYTES)}"
    key = ApiKey.objects.create(
        name=name,
        owner=owner,
        scopes=list(scopes),
        expires_at=expires_at,
        prefix=prefix,
        digest=digest(text),
    )
    return key, text


def digest(text: str) -> str:
    """SHA-256 of a key, hex.

    A slow hash protects what people choose; the secret's 256 random bits cannot be guessed at any
    speed, and each request has to be checked.
    """
    return hashlib.sha256(text.encode()).hexdigest()


def find(text: str, now: datetime) -> ApiKey | None:
    """The key that a request names, with its owner. None: unknown, revoked, expired, or not whole.

    Takes as long for a wrong secret as for a wrong prefix.
    """
    start, _, rest = text.partition("_")
    prefix, _, secret = rest.partition("_")
    if start != START or not secret or not prefix.isalnum() or not text.isascii():
        return None
    key = ApiKey.objects.usable(now).filter(prefix=prefix).select_related("owner").first()
    kept = key.digest if key else _NOBODYS
    return key if hmac.compare_digest(kept, digest(text)) else None


def note_use(key: ApiKey, now: datetime) -> None:
    """Remember that it was used, to the minute: not each request writes a row."""
    if key.last_used_at and now - key.last_used_at < USED_EVERY:
        return
    before = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
    ApiKey.objects.filter(before, pk=key.pk).update(last_used_at=now)


def revoke(key: ApiKey, now: datetime) -> bool:
    """Have it refused from now on, for good. False: it was revoked already."""
    return bool(ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now))
