"""Twilio's Content API as far as it is asked: a real HTTP server, as strict as the real one.

`with twilio_content() as twilio:` in a test. It checks the credentials of each call, knows only
the contents that it was given, and answers with what the test lays down in `answers` first.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ACCOUNT, TOKEN = "AC" + "0" * 32, "secret"
KEY = "Basic " + base64.b64encode(f"{ACCOUNT}:{TOKEN}".encode()).decode()
SID = "HX" + "1" * 32


@dataclass
class Content:
    """One content: what WhatsApp says of it, and its texts."""

    whatsapp: dict[str, Any] | None
    types: dict[str, Any] = field(default_factory=dict)


@dataclass
class TwilioContent:
    """The fake, as a test sees it."""

    url: str = ""
    contents: dict[str, Content] = field(default_factory=dict)
    # Instead of what is asked for: a status and a body, each once; None never answers.
    answers: list[tuple[int, bytes] | None] = field(default_factory=list)
    drip: float = 0.0  # seconds between the bytes of every answer
    calls: list[str] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def has(self, status: str | None, sid: str = SID, body: str = "", **more: Any) -> None:
        """It has this content, of which WhatsApp says `status`; None: it was never submitted."""
        told = {
            "type": "whatsapp",
            "name": "reminder",
            "category": "MARKETING",
            "content_type": "twilio/text",
            "status": status,
            "rejection_reason": "",
            "allow_category_change": True,
            "flows": None,
        }
        types = {"twilio/text": {"body": body}} if body else {}
        self.contents[sid] = Content({} if status is None else {**told, **more}, types)

    def answer(self, path: str, key: str | None) -> tuple[int, bytes] | None:
        """What Twilio says to a GET."""
        self.calls.append(path)
        if self.answers:
            return self.answers.pop(0)
        if key != KEY:
            return error(401, 20003, "Authenticate")
        _, version, name, sid, *rest = path.split("/")
        if (version, name) != ("v1", "Content") or rest not in ([], ["ApprovalRequests"]):
            return error(404, 20404, f"The requested resource {path} was not found")
        content = self.contents.get(sid)
        if content is None:
            return error(404, 20404, f"The requested resource /Content/{sid} was not found")
        told = (
            {"whatsapp": content.whatsapp} if rest else {"types": content.types, "language": "en"}
        )
        body = {"sid": sid, "account_sid": ACCOUNT, "url": f"{self.url}{path}", **told}
        return 200, json.dumps(body).encode()


def error(status: int, code: int, message: str) -> tuple[int, bytes]:
    """How Twilio refuses."""
    told = {"code": code, "message": message, "more_info": "https://x.example", "status": status}
    return status, json.dumps(told).encode()


@contextmanager
def twilio_content() -> Iterator[TwilioContent]:
    """The fake, on a port of its own, until the block ends."""
    fake = TwilioContent()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """One question."""
            answered = fake.answer(self.path, self.headers.get("Authorization"))
            if answered is None:
                fake.ended.wait(30)
                return
            status, body = answered
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._write(body)

        def _write(self, body: bytes) -> None:
            if not fake.drip:
                self.wfile.write(body)
                return
            for at in range(len(body)):
                self.wfile.write(body[at : at + 1])
                if fake.ended.wait(fake.drip):
                    return

        def log_message(self, *_: object) -> None:
            """Nothing on the console."""

        def handle(self) -> None:
            """Whoever asked may hang up."""
            try:
                super().handle()
            except ConnectionError:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield fake
    finally:
        fake.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
