"""E-mail: anymail's tracking views of SendGrid and Amazon SES, behind our own lock.

Anymail skips what it has no key for; here a provider without one is shut. SES's notifications
carry no signature that anymail checks, so they come with basic auth (user:password); SendGrid's
are signed with its verification key. What anymail makes of a request goes into the same store.
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import re
import uuid
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

from anymail.exceptions import AnymailError, AnymailWebhookValidationFailure
from anymail.signals import AnymailTrackingEvent
from anymail.webhooks.sendgrid import SendGridTrackingWebhookView
from django.http import HttpRequest, HttpResponse

from messaging.models import EventKind
from messaging.providers.anymail_mail import DELIVERY_KEY
from messaging.providers.codes import SENDGRID, SES
from messaging.track import Event
from messaging.webhooks import subscription
from messaging.webhooks.base import UNREADABLE, Webhook, is_signed
from messaging.webhooks.body import Refused, parse_json
from messaging.webhooks.codes import MAIL_KINDS, MAIL_REJECTIONS, MAIL_VERDICTS
from messaging.webhooks.twilio import delivery_named

logger = logging.getLogger(__name__)

# Apple's mail privacy loads every picture with exactly this.
_PRELOADER = "Mozilla/5.0"


class MailWebhook(Webhook):
    """What the two share: anymail reads the request, and its events become ours."""

    def parse(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:
        """What anymail reads in it."""
        told = parse_json(body)
        try:
            events = self.read(request, told)
        except AnymailWebhookValidationFailure:
            raise Refused(403, "It is not the provider's.") from None
        except AnymailError:
            raise Refused(400, "This is no report.") from None
        return [_event(self.provider, event, place, now) for place, event in enumerate(events)]

    def read(self, request: HttpRequest, told: Any) -> list[AnymailTrackingEvent]:
        """The events that anymail's view finds; `told`: the body, as JSON."""
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
            except (ValueError, TypeError):  # a key that is none, or a signature that is none
                continue
            return
        raise Refused(403, "It is not signed, or not for this body with one of the keys.")

    def read(self, request: HttpRequest, told: Any) -> list[AnymailTrackingEvent]:  # noqa: ARG002
        """One event each; a post holds up to a thousand."""
        if not isinstance(told, list):
            raise Refused(400, "This is no list of reports.")
        found = list(filter(None, map(_read, told)))
        if told and not found:
            raise Refused(400, "None of these is a report.")
        if len(found) < len(told):
            logger.warning("SendGrid: %s of %s reports unread", len(told) - len(found), len(told))
        return found


def _read(told: Any) -> AnymailTrackingEvent | None:
    """One report of a post; None: it is none. It takes no other with it."""
    view = _sendgrid("")
    try:
        try:
            return view.esp_to_anymail_event(told)
        except (ArithmeticError, OSError, TypeError):  # its time: it counts from when it came
            return view.esp_to_anymail_event({k: v for k, v in told.items() if k != "timestamp"})
    except UNREADABLE:
        return None


@cache
def _sendgrid(key: str) -> SendGridTrackingWebhookView:
    """Anymail's view, which holds nothing of a request; reading a key takes as long as checking."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of official support, and of basic auth
        return SendGridTrackingWebhookView(
            tracking_webhook_verification_key=key or None, webhook_secret=[]
        )


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

    def read(self, request: HttpRequest, told: Any) -> list[AnymailTrackingEvent]:
        """The event of a notification; a new topic's question is answered by asking AWS back."""
        view = _ses()
        view.run_validators(request)  # headers and body name the same message
        if told["Type"] == "SubscriptionConfirmation":
            subscription.confirm(told["SubscribeURL"], told["TopicArn"])
            return []
        found: list[AnymailTrackingEvent] = view.parse_events(request)
        return found


@cache
def _ses() -> Any:
    """Anymail's view. It imports boto3, which takes most of a second and many need not have."""
    from anymail.webhooks.amazon_ses import AmazonSESTrackingWebhookView  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # basic auth has been checked
        return AmazonSESTrackingWebhookView(webhook_secret=[])


def _event(provider: str, event: AnymailTrackingEvent, place: int, now: datetime) -> Event:
    raw = event.esp_event if isinstance(event.esp_event, dict) else {}
    is_ses = provider == SesWebhook.provider
    kind = MAIL_KINDS.get(event.event_type, EventKind.SENT)
    failed = kind == EventKind.FAILED
    verdict = _verdict(provider, event, raw)
    words = _without_person(event.mta_response or event.description or event.reject_reason or "")
    return Event(
        provider=provider,
        # One notification of SES may be about several recipients.
        key=f"{event.event_id or _digest(raw)}:{event.event_type}:{place * is_ses}",
        kind=kind,
        occurred_at=_moment(event, now),
        delivery_id=_delivery(event),
        external_id=event.message_id or "",
        is_machine=_is_machine(event, raw),
        detail={
            "raw": _without_person(raw),
            **({"code": str(raw.get("status") or ""), "error": str(words)} if failed else {}),
        },
        verdict=verdict,
    )


def _moment(event: AnymailTrackingEvent, now: datetime) -> datetime:
    """When it happened, as told; a time without a zone is UTC."""
    at: datetime = event.timestamp or now
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _delivery(event: AnymailTrackingEvent) -> uuid.UUID | None:
    metadata = event.metadata if isinstance(event.metadata, dict) else {}
    return delivery_named(metadata.get(DELIVERY_KEY))


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
_PERSONAL = frozenset(
    {
        *("email", "ip"),
        *("mail", "bouncedRecipients", "complainedRecipients", "recipients", "destination"),
        *("emailAddress", "ipAddress"),
    }
)
# What other mail servers say often quotes it.
_ADDRESS = re.compile(r"[^\s<>\"'(),;:@]+@[^\s<>\"'(),;:@]+")


def _without_person(told: Any) -> Any:
    """The report without who it is about. Nearly all of it is short texts in one flat object."""
    if type(told) is str:
        return _ADDRESS.sub("(address)", told) if "@" in told else told
    if type(told) is dict:
        return {
            name: value
            if type(value) is int or (type(value) is str and "@" not in value)
            else _without_person(value)
            for name, value in told.items()
            if name not in _PERSONAL
        }
    return [_without_person(each) for each in told] if type(told) is list else told
