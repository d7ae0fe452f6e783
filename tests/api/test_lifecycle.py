"""Review, rollout and health of a campaign over the API."""

from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.core.cache import cache

from campaigns import launch
from campaigns.convert import end_all
from campaigns.models import Campaign, CampaignEnrollment, CohortAnalytics
from campaigns.overdue import Choice
from campaigns.preflight import findings
from campaigns.resumption import figures
from messaging.models import MessageDelivery
from tests import engine
from tests.api.world import Program, owner
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
NOT_READY = "urn:clirnet:problem:not-ready"
CHANGED = "urn:clirnet:problem:figures-changed"


@pytest.fixture(autouse=True)
def clock() -> Any:
    cache.clear()
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


def test_campaign_is_sent_back_with_the_reason_that_its_author_reads() -> None:
    program = Program()
    made = engine.campaign(status="draft")
    address = f"/campaigns/{made.pk}"
    assert program.post(f"{address}/submit").data["status"] == "in_review"
    unsaid = program.post(f"{address}/send-back", {"reason": "  "})
    assert (unsaid.status_code, unsaid.data["type"]) == (409, NOT_READY)
    back = program.post(f"{address}/send-back", {"reason": "Shorter, please."}).data
    assert (back["status"], back["review_note"]) == ("draft", "boss: Shorter, please.")
    again = program.post(f"{address}/send-back", {"reason": "Once more."})
    assert (again.status_code, again.data["type"]) == (409, NOT_READY)
    said = [entry.change_message for entry in LogEntry.objects.order_by("pk")]
    assert said == ["Submitted. (API key “Platform”)", "Sent back. (API key “Platform”)"]


def test_rollout_is_widened_by_one_stage_at_a_time() -> None:
    program = Program(owner("approver", "campaigns.launch_campaign"))
    made = engine.campaign(rollout_percent=10)
    address = f"/campaigns/{made.pk}/rollout/advance"
    far = program.post(address, {"to": 50})
    assert (far.status_code, far.data["type"]) == (409, NOT_READY)
    wide = program.post(address, {"to": 25}).data
    assert (wide["rollout_percent"], wide["rollout_next"]) == (25, 50)
    twice = program.post(address, {"to": 25})
    assert "at 25 % already" in twice.data["detail"]
    wrong = program.post(address, {"to": 30})
    assert (wrong.status_code, wrong.data["errors"][0]["pointer"]) == (422, "#/to")
    made.refresh_from_db()
    assert made.rollout_percent == 25


def test_rollout_that_stopped_is_resumed_before_it_is_widened() -> None:
    program = Program()
    made = engine.campaign(rollout_percent=10, rollout_halted="Complaints.")
    address = f"/campaigns/{made.pk}/rollout"
    assert program.post(f"{address}/advance", {"to": 25}).status_code == 409
    assert program.post(f"{address}/resume").data["rollout_halted"] == ""
    assert program.post(f"{address}/resume").status_code == 409
    assert program.post(f"{address}/advance", {"to": 25}).data["rollout_percent"] == 25


@pytest.fixture
def held(clock: Any) -> Campaign:
    """Paused for five days: of each of two doctors, two messages are overdue, one is to come."""
    made = engine.enrolled(2, days=(0, 2, 4, 8), channels=("sms",))[0].campaign
    engine.send_all(NOW)
    launch.pause(made, NOW + DAY / 24)
    clock.shift(5 * DAY)
    return made


def test_figures_of_a_resumption_are_those_that_the_page_shows(held: Campaign) -> None:
    address = f"/campaigns/{held.pk}/resume/figures"
    program = Program()
    skip = program.get(f"{address}?choice=skip").data
    assert (skip["skipped"], skip["moved"], skip["stays"], skip["room"]) == (4, 0, 2, None)
    spread = program.get(f"{address}?choice=spread&days=2").data
    found = figures(held, NOW + 5 * DAY, Choice.SPREAD, 2)
    assert spread == {
        "choice": "spread",
        "days": 2,
        "moved": 4,
        "stays": 2,
        "skipped": 0,
        "cut": 0,
        "last_day": str(found.last_day),
        "later_by": 0,
        "by_day": [
            {"day": str(day), "moved": found.moved[day], "stays": found.stays[day]}
            for day in sorted({*found.moved, *found.stays})
        ],
        "room": {"messages": found.room.messages, "reckoned": 2, "people": 2, "is_exact": True},
        "token": found.token,
    }
    held.refresh_from_db()
    assert held.status == "paused"


@pytest.mark.parametrize(
    ("asked", "status"),
    [("", 422), ("?choice=later", 422), ("?choice=spread&days=999", 422), ("?choice=spread", 409)],
)
def test_figures_are_of_a_choice_that_there_is(held: Campaign, asked: str, status: int) -> None:
    assert Program().get(f"/campaigns/{held.pk}/resume/figures{asked}").status_code == status


