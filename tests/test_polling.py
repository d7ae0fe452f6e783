"""Workers that hear no ring look for themselves: each silent lane once, and the minute's work."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.utils import timezone
from kombu.exceptions import OperationalError

from campaigns.schedule import schedule_due
from messaging import heartbeat, lanes, tasks
from messaging.models import (
    Channel,
    DeliveryAttempt,
    EventKind,
    Heartbeat,
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
    SendWindow,
)
from reengage.poll import Poller
from tests import engine
from tests.engine import NOW

pytestmark = pytest.mark.django_db
# Pollers and lanes have connections of their own, which see what is committed.
committed = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
LIMIT = timedelta(seconds=90)  # settings.POLL_AFTER


@pytest.fixture(autouse=True)
def _clock(own_clock: None) -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def _silence() -> None:
    """Nobody has run a lane for longer than polling waits."""
    heartbeat.claim_silent(LIMIT, NOW - LIMIT - SECOND)


@pytest.fixture
def pollers() -> list[Poller]:
    return [Poller(None), Poller(None)]


def look(pollers: list[Poller]) -> None:
    """Every poller looks at the same moment; returns when what they began has ended."""

    def work(poller: Poller) -> None:
        try:
            poller.look()
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=[poller]) for poller in pollers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for poller in pollers:
        for lane in poller._lanes.values():
            lane.join()


def statuses() -> Counter[str]:
    return Counter(MessageDelivery.objects.values_list("status", flat=True))


# --- The poller -----------------------------------------------------------------------------


@committed
def test_nothing_is_polled_while_somebody_sends(pollers: list[Poller]) -> None:
    engine.enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    heartbeat.claim_silent(LIMIT, NOW - LIMIT + 30 * SECOND)
    look(pollers)
    assert statuses() == {"scheduled": 2}


@committed
@pytest.mark.usefixtures("_silence")
def test_silent_lanes_are_run_by_one_poller_of_several(
    pollers: list[Poller], caplog: pytest.LogCaptureFixture
) -> None:
    engine.enrolled(5, days=(0,), channels=("sms", "email"))
    schedule_due(NOW)
    with caplog.at_level(logging.WARNING, "reengage.poll"):
        look(pollers)
    assert len(caplog.records) == 1
    assert statuses() == {"sent": 10}
    assert DeliveryAttempt.objects.count() == SandboxMessage.objects.count() == 10
    assert [lane.sent for lane in heartbeat.lanes()] == [0, 5, 5]
    look(pollers)  # they were heard of just now
    assert len(caplog.records) == 1


@committed
@pytest.mark.usefixtures("_silence")
def test_poller_does_the_rest_of_the_minutes_work(pollers: list[Poller]) -> None:
    waiting, lost = engine.enrolled(2, days=(0,), channels=("email",))
    schedule_due(NOW)
    MessageDelivery.objects.filter(enrollment=waiting).delete()  # the hour's run was missed
    type(waiting).objects.filter(pk=waiting.pk).update(next_due_at=NOW - LIMIT)
    delivery = MessageDelivery.objects.get(enrollment=lost)
    MessageDelivery.objects.update(claim_id=delivery.pk, status="sending")
    SendWindow.objects.create(
        claim_id=delivery.pk,
        channel="email",
        delivery_ids=[delivery.pk],
        authorised_at=NOW - 10 * LIMIT,
        handed_over_at=NOW - 10 * LIMIT,
        lease_expires_at=NOW - LIMIT,
    )
    report = ProviderEvent.objects.create(
        provider="x",
        event_key="1",
        kind=EventKind.DELIVERED,
        delivery=delivery,
        occurred_at=NOW,
        received_at=NOW,
    )
    look(pollers[:1])
    delivery.refresh_from_db()
    report.refresh_from_db()
    assert report.processed_at
    assert delivery.status == "delivered"
    assert not SendWindow.objects.exists()
    assert MessageDelivery.objects.filter(enrollment=waiting).exists()  # a lane may have sent it


@pytest.mark.parametrize(("is_stopping", "runs"), [(False, 3), (True, 1)])
def test_poller_goes_on_while_there_is_more_to_do_and_it_does_not_stop(
    pollers: list[Poller], monkeypatch: pytest.MonkeyPatch, is_stopping: bool, runs: int
) -> None:
    more = iter([True, True, False])
    monkeypatch.setattr(lanes, "run", lambda *_: next(more))
    poller = pollers[0]
    poller._is_stopping = is_stopping
    poller._start_lane("sms")
    poller._lanes["sms"].join()
    assert len(list(more)) == 3 - runs


@committed
@pytest.mark.usefixtures("_silence")
def test_lane_that_fails_leaves_the_others_alone(
    pollers: list[Poller], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = lanes.run

    def run(channel: str, clock: Any = None) -> bool:
        if channel == "whatsapp":
            raise RuntimeError
        return whole(channel, clock)

    monkeypatch.setattr(lanes, "run", run)
    engine.enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    look(pollers[:1])
    assert statuses() == {"sent": 1}
    assert "lane whatsapp failed" in caplog.text


def test_poller_that_stops_waits_for_what_it_began(
    pollers: list[Poller], monkeypatch: pytest.MonkeyPatch
) -> None:
    began, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def run(channel: str, clock: object = None) -> bool:
        began.set()
        may_end.wait(30)
        ended.set()
        return True

    monkeypatch.setattr(lanes, "run", run)
    poller = pollers[0]
    poller._start_lane("sms")
    assert began.wait(30)
    threading.Timer(0.2, may_end.set).start()
    poller.stop(None)
    assert ended.is_set()
    assert not poller._lanes["sms"].is_alive()


# --- The ring -------------------------------------------------------------------------------


class Bell:
    """What is rung instead of Redis."""

    def __init__(self) -> None:
        self.rung: list[str] = []
        self.expires: list[object] = []
        self.is_away = False
        self.tries = 0

    def apply_async(self, args: list[str], **options: Any) -> None:
        self.tries += 1
        if self.is_away:
            raise OperationalError
        assert options.pop("queue") == args[0]
        self.expires.append(options.pop("expires", None))
        assert options == {}  # no countdown, eta or retry
        self.rung += args


@pytest.fixture
def bell(monkeypatch: pytest.MonkeyPatch) -> Bell:
    bell = Bell()
    monkeypatch.setattr(tasks.send_lane, "apply_async", bell.apply_async)
    return bell


def test_dispatch_rings_every_lane_of_every_channel(bell: Bell, settings: Any) -> None:
    settings.LANES_PER_CHANNEL = 3
    tasks.dispatch_due()
    assert Counter(bell.rung) == dict.fromkeys(Channel.values, 3)


def test_dispatch_gives_up_with_the_first_ring_that_fails(
    bell: Bell, caplog: pytest.LogCaptureFixture
) -> None:
    bell.is_away = True
    tasks.dispatch_due()
    assert bell.tries == 1
    assert "whatsapp cannot be rung" in caplog.text


@pytest.mark.parametrize("is_away", [True, False])
@pytest.mark.parametrize("is_more", [True, False])
def test_lane_rings_again_where_there_is_more_to_do(
    bell: Bell, monkeypatch: pytest.MonkeyPatch, is_away: bool, is_more: bool
) -> None:
    bell.is_away = is_away
    monkeypatch.setattr(lanes, "run", lambda *_: is_more)
    tasks.send_lane("sms")
    assert bell.tries == is_more
    assert bell.rung == (["sms"] if is_more and not is_away else [])


def test_lane_rings_again_for_no_longer_than_it_was_rung(
    bell: Bell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or each minute would add lanes to those of the last."""
    monkeypatch.setattr(lanes, "run", lambda *_: True)
    tasks.send_lane.push_request(expires="2026-03-04T06:30:40+00:00")  # as a worker does
    try:
        tasks.send_lane.run("sms")
    finally:
        tasks.send_lane.pop_request()
    assert bell.expires == ["2026-03-04T06:30:40+00:00"]


def test_lane_of_the_task_gives_its_sign_of_life(bell: Bell) -> None:
    tasks.send_lane("sms")
    row = Heartbeat.objects.get()
    assert (row.name, row.detail["sent"]) == ("lane:sms", 0)
    assert abs(row.at - timezone.now()) < LIMIT
