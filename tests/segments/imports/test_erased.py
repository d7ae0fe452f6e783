"""People who asked to be erased are refused in every file, in words that name nobody."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tablib import Dataset

from messaging.privacy.erase import erase
from segments import erased
from segments.imports.bulk import import_file
from segments.imports.report import report_path
from segments.imports.resources import RESOURCES
from segments.models import AidaUsage, Doctor, ErasedPerson, ImportRejection, ImportRun
from tests.engine import NOW
from tests.segments.imports.files import csv_text, doctor_row, write

pytestmark = pytest.mark.django_db
WORDS = (
    "This person asked to be erased on 04 Mar 2026 and may not be entered again: leave them out. "
    "Should they wish to come back, delete their entry under “Erased persons” first."
)


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.MEDIA_ROOT = tmp_path / "media"
    settings.ERASURE_KEYS = ["first key"]


@pytest.fixture
def gone(tmp_path) -> Doctor:
    """Number 1 of the files, who was erased."""
    imported(tmp_path, doctor_row(1, whatsapp="+919765409876"))
    doctor = Doctor.objects.get()
    erase(doctor.pk, NOW)
    return doctor


def imported(tmp_path, *rows, kind="doctors") -> ImportRun:
    return import_file(kind, write(tmp_path / f"{kind}.csv", csv_text(*rows)), now=NOW)


def rejections(run: ImportRun) -> list[tuple[int, str, str, str]]:
    return list(run.rejections.order_by("line").values_list("line", "field", "value", "problem"))


SAME = {
    "doctor_id": doctor_row(2, doctor_id="d1"),
    "doctor_id in capitals": doctor_row(2, doctor_id="D1"),
    "email": doctor_row(2, email="D1@Example.com"),
    "phone": doctor_row(2, phone="098000 00001"),
    "whatsapp": doctor_row(2, whatsapp="+919800000001"),
    "phone that was a WhatsApp number": doctor_row(2, phone="97654 09876"),
}


@pytest.mark.parametrize("same", SAME)
def test_erased_person_is_refused_by_anything_that_names_them(gone, tmp_path, same) -> None:
    run = imported(tmp_path, doctor_row(3, whatsapp=""), SAME[same])
    assert (run.created, run.rejected, run.error) == (1, 1, "")
    assert rejections(run) == [(3, same.partition(" ")[0], "", WORDS)]
    report = report_path(tmp_path / "doctors.csv").read_text()
    assert WORDS in report
    assert "d1" not in report.lower()
    gone.refresh_from_db()
    assert (gone.first_name, gone.email) == ("Erased", None)


def test_address_with_a_tag_is_another_one(gone, tmp_path) -> None:
    """Only the domain knows whether both reach one person."""
    run = imported(tmp_path, doctor_row(2, email="d1+x@example.com"))
    assert (run.created, run.rejected) == (1, 0)


def test_row_of_the_erased_is_not_filled_again_by_its_new_id(gone, tmp_path) -> None:
    gone.refresh_from_db()
    row = {"doctor_id": gone.external_id, "first_name": "Anita", "last_name": "Rao"}
    run = imported(tmp_path, row)
    assert (run.updated, run.rejected) == (0, 1)
    run = imported(
        tmp_path, {"doctor_id": gone.external_id, "used_at": "2026-03-01"}, kind="aida_usage"
    )
    assert rejections(run) == [(2, "doctor_id", "", WORDS)]
    assert not AidaUsage.objects.exists()


def test_what_the_erased_did_is_refused_with_the_same_words(gone, tmp_path) -> None:
    run = imported(tmp_path, {"doctor_id": "d1", "used_at": "2026-03-01"}, kind="aida_usage")
    assert rejections(run) == [(2, "doctor_id", "", WORDS)]


def test_doubled_rows_of_the_erased_leave_no_value(gone, tmp_path) -> None:
    run = imported(tmp_path, doctor_row(1), doctor_row(1), doctor_row(1, doctor_id="d9"))
    assert run.rejected == 3
    assert {value for _, _, value, _ in rejections(run)} == {""}


def test_former_key_is_read_as_long_as_it_stands(gone, tmp_path, settings) -> None:
    settings.ERASURE_KEYS = ["second key", "first key"]
    assert imported(tmp_path, doctor_row(1)).rejected == 1
    settings.ERASURE_KEYS = ["second key"]
    run = imported(tmp_path, doctor_row(2))
    assert "their key is missing. Put the former key back at the end of ERASURE_KEYS." in run.error
    assert not Doctor.objects.filter(external_id="d2").exists()


def test_who_comes_back_by_their_own_wish_is_somebody_new(gone, tmp_path) -> None:
    ErasedPerson.objects.get().delete()
    assert imported(tmp_path, doctor_row(1)).created == 1
    assert Doctor.objects.get(external_id="d1").pk != gone.pk


def test_hashes_cannot_be_made_without_the_key(gone, settings) -> None:
    kept = set(ErasedPerson.objects.get().fingerprints)
    doctor = Doctor(external_id="d1", phone="+919800000001", email="d1@example.com")
    assert set(erased.fingerprints(doctor)) < kept
    settings.ERASURE_KEYS = ["another key"]
    assert not set(erased.fingerprints(doctor)) & kept


def test_people_are_looked_up_in_one_query_for_any_file(gone, tmp_path) -> None:
    def asked(*rows):
        with CaptureQueriesContext(connection) as queries:
            imported(tmp_path, *rows)
        return [q["sql"] for q in queries if "erased_persons" in q["sql"]]

    assert len(asked(doctor_row(5))) == len(asked(*map(doctor_row, range(6, 60)))) == 1


def test_upload_in_the_admin_is_refused_with_the_same_words(gone) -> None:
    row = doctor_row(2, phone="9800000001")
    dataset = Dataset(list(row.values()), headers=list(row))
    resource = RESOURCES[Doctor]()
    result = resource.import_data(dataset, dry_run=True)
    (invalid,) = result.invalid_rows
    assert invalid.field_specific_errors == {"phone": [WORDS]}
    row = {"doctor_id": "d1", "used_at": "2026-03-01"}
    dataset = Dataset(list(row.values()), headers=list(row))
    (invalid,) = RESOURCES[AidaUsage]().import_data(dataset, dry_run=True).invalid_rows
    assert invalid.field_specific_errors == {"doctor_id": [WORDS]}


def test_nobody_erased_costs_one_query_and_refuses_nobody(tmp_path) -> None:
    assert imported(tmp_path, doctor_row(1)).created == 1
    assert not ImportRejection.objects.exists()
