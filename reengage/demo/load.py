"""Brings the sample into the database, once: files are made, then imported like anybody's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from django.db.models import QuerySet

from reengage.demo.generate import Sample
from reengage.demo.people import ID_PREFIX
from segments.imports.bulk import import_file
from segments.models import Doctor, ImportRun

Say = Callable[[str], None]


class ImportFailedError(Exception):
    """A file of the sample could not be imported; the text says why."""


def sample_doctors() -> QuerySet[Doctor]:
    """The sample's doctors in the database."""
    return Doctor.objects.filter(external_id__startswith=ID_PREFIX)


def loaded_sample() -> Sample | None:
    """The sample that is in the database, be it in part; None where there is none."""
    if not sample_doctors().exists():
        return None
    names = ImportRun.objects.filter(kind="doctors", error="").order_by("-id")
    samples = map(Sample.of_file, names.values_list("file_name", flat=True))
    return next(filter(None, samples), None)


def load(sample: Sample, directory: Path, say: Say) -> int:
    """Import what is missing of the sample, as of its start; returns how many files that were.

    Files that an earlier call imported are left alone, since the replay has changed their rows.
    """
    runs = ImportRun.objects.filter(finished_at__isnull=False, error="")
    if not sample_doctors().exists():  # the runs are of a sample that somebody has deleted
        runs = runs.none()
    done = set(runs.values_list("file_name", flat=True))
    files = sample.write(directory)
    missing = {kind: path for kind, path in files.items() if path.name not in done}
    for kind, path in missing.items():
        run = import_file(kind, path, now=sample.start)
        if run.error:
            raise ImportFailedError(f"{path}: {run.error}")
        rejected = f", {run.rejected} rejected" if run.rejected else ""
        say(f"  {kind:<22}{run.created:>8,} rows{rejected}")
    return len(missing)
