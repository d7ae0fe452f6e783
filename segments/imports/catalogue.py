"""The kinds of files about doctors and what they do."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CharField
from psycopg import sql

from segments.imports import emails, names, phones, timestamps, values
from segments.imports.kinds import (
    Address,
    Column,
    ExactlyOne,
    Kind,
    Merged,
    NotBefore,
    Shape,
    Sql,
    register,
)
from segments.imports.tables import model_field, table
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
)
from segments.models.doctor import DEFAULT_TIMEZONE

ID = values.text(64)
MINUTES = values.integer()
RATING = values.integer(1, 5)
POINTS = values.decimal(max_digits=5, places=1)
SEVERAL = "Several are separated by “ | ”."


class ModulesOfCourse:
    """Nobody completes more modules than the course has."""

    columns = ("completed_modules", "course_id")
    problem = "Is more than the course has modules: import its modules first, or correct it."

    def wrong(self, merged: Merged) -> Sql:
        """SQL condition of a broken rule."""
        count = "{} > (SELECT count(*) FROM {} AS m WHERE m.course_id = {})"
        return sql.SQL(count).format(
            merged(self.columns[0]), table(CourseModule), merged("course_id")
        )

    def broken(self, instance: CourseProgress) -> bool:
        """The same for a model instance."""
        done = instance.completed_modules or 0
        modules = CourseModule.objects.filter(course_id=instance.course_id)
        return done > 0 and done > modules.count()


class ZoneOfDatabase:
    """PostgreSQL has a time zone database of its own, which may be older than Python's."""

    columns = ("timezone",)
    problem = "Is not known to the database: use a name such as Asia/Kolkata."

    def wrong(self, merged: Merged) -> Sql:
        """SQL condition of a broken rule; the slow list is read if there is a rarer zone only."""
        return sql.SQL(
            "{zone} <> {usual} AND {zone} NOT IN (SELECT name FROM pg_timezone_names)"
        ).format(zone=merged("timezone"), usual=sql.Literal(DEFAULT_TIMEZONE))

    def broken(self, _instance: Doctor) -> bool:
        """Left to the table's own constraint: a form tells it well enough."""
        return False


def words(model: type[models.Model], name: str, *, lines: bool = False) -> values.Value:
    """Text, or a list of texts, as long as the model's field takes it."""
    field = model_field(model, name)
    if isinstance(field, ArrayField):
        return values.text_list(field.base_field.max_length or 0)
    return values.text(field.max_length or 0 if isinstance(field, CharField) else 0, lines=lines)


def own_id(name: str, help_text: str) -> Column:
    """The column that names the row itself."""
    return Column(name, ID, help_text, required=True, field="external_id")


def doctor_id() -> Column:
    """The column of every file about what doctors do."""
    return Column(
        "doctor_id",
        ID,
        "CLIRNET id of the doctor, as in the file of doctors.",
        required=True,
        field="doctor",
        refers_to=Doctor,
    )


def course_id(*, required: bool = True) -> Column:
    """CLIRNET id of a course."""
    help_text = "CLIRNET id of the course, as in the file of courses."
    return Column("course_id", ID, help_text, required, field="course", refers_to=Course)


def session_id(*, required: bool = True) -> Column:
    """CLIRNET id of a session."""
    help_text = "CLIRNET id of the session, as in the file of sessions."
    return Column("session_id", ID, help_text, required, field="session", refers_to=Session)


def moment(name: str, help_text: str, *, required: bool = False) -> Column:
    """A column with a date and time."""
    return Column(name, timestamps.TIMESTAMP, help_text, required)


DOCTORS = register(
    Kind(
        name="doctors",
        model=Doctor,
        label="Doctors",
        key=("doctor_id",),
        columns=(
            own_id("doctor_id", "The doctor's id on CLIRNET."),
            Column("name", names.NAME, "Whole name, instead of the next two columns."),
            Column("first_name", names.NAME, "First name; titles are dropped.", required=True),
            Column("last_name", names.NAME, "Last name; empty: the first name.", required=True),
            Column("title", words(Doctor, "title"), "Such as Dr. or Prof."),
            Column("email", emails.EMAIL, "E-mail address; nobody else's."),
            Column("phone", phones.PHONE, "Mobile number; without +country code it is Indian."),
            Column("whatsapp", phones.PHONE, "Only where it differs from the phone."),
            Column("specialty", words(Doctor, "specialty"), "Such as Cardiology."),
            Column("location", words(Doctor, "location"), "City or region."),
            Column("timezone", values.TIMEZONE, "Such as Asia/Kolkata, which none means too."),
            Column("may_be_named", values.YES_NO, "May be named to other doctors: yes or no."),
            moment("last_active_at", "When the doctor last used CLIRNET."),
        ),
        shape=Shape(makes=("first_name", "last_name"), instead="name", apply=names.shape_names),
        checks=(ZoneOfDatabase(),),
        addresses=(
            Address(("phone", "whatsapp")),
            Address(("email",), any_case=True),
        ),
    )
)

AIDA_USAGE = register(
    Kind(
        name="aida_usage",
        model=AidaUsage,
        label="Uses of AiDA",
        key=("doctor_id", "used_at"),
        columns=(
            doctor_id(),
            moment("used_at", "When.", required=True),
            Column("specialty_area", words(AidaUsage, "specialty_area"), "What it was about."),
        ),
    )
)

AGENT_USAGE = register(
    Kind(
        name="agent_usage",
        model=AgentUsage,
        label="Uses of AI agents",
        key=("doctor_id", "agent", "used_at"),
        columns=(
            doctor_id(),
            Column("agent", words(AgentUsage, "agent"), "Name of the agent.", required=True),
            moment("used_at", "When.", required=True),
            Column("specialty_area", words(AgentUsage, "specialty_area"), "What it was about."),
        ),
    )
)

