"""E-mail: anymail's tracking views of SendGrid and Amazon SES, behind our own lock.

Anymail skips what it has no key for; here a provider without one is shut. SES's notifications
carry no signature that anymail checks, so they come with basic auth (user:password); SendGrid's
are signed with its verification key. The events that anymail signals go into the same store.
"""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
import warnings
from collections.abc import Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent, tracking
from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse

from messaging.models import EventKind
from messaging.providers.codes import SENDGRID, SES
from messaging.track import Event
from messaging.webhooks.base import Webhook, is_signed, keys_of
from messaging.webhooks.body import Refused, parse_json
from messaging.webhooks.codes import MAIL_KINDS, MAIL_REJECTIONS, MAIL_VERDICTS
from messaging.webhooks.twilio import delivery_named

METADATA = "delivery_id"  # what our mails carry for the provider to give back
# Apple's mail privacy loads every picture with exactly this.
_PRELOADER = "Mozilla/5.0"
_signalled: ContextVar[list[AnymailTrackingEvent]] = ContextVar("signalled")


@receiver(tracking, dispatch_uid="messaging.webhooks.mail")
def hear(event: AnymailTrackingEvent, **_: Any) -> None:
    """Gather what anymail's view makes of one request."""
    _signalled.get().append(event)


class MailWebhook(Webhook):
    """What the two share: the view of anymail's that parses, and its events as ours."""

    def parse(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:
        """Have anymail's view post the request to our receiver."""
        parse_json(body)
        gathered: list[AnymailTrackingEvent] = []
        token = _signalled.set(gathered)
        try:
            self.delegate(request)
        except AnymailWebhookValidationFailure:
            raise Refused(403, "It is not the provider's.") from None
        except AnymailError:
            raise Refused(400, "This is no report.") from None
        finally:
            _signalled.reset(token)
        return [_event(self.provider, event, place, now) for place, event in enumerate(gathered)]

    def delegate(self, request: HttpRequest) -> HttpResponse:
        """Call anymail's view."""
        raise NotImplementedError


class SendGridWebhook(MailWebhook):
    """`/webhooks/anymail/sendgrid/tracking/`; its keys are SendGrid's verification keys."""

    provider = "sendgrid"

    def verify(self, request: HttpRequest, body: bytes, keys: Sequence[str]) -> None:  # noqa: ARG002
        """The signature over timestamp and body, by one of the keys."""
        for key in keys:
            try:
                _sendgrid(key).run_validators(request)
            except AnymailWebhookValidationFailure:
                continue
            except ValueError:  # a key that is none
                continue
            return
        raise Refused(403, "It is not signed, or not for this body with one of the keys.")

    def delegate(self, request: HttpRequest) -> HttpResponse:
        """Anymail's view, without another check: this one's keys have been tried."""
        answer: HttpResponse = _sendgrid("").post(request)
        return answer


class _SendGridView(SendGridTrackingWebhookView):  # type: ignore[misc]  # anymail has no types
    """Anymail's own, where the basic auth that SES needs is not asked for as well."""

    tracking_webhook_verification_key = None

    def __init__(self, **kwargs: Any) -> None:
        """As anymail's."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of official support, and of basic auth
            super().__init__(**kwargs)
        self.basic_auth: list[str] = []


def _sendgrid(key: str) -> _SendGridView:
    return _SendGridView(tracking_webhook_verification_key=key)


class SesWebhook(MailWebhook):
    """`/webhooks/anymail/amazon_ses/tracking/`: SNS notifications, as text/plain."""

    provider = "amazon_ses"
    content_type = "text/plain"

    def verify(self, request: HttpRequest, body: bytes, keys: Sequence[str]) -> None:  # noqa: ARG002
        """Basic auth with one of the keys; SNS sends it only when asked with a 401."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "basic":
            raise Refused(401, "Say who you are.")
        try:
            told = base64.b64decode(given, validate=True).decode()
        except ValueError:
            raise Refused(403, "It is not the provider's.") from None
        if not is_signed(told, keys):
            raise Refused(403, "It is not the provider's.")

    def refuse(self, refused: Refused) -> HttpResponse:
        """As everywhere, with the question that makes SNS send its password."""
        response = super().refuse(refused)
        if refused.status == 401:
            response["WWW-Authenticate"] = 'Basic realm="reports"'
        return response

    def delegate(self, request: HttpRequest) -> HttpResponse:
        """Anymail's view; it also confirms the subscription of the topic."""
        answer: HttpResponse = _SesView().post(request)
        return answer


class _SesView(AmazonSESTrackingWebhookView):  # type: ignore[misc]  # anymail has no types
    """Anymail's own, with our keys as its secret: it confirms no subscription without one."""

    def __init__(self, **kwargs: Any) -> None:
        """As anymail's."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the keys come now
            super().__init__(**kwargs)
        self.basic_auth = keys_of(SesWebhook.provider)


def _event(provider: str, event: AnymailTrackingEvent, place: int, now: datetime) -> Event:
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    is_ses = provider == SesWebhook.provider
    kind = MAIL_KINDS.get(event.event_type, EventKind.SENT)
    failed = kind == EventKind.FAILED
    verdict = _verdict(provider, event, raw)
    words = event.mta_response or event.description or event.reject_reason or ""
    return Event(
        provider=provider,
        # One notification of SES may be about several recipients.
        key=f"{event.event_id or _digest(raw)}:{event.event_type}:{place * is_ses}",
        kind=kind,
        occurred_at=min(event.timestamp or now, now),
        delivery_id=_delivery(event),
        external_id=event.message_id or "",
        is_machine=_is_machine(event, raw),
        detail={
            "raw": _without_person(raw),
            **({"code": str(raw.get("status") or ""), "error": str(words)} if failed else {}),
        },
        verdict=verdict,
    )


def _delivery(event: AnymailTrackingEvent) -> uuid.UUID | None:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    return delivery_named(metadata.get(METADATA))


def _verdict(provider: str, event: AnymailTrackingEvent, raw: dict[str, Any]) -> str:
    table, code = (
        (SES, _ses_code(raw)) if provider == SesWebhook.provider else (SENDGRID, _own_code(raw))
    )
    rejected = MAIL_REJECTIONS.get(event.reject_reason or "", "")
    if event.event_type == "bounced":
        rejected = ""  # anymail gives every bounce one reason
    own: str = table.get(code).verdict or ""
    return own or rejected or MAIL_VERDICTS.get(event.event_type, "")


def _ses_code(raw: dict[str, Any]) -> str:
    bounce = raw.get("bounce")
    if isinstance(bounce, dict):
        return str(bounce.get("bounceType"))
    return str(raw.get("eventType") or raw.get("notificationType"))


def _own_code(raw: dict[str, Any]) -> str:
    """SendGrid's event, with its type or reason where it has one."""
    name = str(raw.get("event"))
    why = {"bounce": raw.get("type"), "dropped": raw.get("reason")}.get(name)
    return f"{name}/{why}" if why else name


def _is_machine(event: AnymailTrackingEvent, raw: dict[str, Any]) -> bool:
    """Opened by the mail program's servers before anybody saw it."""
    if event.event_type != "opened":
        return False
    return bool(raw.get("sg_machine_open")) or event.user_agent == _PRELOADER


def _digest(raw: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(raw, sort_keys=True, default=str).encode()).hexdigest()


# Where the two keep the address: SendGrid in `email`, SES in lists and headers of the mail.
_PERSONAL = frozenset({"email", "mail", "ip", "bouncedRecipients", "complainedRecipients"})
_PERSONAL_SES = frozenset({"recipients", "ipAddress", "emailAddress", "destination"})


def _without_person(raw: Any) -> Any:
    if isinstance(raw, dict):
        return {
            name: _without_person(value)
            for name, value in raw.items()
            if name not in _PERSONAL | _PERSONAL_SES
        }
    return [_without_person(each) for each in raw] if isinstance(raw, list) else raw
