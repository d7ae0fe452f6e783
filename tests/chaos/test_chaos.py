"""A chaos run, and that it can fail: each promise is broken on purpose, and the audit says so.

Each scene is played by the same real processes, once as it should be and once with what keeps the
promise taken out. Where the database itself refuses what then happens, its guard is taken away,
too.
"""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from campaigns.schedule import schedule_due
from messaging import again, reap
from messaging.audit.run import audit
from messaging.models import Channel, ConsentRecord, MessageDelivery
from messaging.record import Tally
from messaging.track import Event, store
from reengage.supervise import die_with_parent
from tests.chaos.lane import Lane
from tests.chaos.nursery import open_nursery
from tests.chaos.plan import HEAVY, LIGHT, plan
from tests.chaos.points import FREEZE, POINTS, Orders
from tests.engine import DAY, NOW, enrolled
from tests.messaging.together import Worker, waits_for_a_lock
from tests.office import database_url
from tests.providers.http_peer import http_peer
from tests.providers.peer import Fault, Peer

pytestmark = pytest.mark.django_db(transaction=True)

MINUTES, SEED = "0.5", "3"
LATER = NOW + timedelta(seconds=91)  # past the lease
SENT = Tally(sent=1)
STATUS = "message_deliveries_legal_status"
ONCE = "delivery_attempts_once"
TABLE = "message_deliveries"
CHECKOUT = Path(__file__).resolve().parents[2]


