"""The links of a message, as doctors and machines reach them."""

from __future__ import annotations

import base64
import logging

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from messaging.links import hits, target, throttle
from messaging.links.remember import Remembered
from messaging.models import EventKind
from messaging.patience import DatabaseAwayError

logger = logging.getLogger(__name__)

# One transparent pixel.
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
TRY_AGAIN = 30  # seconds


def private(response: HttpResponse) -> HttpResponse:
    """The address of the page is a person's own: it goes to no other site and is kept nowhere."""
    response["Referrer-Policy"] = "no-referrer"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def not_known(request: HttpRequest) -> HttpResponse:
    """The one page for every link that is not known, whatever is wrong with it."""
    return private(render(request, "404.html", status=404))


def missed(request: HttpRequest) -> HttpResponse:
    """Answer to a link that nobody has. Who tried too many of them is told to wait.

    Only misses are counted and turned away: many doctors share one address of their carrier, so
    a link that somebody has is looked up first and always served.
    """
    who = throttle.address(request)
    if not throttle.is_turned_away(who):
        throttle.missed(who)
        return not_known(request)
    response = private(render(request, "messaging/turned_away.html", status=429))
    response["Retry-After"] = str(throttle.SECONDS)
    return response


def away(request: HttpRequest) -> HttpResponse:
    """The database is away, and nothing else knows the link."""
    response = private(render(request, "messaging/away.html", status=503))
    response["Retry-After"] = str(TRY_AGAIN)
    return response


@csrf_exempt  # so that whoever posts is told that it is not done, as anybody is
@never_cache
@require_safe
def follow_link(request: HttpRequest, token: str, link: str = "target") -> HttpResponse:
    """Redirect to the target that was stored for the message before it was sent.

    `link`: target; or hidden, which leads to the same place.
    """
    try:
        found = _take(request, token, EventKind.CLICKED, link)
    except DatabaseAwayError:
        return away(request)
    if found is None:
        return missed(request)
    if not target.is_allowed(found.target_url):
        logger.error("the link of delivery %s leads to a host not allowed", found.delivery_id)
        return not_known(request)
    return private(HttpResponseRedirect(found.target_url))


@csrf_exempt  # so that whoever posts is told that it is not done, as anybody is
@never_cache
@require_safe
def open_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Count an open; an unknown token gets the same picture."""
    try:
        if _take(request, token, EventKind.OPENED, "pixel") is None:
            throttle.missed(throttle.address(request))
    except DatabaseAwayError:
        logger.info("an open of an older message is not counted: the database is away")
    return private(HttpResponse(_PIXEL, content_type="image/gif"))


def _take(request: HttpRequest, token: str, kind: EventKind, link: str) -> Remembered | None:
    return hits.take(token, hits.hit_of(request, kind, link, timezone.now()))


@never_cache
@csrf_exempt
def test_link(request: HttpRequest, target: str) -> HttpResponse:
    """Where the links of tests lead; mail programs also post here to opt out with one click."""
    return private(render(request, "messaging/test_link.html", {"target": target}))


@never_cache
def nothing_there(request: HttpRequest, **_: str) -> HttpResponse:
    """An address of the right kind that no message has."""
    return not_known(request)
