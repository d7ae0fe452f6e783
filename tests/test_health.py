"""What has to run and does not: in words, in time, and to anybody who asks."""

import json
import socket
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from messaging import heartbeat
from messaging.models import EventKind, Heartbeat, ProviderAccount, ProviderEvent
from reengage import machines
from reengage.machines import Check
from tests import engine
from tests.engine import NOW
from tests.servers import own_valkey
from tests.test_heartbeats import due

pytestmark = pytest.mark.django_db
# /healthz asks over a connection of its own, which sees what is committed.
committed = pytest.mark.django_db(transaction=True)

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
LONGEST = 5.0  # seconds, on a machine that is busy; it hangs for as long as it is asked


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    """The wall clock held still; what is waited for goes by the monotonic one."""
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture(autouse=True)
def _machines_run() -> None:
    engine.machines_run(NOW)


def wrong() -> dict[str, str]:
    """What is not as it should be."""
    return {check.name: check.why for check in machines.checks(NOW) if not check.is_ok}


# --- What is red, and from when -------------------------------------------------------------


def test_everything_is_well_where_everything_was_just_heard_of() -> None:
    assert wrong() == {}
    assert [check.name for check in machines.checks(NOW)] == [
        *("scheduler", "workers", "whatsapp lane", "sms lane", "email lane", "reports")
    ]


@pytest.mark.parametrize(
    ("kind", "parked", "after", "is_ok"),
    [
        ("delivered", False, 4 * MINUTE, True),
        ("delivered", False, 6 * MINUTE, False),
        ("delivered", True, 6 * MINUTE, True),  # its message may still come
        ("received", True, timedelta(0), False),
    ],
)
def test_reports_that_nobody_takes_are_red(
    kind: str, parked: bool, after: timedelta, is_ok: bool
) -> None:
    kinds = {"delivered": EventKind.DELIVERED, "received": EventKind.INBOUND}
    ProviderEvent.objects.create(
        provider="twilio",
        event_key="SM1",
        kind=kinds[kind],
        occurred_at=NOW - after,
        received_at=NOW - after,
        parked_at=NOW if parked else None,
    )
    assert ("reports" not in wrong()) is is_ok


@pytest.mark.parametrize(
    ("name", "fields", "after", "why"),
    [
        (
            "scheduler",
            {"kind": "beat"},
            2 * MINUTE,
            "The scheduler was last heard of 2 minutes ago: no message is planned.",
        ),
        ("workers", {"kind": "worker"}, MINUTE, "No worker runs: nothing is sent."),
        (
            "sms lane",
            {"name": "lane:sms"},
            3 * MINUTE,
            "Nobody has sent on SMS since 3 minutes ago.",
        ),
    ],
)
def test_silence_is_told_after_its_time(
    name: str, fields: dict[str, str], after: timedelta, why: str
) -> None:
    row = Heartbeat.objects.filter(**fields)
    row.update(at=NOW - after)
    assert wrong() == {}
    row.update(at=NOW - after - SECOND)
    assert wrong() == {name: why}
    row.update(at=NOW + after + SECOND)  # before a clock was set back
    assert list(wrong()) == [name]


def test_what_was_never_heard_of_is_told() -> None:
    Heartbeat.objects.all().delete()
    assert wrong() == {
        "scheduler": "No scheduler runs: nobody is enrolled and no message is planned.",
        "workers": "No worker runs: nothing is sent.",
        "whatsapp lane": "Nobody sends on WhatsApp.",
        "sms lane": "Nobody sends on SMS.",
        "email lane": "Nobody sends on E-mail.",
    }


def test_second_process_makes_up_for_a_silent_one() -> None:
    for kind in ("beat", "worker"):
        Heartbeat.objects.create(
            name=f"{kind}:gone:1", kind=kind, at=NOW - 9 * MINUTE, started_at=NOW
        )
    assert wrong() == {}


def test_lane_that_began_and_does_not_end_is_stuck_after_two_minutes() -> None:
    heartbeat.begin("sms", NOW - 2 * MINUTE)
    assert wrong() == {}
    heartbeat.end("sms", NOW - 2 * MINUTE, sent=0, lag=timedelta(0))
    heartbeat.begin("sms", NOW - 2 * MINUTE - SECOND)
    heartbeat.begin("sms", NOW)  # another one begins each minute
    assert wrong() == {"sms lane": "Sending on SMS began 2 minutes ago and has not ended since."}


def test_lag_is_told_above_ten_minutes() -> None:
    due("sms", 10 * MINUTE)
    assert wrong() == {}
    due("sms", 10 * MINUTE + SECOND)
    assert wrong() == {"sms lane": "The oldest SMS message has been due for 10 minutes."}


@pytest.mark.parametrize(
    ("lags", "grows"),
    [
        (range(10, 20), True),
        ([*range(10, 19), 18], False),
        (range(10, 19), False),
        ([], False),
    ],
    ids=["grew every time", "stood still once", "too few", "none"],
)
def test_lag_that_grows_is_told_before(lags: Any, grows: bool) -> None:
    due("sms", 4 * MINUTE)
    Heartbeat.objects.filter(name="lane:sms").update(detail={"lags": list(lags)})
    told = "The oldest SMS message has been due for 4 minutes, and it gets longer."
    assert wrong() == ({"sms lane": told} if grows else {})


