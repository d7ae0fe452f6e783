"""A campaign over the API, from draft to its end."""

import re
from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import rollout
from campaigns.api.errors import KIND
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage
from messaging.models import MessageTemplate
from tests import engine
from tests.api.world import Program, boss, owner
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def clock() -> Any:
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


def keys() -> list[str]:
    """Three templates of the segment, in the order of the channels."""
    engine.campaign(days=(0,), status="completed")
    return list(
        MessageTemplate.objects.order_by("sequence_order").values_list("template_key", flat=True)
    )


def draft(**more: Any) -> dict[str, Any]:
    whatsapp, sms, email = keys()
    steps = [
        {"day": 0, "template": whatsapp},
        {"day": 3, "template": sms, "send_from": "17:00:00"},
        {"day": 5, "template": email, "subject": "Your certificate waits"},
    ]
    return {"name": "C", "segment_type": "unclaimed_certificates", "steps": steps, **more}


def test_draft_is_made_by_the_owner_of_the_key() -> None:
    program = Program()
    made = program.post("/campaigns", draft(holdout_percent=10, start_date="2026-03-05T10:00:00Z"))
    assert made.status_code == 201, made.data
    campaign = Campaign.objects.get(pk=made.data["id"])
    assert (campaign.status, campaign.author, campaign.changed_by) == ("draft", boss(), boss())
    assert [(s["place"], s["day"], s["channel"], s["subject"]) for s in made.data["steps"]] == [
        (1, 0, "whatsapp", ""),
        (2, 3, "sms", ""),
        (3, 5, "email", "Your certificate waits"),
    ]
    assert program.get(f"/campaigns/{campaign.pk}").data == made.data
    entry = LogEntry.objects.get(object_id=str(campaign.pk))
    assert (entry.user, entry.change_message) == (boss(), "Made. (API key “Platform”)")


@pytest.mark.parametrize(
    ("wrong", "pointers"),
    [
        ({"send_from": "21:00:00", "send_until": "10:00:00"}, ["#"]),
        ({"send_from": "10:00:00Z"}, ["#/send_from"]),
        ({"start_date": "2026-02-01T00:00:00Z", "end_date": "2026-01-01T00:00:00Z"},
         ["#/end_date"]),
        ({"channel_order": ["sms"]}, ["#/channel_order"]),
        ({"steps": [{"day": 0, "template": "nobodys"}]}, ["#/steps/0/template"]),
        ({"steps": [{"day": -1, "template": "x", "when": 3}]}, ["#/steps/0/day", "#/steps/0/when"]),
        ({"name": "a\u0000b"}, ["#"]),
        ({"status": "active"}, ["#/status"]),
    ],
)  # fmt: skip
def test_draft_that_is_wrong_is_refused_field_by_field(wrong: Any, pointers: list[str]) -> None:
    before = Campaign.objects.count() + 1
    refused = Program().post("/campaigns", draft(**wrong))
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.data["errors"]] == pointers
    assert Campaign.objects.count() == before


def test_steps_are_all_that_is_sent_and_keep_who_they_are() -> None:
    program = Program()
    made = program.post("/campaigns", draft()).data
    first, _, last = made["steps"]
    steps = [
        {"id": last["id"], "day": 1, "template": last["template"]},
        {"day": 2, "template": first["template"]},
    ]
    changed = program.patch(f"/campaigns/{made['id']}", {"steps": steps, "name": "D"})
    assert changed.status_code == 200, changed.data
    assert [(step["place"], step["day"]) for step in changed.data["steps"]] == [(1, 1), (2, 2)]
    assert changed.data["steps"][0]["id"] == last["id"]
    assert changed.data["name"] == "D"
    assert CampaignMessage.ever.filter(campaign=made["id"]).count() == 2


def test_steps_need_the_permissions_of_steps() -> None:
    made = Program().post("/campaigns", draft()).data
    may = Program(owner("settings", "campaigns.change_campaign"))
    address = f"/campaigns/{made['id']}"
    assert may.patch(address, {"name": "D"}).status_code == 200
    refused = may.patch(address, {"steps": []})
    assert refused.status_code == 403
    assert "campaigns.delete_campaignmessage" in refused.data["detail"]


def test_copy_needs_the_permission_of_the_steps_that_it_makes() -> None:
    made = Program().post("/campaigns", draft()).data
    empty = Program().post("/campaigns", {"name": "E", "segment_type": "no_show"}).data
    may = Program(owner("settings", "campaigns.add_campaign"))
    refused = may.post(f"/campaigns/{made['id']}/copy")
    assert refused.status_code == 403
    assert "campaigns.add_campaignmessage" in refused.data["detail"]
    assert may.post(f"/campaigns/{empty['id']}/copy").status_code == 201


@pytest.mark.parametrize("day", [True, "3", 3.5])
def test_number_of_a_step_is_a_number(day: Any) -> None:
    body = draft()
    body["steps"][0]["day"] = day
    refused = Program().post("/campaigns", body)
    assert (refused.status_code, refused.data["errors"][0]["pointer"]) == (422, "#/steps/0/day")


