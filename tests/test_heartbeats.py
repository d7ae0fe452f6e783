"""Signs of life: one row for each process and each lane, whatever happens to clocks and rivals."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging import heartbeat, lanes, send
from messaging.heartbeat import Lane
from messaging.models import Channel, Heartbeat, HeartbeatKind, MessageDelivery
from messaging.record import Tally
from tests import engine
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


# --- Processes ------------------------------------------------------------------------------


def test_process_has_one_row_that_each_sign_renews() -> None:
    heartbeat.beat(HeartbeatKind.WORKER, NOW, NOW - DAY)
    with CaptureQueriesContext(connection) as queries:
        heartbeat.beat(HeartbeatKind.WORKER, NOW + MINUTE, NOW - DAY)
    assert len(queries) == 1
    heartbeat.beat(HeartbeatKind.WEB, NOW, NOW)
    rows = Heartbeat.objects.values_list("kind", "at", "started_at")
    assert set(rows) == {("worker", NOW + MINUTE, NOW - DAY), ("web", NOW, NOW)}


def test_process_of_yesterday_is_forgotten_and_a_lane_is_not() -> None:
    for name, age in (
        ("worker:a:1", DAY + SECOND),
        ("web:a:2", DAY - SECOND),
        ("lane:sms", 9 * DAY),
    ):
        kind = name.partition(":")[0]
        Heartbeat.objects.create(name=name, kind=kind, at=NOW - age, started_at=NOW - age)
    heartbeat.beat(HeartbeatKind.BEAT, NOW, NOW)
    names = set(Heartbeat.objects.exclude(kind="beat").values_list("name", flat=True))
    assert names == {"web:a:2", "lane:sms"}


def test_process_that_ends_in_order_takes_its_row_along() -> None:
    Heartbeat.objects.create(name="worker:a:1", kind="worker", at=NOW, started_at=NOW)
    heartbeat.beat(HeartbeatKind.WORKER, NOW, NOW)
    heartbeat.forget(HeartbeatKind.WORKER)
    assert Heartbeat.objects.get().name == "worker:a:1"


# --- Lanes ----------------------------------------------------------------------------------


def lane() -> Lane:
    (found,) = heartbeat.lanes()
    return found


def test_lane_tells_its_run_and_what_came_of_it() -> None:
    heartbeat.begin("sms", NOW)
    assert lane() == Lane("sms", NOW, NOW, has_ended=False, sent=0, lags=[])
    heartbeat.end("sms", NOW + SECOND, sent=7, lag=3 * SECOND)
    assert lane() == Lane("sms", NOW + SECOND, None, has_ended=True, sent=7, lags=[3])
    heartbeat.begin("sms", NOW + MINUTE)
    assert lane() == Lane("sms", NOW + MINUTE, NOW + MINUTE, has_ended=True, sent=7, lags=[3])


def test_lane_runs_since_the_first_run_that_did_not_end() -> None:
    heartbeat.begin("sms", NOW)
    heartbeat.begin("sms", NOW + MINUTE)  # the first one hangs
    assert (lane().running_since, lane().at) == (NOW, NOW + MINUTE)
    heartbeat.end("sms", NOW + 2 * MINUTE, sent=0, lag=0 * SECOND)
    assert lane().running_since is None


def test_lane_keeps_its_last_lags_in_order() -> None:
    heartbeat.begin("sms", NOW)
    for reading in range(13):
        heartbeat.end("sms", NOW, sent=0, lag=reading * SECOND)
    assert lane().lags == list(range(3, 13))


def due(channel: str, *ages: timedelta) -> None:
    """Scheduled deliveries of that age."""
    enrolled = engine.enrolled(len(ages), days=(0,), channels=(channel,))[-len(ages) :]
    for enrollment, age in zip(enrolled, ages, strict=True):
        MessageDelivery.objects.create(
            enrollment=enrollment,
            campaign_message=enrollment.campaign.steps.get(),
            doctor=enrollment.doctor,
            channel=channel,
            due_at=NOW - age,
            scheduled_at=NOW - age,
            expires_at=NOW + DAY,
        )


def test_lag_is_the_age_of_the_oldest_due_message_of_the_channel() -> None:
    due("sms", MINUTE, 5 * MINUTE, -MINUTE)
    due("email", -MINUTE)
    MessageDelivery.objects.filter(scheduled_at=NOW - MINUTE).update(status="sending")
    with CaptureQueriesContext(connection) as queries:
        assert heartbeat.lag_of("sms", NOW) == 5 * MINUTE
    assert len(queries) == 1
    assert heartbeat.lag_of("email", NOW) == heartbeat.lag_of("whatsapp", NOW) == timedelta(0)


def test_lag_is_found_by_the_index_of_the_lane() -> None:
    due("sms", MINUTE)
    due("email", *[MINUTE * minute for minute in range(2, 90)])
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE message_deliveries")
        cursor.execute("SET enable_seqscan = off")
        plan = MessageDelivery.objects.due("sms", NOW).values("scheduled_at")[:1].explain()
        cursor.execute("RESET enable_seqscan")
    assert "idx_message_deliveries_lane" in plan
    assert "Sort" not in plan


# --- Runs of a lane -------------------------------------------------------------------------


class SlowClock:
    """Every look takes so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.now = NOW
        self.step = timedelta(seconds=seconds)

    def __call__(self) -> object:
        self.now += self.step
        return self.now


