"""A real Celery worker on real queues: the strategy's tasks from end to end, and workers killed."""

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from campaigns.models import CampaignAnalytics, CampaignEnrollment
from messaging import reap
from messaging.models import DeliveryAttempt, MessageDelivery, SandboxMessage, SendWindow
from messaging.send import send_due, send_one
from reengage.celery import app
from reengage.embedded import celery_url
from segments.models import Certificate, UserSegment
from tests.office import (
    Office,
    await_that,
    certificate_campaign,
    doctor,
    keep_one_message_each,
    kill,
    redis_url,
    schedule,
    statuses,
)
from tests.providers.slow import PORT, Desk

pytestmark = pytest.mark.django_db(transaction=True)


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
    lease = SendWindow.objects.get().lease_expires_at

    if whole_worker:
        kill(worker)
        office.start_worker(**slow)
    else:
        os.kill(call.pid, signal.SIGKILL)
    call.await_hang_up()
    lost.refresh_from_db()
    assert lost.status == "sending"
    assert reap.reap(lease) == 0
    assert reap.reap(lease + timedelta(seconds=1)) == 1

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
