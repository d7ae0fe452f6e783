"""What of a campaign goes out, what never does, and what uses up its room, in words."""

from __future__ import annotations

from collections.abc import Sequence as Rows
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from operator import itemgetter
from zoneinfo import ZoneInfo

from django.utils.text import get_text_list

from campaigns.feasibility.sequence import PlannedStep, Sequence
from campaigns.feasibility.simulate import DAY, Outcome, enrolled, simulate
from messaging.caps import WEEK, Caps
from messaging.facts import caps_from_settings
from messaging.models import SkipReason


@dataclass(frozen=True, slots=True)
class Lost:
    """A message that can never go out, and why."""

    step: PlannedStep
    label: str
    why: str

    @property
    def words(self) -> str:
        """Both in a sentence."""
        return f"{self.label} can never go out: {self.why}."


@dataclass(frozen=True, slots=True)
class Day:
    """One day on which something goes out, or should have. `late`: planned for an earlier day."""

    day: int
    sent: tuple[Outcome, ...]
    lost: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True)
class Feasibility:
    """A campaign's run for a doctor who gets all that can go.

    `outcomes` are the campaign's own messages; `others` those of the campaigns beside it.
    """

    sequence: Sequence
    enrolled_at: datetime
    zone: ZoneInfo
    outcomes: tuple[Outcome, ...]
    others: tuple[Outcome, ...]
    lost: tuple[Lost, ...]

    @property
    def sent(self) -> int:
        """How many of its messages go out."""
        return sum(one.went for one in self.outcomes)

    @property
    def silent_days(self) -> tuple[int, ...]:
        """Days of the sequence of which no message goes out."""
        days = {one.step.day for one in self.outcomes}
        heard = {one.step.day for one in self.outcomes if one.went}
        return tuple(sorted(days - heard))

    def day_of(self, moment: datetime) -> int:
        """Days since day 0, by the doctor's calendar."""
        return (moment.astimezone(self.zone).date() - self._day_0).days

    @property
    def _day_0(self) -> date:
        one = self.outcomes[0]
        return one.due_at.astimezone(self.zone).date() - one.step.day * DAY

    def calendar(self) -> list[Day]:
        """The sequence that will really be sent, day by day, with what is lost on its own day."""
        days: dict[int, tuple[list[Outcome], list[Outcome]]] = {}
        for one in self.outcomes:
            day = self.day_of(one.at) if one.went else one.step.day
            sent, lost = days.setdefault(day, ([], []))
            (sent if one.went else lost).append(one)
        return [
            Day(day, tuple(sorted(sent, key=lambda one: one.at)), tuple(lost))
            for day, (sent, lost) in sorted(days.items())
        ]


def assess(
    sequence: Sequence,
    enrolled_at: datetime,
    zone: ZoneInfo,
    *,
    beside: Rows[tuple[Sequence, datetime]] = (),
    caps: Caps | None = None,
) -> Feasibility:
    """Run the campaign for a doctor enrolled at `enrolled_at` (aware) who stays away.

    `beside`: other campaigns in which the doctor is, and since when. `caps`: else those in force.
    """
    caps = caps or caps_from_settings()
    own = enrolled(sequence, enrolled_at, zone)
    runs = [(enrolled_at, sequence.name, own)]
    runs += [(at, other.name, enrolled(other, at, zone)) for other, at in beside]
    runs.sort(key=itemgetter(0, 1))  # the older enrolment goes first where all else is equal
    run = simulate([one for *_, outcomes in runs for one in outcomes], zone, caps=caps)
    mine = {one.id for one in own}
    outcomes = tuple(one for one in run if one.id in mine)
    lost = tuple(
        Lost(one.step, sequence.label_of(one.step), _why(one, run, caps, zone))
        for one in outcomes
        if not one.went
    )
    return Feasibility(
        sequence,
        enrolled_at,
        zone,
        outcomes,
        tuple(one for one in run if one.id not in mine),
        lost,
    )


def _why(lost: Outcome, run: Rows[Outcome], caps: Caps, zone: ZoneInfo) -> str:
    """Why a message never goes, and what has its room."""
    if lost.reason != SkipReason.FREQUENCY_CAP:
        return lost.why or "its time passes"
    limit = f"{caps.per_day} a day and {caps.per_week} a week"
    used = get_text_list([_named(one, lost, zone) for one in _rivals(lost, run)], "and")
    kept = [part for part in lost.why.split("; ") if part.startswith("kept for ")]
    rest = f"; the room that is left is {get_text_list(kept, 'and')}" if kept else ""
    return f"{limit} are used up by {used}{rest}"


def _rivals(lost: Outcome, run: Rows[Outcome]) -> list[Outcome]:
    """What counted against the caps while the message could have gone."""
    near = [one for one in run if one.went and lost.at - WEEK < one.at < lost.expires_at]
    return sorted(near, key=lambda one: one.at)


def _named(one: Outcome, beside: Outcome, zone: ZoneInfo) -> str:
    """The message as somebody calls it who reads about another."""
    own = one.enrollment == beside.enrollment
    label = one.sequence.label_of(one.step)
    label = label if own else f"{label} of “{one.sequence.name}”"
    late = one.at.astimezone(zone).date() - one.due_at.astimezone(zone).date()
    return f"{label} (sent {_days(late)} later)" if late else label


def _days(span: timedelta) -> str:
    return "a day" if span == DAY else f"{span // DAY} days"
