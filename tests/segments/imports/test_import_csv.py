"""`manage.py import_csv`: what it prints, what it changes, how it ends."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from segments.imports.kinds import KINDS
from segments.models import Doctor, ImportRun
from tests.segments.imports.files import csv_text, doctor_row, write

pytestmark = pytest.mark.django_db


@pytest.fixture
def path(tmp_path):
    return tmp_path / "doctors.csv"


def run_command(*args):
    """What the command prints."""
    out = StringIO()
    call_command("import_csv", *map(str, args), stdout=out)
    return out.getvalue()


def test_summary_and_first_rejections_are_printed(path):
    rows = [doctor_row(1), *[doctor_row(n, phone="12") for n in range(2, 20)]]
    printed = run_command("doctors", write(path, csv_text(*rows))).splitlines()
    assert printed[0] == "doctors.csv: 1 created, 0 changed, 0 unchanged, 18 rejected."
    assert printed[1] == (
        "  line 3, phone “12”: Is not a valid phone number: write it like +91 98765 43210."
    )
    assert len(printed) == 12
    assert printed[-1] == f"All rejected rows: {path.with_name('doctors.rejected.csv')}"


def test_dry_run_changes_nothing(path):
    write(path, csv_text(doctor_row(1), doctor_row(2, phone="12")))
    printed = run_command("doctors", path, "--dry-run").splitlines()
    assert printed[0] == (
        "doctors.csv: 1 would be created, 0 would be changed, 0 unchanged, 1 would be rejected."
    )
    assert len(printed) == 3
    assert not Doctor.objects.exists()
    assert not ImportRun.objects.exists()


def test_file_that_cannot_be_read_is_an_error_in_words(path):
    with pytest.raises(
        CommandError, match=r"^Nothing was imported from doctors\.csv\. The file is"
    ):
        run_command("doctors", write(path, ""))


def test_missing_file_is_an_error_in_words(path):
    with pytest.raises(CommandError, match=r"^There is no file "):
        run_command("doctors", path)
    assert not ImportRun.objects.exists()


def test_unknown_kind_lists_the_kinds(path):
    with pytest.raises(CommandError) as caught:
        run_command("peers", path)
    for kind in KINDS.values():
        assert f"  {kind.name}: {', '.join(kind.header)}" in str(caught.value)


@pytest.mark.parametrize("kind", ["doctors", "sessions", "consents"])
def test_columns_are_shown(kind):
    printed = run_command(kind, "--columns").splitlines()
    assert printed[0] == ",".join(KINDS[kind].header)
    assert len(printed) >= len(KINDS[kind].header) + 1
