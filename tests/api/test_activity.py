"""Batches: good rows go in, bad ones are told, and each batch is done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.api import idempotency
from campaigns.models import ApiBatch
from messaging.models import ConsentRecord
from segments.models import CourseProgress, Doctor, ImportRun, Session
from tests import engine
from tests.api.world import Program, boss, owner
from tests.segments import factories

pytestmark = pytest.mark.django_db


def row(number: int, **fields: Any) -> dict[str, Any]:
    return {"doctor_id": f"p{number}", "name": f"Asha Sen {number}", **fields}


def test_good_rows_go_in_and_each_bad_one_is_told() -> None:
    done = Program().report(
        "doctors",
        row(1, phone="9812345678", may_be_named=True),
        row(2, phone="123", may_be_named=False),
        row(1, phone=None, may_be_named=None),
        row(4, phone={"no": 1}, may_be_named=None),
        row(5, phone=None, may_be_named=None, phoen="1"),
        row(6, phone=None),
        "what?",
        {},
        row(9, phone=98_7654_3210, may_be_named=None),
    )
    assert done.status_code == 200
    told = {(each["index"], each["field"]): each["detail"] for each in done.data["errors"]}
    assert {key: text.split(":")[0] for key, text in told.items()} == {
        (1, "phone"): "Is not a valid phone number",
        (2, "doctor_id"): "Is in row 0 already",
        (3, "phone"): "Is no plain value",
        (4, "phoen"): "Unknown field “phoen” (is it phone?). Leave it out, or correct it.",
        (5, "may_be_named"): "Is missing here, and other rows of the batch have it",
        (6, ""): "Is no row",
        (7, ""): "Is empty, but needed",
    }
    pointers = [each["pointer"] for each in done.data["errors"]]
    assert pointers[:2] == ["#/rows/1/phone", "#/rows/2/doctor_id"]
    counts = {name: done.data[name] for name in ("rows", "created", "updated", "rejected")}
    assert counts == {"rows": 9, "created": 2, "updated": 0, "rejected": 7}
    assert dict(Doctor.objects.values_list("external_id", "phone")) == {
        "p1": "+919812345678",
        "p9": "+919876543210",
    }


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", ["doctor_id", "name", "phone", "location"])
def test_truth_in_a_field_of_another_kind_is_told(name: str, value: bool) -> None:
    sent = row(1, phone="9812345678", location="Pune", may_be_named=True)
    done = Program().report("doctors", {**sent, name: value})
    told = [(each["field"], each["detail"]) for each in done.data["errors"]]
    said = "Is true or false, which this field does not hold: send a text, a number or null."
    assert told == [(name, said)]
    assert not Doctor.objects.exists()


def test_list_in_a_field_of_one_value_is_told() -> None:
    done = Program().report("doctors", row(1, location=["Pune", "Goa"]))
    told = [(each["field"], each["detail"]) for each in done.data["errors"]]
    said = "Is a list, and this field holds one value: send a text, a number or null."
    assert told == [("location", said)]


def test_list_in_a_field_of_several_texts_is_taken() -> None:
    told = ["Rate first", "Then rhythm"]
    hours = {"starts_at": "2026-03-04T12:00:00+05:30", "ends_at": "2026-03-04T13:00:00+05:30"}
    done = Program().report(
        "sessions", {"session_id": "s1", "title": "ECG", **hours, "key_points": told}
    )
    assert done.data["errors"] == []
    assert Session.objects.get().key_points == told


def test_absent_field_stays_and_null_empties() -> None:
    program = Program()
    program.report("doctors", row(1, phone="9812345678", location="Pune"))
    program.report("doctors", row(1, phone=None), once="b2")
    assert Doctor.objects.values_list("phone", "location").get() == (None, "Pune")


def test_event_of_nobody_is_told_as_in_a_file() -> None:
    factories.CourseFactory(external_id="c1")
    done = Program().report(
        "course_progress",
        {
            "doctor_id": "nobody",
            "course_id": "c1",
            "started_at": "2026-03-01T10:00:00Z",
            "last_accessed_at": "2026-03-02T10:00:00+05:30",
        },
    )
    (told,) = done.data["errors"]
    assert told["detail"] == "No doctor has this id: import it first, or correct the id."
    assert not CourseProgress.objects.exists()


def test_kinds_say_which_fields_a_row_needs() -> None:
    program = Program()
    told = {kind["kind"]: kind for kind in program.get("/activity/kinds").data}
    doctors, courses = told["doctors"], told["courses"]
    assert [field["name"] for field in doctors["fields"] if field["required"]] == ["doctor_id"]
    assert doctors["either"] == [["name"], ["first_name", "last_name"]]
    assert courses["either"] == []
    assert {"course_id", "name"} <= {f["name"] for f in courses["fields"] if f["required"]}
    names = {"name": "Asha Sen", "first_name": "Asha", "last_name": "Sen"}
    for place, fields in enumerate(doctors["either"]):
        one = {"doctor_id": f"p{place}", **{name: names[name] for name in fields}}
        assert program.report("doctors", one, once=f"b{place}").data["created"] == 1


def test_fields_that_fit_no_row_refuse_the_batch() -> None:
    refused = Program().report("doctors", {"doctor_id": "p1", "first_name": "Asha"})
    assert refused.status_code == 422
    assert "missing field name (or first_name and last_name)" in refused.data["detail"]
    assert not ApiBatch.objects.exists()


def test_queries_do_not_grow_with_the_rows() -> None:
    program = Program()
    program.report("doctors", row(0), once="warm")
    counts = []
    for name, size in (("one", 1), ("many", 300)):
        rows = [row(number, location=name) for number in range(size)]
        with CaptureQueriesContext(connection) as queries:
            program.report("doctors", *rows, once=name)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_more_rows_than_a_batch_has_are_refused() -> None:
    refused = Program().report("doctors", *(row(number) for number in range(1001)))
    assert (refused.status_code, refused.data["errors"][0]["pointer"]) == (422, "#/rows")


def test_owner_needs_to_add_and_change_what_is_reported() -> None:
    adds = Program(owner("adds", "segments.add_doctor"))
    refused = adds.report("doctors", row(1))
    assert refused.status_code == 403
    assert "segments.change_doctor" in refused.data["detail"]
    both = Program(owner("both", "segments.add_doctor", "segments.change_doctor"))
    assert both.report("doctors", row(1)).status_code == 200


def test_consents_are_added_with_the_run_that_proves_where_they_came_from() -> None:
    doctor = engine.doctor()
    program = Program(owner("consents", "messaging.add_consentrecord"))
    done = program.report(
        "consents",
        {
            "doctor_id": doctor.external_id,
            "channel": "sms",
            "is_given": True,
            "recorded_at": "2026-03-04T12:00:00+05:30",
            "source": "app",
        },
    )
    assert done.data["created"] == 1
    assert ConsentRecord.objects.get(channel="sms").import_run == ImportRun.objects.get()


# --- once ------------------------------------------------------------------------------------


def test_same_batch_again_gets_the_same_answer_and_does_nothing() -> None:
    program = Program()
    first = program.report("doctors", row(1), row(2, name=""))
    Doctor.objects.all().delete()
    again = program.report("doctors", row(1), row(2, name=""))
    assert again.content == first.content
    assert not Doctor.objects.exists()


def test_key_with_another_batch_is_refused() -> None:
    program = Program()
    program.report("doctors", row(1))
    refused = program.report("doctors", row(2))
    assert (refused.status_code, refused.data["type"]) == (
        422,
        "urn:clirnet:problem:idempotency-key-reused",
    )
    other = Program(boss())
    assert other.report("doctors", row(2)).data["created"] == 1


def test_batch_without_a_key_is_refused() -> None:
    refused = Program().post("/activity/doctors", {"rows": [row(1)]})
    assert (refused.status_code, refused.data["errors"][0]["parameter"]) == (422, "Idempotency-Key")


def test_batch_that_failed_may_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    program = Program()
    with monkeypatch.context() as broken:
        broken.setattr("segments.imports.bulk._write", None)
        assert program.report("doctors", row(1)).status_code == 500
    assert program.report("doctors", row(1)).data["created"] == 1


def test_answers_are_forgotten_after_a_week() -> None:
    program = Program()
    program.report("doctors", row(1))
    now = timezone.now()
    assert idempotency.forget_batches(now + timedelta(days=6, hours=23)) == 0
    assert idempotency.forget_batches(now + timedelta(days=7, minutes=1)) == 1


@pytest.fixture
def committed(transactional_db: None) -> Program:
    return Program()


@pytest.mark.django_db(transaction=True)
class TestAtTheSameTime:
    def test_one_does_it_and_the_others_wait_for_its_answer(self, committed: Program) -> None:
        barrier, answers = threading.Barrier(5), []

        def send() -> None:
            try:
                barrier.wait(20)
                answers.append(committed.report("doctors", row(1)).content)
            finally:
                connection.close()

        threads = [threading.Thread(target=send) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(answers) == 5
        assert len(set(answers)) == 1
        assert b'"created": 1' in answers[0]
        assert ApiBatch.objects.count() == Doctor.objects.count() == 1

    def test_who_waits_too_long_is_told(
        self, committed: Program, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(idempotency, "PATIENCE", timedelta(seconds=1))
        held, release = threading.Event(), threading.Event()

        def hold() -> None:
            try:
                with transaction.atomic():
                    ApiBatch.objects.create(
                        api_key=committed.key,
                        idempotency_key="b1",
                        digest="0" * 64,
                        status=200,
                        answer="",
                    )
                    held.set()
                    release.wait(30)
                    transaction.set_rollback(True)
            finally:
                connection.close()

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(20)
        refused = committed.report("doctors", row(1))
        release.set()
        thread.join(20)
        assert (refused.status_code, refused.data["type"]) == (
            409,
            "urn:clirnet:problem:in-progress",
        )
        assert refused.headers["Retry-After"] == "5"
        assert committed.report("doctors", row(1)).data["created"] == 1
