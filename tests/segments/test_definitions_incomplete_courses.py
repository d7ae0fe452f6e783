"""Incomplete courses: who is in, who came back, what can be written to them."""

from typing import Any

import pytest

from segments.definitions import Subject, definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES
from segments.models import Course, Doctor
from tests.segments.checks import eligible, enroll, one_row, query_counts, returned, variables
from tests.segments.factories import (
    NOW,
    CourseFactory,
    CourseModuleFactory,
    CourseProgressFactory,
    DoctorFactory,
    ago,
    ahead,
    course_with_modules,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("fresh_cache")]
TYPE = "incomplete_courses"


def by_rank() -> list[str]:
    """Subjects, the one to write about first."""
    rows = definition(TYPE).eligible(NOW).order_by("rank", "subject")
    return [row["subject"] for row in rows]


# --- in ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "is_in"),
    [
        ({}, True),
        ({"access_expires_at": None}, True),
        ({"access_expires_at": ahead(seconds=1)}, True),
        ({"access_expires_at": NOW}, False),
        ({"completed_at": NOW}, False),
        ({"completed_at": ahead(seconds=1)}, True),
        ({"started_at": NOW}, True),
        ({"started_at": ahead(seconds=1)}, False),
    ],
)
def test_eligible_is_started_not_complete_and_open(fields: dict[str, Any], is_in: bool) -> None:
    progress = CourseProgressFactory.create(**fields)
    expected = [(progress.doctor_id, progress.course.external_id)] if is_in else []
    assert eligible(TYPE) == expected


def test_eligible_row_says_since_when_and_how_far() -> None:
    course = course_with_modules(5)
    progress = CourseProgressFactory.create(course=course, last_accessed_at=ago(days=35))
    assert one_row(TYPE) == {
        "doctor_id": progress.doctor_id,
        "subject": course.external_id,
        "inactive_since": ago(days=35),
        "segment_data": {"completed_modules": 2, "total_modules": 5},
    }


def test_eligible_in_the_past_counts_quiet_from_the_start_of_the_course() -> None:
    CourseProgressFactory.create(started_at=ago(days=60), last_accessed_at=ago(days=35))
    assert one_row(TYPE, ago(days=36))["inactive_since"] == ago(days=60)
    assert one_row(TYPE, ago(days=35))["inactive_since"] == ago(days=35)


def test_rank_is_modules_left_then_last_accessed_and_nothing_left_is_last() -> None:
    doctor = DoctorFactory.create()
    for name, modules, done, quiet_days in [
        ("two left, long ago", 4, 2, 90),
        ("one left", 3, 2, 80),
        ("two left, lately", 8, 6, 31),
        ("no modules known", 0, 0, 30),
        ("all modules done", 2, 2, 30),
        ("more done than there are", 2, 5, 30),
    ]:
        CourseProgressFactory.create(
            doctor=doctor,
            course=course_with_modules(modules, external_id=name),
            completed_modules=done,
            started_at=ago(days=100),
            last_accessed_at=ago(days=quiet_days),
        )
    assert by_rank() == [
        "one left",
        "two left, lately",
        "two left, long ago",
        "all modules done",
        "more done than there are",
        "no modules known",
    ]


# --- out -----------------------------------------------------------------------------------------


def test_returned_is_who_completed_that_course_since_enrolment() -> None:
    progress = CourseProgressFactory.create(completed_at=ago(days=2))
    CourseProgressFactory.create(course=progress.course, completed_at=ago(days=3))
    key = enroll(TYPE, progress.doctor, progress.course.external_id, ago(days=10))
    enroll(TYPE, progress.doctor, "another course", ago(days=20))
    assert returned(TYPE) == {key: ago(days=2)}
    assert returned(TYPE, ago(days=2, seconds=1)) == {}


@pytest.mark.parametrize("completed_at", [ago(days=10), ago(days=11), ahead(seconds=1), None])
def test_returned_ignores_what_was_before_enrolment_or_comes_later(completed_at: Any) -> None:
    progress = CourseProgressFactory.create(completed_at=completed_at)
    enroll(TYPE, progress.doctor, progress.course.external_id, ago(days=10))
    assert returned(TYPE) == {}


# --- variables -----------------------------------------------------------------------------------


def full_course() -> Course:
    """A course of four modules that two other doctors completed; one of them praised it."""
    course = course_with_modules(4, external_id="C-FULL")
    for first, quiet_days, fields in [
        ("Sunita", 3, {"rating": 5, "testimonial": "Clear and practical."}),
        ("Vikram", 9, {"rating": 4}),
    ]:
        peer = DoctorFactory.create(
            first_name=first,
            last_name="Nair",
            specialty="Nephrology",
            location="Kochi",
            may_be_named=True,
        )
        CourseProgressFactory.create(
            doctor=peer, course=course, completed_at=ago(days=quiet_days), **fields
        )
    return course


def reader_of(course: Course, **fields: Any) -> Doctor:
    return CourseProgressFactory.create(course=course, **fields).doctor