def test_figures_are_of_a_paused_campaign() -> None:
    refused = Program().get(f"/campaigns/{engine.campaign().pk}/resume/figures?choice=skip")
    assert (refused.status_code, refused.data["type"]) == (409, NOT_READY)


def test_resumption_that_was_looked_at_is_done_and_another_one_is_not(held: Campaign) -> None:
    program = Program()
    address = f"/campaigns/{held.pk}/resume"
    seen = program.get(f"{address}/figures?choice=skip").data
    one = CampaignEnrollment.objects.filter(campaign=held).first()
    end_all(CampaignEnrollment.objects.filter(pk=one.pk), NOW + 5 * DAY)
    refused = program.post(address, {"choice": "skip", "seen": seen["token"]})
    assert (refused.status_code, refused.data["type"]) == (409, CHANGED)
    now = program.get(f"{address}/figures?choice=skip").data
    assert refused.data["figures"] == now
    assert (seen["skipped"], now["skipped"]) == (4, 2)
    held.refresh_from_db()
    assert held.status == "paused"
    assert not LogEntry.objects.exists()
    done = program.post(address, {"choice": "skip", "seen": now["token"]})
    assert done.status_code == 200, done.data
    assert (done.data["campaign"]["status"], done.data["skipped"]) == ("active", 2)


@pytest.mark.parametrize("seen", ["", "x", "[]", "[1, 2, 3, [4]]", "9" * 200, None])
def test_token_of_nobodys_figures_resumes_nothing(held: Campaign, seen: str | None) -> None:
    refused = Program().post(f"/campaigns/{held.pk}/resume", {"choice": "skip", "seen": seen})
    assert (refused.status_code, refused.data["type"]) == (409, CHANGED)
    assert refused.data["figures"]["token"] == figures(held, NOW + 5 * DAY, Choice.SKIP).token


def test_resumption_without_a_token_is_done_where_nothing_is_overdue() -> None:
    made = engine.campaign()
    launch.pause(made, NOW)
    done = Program().post(f"/campaigns/{made.pk}/resume", {"choice": "skip"})
    assert (done.status_code, done.data["campaign"]["status"]) == (200, "active")


def test_campaign_shows_its_holdout_and_how_its_messages_fare() -> None:
    made = engine.campaign(days=(0,), channels=("sms",), holdout_percent=10, rollout_percent=10)
    CohortAnalytics.objects.create(campaign=made, date=NOW.date(), is_holdout=True, enrolled=3)
    CohortAnalytics.objects.create(campaign=made, date=NOW.date(), is_holdout=False, enrolled=9)
    step = made.steps.get()
    for number in range(40):
        doctor = engine.member()
        enrollment = CampaignEnrollment.objects.create(
            campaign=made, doctor=doctor, enrolled_at=NOW - 3 * DAY
        )
        is_bad = number < 4
        MessageDelivery.objects.create(
            enrollment=enrollment,
            campaign_message=step,
            doctor=doctor,
            channel="sms",
            due_at=NOW - 2 * DAY,
            scheduled_at=NOW - 2 * DAY,
            expires_at=NOW + DAY,
            status="failed" if is_bad else "delivered",
            sent_at=NOW - 2 * DAY,
            failed_at=NOW - 2 * DAY if is_bad else None,
            error_message="No such number" if is_bad else None,
            delivered_at=None if is_bad else NOW - 2 * DAY,
        )
    shown = Program().get(f"/campaigns/{made.pk}").data
    assert shown["holdout_people"] == 3
    assert shown["health"]["state"] == "broken"
    failed = shown["health"]["measures"][1]
    assert failed == {
        "name": "Failed",
        "part": 4,
        "whole": 40,
        "of": "sent or failed",
        "percent": 10.0,
        "limit": "5.00",
        "limit_is": "most",
        "state": "broken",
        "pauses": True,
    }
    draft = Campaign.objects.create(name="D", segment_type="no_show")
    shown = Program().get(f"/campaigns/{draft.pk}").data
    assert (shown["health"], shown["holdout_people"]) == (None, 0)


def test_preflight_counts_doctors_once_for_a_while_and_says_when(clock: Any) -> None:
    program = Program()
    made = engine.campaign(status="draft")
    engine.member()
    address = f"/campaigns/{made.pk}/preflight"
    first = program.get(address).data
    assert first["counted_at"] == NOW.isoformat().replace("+00:00", "Z")
    assert [(f["level"], f["key"]) for f in first["findings"]] == [
        (f.level, f.key) for f in findings(made, NOW)
    ]
    for _ in range(3):
        engine.member()
    clock.shift(60)
    second = program.get(address).data
    assert second["counted_at"] == first["counted_at"]
    assert second["findings"] == first["findings"]
    program.patch(f"/campaigns/{made.pk}", {"inactivity_days": 1})
    assert program.get(address).data["counted_at"] > first["counted_at"]
