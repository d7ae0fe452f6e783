"""The web server of the benchmarks: the project's, with one more address whose view is empty."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from reengage.wsgi import application

__all__ = ["application"]


@csrf_exempt
def empty(_request: HttpRequest) -> HttpResponse:
    """Nothing but what every view costs."""
    return HttpResponse()


urlpatterns = [path("empty/", empty), path("", include("reengage.urls"))]
settings.ROOT_URLCONF = __name__
