"""Real workers on real queues, and a small world for them, on the real clock."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import redis
from celery import Celery
from django.db import connection
from django.utils import timezone

from campaigns.enroll import enroll
from campaigns.launch import launch
from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging.models import ConsentRecord, MessageDelivery
from reengage.embedded import celery_url
from reengage.initial import create_missing
from reengage.supervise import die_with_parent
from segments.identify import identify
from segments.models import Certificate, Doctor, SegmentType, Session
from tests.processes import await_end, family

CHECKOUT = Path(__file__).resolve().parents[1]
BROKER = 9  # number of the Redis database: away from what the tests themselves put into theirs
DAY = timedelta(days=1)
PATIENCE = 30.0  # seconds


# --- Workers --------------------------------------------------------------------------------


def database_url() -> str:
    """DATABASE_URL with the name of this run's test database."""
    server, mark, options = os.environ["DATABASE_URL"].partition("?")
    return f"{server.rpartition('/')[0]}/{connection.settings_dict['NAME']}{mark}{options}"


def redis_url() -> str:
    """REDIS_URL with the number of the broker's database."""
    scheme, _, place = os.environ["REDIS_URL"].partition("?")[0].partition("://")
    if scheme == "unix":
        return f"unix://{place}?db={BROKER}"
    return f"{scheme}://{place.partition('/')[0]}/{BROKER}"


class Office:
    """Starts workers, and gives them tasks as the clock, a view or another worker would."""

    def __init__(self, log: Path, redis_address: str | None = None) -> None:
        self.log = log
        self.redis_url = redis_address or redis_url()
        self.database_url = database_url()
        self.queues = redis.Redis.from_url(self.redis_url)
        self.queues.flushdb()
        self.processes: list[subprocess.Popen[bytes]] = []
        url = celery_url(self.redis_url)
        self.client = Celery("tests", broker=url, backend=url, set_as_current=False)
        self.client.conf.task_default_queue = "default"

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        options = "--loglevel=INFO --concurrency=2 --without-gossip --without-mingle"
        return self.start("celery", "-A", "reengage", "worker", *options.split(), **environment)

    def start(self, module: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """A process of the project, in a group of its own."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=CHECKOUT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
                    "DATABASE_URL": self.database_url,
                    "REDIS_URL": self.redis_url,
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # takes no lock
            )
        self.processes.append(process)
        return process

    def run(self, task: str, *args: Any, queue: str = "default") -> None:
        """Have a worker run the task, and wait for its end. Raises what the task raised."""
        result = self.client.send_task(task, args, queue=queue, ignore_result=False)
        result.get(timeout=PATIENCE)

    def close(self) -> None:
        for process in self.processes:
            kill(process)
        self.client.close()
        with suppress(redis.RedisError):
            self.queues.flushdb()
        self.queues.close()


def kill(worker: subprocess.Popen[bytes]) -> None:
    """End the worker and its children as a power failure would."""
    if worker.poll() is not None:
        return
    processes = family({worker.pid})
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    assert await_end(processes, PATIENCE) == set()


def await_that(holds: Callable[[], bool], what: str) -> None:
    """Wait for what a worker does; there is no event to wait for in another process."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"It is still not so that {what}."
        time.sleep(0.02)


# --- A small world, now ---------------------------------------------------------------------


def midday_zone() -> str:
    """A time zone in which it is past twelve and not yet one: workers read the real clock."""
    return f"Etc/GMT{datetime.now(UTC).hour - 12:+d}"


def doctor(name: str, **fields: Any) -> Doctor:
    """A doctor with an unclaimed certificate, who consents to WhatsApp."""
    now = timezone.now()
    made = Doctor.objects.create(
        external_id=name, first_name="Asha", last_name=name, timezone=midday_zone(), **fields
    )
    ConsentRecord.objects.create(
        doctor=made, channel="whatsapp", is_given=True, recorded_at=now - DAY, source="test"
    )
    session, _ = Session.objects.get_or_create(
        external_id="s1",
        defaults={
            "title": "Heart failure",
            "speaker_name": "Meera Iyer",
            "cpd_points": 2,
            "starts_at": now - 2 * DAY,
            "ends_at": now - 2 * DAY + timedelta(hours=1),
        },
    )
    Certificate.objects.create(
        external_id=f"c-{name}",
        doctor=made,
        session=session,
        issued_at=now - DAY,
        expires_at=now + 60 * DAY,
    )
    return made


def certificate_campaign() -> Campaign:
    """The strategy's own campaign, launched."""
    create_missing()
    campaign = Campaign.objects.get(segment_type="unclaimed_certificates")
    launch(campaign, timezone.now())
    return campaign


def schedule(office: Office, campaign: Campaign) -> None:
    """From activity to scheduled deliveries, by the strategy's own tasks."""
    office.run("segments.tasks.identify_unclaimed_certificates")
    office.run("campaigns.tasks.enroll_users_in_campaign", str(campaign.pk))
    office.run("campaigns.tasks.schedule_campaign_messages")


def schedule_here(campaign: Campaign, channels: dict[str, str]) -> None:
    """A message that is due now to each of these new doctors, made by this process."""
    for name in channels:
        phone = f"+9198{Doctor.objects.count():08}"
        doctor(name, phone=phone, whatsapp=phone)
    now = timezone.now()
    identify(SegmentType.UNCLAIMED_CERTIFICATES, now)
    enroll(campaign, now)
    schedule_due(now)
    keep_one_message_each(channels)


def keep_one_message_each(channels: dict[str, str]) -> None:
    """Of each doctor, by name. Lanes leave doctors whom another lane holds to the next minute."""
    for row in MessageDelivery.objects.select_related("doctor"):
        if channels.get(row.doctor.last_name, row.channel) != row.channel:
            row.delete()


def statuses() -> dict[tuple[str, str], str]:
    """Of each doctor's delivery on each channel."""
    rows = MessageDelivery.objects.select_related("doctor")
    return {(row.doctor.last_name, row.channel): row.skip_reason or row.status for row in rows}
