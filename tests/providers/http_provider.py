"""The provider of http_peer.py: JSON {delivery_id, to, text} to the address in HTTP_PEER_URL."""

import json
import os
from email.message import Message

from messaging.providers.base import Accepted, Outgoing, Receipt
from messaging.providers.http import HttpProvider, refusal
from messaging.providers.http_line import Request

URL = "HTTP_PEER_URL"


class PeerProvider(HttpProvider):
    """Carries any channel."""

    name = "peer"

    def request_for(self, message: Outgoing) -> Request:
        """The whole of the peer's interface."""
        body = {
            "delivery_id": str(message.delivery_id),
            "to": message.recipient,
            "text": message.text,
        }
        headers = {"Content-Type": "application/json"}
        return Request("POST", os.environ[URL], headers, json.dumps(body).encode())

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:
        """A 2xx brings the peer's own id of the message."""
        if status >= 400:
            return refusal(status, body)
        return Accepted(json.loads(body)["id"])
