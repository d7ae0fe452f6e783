"""user_segments says who is in a segment now; running again changes nothing."""

import logging
import threading
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from segments import identify as step
from segments import tasks
from segments.identify import IdentifyReport, cleanup_expired, identify
from segments.models import SegmentType, UserSegment
from tests.segments.factories import (
    NOW,
    AgentUsageFactory,
    AidaUsageFactory,
    CertificateFactory,
    CourseProgressFactory,
    DoctorFactory,
    SessionRegistrationFactory,
    UserSegmentFactory,
    ago,
    ahead,
    course_with_modules,
)

HOUR = timedelta(hours=1)


def rows(segment_type: str | None = None) -> list[dict[str, Any]]:
    """Everything in user_segments (of the type) but the key, by doctor."""
    found = UserSegment.objects.order_by("doctor_id", "segment_type").values()
    if segment_type:
        found = found.filter(segment_type=segment_type)
    return [{name: value for name, value in row.items() if name != "id"} for row in found]


def keys() -> set[Any]:
    return set(UserSegment.objects.values_list("pk", flat=True))


@pytest.mark.django_db
def test_identify_writes_a_row_for_each_doctor_in_the_segment() -> None:
    certificate = CertificateFactory.create(issued_at=ago(days=2), expires_at=ahead(days=8))
    CertificateFactory.create(downloaded_at=ago(days=1))
    assert identify("unclaimed_certificates", NOW) == IdentifyReport(1, 0, 0)
    assert rows() == [
        {
            "doctor_id": certificate.doctor_id,
            "segment_type": "unclaimed_certificates",
            "segment_data": {"expires_at": "2026-03-12T06:30:00+00:00"},
            "calculated_at": NOW,
            "expires_at": NOW + timedelta(hours=50),
            "subject": certificate.external_id,
            "inactive_since": ago(days=2),
        }
    ]


@pytest.mark.django_db
def test_identify_fills_every_segment() -> None:
    AidaUsageFactory.create()
    CourseProgressFactory.create()
    SessionRegistrationFactory.create()
    CertificateFactory.create()
    for segment_type in SegmentType.values:
        assert identify(segment_type, NOW) == IdentifyReport(1, 0, 0)
    assert sorted(row["segment_type"] for row in rows()) == sorted(SegmentType.values)


@pytest.mark.django_db
def test_identify_takes_the_subject_of_the_smallest_rank() -> None:
    doctor = DoctorFactory.create()
    for name, done in [("far", 1), ("near", 3), ("middle", 2)]:
        course = course_with_modules(4, external_id=name)
        CourseProgressFactory.create(doctor=doctor, course=course, completed_modules=done)
    assert identify("incomplete_courses", NOW) == IdentifyReport(1, 0, 0)
    assert [row["subject"] for row in rows()] == ["near"]


@pytest.mark.django_db
def test_identify_of_equal_ranks_takes_the_first_subject() -> None:
    doctor = DoctorFactory.create()
    for name in ("b", "a", "c"):
        CertificateFactory.create(doctor=doctor, external_id=name, expires_at=ahead(days=3))
    identify("unclaimed_certificates", NOW)
    assert [row["subject"] for row in rows()] == ["a"]


@pytest.mark.django_db
@pytest.mark.parametrize("segment_type", SegmentType.values)
def test_identify_again_changes_nothing(segment_type: str) -> None:
    doctor = DoctorFactory.create()
    AidaUsageFactory.create(doctor=doctor)
    CourseProgressFactory.create_batch(2, doctor=doctor)
    SessionRegistrationFactory.create_batch(2, doctor=doctor)
    CertificateFactory.create_batch(2, doctor=doctor)
    assert identify(segment_type, NOW) == IdentifyReport(1, 0, 0)
    before, before_keys = rows(), keys()
    assert identify(segment_type, NOW) == IdentifyReport(0, 0, 0)
    assert (rows(), keys()) == (before, before_keys)


@pytest.mark.django_db
def test_identify_updates_what_differs_in_place() -> None:
    doctor = DoctorFactory.create()
    AidaUsageFactory.create(doctor=doctor, used_at=ago(days=40))
    identify("aida_users", NOW)
    before_keys = keys()
    AidaUsageFactory.create(doctor=doctor, used_at=ago(days=3))
    assert identify("aida_users", NOW + HOUR) == IdentifyReport(0, 1, 0)
    (row,) = rows()
    assert row["inactive_since"] == ago(days=3)
    assert row["segment_data"] == {"aida_uses": 2}
    assert row["calculated_at"] == NOW + HOUR
    assert keys() == before_keys


