"""The admin's import and export: the same cells, keys and words as the bulk import."""

from datetime import UTC, datetime

import pytest
import tablib
from django.db import connection
from django.test.utils import CaptureQueriesContext
from import_export.formats.base_formats import CSV, XLSX

from messaging.models import ConsentRecord
from segments.imports.kinds import KINDS
from segments.imports.resources import RESOURCES
from segments.models import (
    AidaUsage,
    Certificate,
    CourseModule,
    CourseProgress,
    Doctor,
    SessionRegistration,
)
from tests.engine import NOW
from tests.segments.imports.files import (
    counts,
    csv_text,
    doctor_row,
    make_course,
    make_doctor,
    make_session,
)
from tests.segments.imports.files import load as load_file

pytestmark = pytest.mark.django_db

WHEN = datetime(2026, 1, 31, 10, 30)  # noqa: DTZ001  spreadsheets have no zones


def load(model, content, **options):
    """Import a CSV text as the admin does."""
    dataset = tablib.Dataset().load(content, format="csv")
    return RESOURCES[model]().import_data(dataset, **options)


def load_doctors(*rows, **options):
    return load(Doctor, csv_text(*rows), **options)


def totals(result):
    """Created, updated, unchanged, rejected; nothing may have failed otherwise."""
    assert [repr(error.error) for error in result.base_errors] == []
    assert [repr(e.error) for _, errors in result.row_errors() for e in errors] == []
    return tuple(result.totals[name] for name in ("new", "update", "skip", "invalid"))


def problems(result):
    """Row, column and words of what is wrong."""
    return [
        (row.number, column, " ".join(words))
        for row in result.invalid_rows
        for column, words in row.error_dict.items()
    ]


def test_every_kind_has_a_resource():
    assert set(RESOURCES) == {kind.model for kind in KINDS.values()}


def test_rows_are_created_updated_and_skipped():
    assert totals(load_doctors(doctor_row(1, phone="98000 00001"), doctor_row(2))) == (2, 0, 0, 0)
    result = load_doctors(doctor_row(1), doctor_row(2, last_name="Iyer"), doctor_row(3))
    assert totals(result) == (1, 1, 1, 0)
    assert Doctor.objects.get(external_id="d2").last_name == "Iyer"


def test_preview_changes_nothing():
    assert totals(load_doctors(doctor_row(1), dry_run=True)) == (1, 0, 0, 0)
    assert not Doctor.objects.exists()


def test_names_are_split_and_absent_columns_left():
    make_doctor(1, specialty="Cardiology")
    result = load(Doctor, "Doctor ID,NAME\nd1,Prof. Dr. Meera Iyer\nd2,Dr. Rao\n")
    assert totals(result) == (1, 1, 0, 0)
    one, two = Doctor.objects.order_by("external_id")
    assert (one.first_name, one.last_name, one.specialty) == ("Meera", "Iyer", "Cardiology")
    assert (two.first_name, two.last_name, two.title) == ("Rao", "Rao", "Dr.")


def test_bad_cells_are_told_by_row_and_column_in_the_bulk_import_s_words():
    result = load_doctors(
        doctor_row(1),
        doctor_row(2, phone="9.88E+09", email="nobody"),
        doctor_row(3, first_name="=1+1"),
        doctor_row(4, doctor_id=""),
    )
    assert totals(result) == (1, 0, 0, 3)
    told = {(row, column): words for row, column, words in problems(result)}
    assert set(told) == {(2, "phone"), (2, "email"), (3, "first_name"), (4, "doctor_id")}
    assert told[2, "phone"].startswith("The spreadsheet has spoiled this number")
    assert told[4, "doctor_id"] == "Is empty, but needed: fill it in."


