"""`manage.py import_csv KIND FILE`: a file of doctors, activity or consents into the database."""

from argparse import ArgumentParser
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from segments.imports.bulk import import_file
from segments.imports.kinds import KINDS, Kind
from segments.imports.report import report_path
from segments.models import ImportRejection, ImportRun

SHOWN = 10


class Command(BaseCommand):
    """Import a CSV or XLSX file; exit code 1 where nothing at all could be imported."""

    help = (
        "Import a CSV or XLSX file of any size. Rows that are wrong are left out and listed in "
        "<name>.rejected.csv beside the file."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """KIND FILE [--dry-run], or KIND --columns."""
        parser.add_argument("kind", metavar="KIND", help=f"One of: {', '.join(KINDS)}.")
        parser.add_argument("file", metavar="FILE", nargs="?", type=Path, help="CSV or XLSX.")
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would happen, and change nothing."
        )
        parser.add_argument(
            "--columns", action="store_true", help="Show the columns of KIND and what they mean."
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        """Import, and say what became of the rows."""
        kind = KINDS.get(options["kind"])
        if kind is None:
            kinds = "\n".join(f"  {each.name}: {', '.join(each.header)}" for each in KINDS.values())
            raise CommandError(f"There is no kind “{options['kind']}”. Kinds and columns:\n{kinds}")
        if options["columns"]:
            self._show_columns(kind)
            return
        path: Path | None = options["file"]
        if path is None:
            raise CommandError(f"Name the file: manage.py import_csv {kind.name} FILE.")
        if not path.is_file():
            raise CommandError(f"There is no file {path}.")
        dry_run: bool = options["dry_run"]
        with transaction.atomic() if dry_run else nullcontext():
            run = import_file(kind.name, path, now=timezone.now(), notify=self.stderr.write)
            rejections = list(run.rejections.all()[:SHOWN])
            if dry_run:
                transaction.set_rollback(True)
        if run.error:
            raise CommandError(f"Nothing was imported from {path.name}. {run.error}")
        self._show_run(run, rejections, path, dry_run=dry_run)

    def _show_columns(self, kind: Kind) -> None:
        self.stdout.write(",".join(kind.header))
        for column in kind.columns:
            needed = " (needed)" if column.required else ""
            self.stdout.write(f"  {column.name}{needed}: {column.help}")
        if kind.shape:
            makes = " and ".join(kind.shape.makes)
            self.stdout.write(f"  Write {kind.shape.instead} or {makes}, not both.")

    def _show_run(
        self, run: ImportRun, rejections: list[ImportRejection], path: Path, *, dry_run: bool
    ) -> None:
        did = "would be " if dry_run else ""
        self.stdout.write(
            f"{path.name}: {run.created} {did}created, {run.updated} {did}changed, "
            f"{run.unchanged} unchanged, {run.rejected} {did}rejected."
        )
        for each in rejections:
            self.stdout.write(f"  line {each.line}, {each.field} “{each.value}”: {each.problem}")
        if run.rejected and report_path(path).is_file():
            self.stdout.write(f"All rejected rows: {report_path(path)}")