@pytest.mark.django_db
def test_identify_changes_the_subject_when_the_nearest_is_done() -> None:
    first = CertificateFactory.create(expires_at=ahead(days=2))
    second = CertificateFactory.create(doctor=first.doctor, expires_at=ahead(days=5))
    identify("unclaimed_certificates", NOW)
    first.downloaded_at = NOW
    first.save(update_fields=["downloaded_at"])
    assert identify("unclaimed_certificates", NOW) == IdentifyReport(0, 1, 0)
    assert [row["subject"] for row in rows()] == [second.external_id]


@pytest.mark.django_db
def test_identify_removes_who_left_and_keeps_other_segments() -> None:
    doctor = AidaUsageFactory.create().doctor
    stays = AidaUsageFactory.create().doctor
    CertificateFactory.create(doctor=doctor)
    for segment_type in ("aida_users", "unclaimed_certificates"):
        identify(segment_type, NOW)
    AgentUsageFactory.create(doctor=doctor, used_at=NOW)
    assert identify("aida_users", NOW) == IdentifyReport(0, 0, 1)
    assert [(row["doctor_id"], row["segment_type"]) for row in rows()] == [
        (doctor.pk, "unclaimed_certificates"),
        (stays.pk, "aida_users"),
    ]


@pytest.mark.django_db
def test_identify_of_nobody_empties_the_segment() -> None:
    UserSegmentFactory.create_batch(2)
    assert identify("aida_users", NOW) == IdentifyReport(0, 0, 2)
    assert rows() == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("later", "updated"),
    [
        (timedelta(minutes=10), 0),
        (12 * HOUR, 0),
        (12 * HOUR + timedelta(seconds=1), 1),
        (24 * HOUR, 1),
    ],
)
def test_identify_moves_the_end_of_rows_that_are_half_a_day_old(
    later: timedelta, updated: int
) -> None:
    AidaUsageFactory.create()
    identify("aida_users", NOW)
    assert identify("aida_users", NOW + later) == IdentifyReport(0, updated, 0)
    moment = NOW + later if updated else NOW
    (row,) = rows()
    assert (row["calculated_at"], row["expires_at"]) == (moment, moment + 50 * HOUR)


@pytest.mark.django_db
def test_identify_gives_an_end_to_a_row_that_has_none() -> None:
    doctor = AidaUsageFactory.create().doctor
    identify("aida_users", NOW)
    UserSegment.objects.update(expires_at=None)
    assert identify("aida_users", NOW) == IdentifyReport(0, 1, 0)
    assert UserSegment.objects.get(doctor=doctor).expires_at == NOW + 50 * HOUR


@pytest.mark.django_db
def test_identify_in_the_past_sees_the_database_as_it_was() -> None:
    certificate = CertificateFactory.create(issued_at=ago(days=9), downloaded_at=ago(days=3))
    CertificateFactory.create(issued_at=ago(days=3))
    assert identify("unclaimed_certificates", ago(days=5)) == IdentifyReport(1, 0, 0)
    (row,) = rows()
    assert (row["doctor_id"], row["calculated_at"]) == (certificate.doctor_id, ago(days=5))
    assert identify("unclaimed_certificates", NOW) == IdentifyReport(1, 0, 1)


@pytest.mark.django_db
def test_identify_is_two_statements_whatever_the_size() -> None:
    counts = []
    for _ in range(2):
        AidaUsageFactory.create_batch(2)
        with CaptureQueriesContext(connection) as queries:
            identify("aida_users", NOW)
        counts.append(
            [query["sql"].split()[0] for query in queries if "SAVEPOINT" not in query["sql"]]
        )
    assert counts == [["SELECT", "WITH"], ["SELECT", "WITH"]]


@pytest.mark.django_db
def test_identify_knows_no_other_segment() -> None:
    with pytest.raises(KeyError):
        identify("lapsed_speakers", NOW)


# --- two at once ---------------------------------------------------------------------------------


def in_threads(acts: list[Any]) -> list[Any]:
    """Run all at once, each on a connection of its own; their results in order."""
    results: list[Any] = [None] * len(acts)
    barrier = threading.Barrier(len(acts))

    def run(place: int) -> None:
        try:
            barrier.wait(10)
            results[place] = acts[place]()
        except Exception as error:  # noqa: BLE001  the test compares it
            results[place] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[place]) for place in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


