"""The report of an import, spreadsheets, and rivals at the same time."""

from datetime import UTC, datetime

import psycopg
import pytest
from django.db import connection

from segments.imports import bulk
from segments.imports.bulk import import_file
from segments.imports.report import report_path
from segments.models import Doctor
from tests.engine import NOW
from tests.segments.imports.files import (
    counts,
    csv_text,
    doctor_row,
    load,
    load_doctors,
    rejections,
    report,
    write,
    write_xlsx,
)

pytestmark = pytest.mark.django_db

WHEN = datetime(2026, 1, 31, 10, 30)  # noqa: DTZ001  spreadsheets have no zones
IN_DATABASE = "in the database: correct it, or empty it there first."


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doctors.csv"


# --- The report


def test_report_of_an_earlier_import_is_replaced(path):
    load_doctors(path, doctor_row(1, phone="12"))
    assert len(report(path)) == 1
    load_doctors(path, doctor_row(1))
    assert not report_path(path).exists()


def test_report_can_go_elsewhere(path, tmp_path):
    (tmp_path / "reports").mkdir()
    write(path, csv_text(doctor_row(1, phone="12")))
    import_file("doctors", path, now=NOW, report_dir=tmp_path / "reports")
    assert (tmp_path / "reports" / "doctors.rejected.csv").is_file()
    assert not report_path(path).exists()


def test_report_that_cannot_be_written_is_told(path, tmp_path):
    said = []
    write(path, csv_text(doctor_row(1, phone="12"), doctor_row(2)))
    nowhere = tmp_path / "nowhere"
    run = import_file("doctors", path, now=NOW, report_dir=nowhere, notify=said.append)
    assert counts(run) == (1, 0, 0, 1)
    assert len(rejections(run)) == 1
    assert said == [
        (
            f"The list of rejected rows could not be written to {nowhere / 'doctors.rejected.csv'} "
            "(No such file or directory): the admin has it."
        )
    ]


def test_report_has_all_rejections_and_the_database_the_first(path, monkeypatch):
    monkeypatch.setattr("segments.imports.report.KEPT_ROWS", 3)
    run = load_doctors(path, *[doctor_row(n, phone="12") for n in range(3000)])
    assert counts(run) == (0, 0, 0, 3000)
    assert [line for line, *_ in rejections(run)] == [2, 3, 4]
    assert [int(row["line"]) for row in report(path)] == list(range(2, 3002))


def test_long_and_hostile_values_are_shortened_and_harmless(path):
    run = load_doctors(path, doctor_row(1, email="=" + "x" * 500), doctor_row(2, phone="+12"))
    values = [value for _, _, value, _ in rejections(run)]
    assert len(values[0]) == 200
    assert values[0].startswith("'=xxx")
    assert values[0].endswith("…")
    assert values[1] == "+12"
    assert [row["value"] for row in report(path)] == values


# --- Spreadsheets


def test_spreadsheet_is_imported_like_a_csv_file(tmp_path):
    path = write_xlsx(
        tmp_path / "doctors.xlsx",
        [
            ["Doctor ID", "Name", "Phone", "Last active at", "Specialty"],
            [1001, "Dr. Anita Rao", 9876543210.0, WHEN, "Cardiology"],
            [1002, "Meera Iyer", 9.88e9, None, "=A1"],
            [1003, "Priya Nair", "98100 10005", None],
        ],
    )
    run = load(path)
    assert counts(run) == (2, 0, 0, 1)
    anita = Doctor.objects.get(external_id="1001")
    assert (anita.first_name, anita.phone) == ("Anita", "+919876543210")
    assert anita.last_active_at == datetime(2026, 1, 31, 5, 0, tzinfo=UTC)
    assert rejections(run)[0][:3] == (3, "specialty", "'=A1")


# --- At the same time


@pytest.mark.django_db(transaction=True)
def test_doctor_that_somebody_else_adds_meanwhile_is_found_on_the_second_try(path, monkeypatch):
    """A rival commits between our checks and our insert."""
    original = bulk.upsert_rows
    tries = []

    def upsert(*args):
        if not tries:
            with psycopg.connect(**connection.get_connection_params() | {"context": None}) as rival:
                rival.execute(
                    "INSERT INTO doctors (external_id, title, first_name, last_name, phone, "
                    "specialty, location) VALUES ('d9', '', 'A', 'B', '+919800000001', '', '')"
                )
        tries.append(1)
        return original(*args)

    monkeypatch.setattr(bulk, "upsert_rows", upsert)
    run = load_doctors(path, doctor_row(1), doctor_row(2))
    assert len(tries) == 2
    assert counts(run) == (1, 0, 0, 1)
    assert rejections(run)[0][3] == f"Belongs to d9 {IN_DATABASE}"
