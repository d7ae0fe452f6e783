"""Import of doctors: what goes in, what changes, what is rejected and what is told about it."""

from datetime import UTC, datetime

import pytest

from segments.imports import encoding
from segments.imports.bulk import import_file
from segments.imports.report import report_path
from segments.models import Doctor, ImportRejection, ImportRun
from tests.engine import NOW
from tests.segments.imports.files import (
    counts,
    csv_text,
    doctor_row,
    load,
    load_doctors,
    make_doctor,
    rejections,
    report,
    write,
)

pytestmark = pytest.mark.django_db

IN_DATABASE = "in the database: correct it, or empty it there first."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doctors.csv"


def test_every_column_is_stored(path):
    run = load(
        path,
        "doctor_id,title,first_name,last_name,email,phone,whatsapp,specialty,location,timezone,"
        "may_be_named,last_active_at\n"
        "d1,Prof.,Dr. Anita,Rao,Anita@Example.com,98765 43210,+44 7400 123456,Cardiology,"
        "London,europe/london,yes,31/01/2026 10:30\n",
    )
    assert counts(run) == (1, 0, 0, 0)
    assert Doctor.objects.values().get() == {
        "id": Doctor.objects.get().pk,
        "external_id": "d1",
        "title": "Prof.",
        "first_name": "Anita",
        "last_name": "Rao",
        "email": "anita@example.com",
        "phone": "+919876543210",
        "whatsapp": "+447400123456",
        "specialty": "Cardiology",
        "location": "London",
        "timezone": "Europe/London",
        "may_be_named": True,
        "consent_version": 0,
        "last_active_at": datetime(2026, 1, 31, 5, 0, tzinfo=UTC),
        "created_at": Doctor.objects.get().created_at,
        "updated_at": NOW,
    }


def test_absent_and_empty_columns_have_the_model_s_defaults(path):
    absent = load(path, "doctor_id,name\nd1,Dr. Rao\n")
    empty = load(
        path,
        "doctor_id,name,title,email,phone,whatsapp,specialty,location,timezone,may_be_named,"
        "last_active_at\nd2,Rao,,,,,,,,,\n",
    )
    assert counts(absent) == counts(empty) == (1, 0, 0, 0)
    for doctor in Doctor.objects.all():
        assert (doctor.first_name, doctor.last_name, doctor.title) == ("Rao", "Rao", "Dr.")
        assert (doctor.email, doctor.phone, doctor.whatsapp) == (None, None, None)
        assert (doctor.specialty, doctor.location) == ("", "")
        assert (doctor.timezone, doctor.may_be_named) == ("Asia/Kolkata", False)


def test_run_is_recorded(path, django_user_model):
    user = django_user_model.objects.create_user("marketer")
    write(path, csv_text(doctor_row(1)))
    run = import_file("doctors", path, now=NOW, started_by=user)
    stored = ImportRun.objects.get()
    assert (stored.kind, stored.file_name, stored.started_by) == ("doctors", "doctors.csv", user)
    assert (stored.created, stored.started_at) == (1, NOW)
    assert stored.finished_at >= NOW
    assert stored == run


def test_same_file_twice_changes_nothing(path):
    rows = [doctor_row(n, phone=f"0981{n:07}") for n in range(1, 6)]
    assert counts(load_doctors(path, *rows)) == (5, 0, 0, 0)
    before = list(Doctor.objects.order_by("id").values())
    assert counts(load(path)) == (0, 0, 5, 0)
    assert list(Doctor.objects.order_by("id").values()) == before


def test_changed_rows_alone_are_updated(path):
    load_doctors(path, doctor_row(1), doctor_row(2))
    Doctor.objects.update(updated_at=datetime(2026, 1, 1, tzinfo=UTC))
    run = load_doctors(path, doctor_row(1), doctor_row(2, last_name="Iyer"), doctor_row(3))
    assert counts(run) == (1, 1, 1, 0)
    one, two = Doctor.objects.filter(external_id__in=["d1", "d2"]).order_by("external_id")
    assert (one.last_name, one.updated_at) == ("Rao1", datetime(2026, 1, 1, tzinfo=UTC))
    assert (two.last_name, two.updated_at) == ("Iyer", NOW)


def test_absent_column_leaves_the_row_s_value_and_empty_cell_clears_it(path):
    make_doctor(1, specialty="Cardiology", location="Pune")
    run = load(path, "doctor_id,name,location\nd1,Anita Rao1,\n")
    assert counts(run) == (0, 1, 0, 0)
    doctor = Doctor.objects.get()
    assert (doctor.specialty, doctor.location) == ("Cardiology", "")
    assert doctor.phone == "+919800000001"