def test_addresses_of_others_are_refused_as_in_the_bulk_import():
    make_doctor(1, email="D1@Example.com", whatsapp="+919811111111")
    result = load_doctors(
        doctor_row(2, email="d1@example.com"),
        doctor_row(3, phone="9811111111"),
        doctor_row(4),
        doctor_row(5, phone="9800000004"),
        doctor_row(6),
        doctor_row(6, phone="9899999999"),
    )
    assert totals(result) == (2, 0, 0, 4)
    assert problems(result) == [
        (1, "email", "Belongs to d1: correct it, or empty it there first."),
        (2, "phone", "Belongs to d1: correct it, or empty it there first."),
        (4, "phone", "Belongs to d4: correct it, or empty it there first."),
        (6, "doctor_id", "Is in row 5 already: keep one of the two."),
    ]


def test_wrong_header_is_told_and_nothing_imported():
    result = load(Doctor, "doctor_id,fone\nd1,12\n")
    [error] = result.base_errors
    assert "unknown column “fone” (is it phone?)" in str(error.error)
    assert error.traceback == ""
    assert result.total_rows == 0
    assert not Doctor.objects.exists()


def test_blank_rows_are_left_out():
    result = load(Doctor, "doctor_id,name\nd1,Rao\n,\n, \n")
    assert totals(result) == (1, 0, 0, 0)


def test_spreadsheet_values_are_read():
    data = tablib.Dataset(headers=["doctor_id", "name", "phone", "may_be_named", "last_active_at"])
    data.append([1001, "Anita Rao", 9876543210.0, True, WHEN])
    dataset = XLSX().create_dataset(data.export("xlsx"))
    assert totals(RESOURCES[Doctor]().import_data(dataset)) == (1, 0, 0, 0)
    doctor = Doctor.objects.get()
    assert (doctor.external_id, doctor.phone, doctor.may_be_named) == (
        "1001",
        "+919876543210",
        True,
    )
    assert doctor.last_active_at == datetime(2026, 1, 31, 5, 0, tzinfo=UTC)


def test_references_are_found_by_the_platform_s_ids():
    doctor, session = make_doctor(1), make_session()
    content = "doctor_id,session_id,registered_at,rating\nd1,s1,2026-01-31,4\nd7,s1,2026-01-31,9\n"
    result = load(SessionRegistration, content)
    assert totals(result) == (1, 0, 0, 1)
    registration = SessionRegistration.objects.get()
    assert (registration.doctor, registration.session) == (doctor, session)
    assert problems(result) == [
        (2, "doctor_id", "No doctor has this id: import it first, or correct the id."),
        (2, "rating", "Lies outside 1 to 5."),
    ]
    assert totals(load(SessionRegistration, content)) == (0, 0, 1, 1)


def test_reference_that_the_database_could_not_even_be_asked_for_is_told():
    result = load(AidaUsage, "doctor_id,used_at\nd\0,2026-01-31\n")
    assert totals(result) == (0, 0, 0, 1)
    [(row, column, words)] = problems(result)
    assert (row, column) == (1, "doctor_id")
    assert words.startswith("Holds a control character")


def test_rules_across_columns_hold():
    make_doctor(1)
    make_session()
    make_course(modules=2)
    progress = load(
        CourseProgress,
        "doctor_id,course_id,started_at,completed_modules,last_accessed_at\n"
        "d1,c1,2026-01-10,3,2026-01-09\n",
    )
    assert [column for _, column, _ in problems(progress)] == [
        "last_accessed_at",
        "completed_modules",
    ]
    certificates = load(
        Certificate,
        "certificate_id,doctor_id,session_id,course_id,issued_at\n"
        "x1,d1,s1,,2026-01-31\nx2,d1,s1,c1,2026-01-31\nx3,d1,,,2026-01-31\n",
    )
    assert totals(certificates) == (1, 0, 0, 2)
    assert [(row, column) for row, column, _ in problems(certificates)] == [
        (2, "session_id"),
        (3, "session_id"),
    ]


def test_lists_are_read_and_written():
    make_course(modules=0)
    load(
        CourseModule,
        "course_id,number,name,duration_minutes,key_learnings\nc1,1,First,20,One | Two\n",
    )
    assert CourseModule.objects.get().key_learnings == ["One", "Two"]
    assert RESOURCES[CourseModule]().export().dict == [
        {
            "course_id": "c1",
            "number": "1",
            "name": "First",
            "duration_minutes": "20",
            "key_learnings": "One | Two",
        }
    ]


