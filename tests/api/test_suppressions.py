"""Opt-outs and closed channels over the API act as in the admin."""

import pytest
from django.contrib.admin.models import LogEntry

from messaging import optout
from messaging.models import Suppression, UnsubscribeRecord
from messaging.privacy import erase
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


def said() -> list[str]:
    return [
        entry.change_message.removesuffix(" (API key “Platform”)")
        for entry in LogEntry.objects.order_by("pk")
    ]


def test_history_has_an_opt_out_and_its_end_once() -> None:
    program, address = Program(), "/suppressions/opt-outs"
    wish = {"doctor_id": engine.doctor().external_id, "channel": "sms"}
    record = program.post(address, wish).data
    assert program.post(address, wish).data == record
    assert said() == ["Opted out."]
    back = program.post(f"{address}/{record['id']}/take-back")
    again = program.post(f"{address}/{record['id']}/take-back")
    assert (again.status_code, again.data) == (200, back.data)
    assert said() == ["Opted out.", "Taken back."]
    assert program.post(address, wish).data["id"] != record["id"]
    assert said() == ["Opted out.", "Taken back.", "Opted out."]


def test_opt_out_that_is_more_than_a_pause_is_in_the_history() -> None:
    doctor = engine.doctor()
    optout.pause(doctor.pk, source="page", now=NOW)
    Program().post("/suppressions/opt-outs", {"doctor_id": doctor.external_id})
    assert said() == ["Opted out."]


def test_opt_out_of_an_erased_doctor_is_not_taken_back() -> None:
    doctor = engine.doctor()
    erase.erase(doctor.pk, NOW)
    record = UnsubscribeRecord.objects.standing().get(doctor=doctor)
    refused = Program().post(f"/suppressions/opt-outs/{record.pk}/take-back")
    assert (refused.status_code, refused.data["type"]) == (409, "urn:clirnet:problem:conflict")
    assert "was erased" in refused.data["detail"]
    record.refresh_from_db()
    assert (record.revoked_at, said()) == (None, [])


def test_history_has_a_closed_channel_and_its_opening_once() -> None:
    program, address = Program(), "/suppressions/channels"
    closing = {"doctor_id": engine.doctor().external_id, "channel": "sms", "reason": "invalid"}
    held = program.post(address, closing).data
    assert program.post(address, closing).data == held
    assert said() == ["Closed."]
    program.post(address, {**closing, "reason": "complaint"})  # a wish, beside what is closed
    assert said() == ["Closed.", "Opted out."]
    lifted = program.post(f"{address}/{held['id']}/lift")
    again = program.post(f"{address}/{held['id']}/lift")
    assert (again.status_code, again.data) == (200, lifted.data)
    assert said() == ["Closed.", "Opted out.", "Lifted."]


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