def test_variables_of_a_full_database_are_exactly_those_declared() -> None:
    course = full_course()
    doctor = reader_of(course, last_accessed_at=ago(days=35), access_expires_at=ahead(days=9.5))
    values = variables(TYPE, doctor, "C-FULL")
    assert values.keys() == definition(TYPE).variable_names | DOCTOR_VARIABLE_NAMES
    assert {name: values[name] for name in definition(TYPE).variable_names} == {
        "course_name": "Hypertension in Practice",
        "course_topic": "blood pressure control",
        "clinical_area": "resistant hypertension",
        "popular_module": "3",
        "cpd_points": "4",
        "completion_percentage": "50",
        "completed_modules": "2",
        "total_modules": "4",
        "remaining_modules": [
            {"module_number": "3", "module_name": "Module no. 3", "duration": "15"},
            {"module_number": "4", "module_name": "Module no. 4", "duration": "15"},
        ],
        "upcoming_content": [
            {
                "module_number": number,
                "module_name": f"Module no. {number}",
                "key_learning_1": "Measure",
                "key_learning_2": "Decide",
                "key_learning_3": "Treat",
            }
            for number in ("3", "4")
        ],
        "estimated_time": "30",
        "time_spent": "1 hour 20 minutes",
        "last_access_date": "28 January 2026",
        "expiry_date": "14 March 2026",
        "days_remaining": "10",
        "completed_count": "1",  # within seven days
        "course_completion_rate": "66",
        "course_rating": "4.5",
        "peer_name": "Sunita Nair",
        "peer_specialty": "Nephrology",
        "peer_location": "Kochi",
        "peer_testimonial": "Clear and practical.",
        "testimonial_author": "Sunita Nair",
    }
    assert str(values["remaining_modules"]) == "2"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({"access_expires_at": None}, {"expiry_date", "days_remaining"}),
        ({"access_expires_at": NOW}, {"expiry_date", "days_remaining"}),
        ({"time_spent_minutes": 0}, {"time_spent"}),
        ({"completed_modules": 4}, {"remaining_modules", "upcoming_content", "estimated_time"}),
        ({"completed_modules": 0}, set()),
    ],
)
def test_variable_without_a_value_is_missing(fields: dict[str, Any], missing: set[str]) -> None:
    doctor = reader_of(full_course(), **fields)
    values = variables(TYPE, doctor, "C-FULL")
    assert definition(TYPE).variable_names - values.keys() == missing


def test_variables_of_an_empty_course_are_few() -> None:
    course = CourseFactory.create(
        topic="", clinical_area="", popular_module="", instructor_name="", cpd_points=None
    )
    doctor = reader_of(course)
    values = variables(TYPE, doctor, course.external_id)
    assert values.keys() - DOCTOR_VARIABLE_NAMES == {
        "course_name",
        "time_spent",
        "last_access_date",
        "expiry_date",
        "days_remaining",
    }


def test_progress_is_in_whole_percent_and_never_says_all_too_soon() -> None:
    course = course_with_modules(8)
    doctor = reader_of(course, completed_modules=7)
    values = variables(TYPE, doctor, course.external_id)
    assert values["completion_percentage"] == "87"
    assert values["estimated_time"] == "15"


def test_modules_are_counted_by_place_where_numbers_have_gaps() -> None:
    course = CourseFactory.create()
    for number in (20, 5, 10):
        CourseModuleFactory.create(course=course, number=number)
    values = variables(TYPE, reader_of(course, completed_modules=2), course.external_id)
    assert [module["module_number"] for module in values["remaining_modules"]] == ["20"]
    assert values["total_modules"] == "3"


def test_upcoming_content_is_the_next_three_that_say_what_they_teach() -> None:
    course = CourseFactory.create()
    learnings = [["a", "b", "c"], ["a", "b"], ["a", "b", " "], *([["a", "b", "c", "d"]] * 4)]
    for number, points in enumerate(learnings, start=1):
        CourseModuleFactory.create(course=course, number=number, key_learnings=points)
    values = variables(TYPE, reader_of(course, completed_modules=1), course.external_id)
    assert [module["module_number"] for module in values["upcoming_content"]] == ["4", "5", "6"]


def test_last_access_in_the_past_is_the_start_when_it_comes_later() -> None:
    course = full_course()
    doctor = reader_of(course, started_at=ago(days=60), last_accessed_at=ago(days=5))
    values = variables(TYPE, doctor, "C-FULL", ago(days=6))
    assert values["last_access_date"] == "3 January 2026"


def test_doctor_without_progress_gets_the_course_only() -> None:
    full_course()
    values = variables(TYPE, DoctorFactory.create(), "C-FULL")
    assert "course_name" in values
    assert "completion_percentage" not in values


def test_course_that_is_gone_leaves_the_doctors_own_variables() -> None:
    assert variables(TYPE, DoctorFactory.create(), "gone").keys() == DOCTOR_VARIABLE_NAMES


def test_one_doctor_with_two_courses_gets_each_its_own() -> None:
    doctor = DoctorFactory.create()
    subjects = []
    for done in (1, 3):
        course = course_with_modules(4)
        CourseProgressFactory.create(doctor=doctor, course=course, completed_modules=done)
        subjects.append(Subject(doctor.pk, course.external_id, NOW))
    values = definition(TYPE).variables(subjects, NOW)
    assert [one["completion_percentage"] for one in values] == ["25", "75"]


def test_queries_do_not_grow_with_the_batch() -> None:
    subjects = []
    for _ in range(3):
        course = course_with_modules(3)
        peer = DoctorFactory.create(may_be_named=True)
        CourseProgressFactory.create(doctor=peer, course=course, completed_at=ago(days=1), rating=5)
        subjects.append(Subject(reader_of(course).pk, course.external_id, NOW))
    one, three = query_counts(TYPE, subjects)
    assert one == three == 8
