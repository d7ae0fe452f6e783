"""AWS on loopback: moto's server for what calls mean, a fake for answers that moto never gives."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from moto.server import ThreadedMotoServer

from tests.providers.fake import Call, Fake, Rejected

KEYS = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}


def variables(prefix: str, url: str) -> dict[str, str]:
    """What an account of SNS or SES is set by."""
    return {
        f"{prefix}_ENDPOINT_URL": url,
        f"{prefix}_ACCESS_KEY_ID": "key",
        f"{prefix}_SECRET_ACCESS_KEY": "secret",
    }


def sent_of(url: str) -> dict[str, str]:
    """How a test's own boto3 client gets there."""
    return {"endpoint_url": url, **KEYS}


@contextmanager
def moto_server() -> Iterator[str]:
    """Its address, until the block ends. It begins empty: what it keeps is the process's."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        url = f"http://{host}:{port}"
        urllib.request.urlopen(urllib.request.Request(f"{url}/moto-api/reset", b"")).close()
        yield url
    finally:
        server.stop()


@dataclass
class AwsFake(Fake):
    """Takes what is signed, or refuses it as the test says; the message names whom it was for."""

    service: str = "ses"
    refuses: tuple[int, str] | None = None  # status and code

    def take(self, call: Call) -> tuple[int, bytes, dict[str, str]]:
        """A mail (JSON) or an SMS (a form, answered by XML)."""
        if "SignedHeaders=" not in call.headers.get("authorization", ""):
            raise Rejected(403)
        if self.refuses:
            raise self._refusal(call)
        self.ledger.append(call.body)
        number = f"aws-{len(self.ledger)}"
        if self.service == "ses":
            return 200, json.dumps({"MessageId": number}).encode(), {}
        xml = f"<MessageId>{number}</MessageId>"
        xml = f"<PublishResponse><PublishResult>{xml}</PublishResult></PublishResponse>"
        return 200, xml.encode(), {}

    def _refusal(self, call: Call) -> Rejected:
        status, code = self.refuses
        if self.service == "ses":
            (whom,) = json.loads(call.body)["Destination"]["ToAddresses"]
            told = {"__type": code, "message": f"as planned for {whom}"}
            return Rejected(status, json.dumps(told).encode())
        (whom,) = re.findall(rb"PhoneNumber=%2B(\d+)", call.body)
        told = f"<Code>{code}</Code><Message>as planned for +{whom.decode()}</Message>"
        xml = f"<ErrorResponse><Error><Type>Sender</Type>{told}</Error></ErrorResponse>"
        return Rejected(status, xml.encode())
