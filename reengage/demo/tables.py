"""What the sample's files hold while they are made up, and the clock by which it happened."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar


def course_id(place: int) -> str:
    """CLIRNET id of the sample's course at that place of COURSES."""
    return f"DEMO-COURSE-{place + 1:02}"


@dataclass(frozen=True, slots=True)
class Clock:
    """Draws moments. `start` is a midnight; days count from there, those to come from 0 on."""

    start: datetime
    days: int
    chance: Random

    @property
    def end(self) -> datetime:
        """Nothing has happened after this."""
        return self.start + timedelta(days=self.days)

    def between(self, first_day: int, before_day: int) -> datetime:
        """A minute between 7:00 and 23:00 of one of the days."""
        day = self.chance.randrange(first_day, max(before_day, first_day + 1))
        minute = self.chance.randrange(7 * 60, 23 * 60)
        return self.start + timedelta(days=day, minutes=minute)

    def after(self, moment: datetime, low: float, high: float) -> datetime:
        """A minute `low` to `high` days after `moment`, or the morning if that is at night."""
        minutes = self.chance.uniform(low, high) * 1440
        found = moment + timedelta(minutes=int(minutes))
        return found + timedelta(hours=7) if found.hour < 7 else found

    def cell(self, moment: datetime | None) -> str:
        """The moment as a cell; empty for none and for what has not happened yet."""
        if moment is None or moment > self.end:
            return ""
        return moment.isoformat(" ", "minutes")


@dataclass(slots=True)
class Tables:
    """The rows of each kind of file."""

    # In the order in which they have to be imported.
    HEADERS: ClassVar[dict[str, tuple[str, ...]]] = {
        "doctors": (
            *("doctor_id", "first_name", "last_name", "email", "phone", "whatsapp", "specialty"),
            *("location", "timezone", "may_be_named", "last_active_at"),
        ),
        "consents": ("doctor_id", "channel", "is_given", "recorded_at", "source", "text_shown"),
        "courses": (
            *("course_id", "name", "topic", "clinical_area", "popular_module"),
            *("instructor_name", "cpd_points"),
        ),
        "course_modules": ("course_id", "number", "name", "duration_minutes", "key_learnings"),
        "sessions": (
            *("session_id", "title", "starts_at", "ends_at", "recording_expires_at"),
            *("speaker_name", "speaker_credentials", "topic", "topic_area", "cpd_points"),
            *("key_points", "insight_titles", "insight_descriptions"),
            *("popular_timestamps", "popular_topics"),
        ),
        "aida_usage": ("doctor_id", "used_at", "specialty_area"),
        "agent_usage": ("doctor_id", "agent", "used_at", "specialty_area"),
        "course_progress": (
            *("doctor_id", "course_id", "started_at", "completed_modules", "time_spent_minutes"),
            *("last_accessed_at", "access_expires_at", "completed_at", "rating", "testimonial"),
        ),
        "session_registrations": (
            *("doctor_id", "session_id", "registered_at", "attended_at"),
            *("recording_viewed_at", "rating"),
        ),
        "certificates": (
            *("certificate_id", "doctor_id", "session_id", "course_id", "issued_at"),
            *("expires_at", "downloaded_at", "viewed_at"),
        ),
    }

    rows: dict[str, list[tuple[str, ...]]] = field(default_factory=lambda: defaultdict(list))
    last_active: dict[str, datetime] = field(default_factory=dict)

    def add(self, kind: str, *cells: str) -> None:
        """Add a row to the file of that kind."""
        self.rows[kind].append(cells)

    def active(self, doctor_id: str, moment: datetime, clock: Clock) -> None:
        """The doctor did something; what lies after the start is not known at the start."""
        if moment <= clock.start:
            self.last_active[doctor_id] = max(moment, self.last_active.get(doctor_id, moment))

    def certify(
        self, doctor_id: str, session_id: str, of_course: str, issued_at: datetime, clock: Clock
    ) -> None:
        """A certificate, which most doctors download on the same day."""
        if issued_at > clock.end:
            return
        number = len(self.rows["certificates"]) + 1
        claimed = clock.chance.random() < CLAIMED
        downloaded_at = clock.after(issued_at, 0.01, 0.6) if claimed else None
        self.add(
            "certificates",
            f"DEMO-CERT-{number:06}",
            doctor_id,
            session_id,
            of_course,
            clock.cell(issued_at),
            (issued_at + CERTIFICATE_KEPT).isoformat(" ", "minutes"),
            clock.cell(downloaded_at),
            "",
        )


CLAIMED = 0.82
CERTIFICATE_KEPT = timedelta(days=45)
