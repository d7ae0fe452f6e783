"""Import of doctors from CSV, against a bare COPY of the same file."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from segments.imports.bulk import import_file
from segments.models import ImportRun
from tests.bench.measure import Cost, Figure, cost, execute

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)
HEADER = (
    *("doctor_id", "title", "first_name", "last_name", "email", "phone", "whatsapp"),
    *("specialty", "location", "timezone", "last_active_at"),
)
FIRST_NAMES = ("Anita", "Vikram", "Priya", "Imran", "Meera", "Joseph", "Sunita", "Arjun")
LAST_NAMES = ("Rao", "Sharma", "Iyer", "Khan", "Das", "Patel", "Fernandes", "Singh", "Nair")
SPECIALTIES = ("Cardiology", "Diabetology", "Oncology", "General Medicine", "Paediatrics")
CITIES = ("Mumbai", "Pune", "Chennai", "Kolkata", "Lucknow", "New Delhi")
PHONE_FORMS = ("{}", "+91{}", "0{}", "+91 {}")


def run(rows: int = 100_000) -> Iterator[Figure]:
    """Import a tenth of the rows, then all into an empty table, then all again."""
    with tempfile.TemporaryDirectory() as directory:
        small, whole = Path(directory) / "small.csv", Path(directory) / "doctors.csv"
        write_doctors(small, rows // 10)
        write_doctors(whole, rows)
        import_doctors(small)  # what is loaded and compiled at the first use
        _import_new(small)
        small_mb = _peak_mb()
        floor = min((_floor(whole) for _ in range(3)), key=lambda each: each.seconds)
        yield Figure("bare COPY of the file", f"{floor.seconds:.2f} s, {floor.per_row(rows)}")
        indexed = _indexed_floor()
        yield Figure(
            "its rows by INSERT ... SELECT into a table with the indexes of doctors",
            f"{indexed.seconds:.2f} s, {indexed.seconds / floor.seconds:.1f} x",
        )
        new = _import_new(whole)
        whole_mb = _peak_mb()
        yield _figure(f"import of {rows:,} new doctors", new, floor, rows, aim="6 x")
        yield Figure(
            "the same against the rows with indexes", f"{new.seconds / indexed.seconds:.1f} x"
        )
        again = import_doctors(whole)
        yield _figure("the same file again, all unchanged", again, floor, rows)
        yield Figure(
            "peak memory of the process",
            f"{small_mb:.0f} MB at {rows // 10:,} rows, {whole_mb:.0f} MB at {rows:,}",
            aim="the same",
        )


def write_doctors(path: Path, rows: int) -> None:
    """A file of fictional doctors; phones and addresses come in no order, as in life."""
    chance = random.Random(7)
    phones = random.Random(8).sample(range(90_000_00000, 99_999_99999), rows)
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join(HEADER) + "\n")
        for number, phone in enumerate(phones):
            first, last = chance.choice(FIRST_NAMES), chance.choice(LAST_NAMES)
            spaced = chance.choice((str(phone), f"{str(phone)[:5]} {str(phone)[5:]}"))
            day = f"2026-0{chance.randint(1, 2)}-{chance.randint(10, 28)}"
            cells = (
                f"CL-{number:07}",
                "Dr.",
                first,
                last,
                f"{first}.{last}{chance.randrange(10**8)}.{number}@example.com".lower(),
                chance.choice(PHONE_FORMS).format(spaced),
                "",
                chance.choice(SPECIALTIES),
                chance.choice(CITIES),
                "Asia/Kolkata",
                f"{day} {chance.randint(10, 22)}:15",
            )
            file.write(",".join(cells) + "\n")


def import_doctors(path: Path) -> Cost:
    """Import the file; nothing may be wrong with it."""
    with cost() as result:
        done = import_file("doctors", path, now=NOW)
    if done.error or done.rejected:
        raise RuntimeError(f"{done.error or done.rejected} of the benchmark's own file")
    return result


def _import_new(path: Path) -> Cost:
    execute("TRUNCATE doctors CASCADE")
    ImportRun.objects.all().delete()
    execute("VACUUM ANALYZE doctors")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    return import_doctors(path)


def _peak_mb() -> float:
    """Highest resident memory since `_import_new` began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    return int(peak.split()[1]) / 1024


def _floor(path: Path) -> Cost:
    execute("DROP TABLE IF EXISTS bench_floor")
    execute(
        "CREATE TABLE bench_floor AS SELECT external_id AS doctor_id, title, first_name, last_name,"
        " email, phone, whatsapp, specialty, location, timezone, last_active_at "
        "FROM doctors WITH NO DATA"
    )
    statement = f"COPY bench_floor ({', '.join(HEADER)}) FROM STDIN (FORMAT csv, HEADER)"
    with (
        path.open("rb") as file,
        connection.cursor() as cursor,
        cost() as result,
        cursor.copy(statement) as copy,
    ):
        while part := file.read(1 << 16):
            copy.write(part)
    return result


def _indexed_floor() -> Cost:
    execute("CREATE TABLE bench_indexed (LIKE doctors INCLUDING ALL)")
    with cost() as result:
        execute(
            "INSERT INTO bench_indexed (id, external_id, title, first_name, last_name, email, "
            "phone, specialty, location, timezone, last_active_at) "
            "SELECT row_number() OVER (), doctor_id, title, first_name, last_name, email, phone, "
            "specialty, location, timezone, last_active_at FROM bench_floor"
        )
    execute("DROP TABLE bench_indexed")
    return result


def _figure(name: str, result: Cost, floor: Cost, rows: int, aim: str = "") -> Figure:
    ratio = result.seconds / floor.seconds
    value = f"{result.seconds:.2f} s, {ratio:.1f} x, {result.per_row(rows)}"
    return Figure(name, value, aim)
