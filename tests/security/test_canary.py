"""A doctor with unmistakable values goes the whole way; nothing is left where it should not be.

Not in the logs of any process, not in Valkey, and after erasure not in a dump of the database.
"""

import re
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import pytest
import redis
from django.db import connection
from django.utils import timezone
from twilio.request_validator import RequestValidator

from messaging.models import InboundMessage, MessageDelivery
from messaging.privacy.erase import erase
from reengage.embedded.binaries import BIN, _wheel
from segments.models import Course, Doctor, Session
from tests.engine import DAY
from tests.messaging.privacy import canary
from tests.office import (
    Office,
    await_that,
    certificate_campaign,
    midday_zone,
    schedule,
    statuses,
)
from tests.segments.imports.files import csv_text, write

pytestmark = pytest.mark.django_db(transaction=True)
BASE = "https://go.example.com"
PROVIDERS = ("WHATSAPP_PROVIDER", "SMS_PROVIDER", "EMAIL_PROVIDER")
LOUD = {
    **dict.fromkeys(PROVIDERS, "loud"),
    "DJANGO_SETTINGS_MODULE": "tests.security.loud_settings",
    "SMS_DLT_REQUIRED": "0",
    "CAP_PER_DAY": "9",
    "CAP_PER_WEEK": "99",
    "TWILIO_WEBHOOK_KEYS": "key",
    "PUBLIC_BASE_URL": BASE,
    "LOG_LEVEL": "DEBUG",
}


@pytest.fixture
def office(tmp_path):
    office = Office(tmp_path / "all.log")
    yield office
    office.close()
    print(office.log.read_text()[-20_000:])


@pytest.fixture(autouse=True)
def _own_folders(tmp_path, settings):
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.MEDIA_ROOT = tmp_path / "media"


def test_canary_is_in_no_log_nor_in_valkey_nor_after_erasure_in_a_dump(office, tmp_path) -> None:
    office.start_worker(**LOUD, SPOOL_DIR=str(tmp_path / "spool"))
    _import(office, tmp_path)
    _send(office)
    _answer(office, tmp_path)

    log = office.log.read_text()
    for said in (
        "loud failed",
        "RuntimeError",
        "UniqueViolation (23505, doctors_",
        "Not Found",
        "POST /webhooks/twilio/",
        "Internal Server Error: /loud/",
    ):
        assert said in log, said  # what could have given them away was logged
    tokens = MessageDelivery.objects.filter(token__isnull=False).values_list("token", flat=True)
    assert len(tokens) == 3
    assert canary.found(log) == set()
    assert canary.found(_postgres_log()) == set()
    assert canary.found(in_valkey(office)) == set()
    for token in tokens:
        assert token not in log
        assert token.encode() not in in_valkey(office)

    # The search itself finds what is there.
    before = canary.found(dump())
    words = {"zyxwanita", "qvabhatt", "qx7zexternal", "qx7zcert", "9876501234"}
    assert words <= before
    office.queues.set("planted", "098765-01234")
    assert canary.found(in_valkey(office)) == {"98765-01234"}

    erase(Doctor.objects.get().pk, timezone.now())
    after = dump()
    assert canary.found(after) == set()
    assert "erased-" in after
    assert not [token for token in tokens if token in after]


def _import(office: Office, folder: Path) -> None:
    """By the command, as whoever runs it at night: the doctor, a broken row, what they did."""
    now = timezone.now()
    Session.objects.create(
        external_id="s1",
        title="Heart failure",
        speaker_name="Meera Iyer",
        cpd_points=2,
        starts_at=now - 2 * DAY,
        ends_at=now - DAY,
    )
    Course.objects.create(external_id="k1", name="Course")
    columns = {"doctor_id": canary.PERSON["external_id"]}
    person = {**columns, **{k: v for k, v in canary.PERSON.items() if k != "external_id"}}
    files = {
        "doctors": [{**person, "timezone": midday_zone()}],
        "certificates": [
            {
                "certificate_id": canary.CERTIFICATE,
                **columns,
                "session_id": "s1",
                "issued_at": f"{now - DAY:%Y-%m-%d %H:%M}",
                "expires_at": f"{now + 60 * DAY:%Y-%m-%d}",
            }
        ],
        "consents": [
            {
                **columns,
                "channel": "whatsapp",
                "is_given": "yes",
                "source": canary.CONSENTED,
                "recorded_at": f"{now - DAY:%Y-%m-%d %H:%M}",
            }
        ],
    }
    for kind, rows in files.items():
        path = write(folder / f"{kind}.csv", csv_text(*rows))
        assert office.start("django", "import_csv", kind, str(path), **LOUD).wait() == 0
    assert Doctor.objects.get().certificates.get().external_id == canary.CERTIFICATE


