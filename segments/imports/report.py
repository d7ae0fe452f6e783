"""Rows that were not imported: as a file beside the imported one, and in the database."""

import csv
from collections.abc import Iterator
from pathlib import Path

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from segments.imports.convert import Rejection
from segments.imports.stage import REJECTED
from segments.imports.tables import table
from segments.models import ImportRejection, ImportRun

KEPT_ROWS = 10_000  # in the database; the file has all
HEADER = ("line", "field", "value", "problem")


def report_path(path: Path, directory: Path | None = None) -> Path:
    """Where the report about a file is written: doctors.csv -> doctors.rejected.csv."""
    return (directory or path.parent) / f"{path.stem}.rejected.csv"


def count_rejected(cursor: CursorWrapper) -> int:
    """How many rows were rejected; a row may have several problems."""
    cursor.execute(sql.SQL("SELECT count(DISTINCT line) FROM {}").format(REJECTED))
    count: int = cursor.fetchone()[0]
    return count


def keep_rejections(cursor: CursorWrapper, run: ImportRun) -> None:
    """Store the first rejections for the admin."""
    cursor.execute(
        sql.SQL(
            "INSERT INTO {} (run_id, line, field, value, problem) "
            "SELECT %s, line, left(field, 64), left(value, 200), left(problem, 500) FROM {} "
            "ORDER BY line, field LIMIT %s"
        ).format(table(ImportRejection), REJECTED),
        [run.pk, KEPT_ROWS],
    )


def rejections(cursor: CursorWrapper) -> list[Rejection]:
    """All of them, by line: for a batch, which is small."""
    query = "SELECT line, field, value, problem FROM {} ORDER BY line, field, problem"
    cursor.execute(sql.SQL(query).format(REJECTED))
    return [Rejection(*row) for row in cursor.fetchall()]


def write_report(cursor: CursorWrapper, path: Path) -> None:
    """Write all rejections as CSV, by line; OSError where that is not possible."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        writer.writerows(_rejections(cursor))


def _rejections(cursor: CursorWrapper) -> Iterator[tuple[str, ...]]:
    """Streamed: there may be as many as the file has rows."""
    query = sql.SQL(
        "SELECT r.line::text, field, value, problem FROM {} AS r ORDER BY r.line, field"
    )
    with cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query.format(REJECTED))) as copy:
        for row in copy.rows():
            yield tuple(cell or "" for cell in row)
