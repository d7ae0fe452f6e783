"""Pages of the project itself."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from reengage import machines


def no_icon(_request: HttpRequest) -> HttpResponse:
    """Browsers ask for an icon by themselves; there is none."""
    return HttpResponse(status=204)


@never_cache
@require_safe
def healthz(_request: HttpRequest) -> JsonResponse:
    """Whether everything runs, for monitors: 200, or 503 with what does not; in two seconds."""
    found = machines.report()
    is_ok = all(check.is_ok or check.is_warning for check in found)
    shown: dict[str, dict[str, Any]] = {
        check.name: {"ok": check.is_ok, "warning": check.is_warning, "why": check.why}
        for check in found
    }
    return JsonResponse({"ok": is_ok, "checks": shown}, status=200 if is_ok else 503)
