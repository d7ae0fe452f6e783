"""Why a doctor is not in a segment: which of its conditions fails, in words.

The conditions are those of segments/definitions; which doctors are in is decided there alone. This
says, for one doctor who is not in, what stands against it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q
from django.utils.timezone import localtime

from segments.definitions.no_show import AFTER_SESSION
from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    CourseProgress,
    SegmentType,
    SessionRegistration,
)


def not_in(segment_type: str, doctor_id: int, now: datetime) -> str:
    """A sentence on the condition that fails for a doctor who is not in the segment."""
    return _REASONS[segment_type](doctor_id, now)


def _aida_users(doctor_id: int, now: datetime) -> str:
    if not AidaUsage.objects.filter(doctor=doctor_id, used_at__lte=now).exists():
        return "The doctor has never used AiDA."
    used = AgentUsage.objects.filter(doctor=doctor_id, used_at__lte=now).order_by("used_at")
    tried = used.values_list("used_at", flat=True).first()
    on = f", on {localtime(tried):%d %b %Y}" if tried else ""
    return f"The doctor has tried an AI agent{on}."


def _incomplete_courses(doctor_id: int, now: datetime) -> str:
    rows = CourseProgress.objects.filter(doctor=doctor_id, started_at__lte=now)
    return _first(
        (not rows.exists(), "The doctor has not started a course."),
        (not rows.exclude(completed_at__lte=now).exists(), "Every course started is completed."),
        (True, "The access to every course that is not completed has expired."),
    )


def _no_show(doctor_id: int, now: datetime) -> str:
    rows = SessionRegistration.objects.filter(doctor=doctor_id, registered_at__lte=now)
    over = rows.filter(session__ends_at__lte=now - AFTER_SESSION)
    missed = over.exclude(attended_at__lte=now)
    return _first(
        (not rows.exists(), "The doctor has not registered for a session."),
        (not over.exists(), "No session that the doctor registered for ended 2 hours ago or more."),
        (not missed.exists(), "The doctor attended every session registered for."),
        (
            not missed.exclude(recording_viewed_at__lte=now).exists(),
            "The doctor has watched the recording of every session missed.",
        ),
        (True, "The recording of every session missed has expired."),
    )


def _unclaimed_certificates(doctor_id: int, now: datetime) -> str:
    rows = Certificate.objects.filter(doctor=doctor_id, issued_at__lte=now)
    taken = Q(downloaded_at__lte=now) | Q(viewed_at__lte=now)
    return _first(
        (not rows.exists(), "The doctor has no certificate."),
        (not rows.exclude(taken).exists(), "Every certificate was downloaded or viewed."),
        (True, "Every certificate that was not taken has expired."),
    )


_REASONS: dict[str, Callable[[int, datetime], str]] = {
    SegmentType.AIDA_USERS: _aida_users,
    SegmentType.INCOMPLETE_COURSES: _incomplete_courses,
    SegmentType.NO_SHOW: _no_show,
    SegmentType.UNCLAIMED_CERTIFICATES: _unclaimed_certificates,
}


def _first(*conditions: tuple[bool, str]) -> str:
    return next(words for holds, words in conditions if holds)