@pytest.mark.parametrize(
    ("seen", "sent"),
    [
        ({"send_from": "11:00"}, {"send_from": "12:00"}),
        ({"send_from": "11:00"}, {"send_from": "11:00", "send_until": "20:00"}),
        ({"send_from": "11:00", "send_until": "20:00"}, {"send_from": "11:00"}),
        ({"max_failure_rate": "3"}, {"max_failure_rate": "4"}),
    ],
)
def test_token_is_of_the_change_that_was_shown(
    settings: Any, seen: dict[str, str], sent: dict[str, str]
) -> None:
    settings.FOUR_EYES = False
    campaign = engine.enrolled(days=(0, 3), channels=("sms",))[0].campaign
    program, address = Program(), f"/campaigns/{campaign.pk}"
    token = program.post(f"{address}/revision", seen).data["token"]
    refused = program.patch(address, {**sent, "token": token})
    assert (refused.status_code, refused.data["type"]) == (409, "urn:clirnet:problem:not-ready")
    assert "another change than was shown" in refused.data["detail"]
    assert program.patch(address, {**seen, "token": token}).status_code == 200


def test_token_holds_for_the_same_change_in_another_spelling(settings: Any) -> None:
    settings.FOUR_EYES = False
    campaign = engine.enrolled(days=(0, 3), channels=("sms",))[0].campaign
    program, address = Program(), f"/campaigns/{campaign.pk}"
    seen = {"max_failure_rate": "3.5", "end_date": "2027-04-01T10:00:00+05:30"}
    token = program.post(f"{address}/revision", seen).data["token"]
    sent = {"end_date": "2027-04-01T04:30:00Z", "max_failure_rate": "3.50", "token": token}
    assert program.patch(address, sent).status_code == 200


@pytest.mark.parametrize("status", ["draft", "active"])
def test_change_of_what_was_read_goes_over_nobody_elses(status: str) -> None:
    program, made = Program(), engine.campaign(days=(0,), channels=("sms",), status=status)
    address = f"/campaigns/{made.pk}"
    read = program.get(address).headers["ETag"]
    assert re.fullmatch(r'"[0-9a-f]{64}"', read)
    made.steps.update(delay_days=3)

    def change(name: str, seen: str) -> Any:
        token = {}
        if status == "active":
            token["token"] = program.post(f"{address}/revision", {"name": name}).data["token"]
        return program.patch(address, {"name": name, **token}, **{"If-Match": seen})

    refused = change("Mine", read)
    assert (refused.status_code, refused.data["type"]) == (412, f"{KIND}precondition-failed")
    assert program.get(address).data["name"] == made.name
    newer = program.get(address).headers["ETag"]
    done = change("Mine", f'"other", {newer}')
    assert (done.status_code, done.data["name"]) == (200, "Mine")
    assert done.headers["ETag"] == program.get(address).headers["ETag"] != newer
    assert change("Yours", "*").status_code == 200


def test_life_from_launch_to_stop(settings: Any, clock: Any) -> None:
    settings.FOUR_EYES = False
    program = Program()
    made = program.post("/campaigns", draft(inactivity_days=0)).data
    address = f"/campaigns/{made['id']}"
    look = program.get(f"{address}/preflight").data
    assert look["ready"] is True, look
    assert program.post(f"{address}/launch").data["status"] == "active"
    engine.member()
    engine.enroll(Campaign.objects.get(pk=made["id"]), NOW)
    assert program.post(f"{address}/pause").data["status"] == "paused"
    again = program.post(f"{address}/pause")
    assert (again.status_code, again.data["type"]) == (409, "urn:clirnet:problem:not-ready")
    clock.shift(2 * DAY)
    assert program.get(f"{address}/overdue").data["messages"] == 1
    unsaid = program.post(f"{address}/resume", {})
    assert unsaid.status_code == 409
    assert "say whether to skip" in unsaid.data["detail"]
    seen = program.get(f"{address}/resume/figures?choice=shift").data["token"]
    resumed = program.post(f"{address}/resume", {"choice": "shift", "seen": seen}).data
    assert (resumed["campaign"]["status"], resumed["moved"]) == ("active", 3)
    stopped = program.post(f"{address}/stop").data
    assert (stopped["campaign"]["status"], stopped["people"]) == ("completed", 1)
    assert not CampaignEnrollment.objects.filter(status="active").exists()


def test_who_made_it_does_not_launch_it(settings: Any) -> None:
    settings.FOUR_EYES = True
    program = Program()
    address = f"/campaigns/{program.post('/campaigns', draft()).data['id']}"
    assert program.post(f"{address}/submit").data["status"] == "in_review"
    own = program.post(f"{address}/launch")
    assert own.status_code == 409
    assert "somebody else has to look at it" in own.data["detail"]
    other = Program(owner("approver", "campaigns.launch_campaign"))
    assert other.post(f"{address}/launch").data["status"] == "active"


