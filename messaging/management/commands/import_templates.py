"""`manage.py import_templates`: what a YAML file would change, and with --apply, change it."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from messaging import diff, transfer
from messaging.tasks import ask_when_saved
from messaging.transfer import Entry, Plan
from messaging.transfer_file import MOST_BYTES, TemplateFile, UnreadableError, read
from messaging.versions import RefusedError


class Command(BaseCommand):
    """Compares, as `diff` does, and writes when told to: all of a file, or nothing."""

    help = (
        "Show what a YAML file of templates (as export_templates writes it) would change. "
        "Without --apply nothing is written, and the exit code says what was found, as that of "
        "diff: 0, everything is the same; 1, something differs. With --apply it is written, in one "
        "transaction: 0, done. In both cases 2: the file cannot be read, or has a template that is "
        "refused; then nothing is written. What the file leaves out of a template stays."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Say what can be chosen."""
        parser.add_argument("file", type=Path, help="The YAML file.")
        parser.add_argument("--apply", action="store_true", help="Write what is shown.")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Compare, show, and write if that was asked for."""
        try:
            file = _read(options["file"])
        except UnreadableError as error:
            raise CommandError(str(error), returncode=2) from None
        found = transfer.plan(file)
        for entry in found.entries:
            self._show(entry)
        if refused := found.of("refused"):
            words = "1 template is" if len(refused) == 1 else f"{len(refused)} templates are"
            raise CommandError(f"{words} refused: nothing was written.", returncode=2)
        if not options["apply"]:
            self.stdout.write(_sum(found))
            sys.exit(1 if found.to_write else 0)
        try:
            done = transfer.apply(file, found.seen, None)
        except RefusedError as error:
            raise CommandError(f"Nothing was written. {error}", returncode=2) from None
        for entry in done.to_write:
            if entry.template:
                ask_when_saved(entry.template)
        self.stdout.write(f"Written. {_sum(done)}")

    def _show(self, entry: Entry) -> None:
        if entry.state == "same":
            return
        self.stdout.write(f"{entry.state}: {entry.key or 'no key'} (line {entry.line})")
        for problem in entry.problems:
            self.stdout.write(f"    {problem}")
        for change in entry.changes:
            self.stdout.write(f"  {change.label}:")
            for line in diff.unified(change.lines):
                self.stdout.write(f"    {line}")


def _read(path: Path) -> TemplateFile:
    try:
        with path.open("rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise UnreadableError([f"{path}: {error.strerror}."]) from error
    return read(data, path.name)


def _sum(found: Plan) -> str:
    new, changed, same = (len(found.of(state)) for state in ("new", "changed", "same"))
    return f"New: {new}, changed: {changed}, the same: {same}."