COURSES = register(
    Kind(
        name="courses",
        model=Course,
        label="Courses",
        key=("course_id",),
        columns=(
            own_id("course_id", "The course's id on CLIRNET."),
            Column("name", words(Course, "name"), "Name of the course.", required=True),
            Column("topic", words(Course, "topic"), "Of “Practical skills in …”."),
            Column("clinical_area", words(Course, "clinical_area"), "Such as heart failure."),
            Column(
                "popular_module", words(Course, "popular_module"), "The one that doctors praise."
            ),
            Column("instructor_name", words(Course, "instructor_name"), "Name of the instructor."),
            Column("cpd_points", POINTS, "CPD points, such as 4 or 4.5."),
        ),
    )
)

COURSE_MODULES = register(
    Kind(
        name="course_modules",
        model=CourseModule,
        label="Modules of courses",
        key=("course_id", "number"),
        columns=(
            course_id(),
            Column("number", values.integer(1), "Its place in the course, from 1.", required=True),
            Column("name", words(CourseModule, "name"), "Name of the module.", required=True),
            Column("duration_minutes", MINUTES, "Minutes that it takes.", required=True),
            Column("key_learnings", words(CourseModule, "key_learnings"), f"Up to 3. {SEVERAL}"),
        ),
    )
)

COURSE_PROGRESS = register(
    Kind(
        name="course_progress",
        model=CourseProgress,
        label="Progress in courses",
        key=("doctor_id", "course_id"),
        columns=(
            doctor_id(),
            course_id(),
            moment("started_at", "When the doctor started.", required=True),
            Column("completed_modules", values.integer(), "How many modules, from the first on."),
            Column("time_spent_minutes", MINUTES, "Minutes spent."),
            moment("last_accessed_at", "When the doctor was last in the course.", required=True),
            moment("access_expires_at", "When access ends; empty: never."),
            moment("completed_at", "When the course was completed; empty: it is not."),
            Column("rating", RATING, "The doctor's rating, 1 to 5."),
            Column(
                "testimonial",
                words(CourseProgress, "testimonial", lines=True),
                "The doctor's words about the course.",
            ),
        ),
        checks=(
            NotBefore("last_accessed_at", "started_at", "Lies before started_at: correct one."),
            NotBefore("completed_at", "started_at", "Lies before started_at: correct one."),
            NotBefore("access_expires_at", "started_at", "Lies before started_at: correct one."),
            ModulesOfCourse(),
        ),
    )
)

SESSIONS = register(
    Kind(
        name="sessions",
        model=Session,
        label="Sessions",
        key=("session_id",),
        columns=(
            own_id("session_id", "The session's id on CLIRNET."),
            Column("title", words(Session, "title"), "Title of the session.", required=True),
            moment("starts_at", "When it starts.", required=True),
            moment("ends_at", "When it ends.", required=True),
            moment("recording_expires_at", "Until when the recording can be seen; empty: always."),
            Column("speaker_name", words(Session, "speaker_name"), "Without “Dr.”."),
            Column("speaker_credentials", words(Session, "speaker_credentials"), "Such as MD."),
            Column("topic", words(Session, "topic"), "What it is about."),
            Column("topic_area", words(Session, "topic_area"), "The wider field."),
            Column("cpd_points", POINTS, "CPD points, such as 2 or 1.5."),
            Column("key_points", words(Session, "key_points"), f"What to take home. {SEVERAL}"),
            Column("insight_titles", words(Session, "insight_titles"), SEVERAL),
            Column(
                "insight_descriptions",
                words(Session, "insight_descriptions"),
                f"One for each title. {SEVERAL}",
            ),
            Column(
                "popular_timestamps",
                words(Session, "popular_timestamps"),
                f"Places that doctors saw again, such as 12:30. {SEVERAL}",
            ),
            Column(
                "popular_topics",
                words(Session, "popular_topics"),
                f"One for each of these places. {SEVERAL}",
            ),
        ),
        checks=(
            NotBefore("ends_at", "starts_at", "Has to be later than starts_at.", strictly=True),
            NotBefore("recording_expires_at", "ends_at", "Lies before ends_at: correct one."),
        ),
    )
)

SESSION_REGISTRATIONS = register(
    Kind(
        name="session_registrations",
        model=SessionRegistration,
        label="Registrations for sessions",
        key=("doctor_id", "session_id"),
        columns=(
            doctor_id(),
            session_id(),
            moment("registered_at", "When the doctor registered.", required=True),
            moment("attended_at", "When the doctor joined; empty: did not attend."),
            moment("recording_viewed_at", "When the doctor saw the recording; empty: did not."),
            Column("rating", RATING, "The doctor's rating, 1 to 5."),
        ),
    )
)

CERTIFICATES = register(
    Kind(
        name="certificates",
        model=Certificate,
        label="Certificates",
        key=("certificate_id",),
        columns=(
            own_id("certificate_id", "Id of the certificate."),
            doctor_id(),
            session_id(required=False),
            course_id(required=False),
            moment("issued_at", "When it was issued.", required=True),
            moment("expires_at", "Until when it can be claimed; empty: always."),
            moment("downloaded_at", "When the doctor downloaded it; empty: did not."),
            moment("viewed_at", "When the doctor looked at it; empty: did not."),
        ),
        checks=(
            ExactlyOne(
                ("session_id", "course_id"),
                "A certificate is for a session or for a course: fill one of the two.",
            ),
            NotBefore("expires_at", "issued_at", "Has to be later than issued_at.", strictly=True),
        ),
    )
)
