"""The project's addresses: the admin, and what doctors open (links, opt-out, reports)."""

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView

from reengage import views
from reengage.dashboard import export

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index")),
    path("favicon.ico", views.no_icon),
    path("healthz", views.healthz),
    path("admin/dashboard.csv", export.download, name="dashboard_csv"),
    path("admin/", admin.site.urls),
    path("api/v1/", include("campaigns.api.urls")),
    path("webhooks/", include("messaging.webhooks.urls")),
    path("", include("messaging.urls")),
]
