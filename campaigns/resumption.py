"""What resuming a campaign would do, to the message: for one choice and one number of days.

Shown before it is done, by the same SQL that does it (overdue.py). What is agreed to is what was
shown: resume() is given the figures that a person saw, and does nothing where they are others now.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from django.db import connection

from campaigns.alike import OPEN, PLACED, READ, read_kinds, values_of
from campaigns.models import Campaign
from campaigns.overdue import IS_LEFT, MOST_DAYS, Choice, shifted
from campaigns.room import Room, room_for
from campaigns.transition import NotReady

MATERIAL = 0.01  # a figure that differs by more than this share is another one

# Each open message of each kind of doctor, what becomes of it, and when it goes then.
_SKIP = """
    SELECT CASE WHEN is_overdue THEN 'skipped' ELSE 'stays' END AS fate, at, timezone, end_date,
           people
    FROM open
"""
_SHIFT = f"""
    SELECT CASE WHEN {IS_LEFT} THEN 'skipped' WHEN days <= 0 THEN 'stays' ELSE 'moved' END AS fate,
           {shifted("at", "open")} AS at, timezone, end_date, people
    FROM open
"""  # noqa: S608  only constants are put in
_SPREAD = """
    SELECT 'moved' AS fate, goes_at AS at, timezone, end_date, people FROM placed
    UNION ALL
    SELECT 'stays', at, timezone, end_date, people FROM open WHERE NOT is_overdue
"""
_FATES = {Choice.SKIP: _SKIP, Choice.SHIFT: _SHIFT, Choice.SPREAD: _SPREAD}
_COUNT = f"""
    WITH {READ}, open AS MATERIALIZED ({OPEN}), {PLACED}, fates AS ({{fates}})
    SELECT CASE WHEN fate <> 'skipped' AND at >= end_date THEN 'cut' ELSE fate END,
           (at AT TIME ZONE timezone)::date, sum(people)::int
    FROM fates GROUP BY 1, 2
"""  # noqa: S608


class Unseen(NotReady):
    """What a resumption would do is not what the person was shown: to be asked again."""


@dataclass(slots=True)
class Figures:
    """What one choice does with each message that is still open."""

    choice: Choice
    days: int  # over how many it is spread; 0 with the other choices
    moved: Counter[date] = field(default_factory=Counter)  # get another day: how many on which
    stays: Counter[date] = field(default_factory=Counter)  # go on the day that they have
    skipped: int = 0  # at once
    cut: int = 0  # their day comes at or after the campaign's end: they never go
    last_day_before: date | None = None  # of the campaign, as its days stand now
    room: Room | None = None  # of what is spread: what the caps will not let out

    @property
    def last_day(self) -> date | None:
        """When the last message goes."""
        return max([*self.moved, *self.stays], default=None)

    @property
    def later_by(self) -> int:
        """Days by which the end of the sequence moves."""
        if self.last_day is None or self.last_day_before is None:
            return 0
        return (self.last_day - self.last_day_before).days

    @property
    def token(self) -> str:
        """What was shown, for the page to carry."""
        return json.dumps([self.choice, self.days, str(self.last_day), self._counts()])

    def _counts(self) -> list[int]:
        none = self.room.messages if self.room else 0
        return [self.moved.total(), self.stays.total(), self.skipped, self.cut, none]

    def was_shown(self, token: str) -> bool:
        """Whether these are the figures that `token` tells of, each within MATERIAL."""
        try:
            choice, days, last_day, counts = json.loads(token)
            close = [  # whole numbers only: anything is close to infinity
                type(then) is int and abs(now - then) <= MATERIAL * then
                for now, then in zip(self._counts(), counts, strict=True)
            ]
        except (ValueError, TypeError, OverflowError):
            return False
        same = [choice, days, last_day] == [self.choice, self.days, str(self.last_day)]
        return same and all(close)


def figures(
    campaign: Campaign, now: datetime, choice: Choice, days: int = 0, kinds: str | None = None
) -> Figures:
    """Of a paused campaign. `days`: over how many to spread, 1 to MOST_DAYS. Writes nothing.

    `kinds`: those of alike.read_kinds for so many days, where they were just read. NotReady:
    another number of days.
    """
    if choice != Choice.SPREAD:
        days = 0
    elif not 1 <= days <= MOST_DAYS:
        raise NotReady([f"Spread over 1 to {MOST_DAYS} days, not {days}."])
    values = values_of(campaign, now, days)
    values["kinds"] = kinds or read_kinds(campaign, now, days)
    found = _counted(choice, values)
    found.last_day_before = max(_counted(Choice.SKIP, values).stays, default=None)
    if choice == Choice.SPREAD and found.moved:
        found.room = room_for(campaign, now, days, values["kinds"])
    return found


def _counted(choice: Choice, values: dict[str, Any]) -> Figures:
    found = Figures(choice, values["days"])
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(fates=_FATES[choice]), values)
        for fate, day, count in cursor.fetchall():
            if fate == "skipped":
                found.skipped += count
            elif fate == "cut":
                found.cut += count
            else:
                (found.moved if fate == "moved" else found.stays)[day] += count
    return found


def check_seen(campaign: Campaign, now: datetime, choice: Choice, days: int, seen: str) -> None:
    """Raise Unseen where what would happen now is not what `seen`, a token, tells of."""
    try:
        was_for = json.loads(seen)[1]
    except (ValueError, TypeError, LookupError):
        raise Unseen(["Look at the figures first."]) from None
    found = figures(campaign, now, choice, days)
    if choice == Choice.SPREAD and was_for != found.days:
        said = f"The figures shown were for {was_for} days; you asked for {days}."
        raise Unseen([f"{said} Look at those for {days} days, and resume if you agree."])
    if not found.was_shown(seen):
        raise Unseen(["The figures have changed since you looked. These are the new ones."])
