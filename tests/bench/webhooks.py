"""Take reports in while messages go out: kept, verified and answered, against an empty view."""

from __future__ import annotations

import base64
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.utils import timezone
from twilio.request_validator import RequestValidator

from messaging import track
from messaging.models import EventKind, MessageDelivery, ProviderEvent
from messaging.send import send_due
from messaging.track import Event
from tests.bench.engine import NOW
from tests.bench.load import Load, post, send
from tests.bench.measure import Figure, cost, execute
from tests.bench.sending import clear, prepare
from tests.providers.http_peer import http_peer
from tests.providers.peer import Plan
from tests.servers import free_port

SINGLES, BATCHES, OF = 300, 80, 100  # a second, a second, reports in a batch
SECONDS = 10
CONNECTIONS = 16
LEFT = 10_000  # messages that go out meanwhile
TWILIO, SENDGRID = "/webhooks/twilio/", "/webhooks/anymail/sendgrid/tracking/"
FORM = {"Content_Type": "application/x-www-form-urlencoded"}


def run(rows: int = 100_000) -> list[Figure]:
    """Post reports on `rows` / 5 deliveries to the web server, in an empty, migrated database."""
    settings.LOGGING_CONFIG = None
    clear()
    prepare("whatsapp", max(rows // 5, 20_000))
    while MessageDelivery.objects.filter(status="scheduled").count() > LEFT:
        send_due("whatsapp", NOW)
    execute("VACUUM ANALYZE")
    return [*_served(), _applied(rows)]


def _served() -> Iterator[Figure]:
    key, port = ec.generate_private_key(ec.SECP256R1()), free_port()
    with tempfile.TemporaryDirectory() as spool, ExitStack() as stack:
        environment = {
            "TWILIO_WEBHOOK_KEYS": "bench,old",
            "SENDGRID_WEBHOOK_KEYS": f"{_public(key)},{_public(key)}",
            "SPOOL_DIR": spool,
        }
        stack.enter_context(_web(port, environment))
        stack.enter_context(_worker(environment))
        stack.enter_context(_lane())
        yield from _singles(port)
        yield from _batches(port, key)
        assert not list(Path(spool).iterdir())


def _singles(port: int) -> Iterator[Figure]:
    warm = [_single(port, uuid.uuid4().hex) for _ in range(200)]
    send(port, warm, CONNECTIONS)
    nothing = [post(port, "/empty/", b"MessageStatus=sent", **FORM)] * 6_000
    requests = [_single(port, uuid.uuid4().hex) for _ in range(3_000)]
    empty = [send(port, nothing[:3_000], CONNECTIONS)]
    full = _counted(port, requests, 1)
    empty.append(send(port, nothing[3_000:], CONNECTIONS))  # before and after: others work, too
    floor = sum(each.rate for each in empty) / 2
    yield Figure(
        f"single reports as fast as they are taken, {CONNECTIONS} connections",
        f"{full.rate:,.0f}/s, {full.rate / floor:.2f}x an empty view ({floor:,.0f}/s)",
        "0.33x",
    )
    alone = _counted(port, [_single(port, uuid.uuid4().hex) for _ in range(500)], 1, connections=1)
    yield Figure(
        "one at a time", f"{alone.percentile(0.5):.1f} ms, p99 {alone.percentile(0.99):.1f}", "50"
    )
    paced = [_single(port, uuid.uuid4().hex) for _ in range(SINGLES * SECONDS)]
    yield _paced("single reports", _counted(port, paced, 1, SINGLES), SINGLES)


def _batches(port: int, key: ec.EllipticCurvePrivateKey) -> Iterator[Figure]:
    sent = MessageDelivery.objects.filter(status="sent").values_list("pk", flat=True)
    deliveries = list(sent[:20_000])
    requests = [_batch(port, key, deliveries) for _ in range(BATCHES * SECONDS)]
    load = _counted(port, requests, OF, BATCHES)
    yield _paced(f"batches of {OF}", load, BATCHES)


def _counted(
    port: int, requests: list[bytes], reports: int, a_second: float = 0, connections: int = 0
) -> Load:
    """Send, and check that every answer is good and every report that was answered is kept."""
    before = ProviderEvent.objects.count()
    load = send(port, requests, connections or CONNECTIONS, a_second)
    kept = ProviderEvent.objects.count() - before
    assert load.statuses == {200: len(requests)}, load.statuses
    assert kept == len(requests) * reports, (kept, len(requests) * reports)
    return load


def _paced(what: str, load: Load, aim: int) -> Figure:
    return Figure(
        f"{what} at {aim} a second, with a lane sending",
        f"{load.rate:,.0f}/s, p50 {load.percentile(0.5):.0f} ms, p99 {load.percentile(0.99):.0f} "
        f"ms, all kept, no error",
        f"{aim}/s, 250 ms",
    )


def _single(port: int, sid: str) -> bytes:
    """A status callback of Twilio's."""
    form = {
        "MessageSid": f"SM{sid}",
        "MessageStatus": "delivered",
        "AccountSid": "AC0123456789abcdef0123456789abcdef",
        "To": "whatsapp:+919812345678",
        "From": "whatsapp:+14155238886",
        "ApiVersion": "2010-04-01",
        "ChannelPrefix": "whatsapp",
        "ErrorCode": "",
    }
    address = f"{settings.PUBLIC_BASE_URL}{TWILIO}"
    signature = RequestValidator("bench").compute_signature(address, form)
    return post(port, TWILIO, urlencode(form).encode(), X_Twilio_Signature=signature, **FORM)


def _batch(port: int, key: ec.EllipticCurvePrivateKey, deliveries: list[uuid.UUID]) -> bytes:
    """A post of SendGrid's."""
    now = int(time.time())
    events = [
        {
            "email": f"d{n}@example.com",
            "timestamp": now,
            "event": ("processed", "delivered", "open", "click")[n % 4],
            "sg_event_id": uuid.uuid4().hex,
            "sg_message_id": f"{uuid.uuid4().hex}.recvd-5c9d8f7b-1-1",
            "smtp-id": f"<{uuid.uuid4()}@example.com>",
            "useragent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
            "ip": "203.0.113.7",
            "delivery_id": str(random.choice(deliveries)),
        }
        for n in range(OF)
    ]
    body = json.dumps(events).encode()
    signature = key.sign(str(now).encode() + body, ec.ECDSA(hashes.SHA256()))
    return post(
        port,
        SENDGRID,
        body,
        Content_Type="application/json",
        X_Twilio_Email_Event_Webhook_Timestamp=str(now),
        X_Twilio_Email_Event_Webhook_Signature=base64.b64encode(signature).decode(),
    )


def _public(key: ec.EllipticCurvePrivateKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(
        key.public_key().public_bytes(serialization.Encoding.DER, spki)
    ).decode()


def _applied(rows: int) -> Figure:
    """Fold as many stored reports as there are rows."""
    deliveries = list(
        MessageDelivery.objects.filter(status="sent").values_list("pk", flat=True)[: rows // 4]
    )
    now = timezone.now()
    kinds = (EventKind.SENT, EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED)
    track.apply_events(now)
    events = [
        Event("bench", f"{delivery}:{kind}", kind, now, delivery)
        for delivery in deliveries
        for kind in kinds
    ]
    random.shuffle(events)
    assert track.store(events, now) == len(events)
    execute("VACUUM ANALYZE provider_events")
    with cost() as work:
        applied = track.apply_events(now + timedelta(minutes=1))
    assert applied == len(events), (applied, len(events))
    return Figure(
        f"{applied:,} stored reports applied, in one process",
        f"{applied / work.seconds:,.0f}/s ({work.per_row(applied)})",
        "15,000/s",
    )


@contextmanager
def _running(*command: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env={**os.environ, **variables},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


@contextmanager
def _web(port: int, environment: dict[str, str]) -> Iterator[None]:
    """As the README starts it."""
    gunicorn = ("gunicorn", "tests.bench.empty", "--bind", f"127.0.0.1:{port}")
    options = ("--workers", "2", "--threads", "8", "--no-control-socket", "--log-level", "error")
    with _running(*gunicorn, *options, **environment):
        _await(port)
        yield


def _await(port: int) -> None:
    """Until the server answers; TimeoutError: it does not."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            send(port, [post(port, "/empty/", b"")], 1)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("The web server did not start.")


@contextmanager
def _worker(environment: dict[str, str]) -> Iterator[None]:
    """Counts the reports as they come."""
    with _running(
        *("celery", "-A", "reengage", "worker", "-c", "1", "-l", "ERROR", "-Q", "default"),
        **environment,
    ):
        yield


@contextmanager
def _lane() -> Iterator[None]:
    """Sends to a provider that answers in 100 ms, 20 calls at once: some 200 a second."""
    with (
        http_peer(plan=Plan(latency=0.1)) as peer,
        _running(
            *("tests.bench.lane", "whatsapp"),
            WHATSAPP_PROVIDER="peer",
            HTTP_PEER_URL=peer.url,
            IN_FLIGHT="20",
        ) as lane,
    ):
        assert lane.stdout
        assert lane.stdin
        assert lane.stdout.readline() == "ready\n"
        lane.stdin.write("go\n")
        lane.stdin.flush()
        yield