@pytest.mark.django_db(transaction=True)
def test_identify_twice_at_once_inserts_once() -> None:
    doctors = DoctorFactory.create_batch(200)
    for doctor in doctors:
        AidaUsageFactory.create(doctor=doctor)
    UserSegmentFactory.create_batch(20)
    reports = in_threads([lambda: identify("aida_users", NOW)] * 3)
    assert sorted(reports) == [
        IdentifyReport(0, 0, 0),
        IdentifyReport(0, 0, 0),
        IdentifyReport(200, 0, 20),
    ]
    assert [row["doctor_id"] for row in rows()] == [doctor.pk for doctor in doctors]


def somebody_waits(thread: threading.Thread) -> bool:
    """Whether an advisory lock is waited for, before the thread ends (or ten seconds pass)."""
    for _ in range(1000):
        with connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
            if cursor.rowcount:
                return True
        thread.join(0.01)
        if not thread.is_alive():
            break
    return False


@pytest.mark.django_db(transaction=True)
def test_identify_waits_for_a_run_of_the_same_segment_only() -> None:
    AidaUsageFactory.create()
    CertificateFactory.create()
    second = threading.Thread(target=in_threads, args=[[lambda: identify("aida_users", NOW)]])
    with transaction.atomic():
        assert identify("aida_users", NOW) == IdentifyReport(1, 0, 0)
        second.start()
        assert somebody_waits(second)
        other = in_threads([lambda: identify("unclaimed_certificates", NOW)])
        assert other == [IdentifyReport(1, 0, 0)]
        assert second.is_alive()
    second.join(30)
    assert not second.is_alive()
    assert len(rows("aida_users")) == 1


# --- expired rows --------------------------------------------------------------------------------


@pytest.mark.django_db
def test_cleanup_deletes_what_expired_by_now(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "CLEANUP_BATCH", 2)
    UserSegmentFactory.create_batch(4, expires_at=ago(days=1))
    UserSegmentFactory.create(expires_at=NOW)
    kept = [
        UserSegmentFactory.create(expires_at=NOW + timedelta(microseconds=1)),
        UserSegmentFactory.create(expires_at=None),
    ]
    assert cleanup_expired(NOW) == 5
    assert keys() == {row.pk for row in kept}
    assert cleanup_expired(NOW) == 0


# --- tasks ---------------------------------------------------------------------------------------

TASKS = {
    tasks.identify_aida_users_without_agents: "aida_users",
    tasks.identify_incomplete_course_users: "incomplete_courses",
    tasks.identify_no_show_registrants: "no_show",
    tasks.identify_unclaimed_certificates: "unclaimed_certificates",
}


def test_tasks_have_the_names_of_the_schedule() -> None:
    names = {task.name for task in TASKS} | {tasks.cleanup_expired_segments.name}
    assert names == {
        "segments.tasks.identify_aida_users_without_agents",
        "segments.tasks.identify_incomplete_course_users",
        "segments.tasks.identify_no_show_registrants",
        "segments.tasks.identify_unclaimed_certificates",
        "segments.tasks.cleanup_expired_segments",
    }


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_task_fills_its_segment_and_logs_counts_only(caplog: pytest.LogCaptureFixture) -> None:
    doctor = DoctorFactory.create(first_name="Zarathustra")
    AidaUsageFactory.create(doctor=doctor)
    CourseProgressFactory.create(doctor=doctor)
    SessionRegistrationFactory.create(doctor=doctor)
    CertificateFactory.create(doctor=doctor)
    with caplog.at_level(logging.INFO, "segments.tasks"):
        for task, segment_type in TASKS.items():
            task()
            assert len(rows(segment_type)) == 1
    assert {row["calculated_at"] for row in rows()} == {NOW}
    assert [record.getMessage() for record in caplog.records] == [
        f"segment {segment_type}: new 1, changed 0, gone 0" for segment_type in TASKS.values()
    ]


@pytest.mark.django_db
@time_machine.travel(NOW, tick=False)
def test_cleanup_task_deletes_expired_rows(caplog: pytest.LogCaptureFixture) -> None:
    UserSegmentFactory.create(expires_at=ago(hours=1))
    UserSegmentFactory.create(expires_at=ahead(hours=1))
    with caplog.at_level(logging.INFO, "segments.tasks"):
        tasks.cleanup_expired_segments()
    assert len(rows()) == 1
    assert caplog.messages == ["expired rows of segments deleted: 1"]
