"""/u/<token>: what a doctor wants to get. Looking changes nothing; a POST acts at once."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt

from messaging import track
from messaging.links import hits
from messaging.links.views import away, missed, private
from messaging.models import EventKind, MessageDelivery
from messaging.patience import DatabaseAwayError, ask
from messaging.preferences import later, wish
from messaging.preferences.page import page_of
from messaging.webhooks import body

# The page holds no script, loads nothing and stands in nobody's frame.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_SAVED = "saved"


@method_decorator([never_cache, csrf_exempt], name="dispatch")
class Preferences(View):
    """What a doctor wants to get.

    The token in the address is the proof of who asks, so no login and no cookie is needed; that
    is also what mail programs use for one-click opt-out (RFC 8058). A page of another site cannot
    forge a POST without knowing the token, so Django's own protection has nothing to add.
    """

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        """Show what the doctor gets now and the ways out."""

        def show(delivery: MessageDelivery) -> HttpResponse:
            hit = hits.hit_of(request, EventKind.LOOKED, "preferences", timezone.now())
            hits.store(token, hit)
            context = {"page": page_of(delivery), "is_saved": _SAVED in request.GET}
            return render(request, "messaging/preferences.html", context)

        return self._with_delivery(request, token, show)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        """Do what the doctor says. A mail program gets 200, a person the page again."""
        try:
            body.read(request, request.content_type or "")  # so big at most, and so slow
        except body.Refused as refused:
            return private(HttpResponse(str(refused), "text/plain", refused.status))
        said = wish.read(request.POST)

        def act(delivery: MessageDelivery) -> HttpResponse:
            wish.act(delivery, said, timezone.now())
            if said == wish.ONE_CLICK:
                return _done()
            return HttpResponseRedirect(f"{request.path}?{_SAVED}")

        def keep() -> HttpResponse | None:
            is_kept = said == wish.ONE_CLICK and later.keep(token, timezone.now())
            return _done() if is_kept else None

        return self._with_delivery(request, token, act, keep)

    def _with_delivery(
        self,
        request: HttpRequest,
        token: str,
        work: Callable[[MessageDelivery], HttpResponse],
        keep: Callable[[], HttpResponse | None] = lambda: None,
    ) -> HttpResponse:
        """What `work` answers; while the database is away what `keep` does, if it can be kept."""

        def look_up_and_work() -> HttpResponse | None:
            delivery = track.find_by_token(token)
            return work(delivery) if delivery else None

        try:
            response = ask(look_up_and_work)
        except DatabaseAwayError:
            kept = keep()
            return private(kept) if kept else away(request)
        if response is None:
            return missed(request)
        response["Content-Security-Policy"] = _POLICY
        return private(response)


def _done() -> HttpResponse:
    """For a mail program, which shows it to nobody."""
    words = "You will get no more of these.\n"
    return HttpResponse(words, content_type="text/plain; charset=utf-8")
