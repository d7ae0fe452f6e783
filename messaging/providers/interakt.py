"""WhatsApp through Interakt's public API: approved templates by name and language, and free text.

Interakt's reference shows templates only; what a free text looks like is seen in programs that send
it, so it stands in one place (_text).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any, ClassVar

import phonenumbers

from messaging.providers.account import Account, Variable
from messaging.providers.base import Accepted, Need, Outgoing, Receipt
from messaging.providers.codes import INTERAKT
from messaging.providers.http import FOR_NOW, HttpProvider, UnfitError, refusal
from messaging.providers.http_line import Request
from messaging.providers.template_values import checked
from messaging.whatsapp import LONGEST

API_KEY = Variable("API_KEY", "the secret key of Interakt's developer settings, as it stands there")
API_URL = Variable("API_URL", "where calls go", "https://api.interakt.ai")


class InteraktProvider(HttpProvider):
    """Carries WhatsApp."""

    name = "interakt"
    channels = frozenset({"whatsapp"})
    needs: ClassVar[Mapping[str, Need]] = {"whatsapp": Need.WHATSAPP_NAME}
    variables: ClassVar = (API_KEY, API_URL)
    # For whoever checks: what shows with a message only.
    unasked = "Interakt has no call that reads: whether it accepts the key shows with a message."

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.name = account.name
        self._account = account

    def request_for(self, message: Outgoing) -> Request:
        """POST of a message; UnfitError: there is nothing that may be sent."""
        country, number = _split(message.recipient)
        call = {
            "countryCode": country,
            "phoneNumber": number,
            "callbackData": str(message.delivery_id),
            **(_text(message) if message.is_free_text else _template(message)),
        }
        headers = {
            # The key is base64 as it is.
            "Authorization": f"Basic {self._account.get(API_KEY)}",
            "Content-Type": "application/json",
        }
        url = f"{self._account.get(API_URL)}/v1/public/message/"
        return Request("POST", url, headers, json.dumps(call).encode())

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:  # noqa: ARG002
        """Taken where `result` is true; a 2xx that says false is a refusal."""
        if status in FOR_NOW:
            return refusal(status, body)
        told = json.loads(body)
        if status >= 400:
            return INTERAKT.refused(status, str(told.get("message", "")))
        if told["result"] is True:
            return Accepted(str(told["id"]))
        if told["result"] is False:
            return INTERAKT.refused(400, str(told.get("message", "")))
        raise ValueError("neither true nor false")

    def problems(self, _channel: str) -> Iterator[str]:
        """What can be seen without asking: whether the key looks like one."""
        name = self._account.variable("API_KEY")
        try:
            base64.b64decode(self._account.get(API_KEY), validate=True)
        except (binascii.Error, ValueError):
            yield f"{name} is not as Interakt shows it: it should be base64."


def _template(message: Outgoing) -> dict[str, Any]:
    """The approved template with every value that it has."""
    if not (message.whatsapp_name and message.whatsapp_language):
        raise UnfitError("Its template has no name and language at Interakt.")
    template: dict[str, Any] = {
        "name": message.whatsapp_name,
        "languageCode": message.whatsapp_language,
    }
    if message.parameters:
        template["bodyValues"] = list(checked(message.parameters))
    return {"type": "Template", "template": template}


def _text(message: Outgoing) -> dict[str, Any]:
    """Our own words."""
    if len(message.text) > LONGEST:
        raise UnfitError(f"It is longer than {LONGEST:,} characters.")
    return {"type": "Text", "data": {"message": message.text}}


def _split(recipient: str) -> tuple[str, str]:
    """+91 and the number after it."""
    try:
        number = phonenumbers.parse(recipient, None)
    except phonenumbers.NumberParseException as error:
        raise UnfitError("The number is not one.") from error
    return f"+{number.country_code}", phonenumbers.national_significant_number(number)
