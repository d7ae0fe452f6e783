"""Small files for tests of the import."""

import csv
import io
from pathlib import Path

import openpyxl

from segments.imports.bulk import import_file
from segments.imports.report import report_path
from segments.models import Course, CourseModule, Doctor, Session
from tests.engine import NOW

DOCTORS = ("doctor_id", "first_name", "last_name", "email", "phone")


def doctor_row(number: int, **cells: str) -> dict[str, str]:
    """Cells of a doctor whom no other number has anything in common with."""
    row = {
        "doctor_id": f"d{number}",
        "first_name": "Anita",
        "last_name": f"Rao{number}",
        "email": f"d{number}@example.com",
        "phone": f"+9198{number:08}",
    }
    return {**row, **cells}


def csv_text(*rows: dict[str, str], delimiter: str = ",") -> str:
    """A file with these rows; the first says which columns there are."""
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def write(path: Path, content: str | bytes) -> Path:
    """The file, in UTF-8 where the content is text."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def write_xlsx(path: Path, rows: list[list[object]]) -> Path:
    """A spreadsheet with these rows, the first being its header."""
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def load(path: Path, content: str | bytes | None = None, kind: str = "doctors"):
    """Import a file, after writing it where its content is given."""
    if content is not None:
        write(path, content)
    return import_file(kind, path, now=NOW)


def load_doctors(path: Path, *rows: dict[str, str]):
    """Import a file with these rows of doctors."""
    return load(path, csv_text(*rows))


def counts(run) -> tuple[int, int, int, int]:
    """Created, updated, unchanged, rejected; the import itself has to have worked."""
    assert run.error == ""
    assert run.finished_at is not None
    return run.created, run.updated, run.unchanged, run.rejected


def rejections(run) -> list[tuple[int, str, str, str]]:
    """What was kept of the rejected rows."""
    return list(run.rejections.values_list("line", "field", "value", "problem"))


def report(path: Path) -> list[dict[str, str]]:
    """The report beside the file."""
    with report_path(path).open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def make_doctor(number: int = 1, **fields) -> Doctor:
    """A doctor in the database, as `doctor_row` describes one."""
    row = doctor_row(number)
    row["external_id"] = row.pop("doctor_id")
    return Doctor.objects.create(**{**row, **fields})


def make_course(modules: int = 3) -> Course:
    """The course c1."""
    course = Course.objects.create(external_id="c1", name="Heart failure")
    CourseModule.objects.bulk_create(
        CourseModule(course=course, number=n + 1, name=f"Part {n + 1}", duration_minutes=10)
        for n in range(modules)
    )
    return course


def make_session() -> Session:
    """The session s1, an hour long."""
    return Session.objects.create(
        external_id="s1", title="Asthma", starts_at=NOW, ends_at=NOW.replace(hour=NOW.hour + 1)
    )
