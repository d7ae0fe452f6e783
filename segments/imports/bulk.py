"""Import of a file of any size: all of its good rows in one transaction, or nothing."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper

from segments.imports.convert import BlockConverter
from segments.imports.header import ImportFileError
from segments.imports.kinds import KINDS, Kind
from segments.imports.reader import Table, read_table
from segments.imports.refuse import reject_erased
from segments.imports.reject import reject_repeated, reject_wrong
from segments.imports.report import count_rejected, keep_rejections, report_path, write_report
from segments.imports.stage import Stage, create_tables, fill_tables
from segments.imports.upsert import drop_unchanged, upsert_rows
from segments.models import ImportRun

logger = logging.getLogger(__name__)

ATTEMPTS = 3
WORK_MEM = "64MB"  # for comparing 100,000s of rows in memory; more spill to disk
LOCK = 7_203_001  # of this kind of work, among the advisory locks of the database


def import_file(  # noqa: PLR0913  all but two are named, three may be left out
    kind_name: str,
    path: Path,
    *,
    now: datetime,
    started_by: AbstractBaseUser | None = None,
    report_dir: Path | None = None,
    notify: Callable[[str], None] = logger.warning,
) -> ImportRun:
    """Import a CSV or XLSX file of the kind; KeyError for a kind that nobody registered.

    Rows that are wrong are left out, and listed in ImportRejection (the first 10,000) and in
    `<name>.rejected.csv` beside the file or in `report_dir`. Where nothing can be imported at all,
    the run's `error` says why and no row has changed. `notify` hears what else a person should
    know. Memory does not grow with the file.
    """
    kind = KINDS[kind_name]
    started = time.monotonic()
    run = ImportRun.objects.create(
        kind=kind.name, file_name=path.name[:255], started_at=now, started_by_id=_key(started_by)
    )
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            _import(cursor, kind, path, run, now)
            _report(cursor, run, report_path(path, report_dir), notify)
            _finish(run, now + timedelta(seconds=time.monotonic() - started))
            if run.created:  # or the planner takes the table for as small as it was
                table = connection.ops.quote_name(kind.model._meta.db_table)  # noqa: SLF001
                cursor.execute(f"ANALYZE {table}")
    except ImportFileError as error:
        run = ImportRun.objects.get(pk=run.pk)
        run.error = str(error)
        _finish(run, now + timedelta(seconds=time.monotonic() - started))
    return run


def _finish(run: ImportRun, finished_at: datetime) -> None:
    run.finished_at = finished_at
    run.save(update_fields=["created", "updated", "unchanged", "rejected", "error", "finished_at"])


def _key(user: AbstractBaseUser | None) -> int | None:
    return user.pk if user else None


def _import(cursor: CursorWrapper, kind: Kind, path: Path, run: ImportRun, now: datetime) -> None:
    """Fill the table, and the counts of `run`, and leave the rejected rows to be reported."""
    table = read_table(path, kind)
    cursor.execute("SELECT set_config('work_mem', %s, true)", [WORK_MEM])
    take_over(cursor, kind, table, run, now)
    keep_rejections(cursor, run)


def take_over(  # noqa: PLR0913  what, whence and whither
    cursor: CursorWrapper,
    kind: Kind,
    table: Table,
    run: ImportRun,
    now: datetime,
    *,
    place: str = "line",
) -> None:
    """Stage, check and write the rows of a table; counts in `run`, problems in REJECTED."""
    converter = BlockConverter(kind, table.columns)
    stage = Stage(kind, converter.columns, place)
    create_tables(cursor, stage)
    fill_tables(cursor, stage, table, converter)
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
    _write(cursor, stage, run, now)
    run.rejected = count_rejected(cursor)


def _write(cursor: CursorWrapper, stage: Stage, run: ImportRun, now: datetime) -> None:
    """Check and write the staged rows, again if somebody else wrote the same rows meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with transaction.atomic():
                # Foreign keys are checked here and not at the end, when it is too late to repeat.
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                reject_erased(cursor, stage)
                reject_repeated(cursor, stage)
                run.unchanged = drop_unchanged(cursor, stage)
                reject_wrong(cursor, stage)
                run.created, run.updated = upsert_rows(cursor, stage, run, now)
            return  # noqa: TRY300  the block above commits first
        except (IntegrityError, OperationalError):
            if attempt == ATTEMPTS:
                raise
            logger.info("import %s: other changes came in between, trying again", run.pk)


def _report(
    cursor: CursorWrapper, run: ImportRun, path: Path, notify: Callable[[str], None]
) -> None:
    """Replace the report of an earlier import of the file."""
    try:
        path.unlink(missing_ok=True)
        if run.rejected:
            write_report(cursor, path)
    except OSError as error:
        notify(
            f"The list of rejected rows could not be written to {path} ({error.strerror}): "
            "the admin has it."
        )
