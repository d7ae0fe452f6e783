"""Four eyes on a campaign under way over the API: proposed by one key, made by another's owner."""

from typing import Any

import pytest
import time_machine
from django.contrib.admin.models import LogEntry

from campaigns.models import Campaign
from tests import engine
from tests.api.world import Program, boss, owner
from tests.engine import NOW

pytestmark = pytest.mark.django_db
KIND = "urn:clirnet:problem:"


@pytest.fixture(autouse=True)
def clock(settings: Any) -> Any:
    settings.FOUR_EYES = True
    with time_machine.travel(NOW, tick=False) as moved:
        yield moved


@pytest.fixture
def made() -> Campaign:
    """Doctors are under way in it: days 0 and 3."""
    return engine.enrolled(2, days=(0, 3), channels=("sms",))[0].campaign


def later(made: Campaign, **more: Any) -> dict[str, Any]:
    """The second step on day 5."""
    steps = [
        {"id": str(step.pk), "day": 5 if step.delay_days else 0, "template": step.template_id}
        for step in made.steps.order_by("sequence_order")
    ]
    return {"steps": steps, **more}


def days(made: Campaign) -> list[int]:
    return list(made.steps.order_by("sequence_order").values_list("delay_days", flat=True))


def ravi() -> Program:
    """Somebody else who may launch, and look at campaigns."""
    return Program(owner("ravi", "campaigns.launch_campaign", "campaigns.view_campaign"))


def proposed(program: Program, made: Campaign, **more: Any) -> Any:
    address, change = f"/campaigns/{made.pk}", later(made, **more)
    token = program.post(f"{address}/revision", change).data["token"]
    return program.post(f"{address}/proposal", {**change, "token": token})


def said() -> list[str]:
    return [entry.change_message for entry in LogEntry.objects.order_by("pk")]


def test_change_that_two_people_make_names_where_it_is_proposed(made: Campaign) -> None:
    program, address = Program(), f"/campaigns/{made.pk}"
    shown = program.post(f"{address}/revision", later(made)).data
    assert shown["needs_second"] is True
    refused = program.patch(address, {**later(made), "token": shown["token"]})
    assert (refused.status_code, refused.data["type"]) == (409, f"{KIND}second-person-needed")
    assert "POST …/proposal" in refused.data["detail"]
    assert (days(made), said()) == ([0, 3], [])


def test_change_is_proposed_by_one_and_made_by_another(made: Campaign) -> None:
    program, second, address = Program(), ravi(), f"/campaigns/{made.pk}"
    own = proposed(program, made, send_until="20:00:00")
    assert own.status_code == 200, own.data
    assert (days(made), own.data["by"], own.data["stale"]) == ([0, 3], "boss", False)
    assert own.data["fields"] == {"send_until": "20:00:00"}
    assert [step["day"] for step in own.data["steps"]] == [0, 5]
    assert any("moves from day 3 to day 5: 2 doctors" in line for line in own.data["lines"])
    assert own.data["obstacles"] == [
        "You proposed it: somebody else who may launch looks at it and makes it."
    ]
    assert program.get(f"{address}/proposal").data == own.data
    alone = program.post(f"{address}/proposal/accept", {"token": own.data["token"]})
    assert (alone.status_code, alone.data["type"]) == (409, f"{KIND}not-ready")
    waiting = second.get(f"{address}/proposal").data
    assert waiting == {**own.data, "obstacles": []}
    done = second.post(f"{address}/proposal/accept", {"token": waiting["token"]})
    assert done.status_code == 200, done.data
    assert (done.data["send_until"], [s["day"] for s in done.data["steps"]]) == ("20:00:00", [0, 5])
    lines = " ".join(waiting["lines"])
    assert said() == [
        f"Proposed: {lines} (API key “Platform”)",
        f"As boss proposed: {lines} (API key “Platform”)",
    ]
    made.refresh_from_db()
    assert (made.proposal, made.changed_by) == (None, second.key.owner)
    assert program.get(f"{address}/proposal").status_code == 404
    again = second.post(f"{address}/proposal/accept", {"token": waiting["token"]})
    assert (again.status_code, "No change waits" in again.data["detail"]) == (409, True)