def test_run_sends_what_is_due_and_tells_that_it_began_and_ended() -> None:
    due("sms", 0 * SECOND, 0 * SECOND)
    assert lanes.run("sms", lambda: NOW) is False
    assert lane() == Lane("sms", NOW, None, has_ended=True, sent=2, lags=[0])


@pytest.mark.parametrize(
    ("seconds", "left", "is_more"),
    [(12, MINUTE, True), (3, MINUTE, False), (12, -DAY, False)],
    ids=["time was up", "nothing could go", "nothing is left"],
)
def test_run_asks_for_another_where_its_time_was_up_and_something_is_due(
    monkeypatch: pytest.MonkeyPatch, seconds: float, left: timedelta, is_more: bool
) -> None:
    due("sms", left)
    monkeypatch.setattr(send, "run_lane", lambda *_: Tally(sent=1))
    assert lanes.run("sms", SlowClock(seconds)) is is_more


def test_run_that_breaks_off_is_seen_to_have_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Tally:
        raise RuntimeError

    monkeypatch.setattr(send, "run_lane", fail)
    with pytest.raises(RuntimeError):
        lanes.run("sms", lambda: NOW)
    assert lane().running_since == NOW


# --- Silent lanes ---------------------------------------------------------------------------


def test_silent_lanes_are_claimed_once_after_their_time() -> None:
    limit = 90 * SECOND
    assert heartbeat.claim_silent(limit, NOW) == []  # never heard of: counts from now
    heartbeat.begin("sms", NOW + 60 * SECOND)
    assert heartbeat.claim_silent(limit, NOW + 90 * SECOND) == []
    assert heartbeat.claim_silent(limit, NOW + 91 * SECOND) == ["whatsapp", "email"]
    assert heartbeat.claim_silent(limit, NOW + 92 * SECOND) == []
    assert heartbeat.claim_silent(limit, NOW + 151 * SECOND) == ["sms"]


def test_lane_heard_of_in_the_future_is_silent() -> None:
    """The clock was set back by an hour: nobody waits for an hour."""
    for channel in Channel.values:
        heartbeat.begin(channel, NOW + timedelta(hours=1))
    assert heartbeat.claim_silent(90 * SECOND, NOW) == Channel.values


def at_once(work: Callable[[], None], times: int) -> None:
    threads = [threading.Thread(target=work) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.django_db(transaction=True)
def test_silent_lanes_go_to_one_of_many_who_ask_at_once() -> None:
    heartbeat.claim_silent(MINUTE, NOW)
    claimed: list[str] = []

    def claim() -> None:
        try:
            claimed.extend(heartbeat.claim_silent(MINUTE, NOW + 2 * MINUTE))
        finally:
            connection.close()

    at_once(claim, 8)
    assert sorted(claimed) == sorted(Channel.values)
