"""A real Celery worker on real queues: the strategy's tasks from end to end, and workers killed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery
from django.db import connection
from django.utils import timezone

from campaigns.launch import launch
from campaigns.models import Campaign, CampaignAnalytics, CampaignEnrollment
from messaging import record
from messaging.models import ConsentRecord, DeliveryAttempt, MessageDelivery, SandboxMessage
from messaging.send import send_due, send_one
from reengage.celery import app
from reengage.embedded import celery_url
from reengage.initial import create_missing
from reengage.supervise import die_with_parent
from segments.models import Certificate, Doctor, Session, UserSegment
from tests.processes import await_end, family
from tests.providers.slow import PORT, Desk

CHECKOUT = Path(__file__).resolve().parents[1]
BROKER = 9  # number of the Redis database: away from what the tests themselves put into theirs
DAY = timedelta(days=1)
PATIENCE = 30.0  # seconds

pytestmark = pytest.mark.django_db(transaction=True)


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

    def __init__(self, log: Path) -> None:
        self.log = log
        self.queues = redis.Redis.from_url(redis_url())
        self.queues.flushdb()
        self.workers: list[subprocess.Popen[bytes]] = []
        url = celery_url(redis_url())
        self.client = Celery("tests", broker=url, backend=url, set_as_current=False)
        self.client.conf.task_default_queue = "default"

    def start_worker(self, **environment: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "celery", "-A", "reengage", "worker"]
        options = "--loglevel=INFO --concurrency=2 --without-gossip --without-mingle"
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [*command, *options.split()],
                cwd=CHECKOUT,
                env={
                    **os.environ,
                    "DJANGO_SETTINGS_MODULE": "tests.worker_settings",
                    "DATABASE_URL": database_url(),
                    "REDIS_URL": redis_url(),
                    **environment,
                },
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # takes no lock
            )
        self.workers.append(worker)
        return worker

    def run(self, task: str, *args: Any, queue: str = "default") -> None:
        """Have a worker run the task, and wait for its end. Raises what the task raised."""
        result = self.client.send_task(task, args, queue=queue, ignore_result=False)
        result.get(timeout=PATIENCE)

    def close(self) -> None:
        for worker in self.workers:
            kill(worker)
        self.client.close()
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


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "worker.log")
    yield office
    office.close()
    if office.log.exists():
        print(office.log.read_text())  # pytest shows it with a test that failed


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


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


def keep_one_message_each(channels: dict[str, str]) -> None:
    """Of each doctor, by name. Lanes leave doctors whom another lane holds to the next minute."""
    for row in MessageDelivery.objects.select_related("doctor"):
        if channels[row.doctor.last_name] != row.channel:
            row.delete()


def statuses() -> dict[tuple[str, str], str]:
    """Of each doctor's delivery on each channel."""
    rows = MessageDelivery.objects.select_related("doctor")
    return {(row.doctor.last_name, row.channel): row.skip_reason or row.status for row in rows}


# --- Tests ----------------------------------------------------------------------------------


def test_task_reaches_its_own_queue_alone_and_once(office: Office) -> None:
    lanes = ["default", "whatsapp", "sms", "email"]
    assert list(app.amqp.queues) == lanes
    with app.connection_for_write(celery_url(redis_url())) as broker:
        for queue in app.amqp.queues.values():
            queue(broker.default_channel).declare()  # as a worker does when it starts
        app.send_task("messaging.tasks.dispatch_due", connection=broker)
        assert [office.queues.llen(lane) for lane in lanes] == [1, 0, 0, 0]
        app.send_task("messaging.tasks.send_lane", ["sms"], queue="sms", connection=broker)
        assert [office.queues.llen(lane) for lane in lanes] == [1, 0, 1, 0]


