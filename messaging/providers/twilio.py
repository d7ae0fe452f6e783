"""SMS and WhatsApp through Twilio's Messages resource (API version 2010-04-01).

The form protocol is spoken here, over http.py, and not by Twilio's client: its HTTP client keeps
32 connections at most, waits for each piece of an answer anew, tries HTTPS connections again by a
setting, and tells no call that was never written from one that had no answer; so an own one would
have to do all that http.py does, for six fields of a form. The tests hold the official client
against the same fake, which takes both, and compare what the two of them send.
"""

from __future__ import annotations

import base64
import http.client
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from email.message import Message
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from django.conf import settings
from django.urls import reverse

from messaging.providers.account import Account, Variable, kind_of, names_in
from messaging.providers.base import Accepted, Need, Outgoing, Receipt
from messaging.providers.codes import TWILIO
from messaging.providers.http import HttpProvider, UnfitError, refusal
from messaging.providers.http_line import Answer, Request, ask
from messaging.providers.sockets import describe, words
from messaging.providers.template_values import by_number

ACCOUNT_SID = Variable("ACCOUNT_SID", "the account, AC and 32 digits or a to f")
AUTH_TOKEN = Variable("AUTH_TOKEN", "the account's auth token")
WHATSAPP_FROM = Variable(
    "WHATSAPP_FROM",
    "what WhatsApp messages come from: a number such as +14155238886, or a messaging service, MG…",
    channel="whatsapp",
)
SMS_FROM = Variable(
    "SMS_FROM",
    "what SMS come from: a number, a sender id of letters, or a messaging service, MG…",
    channel="sms",
)
API_URL = Variable("API_URL", "where calls go", "https://api.twilio.com")
MESSAGING_URL = Variable("MESSAGING_URL", "where senders stand", "https://messaging.twilio.com")

DELIVERY = "delivery"  # parameter of the reports' address that names our delivery
LONGEST_BODY = 1600  # characters
# How long a message may wait in Twilio's queue (10 h where nothing is said): it must not go out at
# night that was handed over in the evening.
VALIDITY_SECONDS = 3600
ASK_SECONDS = 8.0
# A message that failed before it was queued.
_FAILED = frozenset({"failed", "undelivered", "canceled"})
_SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")
_NUMBER = re.compile(r"\+[1-9]\d{6,14}")


