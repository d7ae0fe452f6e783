"""Interakt: reports and messages from doctors, JSON signed with HMAC-SHA256.

How it signs is known from third-party code only; all of that is in `verify`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.dateparse import parse_datetime

from messaging.models import Channel, EventKind
from messaging.providers.codes import INTERAKT
from messaging.track import Event
from messaging.webhooks.base import Webhook, digest, is_signed
from messaging.webhooks.body import Refused, parse_json
from messaging.webhooks.codes import INTERAKT_KINDS, INTERAKT_TIMES
from messaging.webhooks.twilio import delivery_named

SIGNATURES = ("Interakt-Signature", "X-Interakt-Signature")
_CODE = re.compile(r"\b1[03]\d{4}\b")  # Meta's, inside a sentence


class InteraktWebhook(Webhook):
    """`/webhooks/interakt/`. Five failures in ten minutes would switch the hook off at Interakt."""

    provider = "interakt"

    def verify(self, request: HttpRequest, body: bytes, keys: Sequence[str]) -> None:
        """`sha256=<hex>` over the raw body, in either header."""
        given = [request.headers[name] for name in SIGNATURES if name in request.headers]
        if not given:
            raise Refused(403, "It is not signed.")
        expected = [f"sha256={digest(key, body)}" for key in keys]
        if not all(is_signed(signature, expected) for signature in given):
            raise Refused(403, "It is signed for another body, or with another key.")

    def parse(self, request: HttpRequest, body: bytes, now: datetime) -> list[Event]:  # noqa: ARG002
        """One report; a type that nobody knows is answered and forgotten."""
        report = parse_json(body)
        kind = INTERAKT_KINDS.get(report["type"])
        if kind is None:
            return []
        message = report["data"]["message"]
        if not isinstance(message["id"], str):
            raise Refused(400, "It names no message.")
        if kind == EventKind.INBOUND:
            return [_inbound(report, message, now)]
        return [_report(report, kind, message, now)]


def _report(
    report: dict[str, Any], kind: EventKind, message: dict[str, Any], now: datetime
) -> Event:
    name, at = report["type"], _moment(report, message, now)
    # A doctor may press a button more than once; all else happens once to a message.
    again = f":{report.get('timestamp')}" if kind == EventKind.CLICKED else ""
    reason = str(message.get("channel_failure_reason") or "")
    code = str(message.get("channel_error_code") or "") or next(iter(_CODE.findall(reason)), "")
    failed = kind == EventKind.FAILED
    source = (message.get("meta_data") or {}).get("source_data") or {}
    return Event(
        provider="interakt",
        key=f"{message['id']}:{name}{again}",
        kind=kind,
        occurred_at=at,
        delivery_id=delivery_named(source.get("callback_data")),
        external_id=message["id"],
        detail={
            "raw": {"type": name, "message": _without_text(message)},
            **({"code": code, "error": reason or "Interakt: failed"} if failed else {}),
        },
        verdict=(INTERAKT.get(code).verdict or "") if failed else "",
    )


def _inbound(report: dict[str, Any], message: dict[str, Any], now: datetime) -> Event:
    customer = report["data"]["customer"]
    text, button = _words(message)
    return Event(
        provider="interakt",
        key=f"{message['id']}:received",
        kind=EventKind.INBOUND,
        occurred_at=_moment(report, message, now),
        external_id=message["id"],
        detail={
            "channel": Channel.WHATSAPP,
            "from": _number(customer),
            "text": text,
            "button": button,
            "wish": "",
            "raw": {"type": report["type"], "message": _without_text(message)},
        },
    )


def _words(message: dict[str, Any]) -> tuple[str, str]:
    """Text and button of a message; a pressed button comes as JSON inside the text."""
    text = message.get("message")
    text = text if isinstance(text, str) else ""
    if "button" not in str(message.get("message_content_type") or "").lower():
        return text, ""
    try:
        pressed = json.loads(text)
    except (ValueError, RecursionError):
        return "", text
    if isinstance(pressed, dict):
        inner = pressed.get("button_reply")
        pressed = inner if isinstance(inner, dict) else pressed
        return "", str(pressed.get("title") or pressed.get("text") or pressed.get("id") or text)
    return "", text


def _number(customer: dict[str, Any]) -> str:
    whole = str(customer.get("channel_phone_number") or "")
    whole = whole or f"{customer.get('country_code') or ''}{customer['phone_number']}"
    return "+" + re.sub(r"[^0-9]", "", whole)


def _moment(report: dict[str, Any], message: dict[str, Any], now: datetime) -> datetime:
    """When it happened, as told; times without a zone are UTC."""
    told = message.get(INTERAKT_TIMES.get(report["type"], "")) or report.get("timestamp")
    try:
        at = parse_datetime(told) if isinstance(told, str) else None
    except ValueError:
        at = None
    if at is None:
        return now
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _without_text(message: dict[str, Any]) -> dict[str, Any]:
    """The message as reported, without what was written to or by the doctor."""
    return {k: v for k, v in message.items() if k not in ("message", "raw_template", "media_url")}
