"""A topic of Amazon SNS asks whether we want its messages: yes, by opening an address of AWS's.

The request names that address, and whoever knows the password of the webhook could name any: only
SNS's own, over HTTPS, for the topic that asks, is opened, and no redirect is followed.
"""

from __future__ import annotations

import re
from http.client import HTTPException, HTTPSConnection
from urllib.parse import parse_qs, urlsplit

from messaging.webhooks.body import Refused

_HOST = re.compile(r"sns\.[a-z0-9-]+\.amazonaws\.com(\.cn)?")
WITHIN = 3.0  # seconds


def confirm(address: str, topic: str) -> None:
    """Subscribe to the topic. Refused: 400 for another address than SNS's, 503 where it fails."""
    host, target = _checked(address, topic)
    try:
        status = _open(host, target)
    except (OSError, HTTPException):
        raise Refused(503, "AWS cannot be asked now.") from None
    if status != 200:
        raise Refused(503, f"AWS answered {status}.")


def _checked(address: str, topic: str) -> tuple[str, str]:
    """Host and target of the address, where it is SNS's own."""
    if not address.isascii() or not address.isprintable() or " " in address:
        raise Refused(400, "This is no address of SNS.")
    parts = urlsplit(address)
    asked = parse_qs(parts.query)
    if (
        parts.scheme != "https"
        or not _HOST.fullmatch(parts.netloc)  # neither port nor user
        or parts.path not in ("", "/")
        or asked.get("Action") != ["ConfirmSubscription"]
        or asked.get("TopicArn") != [topic]
    ):
        raise Refused(400, "This is no address of SNS.")
    return parts.netloc, f"/?{parts.query}"


def _open(host: str, target: str) -> int:
    connection = HTTPSConnection(host, timeout=WITHIN)
    try:
        connection.request("GET", target)
        return connection.getresponse().status
    finally:
        connection.close()
