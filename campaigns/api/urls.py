"""Addresses of the API. What no operation answers is refused in the same way as what one does."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.urls import URLPattern, URLResolver, include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from campaigns.api import docs
from campaigns.api.errors import Problem, answer, unexpected
from campaigns.api.openapi import api

View = Callable[..., HttpResponseBase]


def guarded(view: View) -> View:
    """Answers problem details whatever happens, and keeps answers out of caches."""

    # No cookie is looked at, so no other site can have a browser act: keys only (auth.py).
    @csrf_exempt
    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response = _answer(view, request, *args, **kwargs)
        response.headers.setdefault("Cache-Control", "no-store")
        if rate := getattr(request, "api_rate", None):
            for name, value in rate.headers().items():
                response.headers.setdefault(name, value)
        return response

    return answered


def _answer(view: View, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
    method = request.method
    if method == "HEAD":  # as GET (RFC 9110, 9.3.2); the server leaves the body out
        request.method = "GET"
    try:
        response = view(request, *args, **kwargs)
    except Http404:
        return answer(Problem(404))
    except RequestDataTooBig:
        return answer(Problem(413))
    except Exception as error:  # noqa: BLE001  what ninja does not handle is answered all the same
        return answer(unexpected(error))
    finally:
        request.method = method
    if response.status_code == 405:
        response = _other_method(response.headers.get("Allow", ""), is_question=method == "OPTIONS")
    if response.status_code == 204:
        del response.headers["Content-Type"]
    return response


def _other_method(taken: str, *, is_question: bool) -> HttpResponse:
    """What an address takes: to whoever asked for that, and to whoever sent something else."""
    methods = {"OPTIONS", *filter(None, taken.split(", "))}
    if "GET" in methods:
        methods.add("HEAD")
    headers = {"Allow": ", ".join(sorted(methods))}
    return (
        HttpResponse(status=204, headers=headers)
        if is_question
        else answer(Problem(405, f"This address takes {headers['Allow']}.", headers=headers))
    )


def not_found(_request: HttpRequest) -> HttpResponse:
    """An address that nothing is at."""
    raise Http404


def _all_guarded(patterns: list[Any]) -> list[URLPattern | URLResolver]:
    for pattern in patterns:
        pattern.callback = guarded(pattern.callback)
    return patterns


_operations, _app, _namespace = api.urls
_documents = [
    path("openapi.json", guarded(docs.openapi), name="api-openapi"),
    path("docs", guarded(docs.page), name="api-docs"),
    re_path(
        r"^docs/(?P<name>swagger-ui(?:-bundle|-init)?\.(?:js|css)|favicon\.svg)$",
        guarded(docs.file),
        name="api-docs-file",
    ),
]
urlpatterns: list[URLPattern | URLResolver] = [
    *_documents,
    path("", include((_all_guarded(_operations), _app), namespace=_namespace)),
    re_path("", guarded(not_found)),
]