class Scene:
    """Two lanes, a provider with a ledger, and points to stop at."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._stack = stack
        self.orders = Orders(directory / "orders")
        self.peer: Peer = stack.enter_context(http_peer(directory / "ledger.jsonl"))

    def lanes(self, broken: str = "", **settings: Any) -> list[Lane]:
        """Both of them, with this promise broken."""
        settings["MESSAGE_PROVIDERS"] = dict.fromkeys(Channel.values, "peer")
        lanes = [Lane(self.orders.directory, self.peer.url, broken, **settings) for _ in range(2)]
        for lane in lanes:
            self._stack.callback(lane.end)
        return lanes

    def stop_at(self, point: str, lane: Lane, *order: str | datetime) -> None:
        """Have the lane begin, and stand still there."""
        self.orders.arm(point, FREEZE)
        lane.begin(*order)
        lane.await_stop()

    def calls(self) -> int:
        return len(self.peer.ledger())

    def broken_promises(self, now: datetime = NOW + timedelta(minutes=1)) -> set[str]:
        """Codes of the invariants that the audit finds broken."""
        outcomes = audit(now, ledgers=[self.peer.path])
        return {each.invariant.code for each in outcomes if each.found.count}


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    open_nursery(DJANGO_SETTINGS_MODULE="reengage.settings", DATABASE_URL=database_url())
    with ExitStack() as stack:
        yield Scene(tmp_path, stack)


@pytest.fixture
def without() -> Iterator[Callable[[str], None]]:
    """Takes a guard of the database away, for the time of the test."""
    taken: list[str] = []

    def take(guard: str) -> None:
        taken.append(definition(guard))
        run(f"DROP INDEX {guard}" if guard == ONCE else f"DROP TRIGGER {guard} ON {TABLE}")

    yield take
    run(f"TRUNCATE {TABLE} CASCADE")  # what was done without it
    for statement in taken:
        run(statement)


def definition(guard: str) -> str:
    select = f"SELECT pg_get_indexdef('{guard}'::regclass)"
    if guard == STATUS:
        select = f"SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = '{guard}'"
    return run(select)


def run(statement: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchone()[0] if cursor.description else None


def a_message(channel: str = "sms") -> MessageDelivery:
    enrolled(days=(0,), channels=(channel,))
    schedule_due(NOW)
    return MessageDelivery.objects.get()


# --- The run --------------------------------------------------------------------------------


def test_promises_hold_whatever_happens() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", "--minutes", MINUTES, "--seed", SEED],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=die_with_parent(signal.SIGTERM),
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0


def test_plan_is_the_seeds() -> None:
    assert plan(7, 600) == plan(7, 600)
    assert plan(7, 600) != plan(8, 600)


def test_long_plan_does_every_fault_at_every_point() -> None:
    done = {(fault.kind, fault.target) for fault in plan(7, 600)}
    wanted = {
        (kind, target)
        for kinds in (HEAVY, LIGHT)
        for kind, (targets, _) in kinds.items()
        for target in targets
    }
    assert done == wanted
    assert {target for kind, target in done if kind == "kill at"} == set(POINTS)


# --- Claim ----------------------------------------------------------------------------------


def two_lanes_take_the_same(scene: Scene, broken: str) -> Tally | str:
    """One lane stops with what it has read; the other sends all. What the first one ends with.

    With wide caps: the doctor's lock and the caps alone would keep a second message from going.
    """
    first, second = scene.lanes(broken, CAP_PER_DAY=9, CAP_CHANNEL_INTERVAL=timedelta(0))
    scene.stop_at("rows-claimed", first, "send", "sms", NOW)
    second.do("send", "sms", NOW)
    return first.go_on()


def test_claimed_rows_are_left_to_who_has_them(scene: Scene) -> None:
    a_message()
    assert two_lanes_take_the_same(scene, broken="") == SENT
    assert scene.calls() == 1
    assert scene.broken_promises() == set()


def test_broken_claim_is_refused_by_the_trigger(scene: Scene) -> None:
    a_message()
    assert two_lanes_take_the_same(scene, "claim") == f"refused by {STATUS}"
    assert scene.calls() == 1
    assert scene.broken_promises() == set()


def test_broken_claim_is_refused_by_the_index(scene: Scene, without: Callable[[str], None]) -> None:
    a_message()
    without(STATUS)
    assert two_lanes_take_the_same(scene, "claim") == f"refused by {ONCE}"
    assert scene.calls() == 1
    assert scene.broken_promises() == {"I8"}


def test_broken_claim_is_caught(
    scene: Scene, without: Callable[[str], None], settings: Any
) -> None:
    a_message()
    without(STATUS)
    without(ONCE)
    assert two_lanes_take_the_same(scene, "claim") == SENT
    assert scene.calls() == 2
    settings.CAP_PER_DAY, settings.CAP_CHANNEL_INTERVAL = 9, timedelta(0)
    assert scene.broken_promises() == {"I1", "I8"}


# --- The doctor's lock ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "calls", "promises"), [("", 1, set()), ("doctor-lock", 2, {"I3"})]
)
def test_broken_doctor_lock_spends_the_caps_twice_and_is_caught(
    scene: Scene, settings: Any, broken: str, calls: int, promises: set[str]
) -> None:
    """While a lane decides, the doctor gets a message of a campaign that goes first."""
    a_message("whatsapp")
    first, second = scene.lanes(broken, CAP_PER_DAY=1)
    scene.stop_at("authorise-before-commit", first, "send", "whatsapp", NOW)
    enrolled(0, days=(0,), channels=("sms",), priority=1)
    schedule_due(NOW)
    second.do("send", "sms", NOW)
    first.go_on()
    second.do("send", "sms", NOW)  # what was left since the doctor was locked
    settings.CAP_PER_DAY = 1
    assert scene.calls() == calls
    assert scene.broken_promises() == promises


@pytest.mark.parametrize(("broken", "promises"), [("", set()), ("doctor-lock", {"I2"})])
def test_broken_doctor_lock_lets_a_withdrawal_pass_and_is_caught(
    scene: Scene, broken: str, promises: set[str]
) -> None:
    message = a_message("whatsapp")
    (lane, _) = scene.lanes(broken)
    scene.stop_at("decided", lane, "send", "whatsapp", NOW)
    withdrawal = Worker(
        lambda: ConsentRecord.objects.create(
            doctor=message.doctor, channel="whatsapp", is_given=False, recorded_at=NOW
        )
    )
    if broken:
        withdrawal.result()
    else:
        assert waits_for_a_lock()
    assert lane.go_on() == SENT
    withdrawal.result()
    assert scene.broken_promises() == promises


# --- Fencing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("broken", "calls", "promises"), [("", 1, set()), ("hand-over", 2, {"I1"})]
)
def test_window_handed_over_after_it_was_taken_away_is_caught(
    scene: Scene, broken: str, calls: int, promises: set[str]
) -> None:
    a_message()
    first, second = scene.lanes(broken)
    scene.stop_at("before-hand-over", first, "send", "sms", NOW)
    reap.reap(LATER)
    assert second.do("send", "sms", LATER) == SENT
    first.go_on()
    assert scene.calls() == calls
    assert scene.broken_promises() == promises


@pytest.mark.parametrize(
    ("broken", "status", "promises"), [("", "sent", set()), ("record", "scheduled", {"I1"})]
)
def test_result_recorded_under_an_old_claim_is_caught(
    scene: Scene, broken: str, status: str, promises: set[str]
) -> None:
    """Refused for now, but that was a while ago: a person has sent it again meanwhile."""
    message = a_message()
    first, second = scene.lanes(broken)
    scene.peer.set_faults(Fault("408", times=1))
    scene.stop_at("before-record", first, "send", "sms", NOW)
    reap.reap(LATER)
    again.send_again(message.pk, "somebody", LATER)
    scene.stop_at("before-record", second, "send", "sms", NOW + DAY)  # when the caps allow it
    first.go_on()
    second.go_on()
    message.refresh_from_db()
    assert message.status == status
    assert scene.calls() == 1
    assert scene.broken_promises(NOW + DAY) == promises


# --- Order of events ------------------------------------------------------------------------


def reports_come_late(scene: Scene, broken: str) -> tuple[MessageDelivery, int | str]:
    """Clicked, and then word of a delivery that came before, by a clock that is a little late."""
    message = a_message()
    lane, _ = scene.lanes(broken)
    lane.do("send", "sms", NOW)
    for minutes, kind in ((1, "clicked"), (2, "delivered")):
        at = NOW + timedelta(minutes=minutes)
        store([Event("test", kind, kind, at, delivery_id=message.pk)], at)
        said = lane.do("apply", at)
    message.refresh_from_db()
    return message, said


LONG_AFTER = NOW + timedelta(hours=1)


def test_late_reports_change_nothing(scene: Scene) -> None:
    message, _ = reports_come_late(scene, broken="")
    assert (message.status, message.delivered_at) == ("clicked", NOW + timedelta(minutes=1))
    assert scene.broken_promises(LONG_AFTER) == set()


def test_last_time_instead_of_the_earliest_is_caught(scene: Scene) -> None:
    message, _ = reports_come_late(scene, "earliest")
    assert message.delivered_at == NOW + timedelta(minutes=2)
    assert scene.broken_promises(LONG_AFTER) == {"I7"}


def test_last_rank_instead_of_the_highest_is_refused_by_the_trigger(scene: Scene) -> None:
    message, said = reports_come_late(scene, "highest")
    assert said == f"refused by {STATUS}"
    assert message.status == "clicked"
    assert scene.broken_promises(LONG_AFTER) == {"I7"}  # the second report is not counted


def test_last_rank_instead_of_the_highest_is_caught(
    scene: Scene, without: Callable[[str], None]
) -> None:
    without(STATUS)
    message, _ = reports_come_late(scene, "highest")
    assert message.status == "delivered"
    assert scene.broken_promises(LONG_AFTER) == {"I7", "I8"}
