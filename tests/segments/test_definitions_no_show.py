"""No-shows: who is in, who came back, what can be written to them."""

from datetime import timedelta
from typing import Any

import pytest

from segments.definitions import Subject, definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES
from segments.models import Session
from tests.segments.checks import eligible, enroll, one_row, query_counts, returned, variables
from tests.segments.factories import (
    NOW,
    CertificateFactory,
    DoctorFactory,
    SessionFactory,
    SessionRegistrationFactory,
    ago,
    ahead,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_cache")]
TYPE = "no_show"


# --- in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_in"),
    [
        ({}, True),
        ({"attended_at": ago(days=1)}, False),
        ({"attended_at": ahead(seconds=1)}, True),
        ({"recording_viewed_at": NOW}, False),
        ({"recording_viewed_at": ahead(seconds=1)}, True),
        ({"registered_at": NOW}, True),
        ({"registered_at": ahead(seconds=1)}, False),
        ({"session__recording_expires_at": None}, True),
        ({"session__recording_expires_at": ahead(seconds=1)}, True),
        ({"session__recording_expires_at": NOW}, False),
    ],
)
def test_eligible_is_registered_not_come_with_a_recording_to_see(
    fields: dict[str, Any], is_in: bool
) -> None:
    row = SessionRegistrationFactory.create(**fields)
    assert eligible(TYPE) == ([(row.doctor_id, row.session.external_id)] if is_in else [])


@pytest.mark.parametrize(
    ("since_end", "is_in"),
    [
        (timedelta(hours=2), True),
        (timedelta(hours=2) - timedelta(microseconds=1), False),
        (timedelta(0), False),
    ],
)
def test_eligible_from_two_hours_after_the_session(since_end: timedelta, is_in: bool) -> None:
    ends_at = NOW - since_end
    session = SessionFactory.create(starts_at=ends_at - timedelta(hours=1), ends_at=ends_at)
    SessionRegistrationFactory.create(session=session)
    assert bool(eligible(TYPE)) == is_in


def test_eligible_row_says_since_when() -> None:
    session = SessionFactory.create(starts_at=ago(days=1, hours=1))
    row = SessionRegistrationFactory.create(session=session)
    assert one_row(TYPE) == {
        "doctor_id": row.doctor_id,
        "subject": session.external_id,
        "inactive_since": session.ends_at,
        "segment_data": {"recording_expires_at": "2026-03-13T06:25:00+00:00"},
    }


def test_rank_puts_the_latest_session_first() -> None:
    doctor = DoctorFactory.create()
    for days in (3, 1, 2):
        session = SessionFactory.create(external_id=f"{days} days ago", starts_at=ago(days=days))
        SessionRegistrationFactory.create(doctor=doctor, session=session)
    rows = definition(TYPE).eligible(NOW).order_by("rank")
    assert [row["subject"] for row in rows] == ["1 days ago", "2 days ago", "3 days ago"]


# --- out -----------------------------------------------------------------------------------------


def test_returned_is_who_viewed_that_recording_since_enrolment() -> None:
    row = SessionRegistrationFactory.create(recording_viewed_at=ago(hours=3))
    key = enroll(TYPE, row.doctor, row.session.external_id, ago(hours=20))
    SessionRegistrationFactory.create(doctor=row.doctor, recording_viewed_at=ago(hours=5))
    assert returned(TYPE) == {key: ago(hours=3)}
    assert returned(TYPE, ago(hours=3, seconds=1)) == {}


def test_returned_is_who_registered_for_a_later_session_since_enrolment() -> None:
    row = SessionRegistrationFactory.create()
    key = enroll(TYPE, row.doctor, row.session.external_id, ago(hours=20))
    for starts_at, hours in [(ahead(days=3), 2), (ahead(days=5), 4)]:
        coming = SessionFactory.create(starts_at=starts_at)
        SessionRegistrationFactory.create(
            doctor=row.doctor, session=coming, registered_at=ago(hours=hours)
        )
    assert returned(TYPE) == {key: ago(hours=4)}
    assert returned(TYPE, ago(hours=4, seconds=1)) == {}


