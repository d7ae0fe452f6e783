"""What the sample's doctors do on their own: ask AiDA, use agents, take courses."""

from __future__ import annotations

from datetime import datetime, timedelta

from reengage.demo.courses import COURSES, TESTIMONIALS
from reengage.demo.people import Person, Role
from reengage.demo.tables import Clock, Tables, course_id

# The more popular ones first.
AGENTS = {
    "Diagnostic Support": 30,
    "Care Planner": 22,
    "Case Analyst": 18,
    "Treatment Protocols": 14,
    "Drug Interaction Check": 10,
    "Literature Review": 6,
}
ACCESS = timedelta(days=120)  # to a course, from its start on

# How likely somebody of a role also does what is another role's habit.
ASKS = {Role.ASKER: 1.0, Role.DEVOTED: 0.8, Role.LISTENER: 0.15, Role.LEARNER: 0.1}
LEARNS = {Role.LEARNER: 1.0, Role.ASKER: 0.1, Role.LISTENER: 0.1}


def live(person: Person, tables: Tables, clock: Clock) -> None:
    """Tell what the doctor did before the start, and will do without being asked."""
    if clock.chance.random() < ASKS.get(person.role, 0):
        _ask(person, tables, clock)
    if person.role is Role.DEVOTED:
        _use_agents(person, tables, clock)
        _complete_courses(person, tables, clock)
    if clock.chance.random() < LEARNS.get(person.role, 0):
        _leave_course(person, tables, clock)


def _fell_silent(clock: Clock) -> datetime:
    """When a doctor was last seen: most before the start's last month, the others during it."""
    drawn = clock.chance.random()
    if drawn < 0.62:
        return clock.between(-60, -31)
    return clock.between(-29, -4) if drawn < 0.94 else clock.between(0, 20)


def _ask(person: Person, tables: Tables, clock: Clock) -> None:
    last = clock.between(-30, 30) if person.role is Role.DEVOTED else _fell_silent(clock)
    earlier = [clock.after(last, -45, -1) for _ in range(clock.chance.randint(1, 7))]
    for moment in sorted({*earlier, last}):
        tables.add("aida_usage", person.doctor_id, clock.cell(moment), person.specialty)
        tables.active(person.doctor_id, moment, clock)


def _use_agents(person: Person, tables: Tables, clock: Clock) -> None:
    favourites = clock.chance.choices(list(AGENTS), list(AGENTS.values()), k=2)
    for moment in {clock.between(-80, clock.days) for _ in range(clock.chance.randint(3, 9))}:
        agent = clock.chance.choice(favourites)
        tables.add("agent_usage", person.doctor_id, agent, clock.cell(moment), person.specialty)
        tables.active(person.doctor_id, moment, clock)


def _complete_courses(person: Person, tables: Tables, clock: Clock) -> None:
    for place in clock.chance.sample(range(len(COURSES)), clock.chance.randint(2, 4)):
        course = COURSES[place]
        completed = clock.between(-25, clock.days)
        started = clock.after(completed, -25, -4)
        liked = clock.chance.random() < 0.8
        rating = clock.chance.choice("45") if liked else clock.chance.choice("34")
        said = clock.chance.choice(TESTIMONIALS) if liked and clock.chance.random() < 0.6 else ""
        minutes = int(course.minutes(len(course.modules)) * clock.chance.uniform(0.9, 1.5))
        tables.add(
            "course_progress",
            person.doctor_id,
            course_id(place),
            clock.cell(started),
            str(len(course.modules)),
            str(minutes),
            clock.cell(completed),
            (started + ACCESS).isoformat(" ", "minutes"),
            clock.cell(completed),
            rating,
            said,
        )
        tables.active(person.doctor_id, completed, clock)
        issued = clock.after(completed, 0.02, 0.1)
        tables.certify(person.doctor_id, "", course_id(place), issued, clock)


def _leave_course(person: Person, tables: Tables, clock: Clock) -> None:
    """Start a course or two and stop half-way."""
    for place in clock.chance.sample(range(len(COURSES)), clock.chance.choice((1, 1, 1, 2))):
        course = COURSES[place]
        last = _fell_silent(clock)
        started = clock.after(last, -30, -1)
        done = max(clock.chance.randrange(len(course.modules)) for _ in range(2))
        minutes = 5 + int(course.minutes(done) * clock.chance.uniform(0.9, 1.5))
        tables.add(
            "course_progress",
            person.doctor_id,
            course_id(place),
            clock.cell(started),
            str(done),
            str(minutes),
            clock.cell(last),
            (started + ACCESS).isoformat(" ", "minutes"),
            "",
            "",
            "",
        )
        tables.active(person.doctor_id, last, clock)