def _send(office: Office) -> None:
    schedule(office, certificate_campaign())
    office.run("messaging.tasks.dispatch_due")
    last = canary.PERSON["last_name"]
    ends = {(last, "whatsapp"): "unknown", (last, "sms"): "sent", (last, "email"): "failed"}
    await_that(lambda: ends.items() <= statuses().items(), "every lane is done")


def _answer(office: Office, folder: Path) -> None:
    """Links, webhooks and pages, as a web server with an access log has them."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ["--bind", f"127.0.0.1:{port}", "--threads", "2", "--no-control-socket"]
    office.start(
        "gunicorn",
        "reengage.wsgi",
        *options,
        "--access-logfile",
        "-",
        "--log-level",
        "debug",
        **LOUD | dict.fromkeys(PROVIDERS, "sandbox"),
        SPOOL_DIR=str(folder / "spool"),
    )
    await_that(lambda: _status(port, "/healthz") > 0, "the web server answers")
    token = MessageDelivery.objects.get(channel="sms").token
    mail = urlencode({"q": canary.PERSON["last_name"], "mail": canary.PERSON["email"]})
    assert _status(port, f"/r/{token}?{mail}") == 302
    assert _status(port, f"/o/{token}.gif") == 200
    assert _status(port, f"/u/{token}") == 200
    assert _status(port, f"/u/{token}", {"scope": "kind", "reason": canary.WHY}) == 302
    assert _status(port, f"/u/{token}/{canary.PERSON['phone']}") == 404
    assert _status(port, f"/loud/?{mail}") == 500
    assert _status(port, "/webhooks/twilio/", {"From": canary.PHONE}) == 403
    said = {"From": f"whatsapp:{canary.WHATSAPP}", "To": "whatsapp:+14155238886"}
    for form, answer in (
        ({"Body": canary.WROTE, **said}, 400),  # signed, and no report
        ({"MessageSid": "SM1", "Body": "STOP", **said}, 200),
        ({"MessageSid": "SM2", "Body": canary.WROTE, **said}, 200),
    ):
        signature = RequestValidator("key").compute_signature(f"{BASE}/webhooks/twilio/", form)
        assert _status(port, "/webhooks/twilio/", form, signature) == answer
    office.run("messaging.tasks.take_reports")
    assert InboundMessage.objects.filter(doctor__isnull=False).count() == 2


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args, **_kwargs):
        return None


def _status(port: int, path: str, form: dict[str, str] | None = None, signature: str = "") -> int:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    request.add_header("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) Firefox/130.0")
    if form is not None:
        request.data = urlencode(form).encode()
    if signature:
        request.add_header("X-Twilio-Signature", signature)
    try:
        return urllib.request.build_opener(_Stay).open(request, timeout=30).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def in_valkey(office: Office) -> bytes:
    """Every key and value of every database."""
    address = re.sub(r"(db=|/)\d+$", r"\1{}", office.redis_url)
    texts: list[bytes] = []
    for number in range(16):
        with redis.Redis.from_url(address.format(number)) as client:
            for key in client.scan_iter():
                texts += [key, repr(_value(client, key)).encode()]
    return b"\n".join(texts)


def _value(client, key):
    kind = client.type(key)
    if kind == b"string":
        return client.get(key)
    if kind == b"hash":
        return client.hgetall(key)
    if kind == b"list":
        return client.lrange(key, 0, -1)
    if kind == b"set":
        return client.smembers(key)
    assert kind == b"zset", kind
    return client.zrange(key, 0, -1, withscores=True)


def dump() -> str:
    """What pg_dump writes."""
    of = connection.settings_dict
    command = [str(_wheel() / BIN / "pg_dump"), "--data-only", "--host", of["HOST"]]
    command += ["--port", str(of["PORT"]), "--username", of["USER"], of["NAME"]]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _postgres_log() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        (folder,) = cursor.fetchone()
    return (Path(folder).parent / "postgres.log").read_text(errors="replace")
