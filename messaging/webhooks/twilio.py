"""Twilio: status callbacks and messages from doctors, form-encoded and signed with the auth token.

The signature covers the public address and every parameter. Callbacks carry no time, so the same
status of the same message is the same report, whenever it comes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlparse

from django.http import HttpRequest, HttpResponse, QueryDict
from twilio.request_validator import (
    SIGNATURE_SETTINGS_HEADER,
    RequestValidator,
    add_port,
    get_signature_algorithm,
    remove_port,
)

from messaging.models import Channel, EventKind
from messaging.providers.codes import TWILIO
from messaging.providers.twilio import DELIVERY, account_of
from messaging.track import Event
from messaging.webhooks.base import Webhook, is_signed, public_url
from messaging.webhooks.body import Refused
from messaging.webhooks.codes import TWILIO_STATUSES, TWILIO_WORDS

# Who wrote or got it: kept with messages from doctors, where it says who it was, and nowhere else.
_PERSONAL = frozenset({"To", "From", "WaId", "ProfileName", "ChannelToAddress", "Body"})


class TwilioWebhook(Webhook):
    """`/webhooks/twilio/`, for both."""

    provider = "twilio"
    content_type = "application/x-www-form-urlencoded"
    form: QueryDict  # of this request, once it was verified

    def verify(self, request: HttpRequest, body: bytes, keys: Sequence[str]) -> None:
        """X-Twilio-Signature, by the official client's reckoning, with and without a port."""
        signature = request.headers.get("X-Twilio-Signature")
        if not signature:
            raise Refused(403, "It is not signed.")
        algorithm = get_signature_algorithm(request.headers.get(SIGNATURE_SETTINGS_HEADER))
        address = urlparse(public_url(request))
        both = (add_port, remove_port) if address.port else (remove_port, add_port)
        addresses = [way(address) for way in both]  # first as it was given to Twilio
        self.form = _form(body)
        expected = (
            RequestValidator(key).compute_signature(each, self.form, algorithm)
            for key in keys
            for each in addresses
        )
        try:
            if is_signed(signature, expected):
                return
        except ValueError:
            raise Refused(403, "Its kind of signature is not known.") from None
        raise Refused(403, "It is signed for another address or body, or with another key.")

    def parse(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002
        """A status, or a message from a doctor."""
        form: dict[str, str] = dict(self.form.items())  # type: ignore[arg-type]  # one of each
        message_sid = form["MessageSid"]
        if not message_sid:
            raise Refused(400, "It names no message.")
        if status := form.get("MessageStatus"):
            return [_status(form, message_sid, status, request.GET.get(DELIVERY, ""), now)]
        return [_inbound(form, message_sid, now)]

    def answer(self) -> HttpResponse:
        """No instructions: any text here would be sent to the doctor."""
        return HttpResponse("<Response></Response>", content_type="text/xml")


def _form(body: bytes) -> QueryDict:
    try:
        return QueryDict(body.decode(), encoding="utf-8")  # keeps blank values
    except ValueError:
        raise Refused(400, "This is no form.") from None


def _status(form: Mapping[str, str], sid: str, status: str, delivery: str, now: datetime) -> Event:
    code = form.get("ErrorCode") or ""
    kind = TWILIO_STATUSES.get(status, EventKind.SENT)  # one not known yet: Twilio has it
    failed = kind == EventKind.FAILED
    words = TWILIO_WORDS.get(code) or form.get("ChannelStatusMessage") or f"Twilio: {status}"
    return Event(
        provider="twilio",
        key=f"{sid}:{status}:{code}",
        kind=kind,
        occurred_at=now,
        delivery_id=delivery_named(delivery),
        external_id=sid,
        detail={
            "raw": _without_person(form),
            **({"code": code, "error": words} if failed else {}),
        },
        verdict=(TWILIO.get(code).verdict or "") if failed else "",
    )


def _inbound(form: Mapping[str, str], sid: str, now: datetime) -> Event:
    sender = form["From"]
    channel = Channel.WHATSAPP if sender.startswith("whatsapp:") else Channel.SMS
    return Event(
        provider="twilio",
        key=f"{sid}:received",
        kind=EventKind.INBOUND,
        occurred_at=now,
        external_id=sid,
        detail={
            "channel": channel,
            "from": sender.removeprefix("whatsapp:"),
            "text": form.get("Body") or "",
            "button": form.get("ButtonPayload") or form.get("ButtonText") or "",
            "wish": form.get("OptOutType") or "",
            "account": account_of(form.get("AccountSid") or "", channel),
            "raw": _without_person(form),
        },
    )


def _without_person(form: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in form.items() if name not in _PERSONAL}


def delivery_named(text: Any) -> uuid.UUID | None:
    """Our delivery, where a report names one in the way that a UUID is written."""
    try:
        return uuid.UUID(text) if isinstance(text, str) else None
    except ValueError:
        return None