def test_tasks_of_the_strategy_carry_a_doctor_from_activity_to_figures(office: Office) -> None:
    office.start_worker()
    campaign = certificate_campaign()
    doctor("Whats", whatsapp="+919800000001")
    doctor("Text", phone="+919800000002", whatsapp="+919800000003")
    doctor("Mail", email="mail@example.com")
    schedule(office, campaign)
    assert set(statuses().values()) == {"scheduled"}
    assert len(statuses()) == 9
    keep_one_message_each({"Whats": "whatsapp", "Text": "sms", "Mail": "email"})

    office.run("messaging.tasks.dispatch_due")
    await_that(lambda: set(statuses().values()) == {"sent"}, "every lane has sent its message")
    texts = dict(SandboxMessage.objects.values_list("recipient", "text"))
    assert texts.keys() == {"+919800000001", "+919800000002", "mail@example.com"}
    assert all("Heart failure" in text for text in texts.values())

    text, mail = (MessageDelivery.objects.get(channel=channel) for channel in ("sms", "email"))
    office.run("messaging.tasks.update_message_delivery_status", text.external_id, "delivered")
    click = {"delivery_id": str(mail.pk), "event_id": "1"}
    office.run("messaging.tasks.process_engagement_events", "clicked", click)
    assert statuses() == {
        ("Whats", "whatsapp"): "sent",
        ("Text", "sms"): "delivered",
        ("Mail", "email"): "clicked",
    }

    office.run("campaigns.tasks.calculate_daily_campaign_analytics")
    figures = CampaignAnalytics.objects.filter(campaign=campaign, total_sent=1)
    assert set(
        figures.values_list("channel", "total_delivered", "total_clicked", "total_failed")
    ) == {("whatsapp", 0, 0, 0), ("sms", 1, 0, 0), ("email", 1, 1, 0)}

    Certificate.objects.filter(external_id="c-Whats").update(downloaded_at=timezone.now())
    office.run("campaigns.tasks.end_finished_enrollments")
    ended = CampaignEnrollment.objects.exclude(status="active")
    assert set(ended.values_list("doctor__last_name", "status")) == {("Whats", "converted")}
    UserSegment.objects.filter(doctor__last_name="Text").update(expires_at=timezone.now())
    office.run("segments.tasks.cleanup_expired_segments")
    assert set(UserSegment.objects.values_list("doctor__last_name", flat=True)) == {"Whats", "Mail"}


def test_single_sends_and_the_other_segments_run(office: Office) -> None:
    office.start_worker()
    campaign = certificate_campaign()
    doctor("Whats", whatsapp="+919800000001")
    doctor("Text", phone="+919800000002")
    doctor("Mail", email="mail@example.com")
    schedule(office, campaign)
    lanes = {"Whats": "whatsapp", "Text": "sms", "Mail": "email"}
    keep_one_message_each(lanes)
    for name, channel in lanes.items():
        delivery = MessageDelivery.objects.get(channel=channel)
        office.run(f"messaging.tasks.send_{channel}_message", str(delivery.pk))
        office.run(f"messaging.tasks.send_{channel}_message", str(delivery.pk))
        assert statuses()[name, channel] == "sent"
    assert SandboxMessage.objects.count() == DeliveryAttempt.objects.count() == 3
    office.run("segments.tasks.identify_aida_users_without_agents")
    office.run("segments.tasks.identify_incomplete_course_users")
    office.run("segments.tasks.identify_no_show_registrants")
    office.run("campaigns.tasks.enroll_segments")


@pytest.mark.parametrize("whole_worker", [True, False], ids=["worker", "child"])
def test_killed_in_a_send_leaves_unknown_and_is_never_sent_again(
    office: Office, desk: Desk, whole_worker: bool
) -> None:
    slow = {"WHATSAPP_PROVIDER": "slow", PORT: str(desk.port)}
    worker = office.start_worker(**slow)
    campaign = certificate_campaign()
    doctor("First", whatsapp="+919800000001")
    schedule(office, campaign)
    keep_one_message_each({"First": "whatsapp"})
    lost = MessageDelivery.objects.get()

    office.run("messaging.tasks.dispatch_due")
    call = desk.call()
    assert call.deliveries == [str(lost.pk)]
    lost.refresh_from_db()
    assert lost.status == "sending"
    assert lost.lease_expires_at is not None

    if whole_worker:
        kill(worker)
        office.start_worker(**slow)
    else:
        os.kill(call.pid, signal.SIGKILL)
    call.await_hang_up()
    lost.refresh_from_db()
    assert lost.status == "sending"
    assert record.reap(lost.lease_expires_at) == 0
    assert record.reap(lost.lease_expires_at + timedelta(seconds=1)) == 1

    # Everything that could send it again, with another message that shows the lane at work.
    doctor("Second", whatsapp="+919800000002")
    schedule(office, campaign)
    keep_one_message_each({"First": "whatsapp", "Second": "whatsapp"})
    office.run("messaging.tasks.send_whatsapp_message", str(lost.pk))
    office.run("messaging.tasks.reap_expired_leases")
    office.run("messaging.tasks.dispatch_due")
    call = desk.call()
    other = MessageDelivery.objects.get(doctor__last_name="Second")
    assert call.deliveries == [str(other.pk)]
    call.answer()
    await_that(lambda: statuses()["Second", "whatsapp"] == "sent", "the second one is sent")
    office.run("messaging.tasks.send_lane", "whatsapp", queue="whatsapp")
    assert desk.is_empty()
    tomorrow = timezone.now() + timedelta(hours=25)  # when the caps would allow it again
    assert not send_due("whatsapp", tomorrow)
    assert not send_one(lost.pk, "whatsapp", tomorrow)
    assert statuses()["First", "whatsapp"] == "unknown"
    attempts = DeliveryAttempt.objects.values_list("doctor__last_name", "outcome")
    assert sorted(attempts) == [
        ("First", "unknown"),
        ("Second", "accepted"),
    ]
    lost.refresh_from_db()
    assert lost.error_message
    assert lost.sent_at is None
