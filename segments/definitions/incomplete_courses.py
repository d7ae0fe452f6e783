"""Doctors with a started, unfinished course."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    DurationField,
    ExpressionWrapper,
    F,
    Func,
    IntegerField,
    OuterRef,
    QuerySet,
    Value,
    When,
)
from django.db.models.functions import Greatest, JSONObject, NullIf

from segments import peers
from segments.definitions.base import Definition, Goal, M, Subject
from segments.definitions.common import (
    CountedList,
    Reader,
    count_text,
    date_text,
    days_left,
    decimal_text,
    duration_text,
    end_text,
    filled,
    members,
    not_by,
    platform_url,
    readers,
    since_enrollment,
    with_first_return,
)
from segments.models import Course, CourseModule, CourseProgress, SegmentType

KEY_LEARNINGS = 3
UPCOMING_MODULES = 3
# Longer than any course has been open, so that a module counts for more than any time away.
A_MODULE = timedelta(days=36_500)


class ModuleTotal(Func):
    """Number of modules of a course: all courses are counted once, then looked up.

    A subquery for each row takes six times as long.
    """

    template = (
        "COALESCE(((SELECT jsonb_object_agg(course_id, modules) FROM ("
        "SELECT course_id, count(*) AS modules FROM course_modules GROUP BY course_id"
        ") AS totals) ->> (%(expressions)s)::text)::int, 0)"
    )
    arity = 1
    output_field = IntegerField()


class IncompleteCourses(Definition):
    """In: started, not complete, access not expired. Back: completed."""

    segment_type = SegmentType.INCOMPLETE_COURSES
    goal = Goal(rate=35, days=21)  # strategy, Segment-Specific Goals
    variable_names = frozenset(
        {
            *("course_name", "course_topic", "clinical_area", "popular_module", "cpd_points"),
            *("completion_percentage", "completed_modules", "total_modules", "remaining_modules"),
            *("upcoming_content", "estimated_time", "time_spent", "last_access_date"),
            *("expiry_date", "days_remaining"),
            *("completed_count", "course_completion_rate", "course_rating"),
            *("peer_name", "peer_specialty", "peer_location", "peer_testimonial"),
            "testimonial_author",
        }
    )

    def eligible(self, now: datetime) -> QuerySet[Any, dict[str, Any]]:
        """Open courses, the nearest to completion first, then the one last worked on."""
        total = ModuleTotal(F("course_id"))
        # NULL sorts last: where no module is known to be left there is nothing to write about.
        left = NullIf(Greatest(total - F("completed_modules"), Value(0)), Value(0))
        last_access = Case(
            When(last_accessed_at__lte=now, then=F("last_accessed_at")), default=F("started_at")
        )
        rank = left * Value(A_MODULE) + (Value(now) - last_access)
        return members(
            CourseProgress.objects.filter(
                not_by("completed_at", now), not_by("access_expires_at", now), started_at__lte=now
            ).annotate(
                subject=F("course__external_id"),
                inactive_since=last_access,
                rank=ExpressionWrapper(rank, DurationField()),
                segment_data=JSONObject(completed_modules="completed_modules", total_modules=total),
            )
        )

    def returned(self, enrollments: QuerySet[M], now: datetime) -> QuerySet[M]:
        """Completed the course."""
        completed = CourseProgress.objects.filter(
            since_enrollment("completed_at", now),
            doctor=OuterRef("doctor_id"),
            course__external_id=OuterRef("subject"),
        )
        return with_first_return(enrollments, completed, "completed_at")

    def variables(self, subjects: Sequence[Subject], now: datetime) -> list[dict[str, Any]]:
        """See the base class."""
        doctors = readers({item.doctor_id for item in subjects})
        courses = _courses({item.subject for item in subjects}, now)
        progress = _progress(doctors, courses)
        answer = []
        for item in subjects:
            reader, course = doctors.get(item.doctor_id), courses.get(item.subject)
            values = dict(reader.variables) if reader else {}
            if reader and course:
                values |= course.variables
                values |= course.voices(item.doctor_id)
                if own := progress.get((item.doctor_id, course.pk)):
                    values |= _own(own, course, reader, now)
            answer.append(values)
        return answer

    def cta_url(self, subject: str) -> str:
        """The course."""
        return platform_url("courses", subject)


class _Progress(NamedTuple):
    completed_modules: int
    time_spent_minutes: int
    started_at: datetime
    last_accessed_at: datetime
    access_expires_at: datetime | None


@dataclass(slots=True)
class _Course:
    """What is the same for every doctor of a course."""

    pk: int
    variables: dict[str, Any]
    figures: peers.CourseFigures
    named: dict[int, peers.Peer]
    modules: list[dict[str, Any]] = field(default_factory=list)
    minutes: list[int] = field(default_factory=list)
    learnings: list[list[str]] = field(default_factory=list)

    def voices(self, reader_id: int) -> dict[str, str]:
        """A peer who just completed it and somebody who rated it well, by name."""
        peer = peers.first_other(self.figures.peers, self.named, reader_id)
        admirer = peers.first_other(self.figures.admirers, self.named, reader_id)
        return filled(
            {
                "peer_name": peer and peer.name,
                "peer_specialty": peer and peer.specialty,
                "peer_location": peer and peer.location,
                "peer_testimonial": peer and peer.testimonial,
                "testimonial_author": admirer and admirer.name,
            }
        )

    def upcoming(self, done: int) -> list[dict[str, Any]]:
        """The next modules that say what they teach, with three points each."""
        found = []
        for module, learnings in zip(self.modules[done:], self.learnings[done:], strict=True):
            if len(learnings) >= KEY_LEARNINGS:
                points = enumerate(learnings[:KEY_LEARNINGS], start=1)
                teaches = {f"key_learning_{place}": point for place, point in points}
                found.append(
                    {
                        "module_number": module["module_number"],
                        "module_name": module["module_name"],
                        **teaches,
                    }
                )
            if len(found) == UPCOMING_MODULES:
                break
        return found


def _courses(external_ids: Collection[str], now: datetime) -> dict[str, _Course]:
    rows = Course.objects.filter(external_id__in=external_ids).values_list(
        *("external_id", "pk", "name", "topic", "clinical_area", "popular_module", "cpd_points")
    )
    found = {external_id: row for external_id, *row in rows}
    figures = peers.course_figures([row[0] for row in found.values()], now)
    named = peers.course_peers(figures.values())
    courses = {
        external_id: _Course(pk, _course_variables(row, figures[pk]), figures[pk], named)
        for external_id, (pk, *row) in found.items()
    }
    _add_modules({course.pk: course for course in courses.values()})
    return courses


def _course_variables(row: Sequence[Any], figures: peers.CourseFigures) -> dict[str, Any]:
    name, topic, clinical_area, popular_module, cpd_points = row
    return filled(
        {
            "course_name": name,
            "course_topic": topic,
            "clinical_area": clinical_area,
            "popular_module": popular_module,
            "cpd_points": decimal_text(cpd_points),
            "completed_count": count_text(figures.completed_lately),
            "course_completion_rate": count_text(figures.completion_rate),
            "course_rating": decimal_text(figures.rating),
        }
    )


def _add_modules(courses: dict[int, _Course]) -> None:
    rows = CourseModule.objects.filter(course__in=courses).order_by("course_id", "number")
    for course_id, number, name, minutes, learnings in rows.values_list(
        "course_id", "number", "name", "duration_minutes", "key_learnings"
    ):
        course = courses[course_id]
        course.modules.append(
            {"module_number": str(number), "module_name": name, "duration": str(minutes)}
        )
        course.minutes.append(minutes)
        course.learnings.append([point for point in learnings if point.strip()])


def _progress(
    doctor_ids: Collection[int], courses: dict[str, _Course]
) -> dict[tuple[int, int], _Progress]:
    rows = CourseProgress.objects.filter(
        doctor__any_of=doctor_ids,
        course__in={course.pk for course in courses.values()},
    ).values_list("doctor_id", "course_id", *_Progress._fields)
    return {(doctor_id, course_id): _Progress(*row) for doctor_id, course_id, *row in rows}


def _own(progress: _Progress, course: _Course, reader: Reader, now: datetime) -> dict[str, Any]:
    """What the doctor has done of the course, and what is left."""
    last_access = progress.last_accessed_at
    if last_access > now:
        last_access = progress.started_at
    values: dict[str, Any] = {
        "time_spent": duration_text(progress.time_spent_minutes),
        "last_access_date": date_text(last_access, reader.zone),
        "expiry_date": end_text(progress.access_expires_at, now, reader.zone),
        "days_remaining": days_left(progress.access_expires_at, now),
    }
    if total := len(course.modules):
        done = min(progress.completed_modules, total)
        values |= {
            "completion_percentage": str(100 * done // total),
            "completed_modules": str(done),
            "total_modules": str(total),
            "remaining_modules": CountedList(course.modules[done:]),
            "upcoming_content": course.upcoming(done),
            "estimated_time": decimal_text(sum(course.minutes[done:])),
        }
    return filled(values)
