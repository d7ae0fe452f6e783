"""Unclaimed certificates: who is in, who came back, what can be written to them."""

from typing import Any

import pytest

from segments.definitions import Subject, definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES
from tests.segments.checks import eligible, enroll, one_row, query_counts, returned, variables
from tests.segments.factories import (
    NOW,
    CertificateFactory,
    CourseFactory,
    DoctorFactory,
    SessionFactory,
    ago,
    ahead,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_cache")]
TYPE = "unclaimed_certificates"


# --- in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_in"),
    [
        ({}, True),
        ({"downloaded_at": NOW}, False),
        ({"downloaded_at": ahead(seconds=1)}, True),
        ({"viewed_at": NOW}, False),
        ({"viewed_at": ahead(seconds=1)}, True),
        ({"expires_at": None}, True),
        ({"expires_at": ahead(seconds=1)}, True),
        ({"expires_at": NOW}, False),
        ({"issued_at": NOW}, True),
        ({"issued_at": ahead(seconds=1)}, False),
    ],
)
def test_eligible_is_issued_open_and_untouched(fields: dict[str, Any], is_in: bool) -> None:
    certificate = CertificateFactory.create(**fields)
    expected = [(certificate.doctor_id, certificate.external_id)] if is_in else []
    assert eligible(TYPE) == expected


def test_eligible_row_says_since_when() -> None:
    certificate = CertificateFactory.create(issued_at=ago(days=4), expires_at=ahead(days=6))
    assert one_row(TYPE) == {
        "doctor_id": certificate.doctor_id,
        "subject": certificate.external_id,
        "inactive_since": ago(days=4),
        "segment_data": {"expires_at": "2026-03-10T06:30:00+00:00"},
    }


def test_rank_puts_the_first_to_expire_first() -> None:
    doctor = DoctorFactory.create()
    for name, expires_at in [
        ("never", None),
        ("late", ahead(days=9)),
        ("soon", ahead(days=2)),
    ]:
        CertificateFactory.create(doctor=doctor, external_id=name, expires_at=expires_at)
    rows = definition(TYPE).eligible(NOW).order_by("rank")
    assert [row["subject"] for row in rows] == ["soon", "late", "never"]


# --- out -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("downloaded_at", "viewed_at", "moment"),
    [
        (ago(days=2), None, ago(days=2)),
        (None, ago(days=3), ago(days=3)),
        (ago(days=2), ago(days=3), ago(days=3)),
        (ago(days=3), ago(days=2), ago(days=3)),
        (ahead(days=1), ago(days=1), ago(days=1)),
        (ago(days=1), ago(days=11), ago(days=1)),
        (ago(days=10), None, None),
        (ahead(seconds=1), None, None),
        (None, None, None),
    ],
)
def test_returned_is_downloaded_or_viewed_since_enrolment(
    downloaded_at: Any, viewed_at: Any, moment: Any
) -> None:
    certificate = CertificateFactory.create(downloaded_at=downloaded_at, viewed_at=viewed_at)
    key = enroll(TYPE, certificate.doctor, certificate.external_id, ago(days=10))
    assert returned(TYPE) == ({key: moment} if moment else {})


def test_returned_is_about_that_doctors_own_certificate() -> None:
    mine = CertificateFactory.create()
    enroll(TYPE, mine.doctor, mine.external_id, ago(days=10))
    other = CertificateFactory.create(doctor=mine.doctor, downloaded_at=ago(days=1))
    enroll(TYPE, DoctorFactory.create(), other.external_id, ago(days=10))
    assert returned(TYPE) == {}


# --- variables -----------------------------------------------------------------------------------


def test_variables_of_a_full_database_are_exactly_those_declared() -> None:
    session = SessionFactory.create(starts_at=ago(days=3))
    certificate = CertificateFactory.create(
        session=session, external_id="CERT-1", issued_at=ago(days=2), expires_at=ahead(days=29.5)
    )
    CertificateFactory.create(session=session, downloaded_at=ago(days=1), issued_at=ago(days=2))
    values = variables(TYPE, certificate.doctor, "CERT-1")
    assert values.keys() == definition(TYPE).variable_names | DOCTOR_VARIABLE_NAMES
    assert {name: values[name] for name in definition(TYPE).variable_names} == {
        "session_name": "Heart Failure Update",
        "session_date": "1 March 2026",
        "speaker_name": "Meera Iyer",
        "cpd_points": "2.5",
        "certificate_id": "CERT-1",
        "issue_date": "2 March 2026",
        "expiry_date": "3 April 2026",
        "days_remaining": "30",
        "certificate_expiry_days": "30",
        "download_count": "1",
        "total_participants": "2",
    }


def test_variables_of_a_courses_certificate_are_the_courses() -> None:
    course = CourseFactory.create()
    certificate = CertificateFactory.create(session=None, course=course, issued_at=ago(days=2))
    CertificateFactory.create(session=None, course=course, downloaded_at=ago(hours=1))
    values = variables(TYPE, certificate.doctor, certificate.external_id)
    assert values.keys() == definition(TYPE).variable_names | DOCTOR_VARIABLE_NAMES
    assert (values["session_name"], values["session_date"]) == (
        "Hypertension in Practice",
        "2 March 2026",
    )
    assert (values["speaker_name"], values["cpd_points"]) == ("Meera Iyer", "4")
    assert (values["download_count"], values["total_participants"]) == ("1", "2")


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"expires_at": None}, {"expiry_date", "days_remaining", "certificate_expiry_days"}),
        ({"expires_at": NOW}, {"expiry_date", "days_remaining", "certificate_expiry_days"}),
        ({"session__speaker_name": "Dr. "}, {"speaker_name"}),
        ({"session__cpd_points": "0.0"}, {"cpd_points"}),
    ],
)
def test_variable_without_a_value_is_missing(fields: dict[str, Any], missing: set[str]) -> None:
    certificate = CertificateFactory.create(**fields)
    values = variables(TYPE, certificate.doctor, certificate.external_id)
    assert definition(TYPE).variable_names - values.keys() == {*missing, "download_count"}


def test_somebody_elses_certificate_says_nothing() -> None:
    certificate = CertificateFactory.create()
    values = variables(TYPE, DoctorFactory.create(), certificate.external_id)
    assert values.keys() == DOCTOR_VARIABLE_NAMES


def test_queries_do_not_grow_with_the_batch() -> None:
    rows = [
        CertificateFactory.create(session=None, course=CourseFactory.create()),
        CertificateFactory.create(session=None, course=CourseFactory.create()),
        CertificateFactory.create(session=None, course=CourseFactory.create()),
    ]
    one, three = query_counts(TYPE, [Subject(r.doctor_id, r.external_id, NOW) for r in rows])
    assert one == three == 3


def test_queries_are_one_more_where_both_kinds_are_in_the_batch() -> None:
    course = CertificateFactory.create(session=None, course=CourseFactory.create())
    rows = [CertificateFactory.create(), course, CertificateFactory.create()]
    _, three = query_counts(TYPE, [Subject(r.doctor_id, r.external_id, NOW) for r in rows])
    assert three == 4