def test_bad_rows_are_rejected_and_good_ones_go_in(path):
    run = load_doctors(
        path,
        doctor_row(1),
        doctor_row(2, phone="9.88E+09"),
        doctor_row(3, email="nobody", phone="12"),
        doctor_row(4, first_name="=1+1"),
        doctor_row(5, first_name="A\0B"),
        doctor_row(6, doctor_id=" "),
        doctor_row(7, first_name="Dr.", last_name=""),
        doctor_row(8),
    )
    assert counts(run) == (2, 0, 0, 6)
    assert set(Doctor.objects.values_list("external_id", flat=True)) == {"d1", "d8"}
    assert [(line, field, value) for line, field, value, _ in rejections(run)] == [
        (3, "phone", "9.88E+09"),
        (4, "email", "nobody"),
        (4, "phone", "12"),
        (5, "first_name", "'=1+1"),
        (6, "first_name", "A�B"),
        (7, "doctor_id", " "),
        (8, "first_name", "Dr."),
        (8, "last_name", ""),
    ]
    assert report(path) == [
        {"line": str(line), "field": field, "value": value, "problem": problem}
        for line, field, value, problem in rejections(run)
    ]
    assert report(path)[0]["problem"] == (
        "The spreadsheet has spoiled this number: format the column as text and export again."
    )


def test_rejected_name_is_told_in_the_file_s_own_column(path):
    run = load(path, "doctor_id,name\nd1,Prof. Dr.\n")
    assert rejections(run)[0] == (2, "name", "Prof. Dr.", "Is empty, but needed: fill it in.")


def test_row_of_another_width_is_rejected(path):
    run = load(
        path,
        "doctor_id,first_name,last_name\nd1,Anita\nd2,Rao, Anita,MD\nd3,Meera,Iyer\n,,\n\n"
        "d4,Priya,Nair,,\n",
    )
    assert counts(run) == (2, 0, 0, 2)
    assert [(line, value) for line, _, value, _ in rejections(run)] == [
        (2, "d1, Anita"),
        (3, "d2, Rao,  Anita, MD"),
    ]
    assert "The row has 4 cells, the first line 3" in rejections(run)[1][3]


def test_row_that_is_none_is_rejected(path):
    run = load(
        path, f'doctor_id,name\nd1,{"x" * 140_000}\nd2,"Anita" Rao\nd3,Iyer\nd4,{"x" * 101}\n'
    )
    assert counts(run) == (1, 0, 0, 3)
    assert [(line, problem) for line, _, _, problem in rejections(run)] == [
        (2, "A cell has more than 131,072 characters: shorten it."),
        (3, "Quotation marks are wrong: write a mark inside a text twice."),
        (5, "Has 101 characters: at most 100 fit."),
    ]


def test_unknown_time_zone_is_rejected(path):
    run = load(path, "doctor_id,name,timezone\nd1,Rao,IST\nd2,Rao,Europe/London\n")
    assert counts(run) == (1, 0, 0, 1)
    assert rejections(run)[0][:3] == (2, "timezone", "IST")


def test_time_zone_that_only_python_knows_is_rejected(path, monkeypatch):
    monkeypatch.setattr("segments.imports.values._zones", lambda: {"new/zone": "New/Zone"})
    run = load(path, "doctor_id,name,timezone\nd1,Rao,New/Zone\nd2,Rao,\n")
    assert counts(run) == (1, 0, 0, 1)
    assert rejections(run)[0][1:] == (
        "timezone",
        "New/Zone",
        "Is not known to the database: use a name such as Asia/Kolkata.",
    )


# --- The same thing twice


def test_later_row_about_a_doctor_is_rejected(path):
    run = load_doctors(path, doctor_row(1), doctor_row(2), doctor_row(3, doctor_id="d1"))
    assert counts(run) == (2, 0, 0, 1)
    assert rejections(run) == [(4, "doctor_id", "d1", "Is in line 2 already: keep one of the two.")]
    assert Doctor.objects.get(external_id="d1").last_name == "Rao1"


@pytest.mark.parametrize(("field", "cell"), [("email", "D1@EXAMPLE.com"), ("phone", "09800000001")])
def test_address_of_an_earlier_row_is_rejected(path, field, cell):
    run = load_doctors(path, doctor_row(1), doctor_row(2, **{field: cell}), doctor_row(3))
    assert counts(run) == (2, 0, 0, 1)
    [(line, told, value, problem)] = rejections(run)
    assert (line, told) == (3, field)
    assert value in {"d1@example.com", "+919800000001"}
    assert problem == "Belongs to d1 (line 2): correct one of the two."


