"""A mail program's opt-out is kept while PostgreSQL is away, and then done before all else."""

import time

import pytest
from django.core.cache import cache
from django.test import Client

from campaigns.schedule import schedule_due
from messaging import lanes, optout, patience, spool
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.preferences import later, wish
from tests.engine import DAY, NOW, enrolled, send_all, statuses

pytestmark = pytest.mark.django_db
HOUR = DAY / 24
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def delivery(settings, tmp_path, monkeypatch):
    """A mail that went out; the next one is due in two days."""
    cache.clear()
    settings.SPOOL_DIR = tmp_path / "spool"
    enrolled(days=(0, 2), channels=("email",))
    send_all(NOW)
    schedule_due(NOW + 2 * DAY)
    monkeypatch.setattr(patience._Away, "until", time.monotonic() + 60)
    return MessageDelivery.objects.get(status="sent")


def post(token, data):
    return Client(enforce_csrf_checks=True).post(f"/u/{token}", data)


def test_one_click_is_kept_on_disk_and_heeded_before_the_next_message(delivery, settings):
    for _ in range(2):  # mail programs ask twice
        response = post(delivery.token, ONE_CLICK)
        assert (response.status_code, response.cookies) == (200, {})
    assert not UnsubscribeRecord.objects.exists()
    (path,) = settings.SPOOL_DIR.iterdir()
    assert delivery.token not in path.read_text()
    lanes.run("email", lambda: NOW + 2 * DAY)
    record = UnsubscribeRecord.objects.get()
    assert (record.doctor, record.channel, record.source, record.delivery) == (
        delivery.doctor,
        "email",
        "one-click",
        delivery,
    )
    assert statuses() == {"email 0": "sent", "email 2": "unsubscribed"}
    assert not spool.is_waiting()


def test_whoever_reads_is_asked_to_come_back(delivery):
    assert post(delivery.token, {"scope": "channel"}).status_code == 503
    assert not spool.is_waiting()


def test_what_nobody_can_keep_is_not_said_to_be_done(delivery, monkeypatch):
    assert post("x" * 22, ONE_CLICK).status_code == 503  # nobody knows whose it is

    def full(kind, payload):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "append", full)
    assert post(delivery.token, ONE_CLICK).status_code == 503


def test_one_click_that_is_handed_on_again_is_not_over_what_was_taken_back_since(delivery):
    line = {"delivery": str(delivery.pk), "at": NOW.isoformat()}
    later.from_spool([line])
    wish.act(delivery, wish.Wish("back"), NOW + HOUR)
    later.from_spool([line])
    assert not UnsubscribeRecord.objects.standing().exists()


def test_one_click_holds_though_a_pause_has_ended_since(delivery):
    wish.act(delivery, wish.Wish("pause"), NOW - 40 * DAY)
    optout.end_pauses(NOW + HOUR)
    later.from_spool([{"delivery": str(delivery.pk), "at": NOW.isoformat()}])
    assert UnsubscribeRecord.objects.standing().filter(channel="email").exists()