class TwilioProvider(HttpProvider):
    """Carries SMS as text, and WhatsApp as an approved content or, in a session, as free text."""

    name = "twilio"
    channels = frozenset({"sms", "whatsapp"})
    needs: ClassVar[Mapping[str, Need]] = {"whatsapp": Need.CONTENT_SID}
    variables: ClassVar = (
        ACCOUNT_SID,
        AUTH_TOKEN,
        WHATSAPP_FROM,
        SMS_FROM,
        API_URL,
        MESSAGING_URL,
    )

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.name = account.name
        self._account = account
        self._sid = account.get(ACCOUNT_SID)
        self._senders = {"sms": account.get(SMS_FROM), "whatsapp": account.get(WHATSAPP_FROM)}
        self._path = f"/2010-04-01/Accounts/{self._sid}"
        key = base64.b64encode(f"{self._sid}:{account.get(AUTH_TOKEN)}".encode()).decode()
        self._headers = {"Authorization": f"Basic {key}", "Accept": "application/json"}

    def request_for(self, message: Outgoing) -> Request:
        """POST of a message; UnfitError: there is nothing that may be sent."""
        is_whatsapp = message.channel == "whatsapp"
        form = {
            "To": f"whatsapp:{message.recipient}" if is_whatsapp else message.recipient,
            **self._from(message.channel),
            **(_whatsapp(message) if is_whatsapp else _sms(message)),
        }
        if not message.is_test:
            form["StatusCallback"] = status_callback(message.delivery_id)
        headers = {**self._headers, "Content-Type": "application/x-www-form-urlencoded"}
        url = f"{self._account.get(API_URL)}{self._path}/Messages.json"
        return Request("POST", url, headers, urlencode(form).encode())

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:  # noqa: ARG002
        """By the code that a refusal has; a message that failed at once counts as refused."""
        told = json.loads(body)
        if status >= 400:
            code = told.get("code")
            if code is None or status == 401:
                return refusal(status, body)
            return TWILIO.refused(code, told.get("message", ""))
        sid = str(told["sid"])
        if told["status"] in _FAILED:
            return TWILIO.refused(told["error_code"], told.get("error_message") or told["status"])
        return Accepted(sid)

    def problems(self, channel: str) -> Iterator[str]:
        """What Twilio says against the account and the channel's sender. Sends nothing."""
        try:
            account = self._get(API_URL, f"{self._path}.json")
            if account.status != 200:
                yield self._not_accepted(account)
                return
            if (state := json.loads(account.body)["status"]) != "active":
                yield f"The account is {words(str(state))} at Twilio."
            yield from self._sender_problems(channel)
        except (OSError, http.client.HTTPException) as error:
            yield f"Twilio gave no answer ({describe(error)})."
        except (ValueError, KeyError, TypeError, AttributeError):
            yield "Twilio gave an answer that cannot be understood."

    def _sender_problems(self, channel: str) -> Iterator[str]:
        sender = self._senders[channel]
        name = self._account.variable(f"{channel.upper()}_FROM")
        if _SERVICE.fullmatch(sender):
            if self._get(MESSAGING_URL, f"/v1/Services/{sender}").status != 200:
                yield f"{name}: the account has no messaging service {sender}."
        elif channel == "whatsapp":
            told = self._get(MESSAGING_URL, "/v2/Channels/Senders?Channel=whatsapp&PageSize=100")
            mine = f"whatsapp:{sender}"
            states = {
                each["sender_id"]: each["status"] for each in json.loads(told.body)["senders"]
            }
            if mine not in states:
                yield f"{name}: the account has no WhatsApp sender {sender}."
            elif not states[mine].startswith("ONLINE"):
                yield f"{name}: the sender {sender} is {words(states[mine])}."
        elif _NUMBER.fullmatch(sender):
            query = f"PhoneNumber={quote(sender)}"
            told = self._get(API_URL, f"{self._path}/IncomingPhoneNumbers.json?{query}")
            if not json.loads(told.body)["incoming_phone_numbers"]:
                yield f"{name}: the account has no number {sender}."

    def _not_accepted(self, answer: Answer) -> str:
        sid, token = self._account.variable("ACCOUNT_SID"), self._account.variable("AUTH_TOKEN")
        if answer.status in (401, 403, 404):
            return f"Twilio does not accept {sid} and {token}."
        return f"Twilio gave no answer (HTTP {answer.status})."

    def _get(self, base: Variable, path: str) -> Answer:
        url = f"{self._account.get(base)}{path}"
        return ask(Request("GET", url, self._headers, b""), ASK_SECONDS)

    def _from(self, channel: str) -> dict[str, str]:
        sender = self._senders[channel]
        if _SERVICE.fullmatch(sender):
            return {"MessagingServiceSid": sender}
        return {"From": f"whatsapp:{sender}" if channel == "whatsapp" else sender}


def account_of(sid: str, channel: str) -> str:
    """The account of the settings that has this SID; the channel's own, if it is one of several.

    Where none has it, the name of the first account.
    """
    kind = TwilioProvider.name
    own = settings.MESSAGE_PROVIDERS.get(channel, "")
    others = names_in(settings.PROVIDER_VARIABLES, kind, (ACCOUNT_SID,))
    for name in (*([own] if kind_of(own) == kind else []), *others):
        if sid and sid == Account(name).get(ACCOUNT_SID):
            return name
    return kind


def status_callback(delivery_id: uuid.UUID) -> str:
    """Where Twilio reports to: it names our delivery, before we know Twilio's id of it."""
    return f"{settings.PUBLIC_BASE_URL}{reverse('webhooks:twilio')}?{DELIVERY}={delivery_id}"


def _sms(message: Outgoing) -> dict[str, str]:
    return {"Body": _body(message), "ValidityPeriod": str(VALIDITY_SECONDS)}


def _whatsapp(message: Outgoing) -> dict[str, str]:
    """The approved content with every value it has; as free text our own words."""
    if message.is_free_text:
        return {"Body": _body(message)}
    if not message.content_sid:
        raise UnfitError("Its template has no Twilio content SID.")
    form: dict[str, Any] = {"ContentSid": message.content_sid}
    if message.parameters:
        form["ContentVariables"] = json.dumps(by_number(message.parameters), ensure_ascii=False)
    return form


def _body(message: Outgoing) -> str:
    if len(message.text) > LONGEST_BODY:
        raise UnfitError(f"It is longer than {LONGEST_BODY:,} characters.")
    return message.text
