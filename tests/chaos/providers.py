"""The HTTP provider of a second channel, which can be asked what became of a message."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path

from messaging.providers.base import Accepted, Outgoing, Receipt
from messaging.providers.http_line import Request
from tests.providers.http_provider import PeerProvider

URL = "ASKED_PEER_URL"
LEDGER = "ASKED_PEER_LEDGER"


class AskedProvider(PeerProvider):
    """A peer at another address; its ledger is its memory."""

    name = "asked"

    def request_for(self, message: Outgoing) -> Request:
        """The same call, elsewhere."""
        return super().request_for(message)._replace(url=os.environ[URL])

    def look_up(self, delivery_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Receipt]:
        """Those that it accepted; of the others nobody knows."""
        lines = Path(os.environ[LEDGER]).read_bytes().split(b"\n")[:-1]
        accepted = {uuid.UUID(json.loads(line)["delivery_id"]) for line in lines}
        return {
            delivery_id: Accepted(f"peer-{delivery_id}")
            for delivery_id in accepted.intersection(delivery_ids)
        }
