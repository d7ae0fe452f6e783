"""The clock without Redis, without the database, after hours of sleep, and in company."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
import time_machine
from celery import Celery
from celery.beat import SchedulingError
from django.core.management import call_command
from django.db import connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from time_machine import Traveller

from campaigns.models import CampaignAnalytics, CampaignEnrollment
from campaigns.schedule import schedule_due
from messaging.models import Channel, DeliveryAttempt, Heartbeat, MessageDelivery, SandboxMessage
from reengage import beat
from reengage.celery import app
from reengage.initial import create_missing
from segments.models import UserSegment
from tests import engine
from tests.engine import NOW
from tests.servers import Valkey, own_valkey
from tests.test_schedules import (
    MIDNIGHT,
    MINUTE,
    MINUTELY,
    SCHEDULES,
    Clock,
    create_without_the_minutely,
    run,
    traveller,
)

__all__ = ["traveller"]

# The scheduler ends the transaction it is in, so that it sees the edits of others.
pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)
TWO = MIDNIGHT + 2 * HOUR
LONGEST = 5.0  # seconds that a tick takes without Redis, on a busy machine


class DeafClock(Clock):
    """Notes what it would hand to Redis, unless that is away."""

    is_away = False

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> None:
        if self.is_away:
            raise SchedulingError("Redis is away")
        super().apply_async(entry, *args, **kwargs)


@pytest.fixture(autouse=True)
def _no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Redis did not take is offered with the next tick: minutes pass here in no time."""
    monkeypatch.setattr(beat, "TRY_AGAIN_SECONDS", 1e-6)


# --- Redis away -----------------------------------------------------------------------------


def test_night_that_redis_did_not_take_comes_when_it_is_back_and_once(
    traveller: Traveller,
) -> None:
    create_missing()
    clock = DeafClock()
    run(clock, traveller, TWO - MINUTE, TWO)
    clock.fired.clear()
    clock.is_away = True
    run(clock, traveller, TWO, TWO + 7 * MINUTE)
    assert clock.fired == []
    assert PeriodicTask.objects.get(name="identify-aida-users").last_run_at is None
    clock.is_away = False
    run(clock, traveller, TWO + 7 * MINUTE, TWO + 8 * MINUTE)
    due = {name for name, (_, times) in SCHEDULES.items() if "02:00" in times}
    # What fell due seven times comes once, and once for this minute.
    assert Counter(name for name, _ in clock.fired) == Counter([*due, *MINUTELY])
    assert clock.times("identify-aida-users") == ["02:07"]
    ran = PeriodicTask.objects.get(name="identify-aida-users").last_run_at
    assert TWO <= ran < TWO + 8 * MINUTE
    run(clock, traveller, TWO + 8 * MINUTE, TWO + 9 * MINUTE)
    assert Counter(name for name, _ in clock.fired) == Counter([*due, *MINUTELY, *MINUTELY])


def test_night_that_redis_did_not_take_outlives_the_clock(traveller: Traveller) -> None:
    create_without_the_minutely()
    PeriodicTask.objects.update(last_run_at=TWO - HOUR / 2)
    clock = DeafClock()
    clock.is_away = True
    run(clock, traveller, TWO, TWO + MINUTE)
    clock.sync()  # as on a stop in order
    traveller.move_to(TWO + 3 * MINUTE)
    again = DeafClock()
    run(again, traveller, TWO + 3 * MINUTE, TWO + 5 * MINUTE)
    assert again.times("identify-aida-users") == ["02:03"]


def test_schedule_disabled_while_redis_is_away_does_not_run(traveller: Traveller) -> None:
    create_without_the_minutely()
    PeriodicTask.objects.update(last_run_at=TWO - HOUR / 2)
    clock = DeafClock()
    clock.is_away = True
    run(clock, traveller, TWO, TWO + MINUTE)
    traveller.shift(10)
    task = PeriodicTask.objects.get(name="identify-aida-users")
    task.enabled = False
    task.save()
    run(clock, traveller, TWO + MINUTE, TWO + 2 * MINUTE)
    clock.is_away = False
    run(clock, traveller, TWO + 2 * MINUTE, TWO + 3 * MINUTE)
    assert clock.times("schedule-messages") == ["02:02"]
    assert clock.times("identify-aida-users") == []


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path) as server:
        yield server


@pytest.fixture
def ringing(valkey: Valkey) -> Iterator[beat.Scheduler]:
    """The scheduler itself, on a Redis that may be killed, with everything due."""
    create_missing()
    PeriodicTask.objects.update(last_run_at=timezone.now() - timedelta(days=2))
    client = Celery("tests", set_as_current=False)
    client.config_from_object("django.conf:settings", namespace="CELERY")
    client.conf.update(broker_url=valkey.url, result_backend=valkey.url)
    scheduler = beat.Scheduler(app=client)
    scheduler._finalize.cancel()
    yield scheduler
    client.close()


def slowest_tick(scheduler: beat.Scheduler) -> float:
    """Let everything that is due fire; returns the seconds of the longest tick."""
    slowest = 0.0
    while True:
        began = time.monotonic()
        wait = scheduler.tick()
        slowest = max(slowest, time.monotonic() - began)
        if wait:
            return slowest


