"""What Twilio says of a content: whether WhatsApp approved it, and its text.

Twilio's own client, over connections on which a call ends by its deadline: the client's waits for
each piece of an answer anew. Nothing is sent from here.
"""

from __future__ import annotations

import base64
import http.client
import logging
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.conf import settings
from twilio.base.exceptions import TwilioException
from twilio.http import HttpClient
from twilio.http.response import Response
from twilio.rest import Client

from messaging.providers.account import Account, kind_of
from messaging.providers.base import clock
from messaging.providers.http_line import Lines, Request, split
from messaging.providers.sockets import describe, words
from messaging.providers.twilio import ACCOUNT_SID, AUTH_TOKEN, TwilioProvider

logger = logging.getLogger(__name__)

ASK_SECONDS = 8.0  # for one question, from the look-up of the name to the last byte

# Twilio's words for what we know by another one.
_SAME = {"received": "pending"}
STATUSES = frozenset({"unsubmitted", "pending", "approved", "rejected", "paused", "disabled"})


class Untold(Exception):  # noqa: N818  reads as a sentence where it is raised
    """Twilio did not say; why, in words that follow "Twilio ...". `is_trouble`: it is unwell."""

    def __init__(self, why: str, *, is_trouble: bool = True) -> None:
        super().__init__(why)
        self.is_trouble = is_trouble


class NoSuchContent(Exception):  # noqa: N818
    """The account has no content with this SID."""


class Approval(NamedTuple):
    """What WhatsApp said to Twilio."""

    status: str  # one of STATUSES
    category: str  # in small letters; '' where it is not told
    reason: str  # of a rejection
    content_type: str  # which of the content's texts it is about, such as twilio/text


def fetch_approval(sid: str) -> Approval:
    """Ask whether WhatsApp approved the content. Raises Untold, NoSuchContent."""
    payload = _ask(sid, lambda client: client.content.v1.contents(sid).approval_fetch().fetch())
    told = payload.whatsapp
    if told is None or not isinstance(told, dict):
        raise Untold("gave an answer that cannot be understood.")
    if not told:
        return Approval("unsubmitted", "", "", "")
    status = str(told.get("status", "")).lower()
    status = _SAME.get(status, status)
    if status not in STATUSES:
        raise Untold(f"calls it “{words(status)}”, which is not known here.", is_trouble=False)
    return Approval(
        status,
        words(str(told.get("category") or "")).lower(),
        words(str(told.get("rejection_reason") or "")),
        str(told.get("content_type") or ""),
    )


def fetch_text(sid: str, content_type: str) -> str:
    """The content's text, with its footer if it has one; '' where it has none.

    Raises Untold, NoSuchContent.
    """
    types = _ask(sid, lambda client: client.content.v1.contents(sid).fetch()).types
    if not isinstance(types, dict):
        raise Untold("gave an answer that cannot be understood.")
    for name in (content_type, *types):
        part = types.get(name)
        if isinstance(part, dict) and isinstance(body := part.get("body"), str):
            footer = part.get("footer")
            return f"{body}\n\n{footer}" if isinstance(footer, str) and footer else body
    return ""


def may_ask() -> bool:
    """Whether the account has what it is asked with."""
    account = _account()
    return bool(account.get(ACCOUNT_SID) and account.get(AUTH_TOKEN))


def _ask(sid: str, question: Any) -> Any:
    """Put one question; whatever goes wrong is Untold or NoSuchContent."""
    account = _account()
    if not may_ask():
        raise Untold(f"cannot be asked: set {_names(account)}.")
    lines = Lines()
    client = Client(account.get(ACCOUNT_SID), account.get(AUTH_TOKEN), http_client=_Calls(lines))
    try:
        return question(client)
    except TwilioException as error:
        raise _refused(sid, account, error) from error
    except (OSError, http.client.HTTPException) as error:
        raise Untold(f"gave no answer ({describe(error)}).") from error
    except Exception as error:  # whatever a strange answer leads to
        logger.warning("Twilio's answer about %s cannot be understood: %r", sid, error)
        raise Untold("gave an answer that cannot be understood.") from error
    finally:
        lines.close()


def _account() -> Account:
    """The one that WhatsApp messages go through, else the first."""
    name = settings.MESSAGE_PROVIDERS.get("whatsapp", "")
    return Account(name if kind_of(name) == TwilioProvider.name else TwilioProvider.name)


def _names(account: Account) -> str:
    return " and ".join(account.variable(each.name) for each in (ACCOUNT_SID, AUTH_TOKEN))


def _refused(sid: str, account: Account, error: TwilioException) -> Exception:
    status = getattr(error, "status", None)
    if status == 404:
        return NoSuchContent(sid)
    if status in (401, 403):
        return Untold(f"does not accept {_names(account)}.")
    if status == 429:
        return Untold("asks to be asked later (HTTP 429).")
    return Untold(f"gave no answer (HTTP {status or words(str(error))}).")


class _Calls(HttpClient):  # type: ignore[misc]  # Twilio's client has no types
    """How Twilio's client calls: to TWILIO_CONTENT_URL, and no longer than ASK_SECONDS."""

    def __init__(self, lines: Lines) -> None:
        super().__init__(logger, is_async=False)
        self._lines = lines
        self._end_by = clock() + ASK_SECONDS

    def request(  # noqa: PLR0913, PLR0917  Twilio's signature
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,  # noqa: ARG002
        data: dict[str, object] | None = None,  # noqa: ARG002
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002
        allow_redirects: bool = False,  # noqa: ARG002, FBT001, FBT002
    ) -> Response:
        """Make one call, a GET without parameters. OSError, HTTPException: it failed."""
        there = urlsplit(settings.TWILIO_CONTENT_URL)
        parts = split(uri)._replace(scheme=there.scheme, netloc=there.netloc)
        named = ":".join(auth or ()).encode()
        with_key = {"Authorization": f"Basic {base64.b64encode(named).decode()}"}
        line = self._lines.take(parts, self._seconds_left)
        try:
            request = Request(method, parts.geturl(), {**(headers or {}), **with_key}, b"")
            answer = line.call(request, parts, self._seconds_left)
        finally:
            line.close()
        return Response(answer.status, answer.body.decode("utf-8", "replace"))

    def _seconds_left(self) -> float:
        return max(0.0, self._end_by - clock())
