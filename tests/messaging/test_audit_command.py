"""`manage.py audit_deliveries`: what it prints, keeps and answers with; the nightly task."""

import io
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command

from messaging.audit.ledger import LedgerError, loaded
from messaging.audit.run import INVARIANTS, KEPT, LOOK_BACK, audit
from messaging.models import AuditRun, MessageDelivery
from messaging.tasks import audit_deliveries
from tests.engine import DAY, NOW, doctor
from tests.messaging.history import HOUR, ledger, sent, went_out

pytestmark = pytest.mark.django_db
MIDNIGHT = NOW + 12 * HOUR  # in Kolkata


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW + 3 * DAY, tick=False):
        yield


def run(*args: str) -> tuple[int, list[str]]:
    """The exit code and the lines."""
    out = io.StringIO()
    try:
        call_command("audit_deliveries", *args, stdout=out)
    except SystemExit as end:
        return int(str(end.code)), out.getvalue().splitlines()
    return 0, out.getvalue().splitlines()


def test_command_prints_a_line_for_each_invariant():
    sent()
    code, lines = run()
    assert code == 0
    assert lines == [
        "I1 twice                     0   every message was accepted once at most",
        "I2 opt-out                   0   nobody was written to after an opt-out",
        "I3 caps                      0   nobody got more than the caps allow",
        "I4 quiet hours               0   nothing went out outside sending hours",
        "I5 lost                      0   nothing is lost, and all that ended says why",
        "I6 ledger                    0   providers took what we say they took (the sandbox's own)",
        "I7 events                    0   every report is counted, in whatever order it came",
        "I8 schema                    0   the database itself refuses what must not be",
    ]


def test_command_shows_up_to_five_examples_without_personal_data():
    made = [went_out(doctor(), "sms", MIDNIGHT) for _ in range(7)]
    code, lines = run()
    assert code == 1
    start = lines.index("I4 quiet hours               7   nothing went out outside sending hours")
    examples = lines[start + 1 : lines.index(next(line for line in lines if line[:2] == "I5"))]
    newest = sorted((str(attempt.delivery_id) for attempt in made), reverse=True)[:5]
    assert examples == [
        f"    delivery {key}: It was authorised at 00:00:00 in Asia/Kolkata; the channel is open "
        "from 10:00 to 21:00."
        for key in newest
    ]
    person = made[0].doctor
    for secret in (person.last_name, person.email, person.phone):
        assert str(secret) not in "\n".join(lines)


def test_command_prints_json():
    went_out(doctor(), "sms", MIDNIGHT)
    code, lines = run("--json")
    result = json.loads("\n".join(lines))
    assert code == 1
    assert list(result) == [one.code for one in INVARIANTS]
    assert {code: one["count"] for code, one in result.items() if one["count"]} == {"I4": 1}
    assert result["I4"]["examples"][0].keys() == {"kind", "key", "what"}


def test_command_keeps_the_result():
    delivery = went_out(doctor(), "sms", MIDNIGHT).delivery
    run()
    kept = AuditRun.objects.get()
    assert (kept.started_at, kept.broken, kept.since) == (NOW + 3 * DAY, 1, None)
    assert [one["code"] for one in kept.found()] == [one.code for one in INVARIANTS]
    (example,) = kept.result["I4"]["examples"]
    assert (example["kind"], example["key"]) == ("delivery", str(delivery.pk))


def test_a_look_at_a_part_does_not_replace_the_last_result(tmp_path):
    went_out(doctor(), "sms", MIDNIGHT)
    run("--since", "2026-03-01")
    run("--ledger", str(ledger(tmp_path / "calls.jsonl", sent())))
    assert not AuditRun.objects.exists()


@pytest.mark.parametrize(
    ("since", "code"),
    [
        ("2026-03-05", 1),
        ("2026-03-05T00:00:00+05:30", 1),
        ("2026-03-05 00:00:01", 0),
        ("2026-03-06", 0),
        ("3d", 1),
        ("2d", 0),
    ],
)
def test_since_is_a_day_a_moment_or_days_ago(since, code):
    went_out(doctor(), "sms", MIDNIGHT)
    assert run("--since", since)[0] == code


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "7 days", "d", "2026-02-30", ""])
def test_since_that_is_no_time_is_refused_in_words(since):
    with pytest.raises(CommandError, match=re.escape(f"“{since}” will not do")):
        run("--since", since)
    assert not AuditRun.objects.exists()


def test_ledgers_are_checked_and_counted(tmp_path):
    delivery = sent()
    path = ledger(tmp_path / "calls.jsonl", delivery)
    code, lines = run("--ledger", str(path), "--covers", "sms")
    assert code == 0
    assert lines[5].endswith("(the sandbox's own; calls in the ledgers: 1)")
    twice = ["--ledger", str(path), "--ledger", str(path)]
    code, lines = run(*twice)
    assert code == 1
    assert lines[1] == f"    delivery {delivery.pk}: The provider's ledger has 2 accepted calls."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"nonsense\n", "calls.jsonl, line 1: not a call"),
        (b'\n{"delivery_id": "x"}\n[1]\n', "calls.jsonl, line 3: not a call"),
        (b'{"delivery_id": "x", "at": "soon"}', "line 1"),
        (b'{"delivery_id": "x", "at": 1e300}', "line 1"),
        (b"\xff\xfe", "can't be read"),
        (None, "can't be read"),
    ],
)
def test_ledger_that_is_none_is_refused_in_words(text, words, tmp_path):
    path = tmp_path / "calls.jsonl"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(CommandError, match=re.escape(words)) as refusal:
        run("--ledger", str(path))
    assert refusal.value.returncode == 2
    assert not AuditRun.objects.exists()


@pytest.mark.parametrize(
    "at", ['"2026-03-04T12:00:00+05:30"', '"2026-03-04T06:30:00"', "1772605800"]
)
def test_ledger_may_write_its_times_in_several_ways(at, tmp_path):
    path = tmp_path / "calls"
    path.write_text(f'{{"delivery_id": "01a2052f-a77d-720b-99e1-ccb3122a4455", "at": {at}}}')
    for since, count in ((NOW, 1), (NOW + timedelta(seconds=1), 0)):
        outcomes = {one.invariant.code: one.found for one in audit(NOW + HOUR, since, [path])}
        assert outcomes["I6"].count == count


def test_ledger_leaves_no_table_behind(tmp_path):
    path = ledger(tmp_path / "calls", sent())
    for _ in range(2):
        with loaded([path]) as calls:
            assert calls == 1
    with loaded([]) as calls:
        assert calls is None
    with pytest.raises(LedgerError), loaded([Path("/nowhere")]):
        pass


def test_nightly_task_looks_a_week_back_and_keeps_the_result(caplog: Any):
    went_out(doctor(), "sms", MIDNIGHT)
    audit_deliveries()
    kept = AuditRun.objects.get()
    assert (kept.since, kept.broken) == (NOW + 3 * DAY - LOOK_BACK, 1)
    assert f"audit {kept.pk}: rows that break a promise: 1" in caplog.text
    with time_machine.travel(MIDNIGHT + LOOK_BACK + HOUR, tick=False):
        audit_deliveries()
    newest = AuditRun.objects.first()
    assert newest is not None
    assert newest.broken == 0
    assert MessageDelivery.objects.count() == 1
    assert AuditRun.objects.count() == 2
    with time_machine.travel(MIDNIGHT + KEPT + 5 * DAY, tick=False):
        audit_deliveries()
    assert AuditRun.objects.count() == 2  # the first one is forgotten