def test_change_under_way_is_shown_first_and_then_confirmed() -> None:
    program = Program()
    campaign = engine.enrolled(2)[0].campaign
    address = f"/campaigns/{campaign.pk}"
    steps = [
        {"id": str(step.pk), "day": step.delay_days + 4 * (step.delay_days == 3),
         "template": step.template_id}
        for step in campaign.steps.order_by("sequence_order")
    ]  # fmt: skip
    unseen = program.patch(address, {"steps": steps})
    assert (unseen.status_code, unseen.data["type"]) == (409, "urn:clirnet:problem:token-missing")
    shown = program.post(f"{address}/revision", {"steps": steps}).data
    assert "moves from day 3 to day 7: 2 doctors wait for it" in shown["lines"][0]
    assert shown["problems"] == []
    assert campaign.steps.filter(delay_days=7).count() == 0
    done = program.patch(address, {"steps": steps, "token": shown["token"]})
    assert done.status_code == 200, done.data
    assert campaign.steps.filter(delay_days=7).count() == 3
    stale = program.patch(address, {"name": "D", "token": shown["token"]})
    assert stale.status_code == 409
    assert "changed since you looked" in stale.data["detail"]


@pytest.mark.parametrize("status", ["draft", "active"])
def test_change_that_can_not_be_noted_in_the_history_is_not_made(
    status: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, made = Program(), engine.campaign(status=status, name="C")
    change: dict[str, Any] = {"name": "D"}
    if status == "active":
        change["token"] = program.post(f"/campaigns/{made.pk}/revision", change).data["token"]

    def fail(**_entry: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(LogEntry.objects, "create", fail)
    assert program.patch(f"/campaigns/{made.pk}", change).status_code == 500
    made.refresh_from_db()
    assert made.name == "C"


def test_only_a_draft_is_deleted() -> None:
    program = Program()
    running = engine.campaign()
    assert program.delete(f"/campaigns/{running.pk}").status_code == 409
    made = program.post("/campaigns", {"name": "X", "segment_type": "no_show"}).data
    assert program.delete(f"/campaigns/{made['id']}").status_code == 204
    assert program.get(f"/campaigns/{made['id']}").status_code == 404


def test_draft_that_somebody_changed_since_is_not_deleted() -> None:
    program = Program()
    address = f"/campaigns/{program.post('/campaigns', draft()).data['id']}"
    read = program.get(address).headers["ETag"]
    weak = {"If-Match": f"W/{read}"}  # as a proxy makes it that compresses
    assert program.patch(address, {"name": "Mine"}, **weak).status_code == 200
    assert program.delete(address, **{"If-Match": read}).status_code == 412
    newer = program.get(address).headers["ETag"]
    assert program.delete(address, **{"If-Match": newer}).status_code == 204


def test_name_that_is_too_long_is_told_by_its_characters() -> None:
    (fault,) = Program().post("/campaigns", draft(name="x" * 256)).data["errors"]
    assert fault["detail"] == "Has to have at most 255 characters."


def test_pages_are_stable_while_campaigns_come_in() -> None:
    program = Program()
    made = [Campaign.objects.create(name=str(n), segment_type="no_show") for n in range(5)]
    first = program.get("/campaigns?limit=2").data
    Campaign.objects.create(name="new", segment_type="no_show")
    second = program.get(f"/campaigns?limit=2&cursor={first['next']}").data
    third = program.get(f"/campaigns?limit=2&cursor={second['next']}").data
    seen = [row["name"] for one in (first, second, third) for row in one["items"]]
    assert seen == [campaign.name for campaign in reversed(made)]
    assert third["next"] is None
    assert program.get("/campaigns?limit=201").status_code == 422
    wrong = program.get("/campaigns?cursor=x").data
    assert wrong["errors"][0]["parameter"] == "cursor"


def test_list_asks_as_much_for_many_as_for_one_and_counts_no_health(
    monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
) -> None:
    counted: list[Any] = []
    monkeypatch.setattr(rollout, "health", lambda *asked: counted.append(asked))
    program = Program()
    first = engine.campaign()
    program.get("/campaigns")  # the key's use is written down, once a minute
    with CaptureQueriesContext(connection) as one:
        program.get("/campaigns")
    for _ in range(3):
        engine.campaign()
    with django_assert_num_queries(len(one)):
        rows = program.get("/campaigns").data["items"]
    assert len(rows) == 4
    assert all("health" not in row for row in rows)
    assert counted == []
    assert program.get(f"/campaigns/{first.pk}").data["health"] is None
    assert len(counted) == 1


@pytest.mark.parametrize("name", [" ", "\t\n", "\u00a0"])
def test_name_of_blanks_is_refused(name: str) -> None:
    program = Program()
    refused = program.post("/campaigns", draft(name=name))
    assert refused.status_code == 422, refused.data
    assert not Campaign.objects.filter(name=name).exists()