@pytest.mark.parametrize("state", ["killed", "frozen"])
def test_clock_waits_for_no_redis_and_rings_each_bell_once_when_it_is_back(
    ringing: beat.Scheduler, valkey: Valkey, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beat, "TRY_AGAIN_SECONDS", 60)  # of real time: one attempt
    valkey.break_down(state)
    assert slowest_tick(ringing) < LONGEST
    assert ringing._untaken.keys() == SCHEDULES.keys()
    valkey.mend(state)
    if state == "frozen":  # what was given up meanwhile may have been heard all the same
        valkey.empty()
    ringing._try_at = 0.0
    slowest_tick(ringing)
    assert ringing._untaken == {}
    with redis.Redis.from_url(valkey.url) as queues:
        assert queues.llen("default") == len(SCHEDULES)


# --- The database away ----------------------------------------------------------------------


def test_clock_outlives_the_database(traveller: Traveller, monkeypatch: pytest.MonkeyPatch) -> None:
    create_missing()
    clock = Clock()
    run(clock, traveller, TWO - 2 * MINUTE, TWO - MINUTE)
    clock.fired.clear()
    traveller.move_to(TWO)
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "/nowhere")
        assert clock.tick() > 0
        assert clock.fired == []
    connection.close()
    run(clock, traveller, TWO, TWO + MINUTE)
    assert clock.times("identify-aida-users") == ["02:00"]


def test_clock_gives_a_sign_of_life_every_ten_seconds(traveller: Traveller) -> None:
    clock = Clock()
    signs = set()
    for _ in range(60):
        clock.tick()
        signs.add(Heartbeat.objects.get(kind="beat").at)
        traveller.shift(1)
    assert len(signs) == 6
    clock.close()
    assert not Heartbeat.objects.exists()


# --- Six hours without a clock --------------------------------------------------------------


def test_clock_back_after_six_hours_fires_each_schedule_once(traveller: Traveller) -> None:
    create_missing()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + 2 * MINUTE)
    six = MIDNIGHT + 6 * HOUR
    traveller.move_to(six)
    clock = Clock()
    run(clock, traveller, six, six + MINUTE)
    fired = Counter(name for name, _ in clock.fired)

    def is_missed(times: list[str]) -> bool:
        return any("00:02" <= at <= "06:00" for at in times)

    missed = {name for name, (_, times) in SCHEDULES.items() if is_missed(times)}
    assert fired == Counter(missed)
    assert missed >= MINUTELY


@pytest.mark.parametrize(
    ("expires_after", "expected"),
    [
        (5 * HOUR, {"too_late": 30}),
        # Two a day, and the third channel another day: as on any other day.
        (48 * HOUR, {"sent": 20, "scheduled": 10}),
    ],
    ids=["what expired is skipped", "what has not keeps its caps"],
)
def test_six_hours_without_a_clock_release_no_flood(
    expires_after: timedelta, expected: dict[str, int], settings: Any
) -> None:
    settings.STEP_EXPIRES_AFTER = expires_after
    engine.enrolled(10, days=(0,))
    schedule_due(NOW)
    engine.send_all(NOW + 6 * HOUR)
    rows = MessageDelivery.objects.values_list("skip_reason", "status")
    assert Counter(reason or status for reason, status in rows) == expected


# --- Two clocks -----------------------------------------------------------------------------


def test_two_clocks_fire_each_schedule_twice_at_most(traveller: Traveller) -> None:
    create_missing()
    traveller.move_to(TWO - MINUTE)
    clocks = [Clock(), Clock()]
    for minute in range(5):
        for clock in clocks:
            run(clock, traveller, TWO + minute * MINUTE, TWO + (minute + 1) * MINUTE)
    one, other = (Counter(name for name, _ in clock.fired) for clock in clocks)
    assert one["dispatch-messages"] == 5
    assert one["identify-aida-users"] == 1
    assert other <= one  # it reads the table now and then, and may find that all is done
    assert PeriodicTask.objects.get(name="identify-aida-users").last_run_at == TWO


def do(task: str, clocks: int) -> None:
    """What so many clocks have workers do at the same moment."""

    def work() -> None:
        try:
            if task == "messaging.tasks.dispatch_due":
                for channel in Channel.values:
                    app.tasks["messaging.tasks.send_lane"](channel)
            else:
                app.tasks[task]()
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(clocks)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def after_two_days(clocks: int) -> dict[str, Any]:
    """What is in the database after two noons at which every schedule fired, by its tasks."""
    call_command("flush", interactive=False, verbosity=0)
    app.loader.import_default_modules()
    engine.campaign(days=(0, 1), status="active")
    for _ in range(8):
        engine.certificate(engine.doctor())
    for day in range(2):
        with time_machine.travel(NOW + day * timedelta(days=1), tick=False):
            for task, _ in SCHEDULES.values():
                do(task, clocks)
            do("messaging.tasks.dispatch_due", clocks)
    deliveries = MessageDelivery.objects.values_list(
        "channel", "campaign_message__delay_days", "status", "skip_reason"
    )
    figures = CampaignAnalytics.objects.values_list("channel", "date", "total_sent")
    return {
        "segments": UserSegment.objects.count(),
        "enrolments": CampaignEnrollment.objects.count(),
        "deliveries": Counter(deliveries),
        "attempts": Counter(DeliveryAttempt.objects.values_list("channel", "outcome")),
        "messages": SandboxMessage.objects.count(),
        "figures": set(figures),
    }


@pytest.mark.usefixtures("own_clock")
def test_two_clocks_do_what_one_does() -> None:
    one = after_two_days(clocks=1)
    assert one["messages"] > 8
    assert one["enrolments"] == 8
    assert after_two_days(clocks=2) == one
