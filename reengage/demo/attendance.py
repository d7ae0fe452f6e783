"""The sample's live sessions: three a week, who registers, who comes, who sees the recording."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import count

from reengage.demo.people import Person, Role
from reengage.demo.sessions import SESSIONS, SessionText
from reengage.demo.tables import Clock, Tables

FIRST_DAY, AFTER_END = -21, 28  # days before the start, days after the end
WEEKDAYS = (1, 3, 5)  # Tuesday, Thursday, Saturday
BEGINS = timedelta(hours=19, minutes=30)
# The last text of the campaign, on the tenth morning, says that the recording expires tomorrow.
RECORDING_KEPT = timedelta(days=11)


@dataclass(frozen=True, slots=True)
class Evening:
    """One session on its day."""

    session_id: str
    text: SessionText
    starts_at: datetime

    @property
    def ends_at(self) -> datetime:
        """When it is over."""
        return self.starts_at + timedelta(minutes=self.text.minutes)


@dataclass(frozen=True, slots=True)
class Zeal:
    """How many sessions somebody of a role registers for, and how often they come."""

    fewest: int
    most: int
    comes: float


ZEAL = {
    Role.DEVOTED: Zeal(2, 5, 0.88),
    Role.LISTENER: Zeal(1, 2, 0.4),
    Role.LEARNER: Zeal(0, 1, 0.3),
}


def calendar(clock: Clock) -> list[Evening]:
    """All sessions, those that are still to come too, in order of time."""
    numbers = count()
    evenings = []
    for day in range(FIRST_DAY, clock.days + AFTER_END):
        midnight = clock.start + timedelta(days=day)
        if midnight.weekday() in WEEKDAYS:
            number = next(numbers)
            session_id = f"DEMO-SESSION-{number + 1:03}"
            text = SESSIONS[number % len(SESSIONS)]
            evenings.append(Evening(session_id, text, midnight + BEGINS))
    return evenings


def tell_sessions(tables: Tables, evenings: list[Evening]) -> None:
    """Write the rows of the file of sessions."""
    for evening in evenings:
        text = evening.text
        tables.add(
            "sessions",
            evening.session_id,
            text.title,
            evening.starts_at.isoformat(" ", "minutes"),
            evening.ends_at.isoformat(" ", "minutes"),
            (evening.ends_at + RECORDING_KEPT).isoformat(" ", "minutes"),
            text.speaker,
            text.credentials,
            text.topic,
            text.topic_area,
            text.cpd_points,
            " | ".join(text.key_points),
            " | ".join(title for title, _ in text.insights),
            " | ".join(words for _, words in text.insights),
            " | ".join(place for place, _ in text.replayed),
            " | ".join(words for _, words in text.replayed),
        )


def attend(person: Person, tables: Tables, evenings: list[Evening], clock: Clock) -> None:
    """Tell which sessions the doctor registered for, and what became of it."""
    zeal = ZEAL.get(person.role)
    if zeal is None:
        return
    past = [evening for evening in evenings if evening.ends_at <= clock.end]
    wanted = clock.chance.randint(zeal.fewest, zeal.most)
    for evening in clock.chance.sample(past, min(wanted, len(past))):
        _tell(person, evening, zeal, tables, clock)
    coming = [evening for evening in evenings if evening.starts_at > clock.end][:6]
    if coming and clock.chance.random() < 0.12:
        registered = clock.between(clock.days - 6, clock.days)
        cells = (clock.chance.choice(coming).session_id, clock.cell(registered), "", "", "")
        tables.add("session_registrations", person.doctor_id, *cells)


def _tell(person: Person, evening: Evening, zeal: Zeal, tables: Tables, clock: Clock) -> None:
    chance = clock.chance
    registered = clock.after(evening.starts_at, -10, -0.2)
    came = chance.random() < zeal.comes
    attended = clock.after(evening.starts_at, 0, 0.006) if came else None
    saw = chance.random() < (0.25 if came else 0.18)
    viewed = clock.after(evening.ends_at, 0.1, 1.3 if came else 6) if saw else None
    knows = came or (viewed is not None and viewed <= clock.end)
    rating = chance.choice("4455543") if knows and chance.random() < 0.6 else ""
    tables.add(
        "session_registrations",
        person.doctor_id,
        evening.session_id,
        clock.cell(registered),
        clock.cell(attended),
        clock.cell(viewed),
        rating,
    )
    for moment in (registered, attended, viewed):
        if moment:
            tables.active(person.doctor_id, moment, clock)
    if came:
        issued = clock.after(evening.ends_at, 0.5, 0.7)
        tables.certify(person.doctor_id, evening.session_id, "", issued, clock)
