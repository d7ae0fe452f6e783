"""Addresses that doctors reach from their messages."""

from django.urls import path

from messaging import views

app_name = "messaging"

urlpatterns = [
    path("r/<str:token>", views.follow_link, name="link"),
    path("o/<str:token>.gif", views.open_pixel, name="pixel"),
    path("u/<str:token>", views.Preferences.as_view(), name="preferences"),
]
