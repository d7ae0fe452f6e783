"""Interakt's message endpoint, as strict as its documentation. The ledger holds the calls' JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from tests.providers.fake import Call, Fake, Rejected

KEY = "c2VjcmV0LWtleTo="  # as Interakt shows it


@dataclass
class InteraktFake(Fake):
    """An organisation with one approved template in one language."""

    templates: dict[tuple[str, str], int] = field(default_factory=lambda: {("reminder", "hi"): 2})

    def take(self, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """A message."""
        if call.headers.get("authorization") != f"Basic {KEY}":
            raise self.refuse(401, "Invalid credentials")
        if (call.method, call.path) != ("POST", "/v1/public/message/"):
            raise Rejected(404, b"<h1>Not found</h1>")
        if call.headers.get("content-type") != "application/json":
            raise self.refuse(400, "Not JSON")
        told = json.loads(call.body)
        self.check(told)
        self.ledger.append(told)
        answer = {
            "result": True,
            "message": "Message queued for sending via Interakt. Check webhook for delivery status",
            "id": f"interakt-{len(self.ledger)}",
        }
        return 201, json.dumps(answer).encode(), {}

    def check(self, told: dict[str, Any]) -> None:
        """What the documentation says of the fields."""
        own = {"Template": "template", "Text": "data"}.get(told.get("type"))
        if set(told) != {"countryCode", "phoneNumber", "callbackData", "type", own}:
            raise self.refuse(400, f"Fields: {sorted(told)}")
        if not re.fullmatch(r"\+[1-9]\d{0,2}", told["countryCode"]):
            raise self.refuse(400, "countryCode is not valid")
        if not re.fullmatch(r"[1-9]\d{4,13}", told["phoneNumber"]):
            raise self.refuse(400, f"phoneNumber {told['phoneNumber']} is not valid")
        if not 0 < len(told["callbackData"]) <= 512:
            raise self.refuse(400, "callbackData is too long")
        self.check_text(told["data"]) if own == "data" else self.check_template(told["template"])

    def check_text(self, data: dict[str, Any]) -> None:
        """A free text."""
        if set(data) != {"message"} or not 0 < len(data["message"]) <= 4096:
            raise self.refuse(400, "data")

    def check_template(self, template: dict[str, Any]) -> None:
        """An approved one, with every value that it has."""
        if not set(template) <= {"name", "languageCode", "headerValues", "bodyValues"}:
            raise self.refuse(400, "template")
        values = template.get("bodyValues", [])
        count = self.templates.get((template["name"], template["languageCode"]))
        if count is None:
            raise self.refuse(400, "No approved template found with name and language")
        if len(values) != count or not all(isinstance(v, str) and v.strip() for v in values):
            raise self.refuse(400, f"The template has {count} bodyValues")
        if any(re.search(r"[\n\r\t]| {5}", value) or len(value) > 1600 for value in values):
            raise self.refuse(400, "bodyValues hold what WhatsApp does not take")

    def refuse(self, status: int, message: str) -> Rejected:
        """As Interakt words it."""
        return Rejected(status, json.dumps({"result": False, "message": message}).encode())
