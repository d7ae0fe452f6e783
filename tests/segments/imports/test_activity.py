"""Import of what doctors do, and of consents: references, rules across columns, sample files."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from django.apps import apps

from messaging.models import ConsentRecord
from segments.imports.kinds import KINDS
from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    CourseModule,
    CourseProgress,
    Doctor,
    Session,
    SessionRegistration,
)
from tests.segments.imports.files import (
    counts,
    load,
    make_course,
    make_doctor,
    make_session,
    rejections,
)

pytestmark = pytest.mark.django_db

SAMPLE = Path(__file__).parents[3] / "fixtures" / "sample"
# In the order in which they refer to each other.
ORDER = (
    *("doctors", "consents", "courses", "course_modules", "sessions", "aida_usage"),
    *("agent_usage", "course_progress", "session_registrations", "certificates"),
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file.csv"


def test_sample_files_are_imported_whole_and_twice_without_change(tmp_path):
    assert set(ORDER) == set(KINDS)
    for again in (False, True):
        for kind in ORDER:
            run = load(_copy(SAMPLE / f"{kind}.csv", tmp_path), kind=kind)
            rows = len((SAMPLE / f"{kind}.csv").read_text().splitlines()) - 1
            assert counts(run) == ((0, 0, rows, 0) if again else (rows, 0, 0, 0)), kind


def _copy(source, directory):
    target = directory / source.name
    target.write_bytes(source.read_bytes())
    return target


@pytest.mark.parametrize("kind", ORDER)
def test_columns_fit_the_model(kind):
    """Every column is a field; every field that has to be given is a column that is needed."""
    described = KINDS[kind]
    columns = {column.attribute: column for column in described.stored}
    for field in apps.get_model(described.model._meta.label)._meta.concrete_fields:
        needed = not (field.primary_key or field.null or field.blank)
        if needed and not field.has_default() and not field.has_db_default():
            assert columns[field.name].required, field.name
    assert all(described.column(name).required for name in described.key)


def test_usage_is_stored_once_for_each_moment(path):
    make_doctor(1)
    header = "doctor_id,used_at,specialty_area\n"
    run = load(
        path,
        header + "d1,2026-01-31 10:30,Cardiology\n"
        "d1,2026-01-31T05:00:00Z,Oncology\n"  # the same moment
        "d1,31/01/2026 10:31,\n"
        "d2,2026-01-31 10:30,\n",
        "aida_usage",
    )
    assert counts(run) == (2, 0, 0, 2)
    assert rejections(run) == [
        (
            3,
            "doctor_id, used_at",
            "d1 2026-01-31 10:30:00",
            "Is in line 2 already: keep one of the two.",
        ),
        (5, "doctor_id", "d2", "No doctor has this id: import it first, or correct the id."),
    ]
    assert AidaUsage.objects.earliest("used_at").used_at == datetime(2026, 1, 31, 5, tzinfo=UTC)
    again = load(path, header + "d1,2026-01-31 10:30,Oncology\n", "aida_usage")
    assert counts(again) == (0, 1, 0, 0)


def test_agent_usage(path):
    doctor = make_doctor(1)
    run = load(
        path,
        "doctor_id,agent,used_at\nd1,Diagnostic Support,2026-01-31\nd1,,2026-01-31\n",
        "agent_usage",
    )
    assert counts(run) == (1, 0, 0, 1)
    usage = AgentUsage.objects.get()
    assert (usage.doctor, usage.agent, usage.specialty_area) == (doctor, "Diagnostic Support", "")


def test_modules_of_a_course_with_lists(path):
    course = make_course(modules=0)
    run = load(
        path,
        "course_id,number,name,duration_minutes,key_learnings\n"
        'c1,1,First,20,"One | Two ""quoted"" | Th\\ree"\nc1,2,Second,25,\nc1,0,None,1,\n',
        "course_modules",
    )
    assert counts(run) == (2, 0, 0, 1)
    learnings = CourseModule.objects.filter(course=course).values_list("key_learnings", flat=True)
    assert list(learnings) == [["One", 'Two "quoted"', "Th\\ree"], []]


PROGRESS = (
    "doctor_id,course_id,started_at,completed_modules,last_accessed_at,access_expires_at,"
    "completed_at,rating,testimonial\n"
)


@pytest.mark.parametrize(
    ("row", "field", "words"),
    [
        ("d1,c1,2026-01-10,4,2026-01-11,,,,", "completed_modules", "more than the course has"),
        ("d1,c1,2026-01-10,1,2026-01-09,,,,", "last_accessed_at", "before started_at"),
        ("d1,c1,2026-01-10,3,2026-01-11,,2026-01-09,,", "completed_at", "before started_at"),
        ("d1,c1,2026-01-10,1,2026-01-11,2026-01-01,,,", "access_expires_at", "before started_at"),
        ("d1,c1,2026-01-10,1,2026-01-11,,,6,", "rating", "outside 1 to 5"),
        ("d1,c1,2026-01-10,-1,2026-01-11,,,,", "completed_modules", "outside 0 to"),
        ("d1,c9,2026-01-10,1,2026-01-11,,,,", "course_id", "No course has this id"),
        ("d1,c1,,1,2026-01-11,,,,", "started_at", "Is empty"),
    ],
)
def test_progress_that_cannot_be_is_rejected(path, row, field, words):
    make_doctor(1)
    make_doctor(2)
    make_course(modules=3)
    run = load(
        path, f"{PROGRESS}{row}\nd2,c1,2026-01-10,3,2026-01-11,,2026-01-11,5,\n", "course_progress"
    )
    assert counts(run) == (1, 0, 0, 1)
    [(line, told, _, problem)] = rejections(run)
    assert (line, told) == (2, field)
    assert words in problem


def test_progress_is_checked_as_it_will_stand(path):
    """What the file leaves out is taken from the row of the table."""
    make_doctor(1)
    make_course(modules=3)
    load(path, f"{PROGRESS}d1,c1,2026-01-10,3,2026-01-11,,,4,Great!\n", "course_progress")
    header = "doctor_id,course_id,started_at,last_accessed_at,completed_at\n"
    late = load(path, f"{header}d1,c1,2026-02-10,2026-02-11,2026-02-01\n", "course_progress")
    assert counts(late) == (0, 0, 0, 1)
    good = load(path, f"{header}d1,c1,2026-01-10,2026-02-11,2026-02-11\n", "course_progress")
    assert counts(good) == (0, 1, 0, 0)
    progress = CourseProgress.objects.get()
    assert (progress.completed_modules, progress.rating) == (3, 4)
    assert progress.testimonial == "Great!"


def test_testimonial_may_have_several_lines(path):
    make_doctor(1)
    make_course()
    row = 'd1,c1,2026-01-10,1,2026-01-11,,,,"Great!\r\n\\o/\tx"'
    assert counts(load(path, f"{PROGRESS}{row}\n", "course_progress")) == (1, 0, 0, 0)
    assert CourseProgress.objects.get().testimonial == "Great!\n\\o/\tx"


def test_session(path):
    run = load(
        path,
        "session_id,title,starts_at,ends_at,cpd_points,recording_expires_at,key_points\n"
        "s1,Asthma,2026-01-31 19:00,2026-01-31 20:00,1.5,,A | B\n"
        "s2,Asthma,2026-01-31 19:00,2026-01-31 19:00,,,\n"
        "s3,Asthma,2026-01-31 19:00,2026-01-31 20:00,,2026-01-30,\n"
        "s4,Asthma,2026-01-31 19:00,2026-01-31 20:00,1.55,,\n",
        "sessions",
    )
    assert counts(run) == (1, 0, 0, 3)
    assert [(line, field) for line, field, _, _ in rejections(run)] == [
        (3, "ends_at"),
        (4, "recording_expires_at"),
        (5, "cpd_points"),
    ]
    session = Session.objects.get()
    assert (session.cpd_points, session.key_points) == (Decimal("1.5"), ["A", "B"])
    assert (session.topic, session.insight_titles) == ("", [])


def test_registrations_with_unknown_doctor_and_session_are_told_both(path):
    make_doctor(1)
    make_session()
    run = load(
        path,
        "doctor_id,session_id,registered_at,attended_at,recording_viewed_at,rating\n"
        "d1,s1,2026-01-31,,,\nd7,s7,2026-01-31,,,\n",
        "session_registrations",
    )
    assert counts(run) == (1, 0, 0, 1)
    assert [(line, field, value) for line, field, value, _ in rejections(run)] == [
        (3, "doctor_id", "d7"),
        (3, "session_id", "s7"),
    ]
    assert SessionRegistration.objects.get().attended_at is None


def test_certificate_is_of_a_session_or_of_a_course(path):
    make_doctor(1)
    make_session()
    make_course()
    run = load(
        path,
        "certificate_id,doctor_id,session_id,course_id,issued_at,expires_at\n"
        "x1,d1,s1,,2026-01-31,\n"
        "x2,d1,,c1,2026-01-31,2026-02-28\n"
        "x3,d1,s1,c1,2026-01-31,\n"
        "x4,d1,,,2026-01-31,\n"
        "x5,d1,s1,,2026-01-31,2026-01-31\n"
        "x6,d1,s9,,2026-01-31,\n",
        "certificates",
    )
    assert counts(run) == (2, 0, 0, 4)
    assert [(line, field) for line, field, _, _ in rejections(run)] == [
        (4, "session_id"),
        (5, "session_id"),
        (6, "expires_at"),
        (7, "session_id"),
    ]
    assert set(Certificate.objects.values_list("external_id", flat=True)) == {"x1", "x2"}


CONSENTS = "doctor_id,channel,is_given,recorded_at,source,text_shown\n"


def test_consent_is_stored_with_its_run_and_told_to_the_doctor(path):
    make_doctor(1)
    make_doctor(2)
    content = CONSENTS + (
        'd1,WhatsApp,yes,2026-01-31,form,"I agree to\nmessages."\n'
        "d1,sms,no,2026-01-31,form,\n"
        "d1,fax,no,2026-01-31,form,\n"
    )
    run = load(path, content, "consents")
    assert counts(run) == (2, 0, 0, 1)
    given = ConsentRecord.objects.get(channel="whatsapp")
    assert (given.is_given, given.import_run) == (True, run)
    assert given.text_shown == "I agree to\nmessages."
    assert _versions() == {"d1": 2, "d2": 0}

    again = load(path, content, "consents")
    assert counts(again) == (0, 0, 2, 1)
    assert _versions() == {"d1": 2, "d2": 0}
    assert ConsentRecord.objects.get(channel="sms").import_run == run
    assert sorted(_counters().values()) == [1, 2]

    corrected = load(path, f"{CONSENTS}d1,sms,yes,2026-01-31,form,\n", "consents")
    assert counts(corrected) == (0, 1, 0, 0)
    assert _versions() == {"d1": 3, "d2": 0}
    assert ConsentRecord.objects.get(channel="sms").import_run == corrected
    assert _counters()["sms"] == 3


def _counters():
    return dict(ConsentRecord.objects.values_list("channel", "consent_version"))


def _versions():
    return dict(Doctor.objects.values_list("external_id", "consent_version"))


def test_doctors_can_be_sorted_out_of_a_thousand_references(path):
    """As many unknown references as known ones, over several blocks."""
    for number in range(3):
        make_doctor(number)
    lines = (f"d{n % 6},{2000 + n // 6 % 100}-01-{n // 600 + 1:02}" for n in range(5000))
    run = load(path, "doctor_id,used_at\n" + "\n".join(lines), "aida_usage")
    assert counts(run) == (2501, 0, 0, 2499)
    assert AidaUsage.objects.count() == 2501
