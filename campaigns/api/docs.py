"""The API's description: as a page for staff, and as OpenAPI for programs with a key."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import ninja
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.static import serve

from campaigns.api import keys
from campaigns.api.errors import Problem, answer
from campaigns.api.openapi import api

# Ninja brings Swagger UI along; its files are served from there, nothing from elsewhere.
FILES = Path(ninja.__file__).parent / "static" / "ninja"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@require_safe
def openapi(request: HttpRequest) -> HttpResponse:
    """The description as JSON; 401 for who is neither staff nor has a key."""
    if not (_is_staff(request) or _has_key(request)):
        return answer(Problem(401))
    return JsonResponse(_schema())


@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """The description to be read and tried out; staff log in first."""
    if not _is_staff(request):
        return redirect_to_login(request.get_full_path(), reverse("admin:login"))
    settings = {
        "url": reverse("api-openapi"),
        "layout": "BaseLayout",
        "deepLinking": True,
        "validatorUrl": None,  # it would be asked over the internet
        "docExpansion": "list",
        "defaultModelsExpandDepth": 0,  # they stand with each operation
        "persistAuthorization": False,  # a key stays in no browser
    }
    shown = render(request, "campaigns/api/docs.html", {"settings": settings, "title": api.title})
    shown["Content-Security-Policy"] = POLICY
    return shown


@require_safe
def file(request: HttpRequest, name: str) -> HttpResponseBase:
    """One of the page's files: the same for everybody, so caches may keep it."""
    found = serve(request, name, document_root=str(FILES))
    found["Cache-Control"] = "public, max-age=3600"
    return found


@cache
def _schema() -> dict[str, Any]:
    return dict(api.get_openapi_schema())


def _is_staff(request: HttpRequest) -> bool:
    return request.user.is_authenticated and request.user.is_active and request.user.is_staff


def _has_key(request: HttpRequest) -> bool:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    return kind.lower() == "bearer" and keys.find(text, timezone.now()) is not None