def test_proposal_other_than_the_one_looked_at_is_not_made(made: Campaign) -> None:
    program, second, address = Program(), ravi(), f"/campaigns/{made.pk}/proposal"
    first = proposed(program, made).data
    other = proposed(program, made, send_until="20:00:00").data  # in the place of the first
    refused = second.post(f"{address}/accept", {"token": first["token"]})
    assert refused.status_code == 409
    assert "another one now" in refused.data["detail"]
    template = made.steps.last().template
    template.template_content = "Other: {{shortlink}} -CLIRNET"
    template.save()
    stale = second.get(address).data
    assert stale["stale"] is True
    assert stale["lines"] == other["lines"]
    assert "changed since this was proposed" in stale["obstacles"][0]
    assert second.post(f"{address}/accept", {"token": stale["token"]}).status_code == 409
    assert days(made) == [0, 3]


def test_proposal_is_sent_back_with_a_reason_or_withdrawn_without(made: Campaign) -> None:
    program, address = Program(), f"/campaigns/{made.pk}/proposal"
    other = Program(owner("asha", "campaigns.change_campaign"))
    none = other.post(f"{address}/send-back", {"reason": "Why?"})
    assert (none.status_code, none.data["type"]) == (409, f"{KIND}not-ready")
    proposed(program, made)
    unsaid = other.post(f"{address}/send-back", {"reason": " "})
    assert (unsaid.status_code, "Write what" in unsaid.data["detail"]) == (409, True)
    back = other.post(f"{address}/send-back", {"reason": "Day 6, please."})
    assert (back.status_code, back.data["review_note"]) == (200, "asha: Day 6, please.")
    proposed(program, made)
    assert program.post(f"{address}/send-back", {}).data["review_note"] == ""
    assert program.get(address).status_code == 404
    assert [line.split(" (")[0] for line in said()][1::2] == ["Dropped the proposed change."] * 2


def test_proposal_of_somebody_else_stays(made: Campaign) -> None:
    address = f"/campaigns/{made.pk}"
    first = proposed(Program(), made).data
    other = Program(owner("asha", "campaigns.change_campaign", "campaigns.change_campaignmessage"))
    refused = proposed(other, made, send_until="20:00:00")
    assert (refused.status_code, "A change by boss waits" in refused.data["detail"]) == (409, True)
    assert other.get(f"{address}/proposal").status_code == 403
    assert Program(boss()).get(f"{address}/proposal").data == first


@pytest.mark.parametrize(
    ("change", "status", "kind", "detail"),
    [
        ({"send_until": "20:00:00", "token": "old"}, 409, "not-ready", "changed since you looked"),
        ({"send_until": "20:00:00"}, 409, "token-missing", "ask …/revision"),
        ({"name": "Spring"}, 409, "not-ready", "Nobody else has to look at this change"),
        ({"segment_type": "no_show"}, 409, "not-ready", "settled with the launch"),
        ({"send_from": "20:00:00", "send_until": "10:00:00"}, 422, "invalid", "errors says what"),
        ({}, 409, "not-ready", "Nothing would be changed"),
    ],
)
def test_proposal_that_is_no_good_is_refused_and_nothing_waits(
    made: Campaign, change: dict[str, Any], status: int, kind: str, detail: str
) -> None:
    program, address = Program(), f"/campaigns/{made.pk}"
    asked = {name: value for name, value in change.items() if name != "token"}
    if kind != "token-missing":
        asked["token"] = program.post(f"{address}/revision", asked).data["token"]
    refused = program.post(f"{address}/proposal", {**asked, **change})
    assert (refused.status_code, refused.data["type"]) == (status, f"{KIND}{kind}"), refused.data
    assert detail in refused.data["detail"]
    made.refresh_from_db()
    assert (made.proposal, said()) == (None, [])


def test_proposal_needs_doctors_under_way_and_the_permissions_of_steps(made: Campaign) -> None:
    settings_only = Program(owner("settings", "campaigns.change_campaign"))
    refused = proposed(settings_only, made)
    assert (refused.status_code, refused.data["type"]) == (403, f"{KIND}permission-missing")
    draft = engine.campaign(status="draft")
    early = Program().post(f"/campaigns/{draft.pk}/proposal", {"name": "X"})
    assert (early.status_code, "without a token" in early.data["detail"]) == (409, True)


def test_change_without_its_word_in_the_history_is_none(
    made: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = proposed(Program(), made).data
    second = Program(owner("ravi", "campaigns.launch_campaign", "campaigns.change_campaign"))
    monkeypatch.setattr(LogEntry.objects, "create", _fail)
    for step, body in (("accept", {"token": own["token"]}), ("send-back", {"reason": "No."})):
        broken = second.post(f"/campaigns/{made.pk}/proposal/{step}", body)
        assert broken.status_code == 500
        assert days(made) == [0, 3]
        made.refresh_from_db()
        assert made.proposal is not None


def _fail(**_entry: Any) -> None:
    raise RuntimeError
