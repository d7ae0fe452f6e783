"""The project's addresses: the admin, and what doctors open (links, opt-out, reports)."""

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView


def no_icon(_request: HttpRequest) -> HttpResponse:
    """Browsers ask for an icon by themselves; there is none."""
    return HttpResponse(status=204)


urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", no_icon),
    path("admin/", admin.site.urls),
    path("", include("messaging.urls")),
]
