"""What every webhook does: check the size, verify, parse, keep, answer.

A subclass says how its provider signs and what a report looks like. Nothing is counted here: the
answer means that the reports are in the database, or on the disk while that is away.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from messaging.track import Event
from messaging.webhooks import intake
from messaging.webhooks.body import Refused, read

logger = logging.getLogger(__name__)

# A report that is older was not under way: providers try again for some days at most.
OLDEST = timedelta(days=30)
# What reading a report raises that is not what it should be.
UNREADABLE = (
    *(KeyError, TypeError, ValueError, AttributeError, RecursionError),
    *(ArithmeticError, OSError),  # of a time that no clock shows
)


@method_decorator(csrf_exempt, name="dispatch")
class Webhook(View):
    """One provider's door. Without a key in settings.WEBHOOK_KEYS it is shut: 404."""

    http_method_names = ["post"]
    provider: ClassVar[str]
    content_type: ClassVar[str] = "application/json"

    def verify(self, request: HttpRequest, body: bytes, keys: Sequence[str]) -> None:
        """Refused (401 or 403) unless one of the keys signed exactly this."""
        raise NotImplementedError

    def parse(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:
        """The reports in it. Refused (400) where it is not what the provider sends."""
        raise NotImplementedError

    def answer(self) -> HttpResponse:
        """What the provider gets when all is kept."""
        return HttpResponse(content_type="text/plain")

    def post(self, request: HttpRequest, *_args: Any, **_kwargs: Any) -> HttpResponse:
        """Take the reports in: 200 once they are kept, 503 where they cannot be."""
        keys = keys_of(self.provider)
        if not keys:
            return self.refuse(Refused(404, "This webhook has no key, so it is shut."))
        try:
            body = read(request, self.content_type)
            self.verify(request, body, keys)
            now = timezone.now()
            intake.take(self._events(request, body, now), now)
        except Refused as refused:
            # As text: of an exception the log shows the name alone (messaging/privacy/logs.py).
            logger.warning("webhook of %s: %s %s", self.provider, refused.status, str(refused))
            return self.refuse(refused)
        except intake.NotKept:
            logger.exception("webhook of %s: nothing could be kept", self.provider)
            return HttpResponse("Try again later.", status=503, content_type="text/plain")
        return self.answer()

    def refuse(self, refused: Refused) -> HttpResponse:
        """The answer to what is not taken."""
        return HttpResponse(str(refused), status=refused.status, content_type="text/plain")

    def _events(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:
        try:
            events = self.parse(request, body, now)
        except UNREADABLE as error:
            # Signed, and not what it should be: its text may quote the sender.
            raise Refused(400, f"This is no report ({type(error).__name__}).") from None
        return [_at_likely_time(event, now) for event in events]


def _at_likely_time(event: Event, now: datetime) -> Event:
    """The report, with the time that it tells in UTC; when it came, where it was not then.

    PostgreSQL keeps times that Python cannot read, and refuses zones that Python knows: one such
    report would hold up all others.
    """
    told = event.occurred_at
    likely = told.astimezone(UTC) if now - OLDEST <= told <= now else now
    return event if likely is told else replace(event, occurred_at=likely)  # a copy costs


def keys_of(provider: str) -> list[str]:
    """The keys that a provider may sign with now: two while they are being changed."""
    return [key for key in settings.WEBHOOK_KEYS.get(provider, ()) if key]


def is_signed(signature: str, expected: Iterable[str]) -> bool:
    """Whether the signature is one of these, each compared in constant time."""
    given = signature.encode()
    return any(hmac.compare_digest(given, each.encode()) for each in expected)


def digest(key: str, body: bytes) -> str:
    """HMAC-SHA256 of the body, in hexadecimal."""
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


def public_url(request: HttpRequest) -> str:
    """The address that the provider was given: of the configured host, whatever `Host` says."""
    query = request.META.get("QUERY_STRING", "")
    return f"{settings.PUBLIC_BASE_URL}{request.path}{'?' if query else ''}{query}"
