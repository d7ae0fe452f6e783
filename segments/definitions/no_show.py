"""Doctors who registered for a session and did not come."""

from __future__ import annotations

import zoneinfo
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import (
    Case,
    DurationField,
    ExpressionWrapper,
    F,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import JSONObject

from segments import peers
from segments.definitions.base import Definition, Goal, M, Subject
from segments.definitions.common import (
    count_text,
    date_text,
    days_left,
    decimal_text,
    filled,
    members,
    not_by,
    numbered,
    platform_url,
    readers,
    since_enrollment,
    with_first_return,
)
from segments.imports.names import strip_titles
from segments.models import SegmentType, Session, SessionRegistration

# strategy, Celery Task Structure: “Runs 2 hours after each session”
AFTER_SESSION = timedelta(hours=2)
RELATED_SESSIONS = 2


class NoShow(Definition):
    """In: registered, not come, recording there and not viewed.

    Back: viewed the recording, or registered for a later session.
    """

    segment_type = SegmentType.NO_SHOW
    goal = Goal(rate=40, days=10)  # strategy, Segment-Specific Goals
    variable_names = frozenset(
        {
            *("session_title", "session_date", "session_duration", "topic", "topic_area"),
            *("speaker_name", "speaker_credentials", "cpd_points"),
            *("recording_expiry_days", "days_remaining"),
            *(f"key_point_{place}" for place in (1, 2, 3, 4)),
            *(f"insight_{place}_title" for place in (1, 2, 3)),
            *(f"insight_{place}_description" for place in (1, 2, 3)),
            *(f"popular_timestamp_{place}" for place in (1, 2, 3)),
            *(f"popular_topic_{place}" for place in (1, 2, 3)),
            *("view_count", "rating", "rating_count", "certificate_issued_count"),
            *("testimonial_author", "testimonial_location"),
            *("related_session_1", "related_date_1", "related_session_2", "related_date_2"),
        }
    )

    def eligible(self, now: datetime) -> QuerySet[Any, dict[str, Any]]:
        """Missed sessions that ended two hours ago or earlier, the latest first."""
        return members(
            SessionRegistration.objects.filter(
                not_by("attended_at", now),
                not_by("recording_viewed_at", now),
                not_by("session__recording_expires_at", now),
                registered_at__lte=now,
                session__ends_at__lte=now - AFTER_SESSION,
            ).annotate(
                subject=F("session__external_id"),
                inactive_since=F("session__ends_at"),
                rank=ExpressionWrapper(Value(now) - F("session__ends_at"), DurationField()),
                segment_data=JSONObject(recording_expires_at="session__recording_expires_at"),
            )
        )

    def returned(self, enrollments: QuerySet[M], now: datetime) -> QuerySet[M]:
        """Viewed the recording of the missed session, or registered for one that starts later."""
        missed = Session.objects.filter(external_id=OuterRef(OuterRef("subject")))
        viewed = since_enrollment("recording_viewed_at", now) & Q(
            session__external_id=OuterRef("subject")
        )
        registered = since_enrollment("registered_at", now) & Q(
            session__starts_at__gt=Subquery(missed.values("ends_at")[:1])
        )
        returns = SessionRegistration.objects.filter(
            viewed | registered, doctor=OuterRef("doctor_id")
        ).annotate(moment=Case(When(viewed, then="recording_viewed_at"), default="registered_at"))
        return with_first_return(enrollments, returns, "moment")

    def variables(self, subjects: Sequence[Subject], now: datetime) -> list[dict[str, Any]]:
        """See the base class."""
        doctors = readers({item.doctor_id for item in subjects})
        sessions = _sessions({item.subject for item in subjects}, now)
        upcoming = _upcoming(now)
        answer = []
        for item in subjects:
            reader, session = doctors.get(item.doctor_id), sessions.get(item.subject)
            values = dict(reader.variables) if reader else {}
            if reader and session:
                values |= session.variables
                values |= session.voice(item.doctor_id)
                values["session_date"] = date_text(session.starts_at, reader.zone)
                values |= _related(upcoming.get(session.topic_area, upcoming[""]), reader.zone)
            answer.append(values)
        return answer

    def cta_url(self, subject: str) -> str:
        """The session's recording."""
        return platform_url("sessions", subject, "recording")


class _Row(NamedTuple):
    external_id: str
    pk: int
    title: str
    starts_at: datetime
    ends_at: datetime
    recording_expires_at: datetime | None
    speaker_name: str
    speaker_credentials: str
    topic: str
    topic_area: str
    cpd_points: Any
    key_points: list[str]
    insight_titles: list[str]
    insight_descriptions: list[str]
    popular_timestamps: list[str]
    popular_topics: list[str]


class _Upcoming(NamedTuple):
    title: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class _Session:
    """What is the same for everybody who missed a session."""

    starts_at: datetime
    topic_area: str
    variables: dict[str, Any]
    admirers: Sequence[int]
    named: dict[int, peers.Peer]

    def voice(self, reader_id: int) -> dict[str, str]:
        """Somebody who rated the session well, by name."""
        admirer = peers.first_other(self.admirers, self.named, reader_id)
        return filled(
            {
                "testimonial_author": admirer and admirer.name,
                "testimonial_location": admirer and admirer.location,
            }
        )


def _sessions(external_ids: Collection[str], now: datetime) -> dict[str, _Session]:
    found = Session.objects.filter(external_id__in=external_ids).values_list(*_Row._fields)
    rows = [_Row(*row) for row in found]
    ids = [row.pk for row in rows]
    figures = peers.session_figures(ids, now)
    certificates = peers.certificate_figures("session", ids, now)
    named = peers.session_peers(figures.values())
    return {
        row.external_id: _Session(
            starts_at=row.starts_at,
            topic_area=row.topic_area,
            variables=_content(row, now) | _figures(figures[row.pk], certificates[row.pk]),
            admirers=figures[row.pk].admirers,
            named=named,
        )
        for row in rows
    }


def _content(row: _Row, now: datetime) -> dict[str, Any]:
    left = days_left(row.recording_expires_at, now)
    return filled(
        {
            "session_title": row.title,
            "session_duration": decimal_text((row.ends_at - row.starts_at) // timedelta(minutes=1)),
            "topic": row.topic,
            "topic_area": row.topic_area,
            "speaker_name": strip_titles(row.speaker_name),
            "speaker_credentials": row.speaker_credentials,
            "cpd_points": decimal_text(row.cpd_points),
            "recording_expiry_days": left,
            "days_remaining": left,
            **numbered("key_point_{}", row.key_points, 4),
            **numbered("insight_{}_title", row.insight_titles, 3),
            **numbered("insight_{}_description", row.insight_descriptions, 3),
            **numbered("popular_timestamp_{}", row.popular_timestamps, 3),
            **numbered("popular_topic_{}", row.popular_topics, 3),
        }
    )


def _figures(
    figures: peers.SessionFigures, certificates: peers.CertificateFigures
) -> dict[str, Any]:
    return filled(
        {
            "view_count": count_text(figures.views),
            "rating": decimal_text(figures.rating),
            "rating_count": count_text(figures.ratings),
            "certificate_issued_count": count_text(certificates.issued),
        }
    )


def _upcoming(now: datetime) -> dict[str, list[_Upcoming]]:
    """The next two sessions for each topic area, its own first; '' has the next two of all."""
    rows = (
        # ends_at is the column with an index
        Session.objects.filter(starts_at__gt=now, ends_at__gt=now)
        .order_by("starts_at", "pk")
        .values_list("title", "starts_at", "topic_area")
    )
    coming = [(area, _Upcoming(title, starts_at)) for title, starts_at, area in rows]
    soonest = [session for _, session in coming[:RELATED_SESSIONS]]
    found: dict[str, list[_Upcoming]] = {"": soonest}
    for area, session in coming:
        if area and len(own := found.setdefault(area, [])) < RELATED_SESSIONS:
            own.append(session)
    for area, own in found.items():
        others = [session for session in soonest if session not in own]
        found[area] = [*own, *others][:RELATED_SESSIONS]
    return found


def _related(sessions: Sequence[_Upcoming], zone: zoneinfo.ZoneInfo) -> dict[str, str]:
    return {
        **numbered("related_session_{}", [session.title for session in sessions], 2),
        **numbered("related_date_{}", [date_text(s.starts_at, zone) for s in sessions], 2),
    }
