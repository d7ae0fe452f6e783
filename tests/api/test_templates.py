"""Texts over the API: checked, signed, previewed."""

import pytest

from messaging.models import MessageTemplate
from tests import engine
from tests.api.world import Program, boss, owner

pytestmark = pytest.mark.django_db

TEXT = "Dr. {{last_name}}, {{session_name}}: {{shortlink}} -CLIRNET"
NEW = {
    "key": "unclaimed_certificates.sms.9",
    "channel": "sms",
    "segment_type": "unclaimed_certificates",
    "place": 9,
    "text": TEXT,
}


def test_template_is_made_changed_and_signed() -> None:
    program = Program()
    made = program.post("/templates", NEW)
    assert made.status_code == 201, made.data
    assert made.data["variables"] == ["last_name", "session_name", "shortlink"]
    address = f"/templates/{NEW['key']}"
    changed = program.patch(address, {"text": f"Dear {TEXT}", "version": 1}).data
    assert (changed["version"], changed["text"]) == (2, f"Dear {TEXT}")
    template = MessageTemplate.objects.get(template_key=NEW["key"])
    assert [one.saved_by for one in template.versions.all()] == [boss(), boss()]
    stale = program.patch(address, {"title": "Last", "version": 1})
    assert (stale.status_code, stale.data["type"]) == (409, "urn:clirnet:problem:changed-meanwhile")
    assert program.delete(address).status_code == 204
    assert program.get(address).status_code == 404


def test_text_with_an_error_is_refused_in_the_editor_s_words() -> None:
    program = Program()
    refused = program.post("/templates", {**NEW, "text": "Dr. {{last_nam}}: {{shortlink}}"})
    assert refused.status_code == 422
    (fault,) = refused.data["errors"]
    assert fault["pointer"] == "#/text"
    checked = program.post(
        "/templates/validate",
        {"channel": "sms", "segment_type": NEW["segment_type"], "text": "Dr. {{last_nam}}"},
    ).data
    assert checked["valid"] is False
    assert {one["field"] for one in checked["findings"]} == {"text"}


def test_template_that_a_campaign_sends_stays() -> None:
    key = engine.campaign(days=(0,), channels=("sms",)).steps.get().template_id
    refused = Program().delete(f"/templates/{key}")
    assert (refused.status_code, refused.data["type"]) == (409, "urn:clirnet:problem:in-use")


def test_preview_is_what_the_doctor_would_get() -> None:
    program = Program()
    doctor = engine.member(engine.doctor(last_name="Sen"))
    program.post("/templates", NEW)
    seen = program.post(f"/templates/{NEW['key']}/preview", {"doctor_id": doctor.external_id}).data
    assert seen["person"]["doctor_id"] == doctor.external_id
    assert seen["parts"]["text"].startswith("Dr. Sen, Heart failure: http")
    nobody = program.post(f"/templates/{NEW['key']}/preview", {"doctor_id": "nobody"})
    assert nobody.status_code == 422


def test_preview_of_a_doctor_outside_the_segment_shows_nobody_else() -> None:
    program = Program()
    engine.member(engine.doctor(last_name="Sen"))
    outside = engine.doctor()
    program.post("/templates", NEW)
    refused = program.post(f"/templates/{NEW['key']}/preview", {"doctor_id": outside.external_id})
    assert (refused.status_code, refused.data["errors"][0]["pointer"]) == (422, "#/doctor_id")
    assert "not in the segment" in refused.data["detail"]
    assert b"Sen" not in refused.content


@pytest.mark.parametrize("key", ["validate", "preview"])
def test_template_with_the_name_of_an_address_is_reached_by_its_own(key: str) -> None:
    program, address = Program(), f"/templates/{key}"
    assert program.post("/templates", {**NEW, "key": key}).status_code == 201
    assert program.get(address).data["key"] == key
    assert program.patch(address, {"title": "Last"}).data["title"] == "Last"
    assert program.get(f"{address}/validate").data["valid"] is True
    assert program.post(f"{address}/preview", {}).status_code == 200
    unsaved = {name: NEW[name] for name in ("channel", "segment_type", "text")}
    assert program.post(address, unsaved).status_code == 200
    assert program.delete(address).status_code == 204
    assert program.get(address).status_code == 404
    nobody = Program(owner("nobody"))
    for method in ("GET", "PATCH", "DELETE"):
        assert nobody.call(method, address).status_code == 403


def test_preview_shows_no_doctor_to_who_may_not_see_doctors() -> None:
    doctor = engine.member(engine.doctor(last_name="Sen"))
    Program().post("/templates", NEW)
    blind = Program(owner("blind", "messaging.view_messagetemplate"))
    seen = blind.post(f"/templates/{NEW['key']}/preview", {})
    assert seen.data["person"]["doctor_id"] is None
    assert "Sen" not in seen.data["parts"]["text"]
    asked = blind.post(f"/templates/{NEW['key']}/preview", {"doctor_id": doctor.external_id})
    assert asked.status_code == 403
    assert "segments.view_doctor" in asked.data["detail"]
