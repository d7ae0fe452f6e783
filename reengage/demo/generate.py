"""Writes the sample: a CSV file for each kind of import, the same ones for the same seed."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from django.utils import timezone

from reengage.demo import attendance, habits
from reengage.demo.courses import COURSES
from reengage.demo.people import PHONE_FORMS, Person, people, phone
from reengage.demo.tables import Clock, Tables, course_id

DAYS = 30  # that are replayed
# The wording that the sample's doctors agreed to.
CONSENT_TEXT = "I agree to receive messages from CLIRNET on this channel. I can stop them any time."
CONSENT_SOURCE = "Sign-up form"
_NAME = re.compile(
    r"(?P<kind>\w+)-sample-(?P<doctors>\d+)-seed(?P<seed>\d+)-(?P<start>[\d-]{10})\.csv"
)


@dataclass(frozen=True, slots=True)
class Sample:
    """A size, a seed and the midnight (settings' time zone) at which the replay starts."""

    doctors: int
    seed: int
    start: datetime

    @classmethod
    def until(cls, now: datetime, doctors: int, seed: int) -> Sample:
        """The sample whose replayed days end at `now`."""
        today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(doctors, seed, today - timedelta(days=DAYS))

    @classmethod
    def of_file(cls, name: str) -> Sample | None:
        """The sample that a file of that name belongs to; None where it is no sample's."""
        found = _NAME.fullmatch(name)
        if found is None:
            return None
        start = datetime.fromisoformat(found["start"])
        return cls(int(found["doctors"]), int(found["seed"]), timezone.make_aware(start))

    def file_name(self, kind: str) -> str:
        """Name of the sample's file of that kind; `of_file` reads it."""
        day = timezone.localtime(self.start).date()
        return f"{kind}-sample-{self.doctors}-seed{self.seed}-{day}.csv"

    def write(self, directory: Path) -> dict[str, Path]:
        """Write a file for each kind of import; returns them by kind, in the order of import."""
        directory.mkdir(parents=True, exist_ok=True)
        tables = self._tables()
        return {
            kind: _write(directory / self.file_name(kind), header, tables.rows[kind])
            for kind, header in tables.HEADERS.items()
        }

    def _tables(self) -> Tables:
        chance = Random(self.seed)  # noqa: S311  nothing secret comes from it
        clock = Clock(timezone.localtime(self.start), DAYS, chance)
        doctors = people(self.doctors, chance)
        tables = Tables()
        _tell_courses(tables)
        calendar = attendance.calendar(clock)
        attendance.tell_sessions(tables, calendar)
        for person in doctors:
            habits.live(person, tables, clock)
            attendance.attend(person, tables, calendar, clock)
            _tell_consents(person, tables, clock)
            _tell_doctor(person, tables, clock)
        _spoil(doctors, tables, clock)
        return tables


def _write(path: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def _tell_courses(tables: Tables) -> None:
    for place, course in enumerate(COURSES):
        about = (course.topic, course.clinical_area, str(course.popular_module))
        teacher = (course.instructor, course.cpd_points)
        tables.add("courses", course_id(place), course.name, *about, *teacher)
        for number, (name, minutes, learnings) in enumerate(course.modules, start=1):
            cells = (str(number), name, str(minutes), " | ".join(learnings))
            tables.add("course_modules", course_id(place), *cells)


def _tell_doctor(person: Person, tables: Tables, clock: Clock) -> None:
    """The doctor's row; last active when the file was made, at the start of the replay."""
    active = tables.last_active.get(person.doctor_id) or clock.between(-300, -70)
    tables.add(
        "doctors",
        person.doctor_id,
        person.first_name,
        person.last_name,
        person.email,
        person.phone,
        person.whatsapp,
        person.specialty,
        person.city,
        person.timezone,
        "yes" if person.may_be_named else "no",
        clock.cell(active),
    )


def _tell_consents(person: Person, tables: Tables, clock: Clock) -> None:
    """Most agreed to WhatsApp when they signed up; a few have taken a consent back since."""
    if clock.chance.random() < 0.9:
        _tell_consent(person, tables, "whatsapp", clock.cell(clock.between(-400, -90)), "yes")
    for channel, share in (("whatsapp", 0.02), ("sms", 0.015), ("email", 0.02)):
        if clock.chance.random() < share:
            _tell_consent(person, tables, channel, clock.cell(clock.between(-80, -10)), "no")


def _tell_consent(person: Person, tables: Tables, channel: str, at: str, given: str) -> None:
    text = CONSENT_TEXT if given == "yes" else ""
    tables.add("consents", person.doctor_id, channel, given, at, CONSENT_SOURCE, text)


def _spoil(doctors: list[Person], tables: Tables, clock: Clock) -> None:
    """Add rows such as real exports have, for the report of rejected rows to show."""
    names = ("Anil", "Mehta")
    rest = ("Cardiology", "Mumbai", "", "no", clock.cell(clock.between(-90, -31)))
    taken = next((person.phone for person in doctors if person.phone), "98765")
    for number in range(1 + len(doctors) // 1000):
        own = phone((80000, number), PHONE_FORMS[0])
        for place, row in enumerate(
            (
                (*names, "", "9.88E+09", "", *rest),
                (*names, "", taken, "", *rest),
                ('=HYPERLINK("http://example.com","Anil")', "Mehta", "", own, "", *rest),
                (*names, "anil.mehta@", "", "", *rest),
            )
        ):
            tables.add("doctors", f"{BAD_PREFIX}{number * 4 + place + 1:03}", *row)
    tables.add("aida_usage", f"{BAD_PREFIX}001", clock.cell(clock.between(-9, -1)), "Cardiology")
    tables.add("aida_usage", doctors[0].doctor_id, "31/02/2026 10:00", "Cardiology")


BAD_PREFIX = "DEMO-BAD-"
