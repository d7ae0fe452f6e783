"""Addresses that doctors reach from their messages."""

from django.urls import path

from messaging import views
from messaging.preview import TEST_TOKEN

app_name = "messaging"

urlpatterns = [
    path(f"r/{TEST_TOKEN}", views.test_link, {"target": "the course, session or certificate"}),
    path(f"u/{TEST_TOKEN}", views.test_link, {"target": "the choice of what to get"}),
    path("r/<str:token>", views.follow_link, name="link"),
    path("o/<str:token>.gif", views.open_pixel, name="pixel"),
    path("u/<str:token>", views.Preferences.as_view(), name="preferences"),
]
