"""A provider and a view that say everything they know of a doctor where they should not."""

from collections.abc import Sequence

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from messaging.providers import PROVIDERS
from messaging.providers.base import Accepted, HandOff, Outgoing, Receipt, Refused
from segments.models import Doctor


class LoudProvider:
    """Accepts SMS, refuses e-mail by name, and breaks down over WhatsApp."""

    name = "loud"

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        """As the channel has it."""
        (message,) = messages
        said = f"<{message.recipient}>: {message.text}"
        if message.channel == "sms":
            return [Accepted(f"loud-{message.delivery_id}")]
        if message.channel == "email":
            return [Refused("550", f"no mailbox {said}", permanent=True)]
        raise RuntimeError(said)


PROVIDERS["loud"] = LoudProvider  # type: ignore[assignment]


def break_down(_request: HttpRequest) -> HttpResponse:
    """Have the database say whose e-mail address was there already."""
    first = Doctor.objects.values().get()
    Doctor.objects.create(**{**first, "id": None, "external_id": "other", "phone": None})
    return HttpResponse()


urlpatterns = [path("loud/", break_down), path("", include("reengage.urls"))]
