"""What doctors do with a message: follow its link, open it, say that they want no more."""

from __future__ import annotations

import base64
import re
from typing import Any

from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from messaging import optout, track
from messaging.models import Channel, EventKind, MessageDelivery, UnsubscribeRecord
from segments.definitions import definition
from segments.models.fields import uuid7

# One transparent pixel.
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
# Programs that fetch links on their own: kept and flagged, not counted.
_MACHINE = re.compile(r"bot|crawl|spider|preview|scan|whatsapp|facebookexternal|curl|python", re.I)


def _delivery(token: str) -> MessageDelivery:
    delivery = track.find_by_token(token)
    if delivery is None:
        raise Http404("This link is not known. It may have been cut off when it was copied.")
    return delivery


def _report(request: HttpRequest, delivery: MessageDelivery, kind: EventKind) -> None:
    """Store the hit and count it, unless a machine made it."""
    now = timezone.now()
    agent = request.headers.get("User-Agent", "")
    machine = request.method == "HEAD" or not agent or bool(_MACHINE.search(agent))
    hit = track.Event(
        provider="link",
        key=f"{kind}:{uuid7()}",
        kind=kind,
        occurred_at=now,
        delivery_id=delivery.pk,
        is_machine=machine,
    )
    track.store([hit], now)
    track.apply_events(now)


def _private(response: HttpResponse) -> HttpResponse:
    """The address of the page is a person's own: it goes to no other site."""
    response["Referrer-Policy"] = "no-referrer"
    return response


@never_cache
@require_safe
def follow_link(request: HttpRequest, token: str) -> HttpResponse:
    """Redirect to the target that was stored for the message before it was sent."""
    delivery = _delivery(token)
    if not delivery.target_url:
        raise Http404("This link leads nowhere.")
    _report(request, delivery, EventKind.CLICKED)
    return _private(HttpResponseRedirect(delivery.target_url))


@never_cache
@require_safe
def open_pixel(request: HttpRequest, token: str) -> HttpResponse:
    """Count an open; an unknown token gets the same picture."""
    delivery = track.find_by_token(token)
    if delivery is not None:
        _report(request, delivery, EventKind.OPENED)
    return _private(HttpResponse(_PIXEL, content_type="image/gif"))


@never_cache
@csrf_exempt
def test_link(request: HttpRequest, target: str) -> HttpResponse:
    """Where the links of tests lead; mail programs also post here to opt out with one click."""
    return _private(render(request, "messaging/test_link.html", {"target": target}))


@method_decorator([never_cache, csrf_exempt], name="dispatch")
class Preferences(View):
    """What a doctor wants to get. Looking changes nothing; a POST acts at once.

    The token in the address is the proof of who asks, so no login and no cookie is needed; that
    is also what mail programs use for one-click opt-out (RFC 8058).
    """

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show what the doctor gets now and the ways out."""
        delivery = _delivery(token)
        return _private(render(request, "messaging/preferences.html", self._context(delivery)))

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Opt out of a channel, a kind of campaign or everything; or come back."""
        delivery = _delivery(token)
        if request.POST.get("List-Unsubscribe") == "One-Click":
            self._opt_out(delivery, delivery.channel, None, "one-click")
            return HttpResponse("You will get no more of these.", content_type="text/plain")
        scope = request.POST.get("scope", "all")
        segment_type = delivery.enrollment.campaign.segment_type
        reason = request.POST.get("reason", "").replace("\x00", "")[:500].strip() or None
        if scope == "back":
            self._opt_in(delivery)
        elif scope == "channel":
            self._opt_out(delivery, delivery.channel, None, "link", reason)
        elif scope == "kind":
            self._opt_out(delivery, None, segment_type, "link", reason)
        else:
            self._opt_out(delivery, None, None, "link", reason)
        return _private(redirect("messaging:preferences", token=token))

    def _opt_out(
        self,
        delivery: MessageDelivery,
        channel: str | None,
        segment_type: str | None,
        source: str,
        reason: str | None = None,
    ) -> None:
        optout.opt_out(
            delivery.doctor_id,
            channel,
            segment_type,
            reason=reason,
            source=source,
            now=timezone.now(),
            delivery=delivery,
        )

    @transaction.atomic
    def _opt_in(self, delivery: MessageDelivery) -> None:
        now = timezone.now()
        for record in UnsubscribeRecord.objects.standing().filter(doctor_id=delivery.doctor_id):
            optout.opt_in(record, now)

    def _context(self, delivery: MessageDelivery) -> dict[str, Any]:
        segment_type = delivery.enrollment.campaign.segment_type
        standing = UnsubscribeRecord.objects.standing().filter(doctor_id=delivery.doctor_id)
        return {
            "channel": Channel(delivery.channel).label,
            "kind": definition(segment_type).label,
            "standing": [
                {
                    "channel": Channel(record.channel).label if record.channel else "",
                    "kind": definition(record.segment_type).label if record.segment_type else "",
                }
                for record in standing.order_by("unsubscribed_at")
            ],
        }
