"""Opt-outs and closed channels over the API act as in the admin."""

import pytest

from messaging.models import Suppression, UnsubscribeRecord
from tests import engine
from tests.api.world import Program, boss
from tests.engine import NOW

pytestmark = pytest.mark.django_db


def test_opt_out_acts_at_once_and_is_one_wish() -> None:
    (enrollment,) = engine.enrolled(channels=("sms",))
    engine.schedule_due(NOW)
    program = Program()
    wish = {"doctor_id": enrollment.doctor.external_id, "channel": "sms", "reason": "asked"}
    first = program.post("/suppressions/opt-outs", wish).data
    assert first["source"] == "api"
    assert first["segment_type"] is None
    assert program.post("/suppressions/opt-outs", wish).data["id"] == first["id"]
    assert engine.statuses() == {"sms 0": "unsubscribed"}
    address = f"/suppressions/opt-outs?doctor_id={wish['doctor_id']}&holds=true"
    assert [one["id"] for one in program.get(address).data["items"]] == [first["id"]]
    back = program.post(f"/suppressions/opt-outs/{first['id']}/take-back").data
    assert back["revoked_at"] is not None
    assert program.get(address).data["items"] == []
    assert UnsubscribeRecord.objects.get().revoked_at is not None


def test_channel_is_closed_and_opened_again() -> None:
    doctor = engine.doctor()
    program = Program()
    closing = {"doctor_id": doctor.external_id, "channel": "email", "reason": "hard_bounce"}
    held = program.post("/suppressions/channels", closing).data
    assert program.post("/suppressions/channels", closing).data["id"] == held["id"]
    program.post(f"/suppressions/channels/{held['id']}/lift")
    row = Suppression.objects.get()
    assert (row.lifted_by, row.lifted_at is None) == (boss(), False)
    assert not UnsubscribeRecord.objects.exists()


def test_complaint_is_an_opt_out_as_well() -> None:
    doctor = engine.doctor()
    closing = {"doctor_id": doctor.external_id, "channel": "sms", "reason": "complaint"}
    Program().post("/suppressions/channels", closing)
    assert UnsubscribeRecord.objects.get().channel == "sms"


def test_nobody_is_told_as_nobody() -> None:
    program = Program()
    refused = program.post("/suppressions/opt-outs", {"doctor_id": "nobody"})
    assert (refused.status_code, refused.data["errors"][0]["pointer"]) == (422, "#/doctor_id")
    assert program.get("/suppressions/opt-outs?doctor_id=nobody").status_code == 404


def test_lists_name_doctors_by_id_only_and_ask_as_often_for_three(
    django_assert_max_num_queries: object,
) -> None:
    program = Program()
    for _ in range(3):
        doctor = engine.doctor()
        program.post("/suppressions/opt-outs", {"doctor_id": doctor.external_id})
    with django_assert_max_num_queries(3):  # type: ignore[operator]  # key, its use, the list
        listed = program.get("/suppressions/opt-outs")
    assert len(listed.data["items"]) == 3
    assert b"Rao" not in listed.content
    assert b"+91" not in listed.content