def test_consent_is_told_to_the_doctor():
    make_doctor(1)
    content = "doctor_id,channel,is_given,recorded_at,source\nd1,sms,yes,2026-01-31,form\n"
    assert totals(load(ConsentRecord, content)) == (1, 0, 0, 0)
    assert totals(load(ConsentRecord, content)) == (0, 0, 1, 0)
    assert Doctor.objects.get().consent_version == 1


# --- Queries


def _queries(model, content):
    with CaptureQueriesContext(connection) as queries:
        assert totals(load(model, content))[3] == 0
    return len([q for q in queries if "SAVEPOINT" not in q["sql"]])


def test_queries_for_each_new_doctor_are_one():
    few = _queries(Doctor, csv_text(doctor_row(1)))
    many = _queries(Doctor, csv_text(*[doctor_row(n) for n in range(10, 15)]))
    assert many - few == 4


def test_rows_that_stay_as_they_are_take_no_queries():
    rows = [doctor_row(n) for n in range(5)]
    load_doctors(*rows)
    assert _queries(Doctor, csv_text(*rows)) == _queries(Doctor, csv_text(rows[0]))


def test_queries_for_each_use_are_one():
    for number in range(5):
        make_doctor(number)
    header = "doctor_id,used_at\n"
    few = _queries(AidaUsage, f"{header}d0,2026-01-30\n")
    many = _queries(AidaUsage, header + "".join(f"d{n},2026-01-31\n" for n in range(5)))
    assert many - few == 4


def test_queries_of_an_export_do_not_depend_on_its_rows():
    queries = []
    for number in range(3):
        AidaUsage.objects.create(doctor=make_doctor(number), used_at=NOW)
        with CaptureQueriesContext(connection) as captured:
            assert len(RESOURCES[AidaUsage]().export(AidaUsage.objects.all())) == number + 1
        queries.append(len(captured))
    assert len(set(queries)) == 1


# --- Export


@pytest.fixture
def hostile():
    return make_doctor(
        1,
        first_name="=HYPERLINK(1)",
        specialty="+cmd|' /C calc'!A0",
        location="@SUM(A1)",
        last_active_at=NOW,
        may_be_named=True,
    )


@pytest.mark.parametrize("escaping", [True, False])
@pytest.mark.parametrize("file_format", [CSV, XLSX])
def test_export_escapes_formulas_and_keeps_phones(hostile, settings, file_format, escaping):
    settings.IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = escaping
    exported = file_format().export_data(RESOURCES[Doctor]().export())
    [row] = file_format().create_dataset(exported).dict
    assert row["first_name"] == "'=HYPERLINK(1)"
    assert row["specialty"] == "'+cmd|' /C calc'!A0"
    assert row["location"] == "'@SUM(A1)"
    assert row["phone"] == "+919800000001"
    assert row["last_active_at"] == "2026-03-04T12:00:00+05:30"
    assert row["may_be_named"] == "yes"


def test_export_is_a_file_that_changes_nothing_when_imported():
    make_doctor(1, whatsapp="+447400123456", last_active_at=NOW, specialty="Cardiology")
    make_doctor(2, email=None, phone=None)
    exported = RESOURCES[Doctor]().export()
    assert exported.headers == [name for name in KINDS["doctors"].header if name != "name"]
    assert totals(load(Doctor, exported.export("csv"))) == (0, 0, 2, 0)


def test_same_cells_give_the_same_rows_as_the_bulk_import(tmp_path):
    """A file through both doors."""
    content = (
        "doctor_id,name,email,phone,whatsapp,timezone,may_be_named,last_active_at\n"
        "d1,Dr. Anita Rao,Anita@Example.com,98765 43210,,,Y,31/01/2026\n"
        "d2,Prof Iyer,,09876543211,+44 7400 123456,europe/london,,2026-01-31 10:30:00.5\n"
    )
    assert counts(load_file(tmp_path / "doctors.csv", content)) == (2, 0, 0, 0)
    assert totals(load(Doctor, content)) == (0, 0, 2, 0)