@pytest.mark.parametrize(
    ("field", "stored"), [("email", "D1@Example.com"), ("phone", "+919800000001")]
)
def test_address_of_another_doctor_in_the_database_is_rejected(path, field, stored):
    make_doctor(1, **{field: stored})
    taken = doctor_row(1)[field]
    run = load_doctors(path, doctor_row(2, **{field: taken}), doctor_row(3))
    assert counts(run) == (1, 0, 0, 1)
    assert rejections(run) == [(2, field, taken, f"Belongs to d1 {IN_DATABASE}")]


def test_phone_is_nobody_else_s_whatsapp_number(path):
    make_doctor(1, whatsapp="+919811111111")
    run = load_doctors(
        path,
        doctor_row(2, phone="9811111111", whatsapp=""),
        doctor_row(3, whatsapp="9822222222"),
        doctor_row(4, phone="9822222222", whatsapp=""),
        doctor_row(5, whatsapp="9800000005"),  # the doctor's own phone
    )
    assert counts(run) == (2, 0, 0, 2)
    assert [(line, problem) for line, _, _, problem in rejections(run)] == [
        (2, f"Belongs to d1 {IN_DATABASE}"),
        (4, "Belongs to d3 (line 3): correct one of the two."),
    ]
    assert Doctor.objects.get(external_id="d5").whatsapp == "+919800000005"


def test_empty_whatsapp_stays_null(path):
    load_doctors(path, doctor_row(1, whatsapp=""))
    assert Doctor.objects.get().whatsapp is None


def test_doctor_may_change_phone(path):
    make_doctor(1)
    assert counts(load_doctors(path, doctor_row(1, phone="9899999999"))) == (0, 1, 0, 0)
    assert Doctor.objects.get().phone == "+919899999999"


def test_doctor_keeps_a_number_that_another_row_wants(path):
    make_doctor(2)
    run = load_doctors(path, doctor_row(1, phone="9800000002"), doctor_row(2))
    assert counts(run) == (0, 0, 1, 1)
    assert rejections(run)[0][:2] == (2, "phone")


def test_swap_of_phones_is_rejected_with_the_way_out(path):
    one, two = make_doctor(1), make_doctor(2)
    run = load_doctors(path, doctor_row(1, phone=two.phone), doctor_row(2, phone=one.phone))
    assert counts(run) == (0, 0, 0, 2)
    assert [problem for *_, problem in rejections(run)] == [
        f"Belongs to d2 {IN_DATABASE}",
        f"Belongs to d1 {IN_DATABASE}",
    ]
    cleared = load_doctors(path, doctor_row(1, phone=""))
    assert counts(cleared) == (0, 1, 0, 0)
    assert counts(load_doctors(path, doctor_row(2, phone=one.phone))) == (0, 1, 0, 0)
    assert counts(load_doctors(path, doctor_row(1, phone=two.phone))) == (0, 1, 0, 0)


def test_phone_that_moves_on_goes_in_with_the_second_import(path):
    first, second = make_doctor(1), doctor_row(2, phone="9800000001")
    rows = [doctor_row(1, phone="9899999999"), second]
    assert counts(load_doctors(path, *rows)) == (0, 1, 0, 1)
    assert counts(load_doctors(path, *rows)) == (1, 0, 1, 0)
    assert Doctor.objects.get(external_id="d2").phone == first.phone


# --- Nothing at all


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "The file is empty."),
        ("id,who\n1,Rao\n", "unknown column “who”"),
        (csv_text(doctor_row(1)).encode("utf-16"), "UTF-16"),
        ('doctor_id,name\nd1,Rao\nd2,"Iyer\nd3,Nair\n', "Line 3: a quotation mark"),
    ],
)
def test_file_that_cannot_be_read_changes_nothing(path, content, words):
    run = load(path, content)
    assert words in run.error
    assert (run.created, run.rejected, run.finished_at is None) == (0, 0, False)
    assert ImportRun.objects.get().error == run.error
    assert not Doctor.objects.exists()
    assert not report_path(path).exists()


def test_error_on_a_late_line_changes_nothing(path):
    rows = [doctor_row(n) for n in range(3000)]
    run = load(path, csv_text(*rows) + 'd9999,"Anita,Rao,,\n' * 3)
    assert "Line 3002: a quotation mark is opened" in run.error
    assert not Doctor.objects.exists()
    assert not ImportRejection.objects.exists()


def test_line_of_gigabytes_changes_nothing(path, monkeypatch):
    monkeypatch.setattr(encoding, "MAX_LINE", 100_000)
    with path.open("w") as file:
        file.write("doctor_id,name\nd1,Rao\nd2,")
        for _ in range(40):
            file.write("x" * 100_000)
    run = load(path)
    assert "Line 3 has more than 100,000 characters" in run.error
    assert not Doctor.objects.exists()


def test_unknown_kind_is_a_mistake_of_the_caller(path):
    with pytest.raises(KeyError):
        load(path, "", kind="peers")
    assert not ImportRun.objects.exists()
