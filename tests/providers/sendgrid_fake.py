"""SendGrid's v3 mail endpoint, as strict as its reference. The ledger holds the calls' JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tests.providers.fake import Call, Fake, Rejected

KEY = "SG.key"
FIELDS = {
    "personalizations",
    "from",
    "reply_to_list",
    "subject",
    "content",
    "headers",
    "custom_args",
    "tracking_settings",
}
RESERVED = {
    "x-sg-id",
    "x-sg-eid",
    "received",
    "dkim-signature",
    "content-type",
    "content-transfer-encoding",
    "to",
    "from",
    "subject",
    "reply-to",
    "cc",
    "bcc",
}


@dataclass
class SendGridFake(Fake):
    """An account whose key has `scopes`, and whose sender is verified."""

    scopes: list[str] = field(default_factory=lambda: ["mail.send", "sender_verification_eligible"])

    def take(self, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """A mail, or the question for the key's scopes."""
        if call.headers.get("authorization") != f"Bearer {KEY}":
            raise self.refuse(401, "The provided authorization grant is invalid")
        if (call.method, call.path) == ("GET", "/v3/scopes"):
            return 200, json.dumps({"scopes": self.scopes}).encode(), {}
        if (call.method, call.path) != ("POST", "/v3/mail/send"):
            raise self.refuse(404, "not found")
        if not call.headers.get("content-type", "").startswith("application/json"):
            raise self.refuse(415, "Content-Type should be application/json.")
        mail = json.loads(call.body)
        self.check(mail)
        self.ledger.append(mail)
        return 202, b"", {"X_Message_Id": f"sendgrid-{len(self.ledger)}"}

    def check(self, mail: dict[str, Any]) -> None:
        """What the reference says of the fields, and one person for each mail."""
        if unknown := set(mail) - FIELDS:
            raise self.refuse(400, f"Unknown: {unknown}")
        (personalization,) = mail["personalizations"]
        (to,) = personalization["to"]
        if set(personalization) != {"to"} or "@" not in to["email"]:
            raise self.refuse(400, f"Does not contain a valid address: {to['email']}")
        if "@" not in mail["from"]["email"] or not mail.get("subject"):
            raise self.refuse(400, "The from address or the subject is missing")
        kinds = [part["type"] for part in mail["content"]]
        if kinds not in (["text/plain"], ["text/plain", "text/html"]):
            raise self.refuse(400, "The content is not in order")
        if not all(part["value"] for part in mail["content"]):
            raise self.refuse(400, "The content value must be a string at least one character")
        arguments = mail.get("custom_args", {})
        if not all(isinstance(value, str) for value in arguments.values()):
            raise self.refuse(400, "Bad Request")
        for name, value in mail.get("headers", {}).items():
            if name.lower() in RESERVED or not value.isascii() or "\n" in value:
                raise self.refuse(400, f"The header {name} is reserved")

    def refuse(self, status: int, message: str) -> Rejected:
        """As SendGrid words it."""
        errors = [{"message": message, "field": None, "help": None}]
        return Rejected(status, json.dumps({"errors": errors}).encode())