def test_lag_of_a_channel_paused_by_hand_is_nobodys_fault() -> None:
    due("sms", 60 * MINUTE)
    account = ProviderAccount.objects.create(channel="sms", provider="sandbox", is_paused=True)
    assert wrong() == {}
    account.is_paused, account.closed_until = False, NOW + MINUTE
    account.last_trouble = "The provider refused: Anita Rao has blocked you"
    account.save()
    why = "The oldest SMS message has been due for 60 minutes: its provider is waited for."
    assert wrong() == {"sms lane": why}


def test_checks_cost_the_same_however_much_waits() -> None:
    due("sms", MINUTE)
    with CaptureQueriesContext(connection) as few:
        machines.checks(NOW)
    due("sms", *[MINUTE] * 5)
    with CaptureQueriesContext(connection) as many:
        machines.checks(NOW)
    assert len(few) == len(many) <= 8


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (90, "90 seconds"),
        (120, "2 minutes"),
        (200_000, "2 days"),
    ],
)
def test_span_is_in_the_largest_unit_that_says_enough(seconds: int, words: str) -> None:
    assert machines.span(timedelta(seconds=seconds)) == words


# --- /healthz -------------------------------------------------------------------------------


def ask() -> tuple[int, dict[str, Any], float]:
    """Status, answer and seconds."""
    began = time.monotonic()
    response = Client().get("/healthz")
    return response.status_code, response.json(), time.monotonic() - began


@committed
def test_healthz_says_that_all_is_well_to_anybody() -> None:
    status, answer, _ = ask()
    assert (status, answer["ok"]) == (200, True)
    assert list(answer["checks"]) == [
        *("database", "scheduler", "workers", "whatsapp lane", "sms lane", "email lane"),
        *("reports", "redis"),
    ]
    assert {tuple(check) for check in answer["checks"].values()} == {("ok", "warning", "why")}
    assert all(check["ok"] and check["why"] for check in answer["checks"].values())


@committed
def test_healthz_turns_red_with_what_is_wrong_and_names_no_machine() -> None:
    Heartbeat.objects.filter(kind="beat").update(at=NOW - 5 * MINUTE)
    status, answer, _ = ask()
    assert (status, answer["ok"]) == (503, False)
    assert [name for name, check in answer["checks"].items() if not check["ok"]] == ["scheduler"]
    assert answer["checks"]["scheduler"]["why"].startswith("The scheduler was last heard of")
    assert socket.gethostname() not in json.dumps(answer).replace("scheduler", "")


@committed
def test_healthz_only_looks() -> None:
    assert Client().post("/healthz").status_code == 405
    assert Client().head("/healthz").status_code == 200


@committed
@pytest.mark.parametrize("state", ["killed", "frozen"])
def test_healthz_warns_in_time_without_redis(state: str, settings: Any, tmp_path: Path) -> None:
    with own_valkey(tmp_path) as valkey:
        settings.REDIS_URL = valkey.url
        assert ask()[1]["checks"]["redis"]["ok"]
        valkey.break_down(state)
        status, answer, seconds = ask()
    assert (status, answer["ok"]) == (200, True)  # messages go out all the same
    redis = answer["checks"]["redis"]
    assert (redis["ok"], redis["warning"]) == (False, True)
    assert "up to 90 seconds late" in redis["why"]
    assert seconds < LONGEST


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Where the next connections to the database go."""
    place = {"HOST": "127.0.0.1", "PORT": 1}
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # takes connections and says nothing
        place["deaf"] = deaf.getsockname()[1]
        yield place


@committed
@pytest.mark.parametrize("state", ["away", "frozen"])
def test_healthz_is_red_in_time_without_the_database(
    state: str, nowhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    port = nowhere["deaf"] if state == "frozen" else nowhere["PORT"]
    monkeypatch.setitem(connection.settings_dict, "HOST", nowhere["HOST"])
    monkeypatch.setitem(connection.settings_dict, "PORT", port)
    for _ in range(3):  # also while the first one still waits for its answer
        status, answer, seconds = ask()
        assert status == 503
        assert list(answer["checks"]) == ["database", "redis"]
        assert not answer["checks"]["database"]["ok"]
        assert seconds < LONGEST


@committed
def test_healthz_is_red_without_redis_and_the_database_and_still_in_time(
    settings: Any, nowhere: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(connection.settings_dict, "HOST", nowhere["HOST"])
    monkeypatch.setitem(connection.settings_dict, "PORT", nowhere["deaf"])
    with own_valkey(tmp_path) as valkey:
        settings.REDIS_URL = valkey.url
        valkey.freeze()
        status, answer, seconds = ask()
    assert status == 503
    assert not any(check["ok"] for check in answer["checks"].values())
    assert seconds < LONGEST


def test_check_of_redis_is_a_warning_only() -> None:
    assert machines.redis_check() == Check("redis", is_ok=True, why="It answers.")