def test_returned_is_the_first_of_both_ways() -> None:
    row = SessionRegistrationFactory.create(recording_viewed_at=ago(hours=2))
    key = enroll(TYPE, row.doctor, row.session.external_id, ago(hours=20))
    coming = SessionFactory.create(starts_at=ahead(days=1))
    SessionRegistrationFactory.create(doctor=row.doctor, session=coming, registered_at=ago(hours=6))
    assert returned(TYPE) == {key: ago(hours=6)}


@pytest.mark.parametrize(
    ("starts_at", "registered_at"),
    [
        (ahead(days=3), ago(hours=20)),  # not after enrolment
        (ahead(days=3), ahead(seconds=1)),  # later
        (ago(days=2), ago(hours=1)),  # an earlier session
        (ago(hours=24, minutes=5), ago(hours=1)),  # starts as the missed one ends
    ],
)
def test_returned_ignores_other_registrations(starts_at: Any, registered_at: Any) -> None:
    row = SessionRegistrationFactory.create()
    enroll(TYPE, row.doctor, row.session.external_id, ago(hours=20))
    session = SessionFactory.create(starts_at=starts_at)
    SessionRegistrationFactory.create(
        doctor=row.doctor, session=session, registered_at=registered_at
    )
    assert returned(TYPE) == {}


def test_returned_ignores_others_and_what_was_before() -> None:
    row = SessionRegistrationFactory.create(recording_viewed_at=ago(hours=21))
    enroll(TYPE, row.doctor, row.session.external_id, ago(hours=20))
    SessionRegistrationFactory.create(session=row.session, recording_viewed_at=ago(hours=1))
    assert returned(TYPE) == {}


# --- variables -----------------------------------------------------------------------------------


def full_session() -> Session:
    """A session that one doctor attended and rated, with two to come, and a certificate."""
    session = SessionFactory.create(external_id="S-FULL", starts_at=ago(days=1, hours=1))
    author = DoctorFactory.create(
        first_name="Dr. Vikram", last_name="Shah", location="Nagpur", may_be_named=True
    )
    SessionRegistrationFactory.create(
        doctor=author,
        session=session,
        attended_at=session.starts_at,
        recording_viewed_at=ago(hours=5),
        rating=5,
    )
    CertificateFactory.create(session=session, doctor=author)
    for title, area, days in [
        ("Tomorrow's", "oncology", 1),
        ("Lipids", "cardiology", 30),
        ("Rhythm", "cardiology", 20),
        ("Valves", "cardiology", 40),
    ]:
        SessionFactory.create(title=title, topic_area=area, starts_at=ahead(days=days))
    return session


def test_variables_of_a_full_database_are_exactly_those_declared() -> None:
    doctor = SessionRegistrationFactory.create(session=full_session()).doctor
    values = variables(TYPE, doctor, "S-FULL")
    assert values.keys() == definition(TYPE).variable_names | DOCTOR_VARIABLE_NAMES
    assert {name: values[name] for name in definition(TYPE).variable_names} == {
        "session_title": "Heart Failure Update",
        "session_date": "3 March 2026",
        "session_duration": "55",
        "topic": "heart failure",
        "topic_area": "cardiology",
        "speaker_name": "Meera Iyer",
        "speaker_credentials": "MD, DM (Cardiology)",
        "cpd_points": "2.5",
        "recording_expiry_days": "9",
        "days_remaining": "9",
        "key_point_1": "New drugs",
        "key_point_2": "Titration",
        "key_point_3": "Referral",
        "key_point_4": "Follow-up",
        "insight_1_title": "Start early",
        "insight_1_description": "Before discharge.",
        "insight_2_title": "Four pillars",
        "insight_2_description": "All four classes.",
        "insight_3_title": "Potassium",
        "insight_3_description": "After a week.",
        "popular_timestamp_1": "12:40",
        "popular_topic_1": "Choice",
        "popular_timestamp_2": "27:05",
        "popular_topic_2": "Titration table",
        "popular_timestamp_3": "41:30",
        "popular_topic_3": "Cases",
        "view_count": "1",
        "rating": "5",
        "rating_count": "1",
        "certificate_issued_count": "1",
        "testimonial_author": "Vikram Shah",
        "testimonial_location": "Nagpur",
        "related_session_1": "Rhythm",
        "related_date_1": "24 March 2026",
        "related_session_2": "Lipids",
        "related_date_2": "3 April 2026",
    }


