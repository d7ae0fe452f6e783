"""Doctors whose certificate is waiting to be downloaded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Case, F, OuterRef, QuerySet, When
from django.db.models.functions import JSONObject, Least

from segments import peers
from segments.definitions.base import Definition, Goal, M, Subject
from segments.definitions.common import (
    Reader,
    count_text,
    date_text,
    days_left,
    decimal_text,
    end_text,
    filled,
    members,
    not_by,
    platform_url,
    readers,
    since_enrollment,
    with_first_return,
)
from segments.imports.names import strip_titles
from segments.models import Certificate, SegmentType


class UnclaimedCertificates(Definition):
    """In: issued, not expired, neither downloaded nor viewed. Back: downloaded or viewed."""

    segment_type = SegmentType.UNCLAIMED_CERTIFICATES
    goal = Goal(rate=60, days=14)  # strategy, Segment-Specific Goals
    variable_names = frozenset(
        {
            *("session_name", "session_date", "speaker_name", "cpd_points"),
            *("certificate_id", "issue_date", "expiry_date"),
            *("days_remaining", "certificate_expiry_days"),
            *("download_count", "total_participants"),
        }
    )

    def eligible(self, now: datetime) -> QuerySet[Any, dict[str, Any]]:
        """Waiting certificates, the first to expire first; one that never expires last."""
        return members(
            Certificate.objects.filter(
                not_by("downloaded_at", now),
                not_by("viewed_at", now),
                not_by("expires_at", now),
                issued_at__lte=now,
            ).annotate(
                subject=F("external_id"),
                inactive_since=F("issued_at"),
                rank=F("expires_at"),
                segment_data=JSONObject(expires_at="expires_at"),
            )
        )

    def returned(self, enrollments: QuerySet[M], now: datetime) -> QuerySet[M]:
        """Downloaded or viewed the certificate, whichever came first."""
        downloaded = since_enrollment("downloaded_at", now)
        viewed = since_enrollment("viewed_at", now)
        claimed = Certificate.objects.filter(
            downloaded | viewed, doctor=OuterRef("doctor_id"), external_id=OuterRef("subject")
        ).annotate(
            moment=Least(
                Case(When(downloaded, then="downloaded_at")), Case(When(viewed, then="viewed_at"))
            )
        )
        return with_first_return(enrollments, claimed, "moment")

    def variables(self, subjects: Sequence[Subject], now: datetime) -> list[dict[str, Any]]:
        """See the base class."""
        doctors = readers({item.doctor_id for item in subjects})
        certificates = _certificates(doctors, {item.subject for item in subjects})
        figures = _figures(certificates.values(), now)
        answer = []
        for item in subjects:
            reader = doctors.get(item.doctor_id)
            values = dict(reader.variables) if reader else {}
            certificate = certificates.get((item.doctor_id, item.subject))
            if reader and certificate:
                values |= _own(certificate, reader, now)
                values |= figures[certificate.event]
            answer.append(values)
        return answer

    def cta_url(self, subject: str) -> str:
        """The certificate."""
        return platform_url("certificates", subject)


class _Row(NamedTuple):
    external_id: str
    issued_at: datetime
    expires_at: datetime | None
    session_id: int | None
    course_id: int | None
    session__title: str | None
    session__starts_at: datetime | None
    session__speaker_name: str | None
    session__cpd_points: Any
    course__name: str | None
    course__instructor_name: str | None
    course__cpd_points: Any

    @property
    def event(self) -> tuple[int | None, int | None]:
        """What the certificate is for: a session or a course, one of the two."""
        return (self.session_id, self.course_id)


def _certificates(
    doctor_ids: Collection[int], external_ids: Collection[str]
) -> dict[tuple[int, str], _Row]:
    rows = Certificate.objects.filter(
        doctor__any_of=doctor_ids, external_id__any_of=external_ids
    ).values_list("doctor_id", *_Row._fields)
    return {(doctor_id, row[0]): _Row(*row) for doctor_id, *row in rows}


def _own(row: _Row, reader: Reader, now: datetime) -> dict[str, Any]:
    """The certificate; where it is for a course, the course stands in the session's place."""
    left = days_left(row.expires_at, now)
    speaker = row.session__speaker_name or row.course__instructor_name or ""
    cpd_points = row.course__cpd_points if row.session_id is None else row.session__cpd_points
    return filled(
        {
            "session_name": row.session__title or row.course__name,
            "session_date": date_text(row.session__starts_at or row.issued_at, reader.zone),
            "speaker_name": strip_titles(speaker),
            "cpd_points": decimal_text(cpd_points),
            "certificate_id": row.external_id,
            "issue_date": date_text(row.issued_at, reader.zone),
            "expiry_date": end_text(row.expires_at, now, reader.zone),
            "days_remaining": left,
            "certificate_expiry_days": left,
        }
    )


def _figures(
    rows: Iterable[_Row], now: datetime
) -> dict[tuple[int | None, int | None], dict[str, Any]]:
    """Downloads by session and course. Participants are those who were given a certificate."""
    events = {row.event for row in rows}
    sessions = peers.certificate_figures("session", [s for s, _ in events if s], now)
    courses = peers.certificate_figures("course", [c for _, c in events if c], now)
    answer = {}
    for session_id, course_id in events:
        figures = sessions[session_id] if session_id else courses[course_id or 0]
        answer[session_id, course_id] = filled(
            {
                "download_count": count_text(figures.downloaded),
                "total_participants": count_text(figures.issued),
            }
        )
    return answer
