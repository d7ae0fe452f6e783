"""What the doctor did on the platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from messaging.timeline.source import Said, Source, Theme
from segments.models import (
    AgentUsage,
    AidaUsage,
    Certificate,
    CourseProgress,
    SessionRegistration,
)

_OWN = "r.doctor_id = %(doctor)s"


def _aida(use: AidaUsage, _moment: str) -> Said:
    about = f"About {use.specialty_area}." if use.specialty_area else ""
    return Said("Used AiDA", about, "forum")


def _agent(use: AgentUsage, _moment: str) -> Said:
    about = f" about {use.specialty_area}" if use.specialty_area else ""
    return Said("Used an AI agent", f"{use.agent}{about}.", "smart_toy")


def _course(progress: CourseProgress, moment: str) -> Said:
    if moment == "started":
        return Said("Started a course", f"{progress.course}.", "school")
    if moment == "completed":
        return Said("Completed a course", f"{progress.course}.", "school")
    done = progress.completed_modules
    modules = "1 module" if done == 1 else f"{done} modules"
    return Said("Was last in a course", f"{progress.course}: {modules} done so far.", "school")


_SESSION_WORDS = {
    "registered": ("Registered for a session", "event_available"),
    "attended": ("Attended a session", "co_present"),
    "viewed": ("Viewed a recording", "play_circle"),
}


def _session(registration: SessionRegistration, moment: str) -> Said:
    word, icon = _SESSION_WORDS[moment]
    return Said(word, f"{registration.session}.", icon)


_CERTIFICATE_WORDS = {
    "issued": "Got a certificate",
    "viewed": "Viewed a certificate",
    "downloaded": "Downloaded a certificate",
}


def _certificate(certificate: Certificate, moment: str) -> Said:
    of = certificate.session or certificate.course
    return Said(_CERTIFICATE_WORDS[moment], f"{certificate}, for {of}.", "workspace_premium")


def _source(model: str, say: Any, moments: Mapping[str, str], *related: str) -> Source:
    return Source(model, Theme.ACTIVITY, moments, say, related, of_doctor=_OWN)


SOURCES = (
    _source("segments.AidaUsage", _aida, {"used": "r.used_at"}),
    _source("segments.AgentUsage", _agent, {"used": "r.used_at"}),
    _source(
        "segments.CourseProgress",
        _course,
        {
            "started": "r.started_at",
            "accessed": "CASE WHEN r.last_accessed_at NOT IN (r.started_at,"
            " COALESCE(r.completed_at, r.started_at)) THEN r.last_accessed_at END",
            "completed": "r.completed_at",
        },
        "course",
    ),
    _source(
        "segments.SessionRegistration",
        _session,
        {
            "registered": "r.registered_at",
            "attended": "r.attended_at",
            "viewed": "r.recording_viewed_at",
        },
        "session",
    ),
    _source(
        "segments.Certificate",
        _certificate,
        {"issued": "r.issued_at", "viewed": "r.viewed_at", "downloaded": "r.downloaded_at"},
        "session",
        "course",
    ),
)
