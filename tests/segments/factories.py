"""Doctors and what they do, with everything filled in that a text could want.

Facts are dated around NOW, which is the `now` of the fixture.
"""

from datetime import UTC, datetime, timedelta

import factory
from factory.django import DjangoModelFactory

from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    Course,
    CourseModule,
    CourseProgress,
    Doctor,
    Session,
    SessionRegistration,
    UserSegment,
)

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # a Wednesday, 12:00 in Asia/Kolkata


def ago(**span: float) -> datetime:
    """So long before NOW: ago(days=3)."""
    return NOW - timedelta(**span)


def ahead(**span: float) -> datetime:
    """So long after NOW: ahead(days=3)."""
    return NOW + timedelta(**span)


class DoctorFactory(DjangoModelFactory[Doctor]):
    class Meta:
        model = Doctor

    external_id = factory.Sequence(lambda n: f"D{n}")
    first_name = "Asha"
    last_name = "Rao"
    email = factory.Sequence(lambda n: f"doctor{n}@example.com")
    phone = factory.Sequence(lambda n: f"+9198{n:08}")
    specialty = "Cardiology"
    location = "Pune"


class AidaUsageFactory(DjangoModelFactory[AidaUsage]):
    class Meta:
        model = AidaUsage

    doctor = factory.SubFactory(DoctorFactory)
    used_at = factory.Sequence(lambda n: ago(days=40, seconds=n))
    specialty_area = "Heart failure"


class AgentUsageFactory(DjangoModelFactory[AgentUsage]):
    class Meta:
        model = AgentUsage

    doctor = factory.SubFactory(DoctorFactory)
    agent = "Diagnostic Support"
    specialty_area = "Heart failure"
    used_at = factory.Sequence(lambda n: ago(days=20, seconds=n))


class CourseFactory(DjangoModelFactory[Course]):
    class Meta:
        model = Course

    external_id = factory.Sequence(lambda n: f"C{n}")
    name = "Hypertension in Practice"
    topic = "blood pressure control"
    clinical_area = "resistant hypertension"
    popular_module = "3"
    instructor_name = "Dr. Meera Iyer"
    cpd_points = "4.0"


class CourseModuleFactory(DjangoModelFactory[CourseModule]):
    class Meta:
        model = CourseModule

    course = factory.SubFactory(CourseFactory)
    number = factory.Sequence(lambda n: n + 1)
    name = factory.LazyAttribute(lambda module: f"Module no. {module.number}")
    duration_minutes = 15
    key_learnings = factory.LazyFunction(lambda: ["Measure", "Decide", "Treat"])


def course_with_modules(count: int, **fields: object) -> Course:
    """A course with so many modules of 15 minutes, numbered from 1."""
    course = CourseFactory.create(**fields)
    for number in range(1, count + 1):
        CourseModuleFactory.create(course=course, number=number)
    return course


class CourseProgressFactory(DjangoModelFactory[CourseProgress]):
    class Meta:
        model = CourseProgress

    doctor = factory.SubFactory(DoctorFactory)
    course = factory.SubFactory(CourseFactory)
    started_at = ago(days=60)
    completed_modules = 2
    time_spent_minutes = 80
    last_accessed_at = ago(days=35)
    access_expires_at = ahead(days=30)


class SessionFactory(DjangoModelFactory[Session]):
    class Meta:
        model = Session

    external_id = factory.Sequence(lambda n: f"S{n}")
    title = "Heart Failure Update"
    starts_at = ago(days=1, hours=1)
    ends_at = factory.LazyAttribute(lambda session: session.starts_at + timedelta(minutes=55))
    recording_expires_at = factory.LazyAttribute(
        lambda session: session.ends_at + timedelta(days=10)
    )
    speaker_name = "Dr. Meera Iyer"
    speaker_credentials = "MD, DM (Cardiology)"
    topic = "heart failure"
    topic_area = "cardiology"
    cpd_points = "2.5"
    key_points = factory.LazyFunction(lambda: ["New drugs", "Titration", "Referral", "Follow-up"])
    insight_titles = factory.LazyFunction(lambda: ["Start early", "Four pillars", "Potassium"])
    insight_descriptions = factory.LazyFunction(
        lambda: ["Before discharge.", "All four classes.", "After a week."]
    )
    popular_timestamps = factory.LazyFunction(lambda: ["12:40", "27:05", "41:30"])
    popular_topics = factory.LazyFunction(lambda: ["Choice", "Titration table", "Cases"])


class SessionRegistrationFactory(DjangoModelFactory[SessionRegistration]):
    class Meta:
        model = SessionRegistration

    doctor = factory.SubFactory(DoctorFactory)
    session = factory.SubFactory(SessionFactory)
    registered_at = factory.LazyAttribute(lambda row: row.session.starts_at - timedelta(days=5))


class CertificateFactory(DjangoModelFactory[Certificate]):
    """Of a session; give session=None and a course for one of a course."""

    class Meta:
        model = Certificate

    external_id = factory.Sequence(lambda n: f"CERT-{n}")
    doctor = factory.SubFactory(DoctorFactory)
    session = factory.SubFactory(SessionFactory)
    issued_at = ago(hours=20)
    expires_at = ahead(days=30)


class UserSegmentFactory(DjangoModelFactory[UserSegment]):
    class Meta:
        model = UserSegment

    doctor = factory.SubFactory(DoctorFactory)
    segment_type = "aida_users"
    inactive_since = ago(days=40)
    calculated_at = NOW
    expires_at = ahead(hours=50)
