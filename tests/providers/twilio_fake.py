"""Twilio's Messages resource, and what is read of an account, as strict as the documentation.

`with serving(TwilioFake()) as twilio:` in a test. The ledger holds the parameters of each message.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.providers.fake import Call, Fake, Rejected, basic

SID, TOKEN = "AC" + "a" * 32, "an auth token"
SERVICE = "MG" + "b" * 32
CONTENT = "HX" + "c" * 32
SMS_NUMBER, WHATSAPP_NUMBER = "+15005550006", "+14155238886"

PARAMETERS = {
    "To",
    "From",
    "MessagingServiceSid",
    "Body",
    "ContentSid",
    "ContentVariables",
    "StatusCallback",
    "ValidityPeriod",
}
E164 = re.compile(r"(whatsapp:)?\+[1-9]\d{6,14}")
SENDER = re.compile(r"(whatsapp:)?\+[1-9]\d{6,14}|(?=.*[A-Za-z])[A-Za-z0-9 ]{1,11}")


def refuse(status: int, code: int, message: str) -> Rejected:
    """As Twilio words it."""
    told = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Rejected(status, json.dumps(told).encode())


@dataclass
class TwilioFake(Fake):
    """The account SID, with one messaging service, one number and one WhatsApp sender."""

    # Numbers of the values that a content has.
    contents: dict[str, int] = field(default_factory=lambda: {CONTENT: 2})
    refuses: dict[str, tuple[int, int]] = field(default_factory=dict)  # To: status and code
    state: str = "active"
    sender_state: str = "ONLINE"

    def take(self, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """A message, or a question."""
        if call.headers.get("authorization") != basic(SID, TOKEN):
            raise refuse(401, 20003, "Authenticate")
        if call.method == "GET":
            return 200, json.dumps(self.read(call)).encode(), {}
        if call.path != f"/2010-04-01/Accounts/{SID}/Messages.json":
            raise refuse(404, 20404, f"The requested resource {call.path} was not found")
        if call.headers.get("content-type") != "application/x-www-form-urlencoded":
            raise refuse(400, 20001, "Unsupported content type")
        form = dict(parse_qsl(call.body.decode(), keep_blank_values=True, strict_parsing=True))
        if any(len(values) > 1 for values in parse_qs(call.body.decode()).values()):
            raise refuse(400, 20001, "A parameter twice")
        self.check(form)
        self.ledger.append(form)
        return 201, json.dumps(self.created(form, len(self.ledger))).encode(), {}

    def check(self, form: dict[str, str]) -> None:
        """What the documentation says of the parameters."""
        to = form.get("To", "")
        if unknown := set(form) - PARAMETERS:
            raise refuse(400, 20001, f"Unknown parameters: {unknown}")
        if not E164.fullmatch(to):
            raise refuse(400, 21211, f"The 'To' number {to} is not a valid phone number.")
        if to in self.refuses:
            raise refuse(*self.refuses[to], f"Unable to create record for {to}")
        self.check_sender(form, to)
        if ("Body" in form) == ("ContentSid" in form):
            raise refuse(400, 21619, "A text message body or media urls must be specified.")
        if not 1 <= len(form.get("Body", "x")) <= 1600:
            raise refuse(400, 21617, "The message body exceeds the 1600 character limit")
        self.check_content(form)
        callback = urlsplit(form.get("StatusCallback", "http://a.example/"))
        if callback.scheme not in ("http", "https") or "_" in (callback.hostname or "_"):
            raise refuse(400, 21609, "The StatusCallback URL is not a valid URL.")
        if not 1 <= int(form.get("ValidityPeriod", "1")) <= 36_000:
            raise refuse(400, 21621, "ValidityPeriod")

    def check_sender(self, form: dict[str, str], to: str) -> None:
        """One of ours, and one only."""
        if ("From" in form) == ("MessagingServiceSid" in form):
            raise refuse(400, 21603, "A 'From' phone number is required.")
        sender = form.get("From", "")
        if sender and not SENDER.fullmatch(sender):
            raise refuse(400, 21212, f"The 'From' number {sender} is not a valid phone number.")
        if sender and sender.startswith("whatsapp:") != to.startswith("whatsapp:"):
            raise refuse(400, 63007, "Twilio could not find a Channel with the specified From")
        if form.get("MessagingServiceSid", SERVICE) != SERVICE:
            raise refuse(400, 21701, "The Messaging Service does not exist")

    def check_content(self, form: dict[str, str]) -> None:
        """Every value of the content, by its number."""
        sid = form.get("ContentSid")
        if sid is None:
            return
        if sid not in self.contents:
            raise refuse(404, 20404, "Content not found")
        try:
            values: Any = json.loads(form.get("ContentVariables", "{}"))
        except ValueError:
            values = None
        wanted = {str(number + 1) for number in range(self.contents[sid])}
        if not isinstance(values, dict) or set(values) != wanted:
            raise refuse(400, 21656, "The ContentVariables Parameter is invalid")
        for key, value in values.items():
            fits = isinstance(value, str) and value.strip() and len(value) <= 1600
            if len(key) > 16 or not fits or re.search(r"[\n\r\t]| {5}", value):
                raise refuse(400, 21656, "The ContentVariables Parameter is invalid")

    def created(self, form: dict[str, str], number: int) -> dict[str, Any]:
        """A message that is queued."""
        sid = f"SM{number:032x}"
        return {
            "sid": sid,
            "account_sid": SID,
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "to": form["To"],
            "from": form.get("From"),
            "body": form.get("Body", ""),
            "status": "accepted" if "MessagingServiceSid" in form else "queued",
            "num_segments": "1",
            "num_media": "0",
            "direction": "outbound-api",
            "price": None,
            "price_unit": "USD",
            "error_code": None,
            "error_message": None,
            "api_version": "2010-04-01",
            "date_created": "Wed, 04 Mar 2026 06:30:00 +0000",
            "date_sent": None,
            "date_updated": "Wed, 04 Mar 2026 06:30:00 +0000",
            "uri": f"/2010-04-01/Accounts/{SID}/Messages/{sid}.json",
            "subresource_uris": {},
        }

    def read(self, call: Call) -> dict[str, Any]:
        """What a GET shows."""
        account = f"/2010-04-01/Accounts/{SID}"
        if call.path == f"{account}.json":
            return {"sid": SID, "status": self.state, "type": "Full"}
        if call.path == f"{account}/IncomingPhoneNumbers.json":
            (wanted,) = call.query["PhoneNumber"]
            found = [{"phone_number": wanted}] if wanted == SMS_NUMBER else []
            return {"incoming_phone_numbers": found}
        if call.path == f"/v1/Services/{SERVICE}":
            return {"sid": SERVICE}
        if call.path == "/v2/Channels/Senders" and call.query["Channel"] == ["whatsapp"]:
            sender = {"sender_id": f"whatsapp:{WHATSAPP_NUMBER}", "status": self.sender_state}
            return {"senders": [sender]}
        raise refuse(404, 20404, f"The requested resource {call.path} was not found")


def variables(fake: TwilioFake, prefix: str = "TWILIO", **changes: str) -> dict[str, str]:
    """What an account is set by, so that it calls the fake."""
    values = {
        "ACCOUNT_SID": SID,
        "AUTH_TOKEN": TOKEN,
        "SMS_FROM": SMS_NUMBER,
        "WHATSAPP_FROM": WHATSAPP_NUMBER,
        "API_URL": fake.url,
        "MESSAGING_URL": fake.url,
    }
    return {f"{prefix}_{name}": value for name, value in {**values, **changes}.items()}