def test_variables_of_an_empty_session_are_few() -> None:
    texts = ("speaker_name", "speaker_credentials", "topic", "topic_area")
    lists = ("key_points", "insight_titles", "insight_descriptions", "popular_timestamps")
    empty = dict.fromkeys(texts, "") | {name: [] for name in (*lists, "popular_topics")}
    session = SessionFactory.create(
        external_id="S-EMPTY", cpd_points=None, recording_expires_at=None, **empty
    )
    doctor = SessionRegistrationFactory.create(session=session).doctor
    values = variables(TYPE, doctor, "S-EMPTY")
    assert values.keys() - DOCTOR_VARIABLE_NAMES == {
        "session_title",
        "session_date",
        "session_duration",
    }


def test_empty_place_in_a_list_is_missing_and_the_next_keeps_its_number() -> None:
    session = SessionFactory.create(key_points=["One", "", "Three", "Four", "Five"])
    values = variables(TYPE, DoctorFactory.create(), session.external_id)
    points = {name: value for name, value in values.items() if name.startswith("key_point")}
    assert points == {"key_point_1": "One", "key_point_3": "Three", "key_point_4": "Four"}


def test_session_date_is_the_day_in_the_doctors_zone() -> None:
    session = SessionFactory.create(starts_at=NOW.replace(hour=20))
    home, abroad = DoctorFactory.create(), DoctorFactory.create(timezone="Europe/London")
    assert variables(TYPE, home, session.external_id)["session_date"] == "5 March 2026"
    assert variables(TYPE, abroad, session.external_id)["session_date"] == "4 March 2026"


def test_related_sessions_are_made_up_with_the_next_of_another_area() -> None:
    session = SessionFactory.create(topic_area="cardiology")
    for title, area, days in [("A", "oncology", 1), ("B", "", 2), ("C", "cardiology", 9)]:
        SessionFactory.create(title=title, topic_area=area, starts_at=ahead(days=days))
    values = variables(TYPE, DoctorFactory.create(), session.external_id)
    assert (values["related_session_1"], values["related_session_2"]) == ("C", "A")


def test_related_sessions_are_the_next_two_where_none_has_the_area() -> None:
    session = SessionFactory.create(topic_area="cardiology")
    for title, days in [("B", 2), ("A", 1), ("C", 3)]:
        SessionFactory.create(title=title, topic_area="oncology", starts_at=ahead(days=days))
    values = variables(TYPE, DoctorFactory.create(), session.external_id)
    assert (values["related_session_1"], values["related_session_2"]) == ("A", "B")


def test_related_session_has_not_begun() -> None:
    session = SessionFactory.create(topic_area="cardiology")
    for starts_at in (NOW, ago(minutes=5)):
        SessionFactory.create(starts_at=starts_at, topic_area="cardiology")
    coming = SessionFactory.create(title="Coming", starts_at=ahead(seconds=1))
    values = variables(TYPE, DoctorFactory.create(), session.external_id)
    assert values["related_session_1"] == coming.title
    assert "related_session_2" not in values


def test_queries_do_not_grow_with_the_batch() -> None:
    full_session()
    subjects = []
    for _ in range(3):
        row = SessionRegistrationFactory.create(session=SessionFactory.create())
        author = DoctorFactory.create(may_be_named=True)
        SessionRegistrationFactory.create(
            doctor=author, session=row.session, attended_at=row.session.starts_at, rating=5
        )
        subjects.append(Subject(row.doctor_id, row.session.external_id, NOW))
    one, three = query_counts(TYPE, subjects)
    assert one == three == 7
