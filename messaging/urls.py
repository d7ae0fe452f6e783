"""Addresses that doctors reach from their messages.

Whatever stands after r/, u/, o/ and h/ is looked up as a token, so that every wrong one gets the
same page. Of an SMS the header stands in the path instead of the r: any that was ever ours.
"""

from django.urls import path, re_path, register_converter
from django.urls.converters import StringConverter

from messaging.links import views as links
from messaging.preferences import views as preferences
from messaging.preview import TEST_TOKEN

app_name = "messaging"


class Anything(StringConverter):
    """The rest of an address, slashes and line ends too."""

    regex = r"(?s:.+)"


register_converter(Anything, "anything")

# Three to eleven capital letters and digits: no other address of ours is written so.
_HEADER = r"^[A-Z0-9]{3,11}/"
_TARGET = {"target": "the course, session or certificate"}
_CHOICE = {"target": "the choice of what to get"}

urlpatterns = [
    path(f"r/{TEST_TOKEN}", links.test_link, _TARGET),
    path(f"h/{TEST_TOKEN}", links.test_link, _TARGET),
    path(f"u/{TEST_TOKEN}", links.test_link, _CHOICE),
    re_path(rf"{_HEADER}{TEST_TOKEN}$", links.test_link, _TARGET),
    re_path(rf"{_HEADER}u/{TEST_TOKEN}$", links.test_link, _CHOICE),
    path("r/<anything:token>", links.follow_link, name="link"),
    path("h/<anything:token>", links.follow_link, {"link": "hidden"}, name="hidden"),
    path("o/<anything:token>.gif", links.open_pixel, name="pixel"),
    path("o/<anything:token>", links.nothing_there),
    path("u/<anything:token>", preferences.Preferences.as_view(), name="preferences"),
    re_path(rf"{_HEADER}u/(?P<token>[\w-]{{22}})$", preferences.Preferences.as_view()),
    re_path(rf"{_HEADER}(?P<token>[\w-]{{22}})$", links.follow_link),
]
