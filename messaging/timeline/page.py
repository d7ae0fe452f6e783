"""One page of a doctor's timeline: read by time, newest first, from every source at once."""

from __future__ import annotations

import re
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from messaging.timeline import activity, campaigns, messages, wishes
from messaging.timeline.source import Entry, Source, Theme

SOURCES: tuple[Source, ...] = (
    *messages.SOURCES,
    *wishes.SOURCES,
    *activity.SOURCES,
    *campaigns.SOURCES,
)
PER_PAGE = 50
MOST_AHEAD = 20
_MARK = re.compile(r"\d\d:[\w.]+:\w+:[0-9a-f-]{1,36}", re.ASCII)
_LAST = "99"  # after every mark


@dataclass(frozen=True, slots=True)
class Place:
    """A place between two lines: after this time, and of its lines after this mark."""

    at: datetime
    mark: str = _LAST

    def __str__(self) -> str:
        return f"{self.at.isoformat()}~{self.mark}"


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, the newest first; `older` is where the next page begins, None: this is the last."""

    entries: Sequence[Entry]
    older: Place | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose lines, of which sources, and of which campaign alone (None: of all and of none).

    `zone` is that of the times which the sentences name.
    """

    doctor_id: int
    zone: tzinfo
    sources: Sequence[Source] = SOURCES
    campaign_id: uuid.UUID | None = None

    def chosen(self) -> list[Source]:
        """The sources that can have something to say."""
        return [s for s in self.sources if s.of_campaign or self.campaign_id is None]


def place_of(text: str) -> Place | None:
    """The place as an address has it; None: there is none in it."""
    at, _, mark = text.partition("~")
    try:
        moment = parse_datetime(at)
    except ValueError:
        return None
    if moment is None or moment.tzinfo is None or not _MARK.fullmatch(mark):
        return None
    return Place(moment, mark)


class _Moment(NamedTuple):
    """One line before its row is read."""

    at: datetime
    mark: str  # as Source.select makes it

    @property
    def named(self) -> tuple[str, str, str]:
        """Model, moment and key."""
        _, model, moment, key = self.mark.split(":")
        return model, moment, key


def page(wanted: Wanted, before: Place, size: int = PER_PAGE) -> Page:
    """What happened up to a place, so many lines; in one query, and one for each model on it."""
    moments = _moments(wanted, _OLDER, before, size)
    is_last = len(moments) <= size
    return Page(_entries(wanted, moments[:size]), None if is_last else Place(*moments[size - 1]))


def newest(wanted: Wanted, now: datetime, size: int = PER_PAGE) -> tuple[Page, Page]:
    """What is still to come, the soonest first, and what happened up to now.

    `older` of the first is set where more is to come.
    """
    own = [source for source in wanted.sources if source.model == "messaging.MessageDelivery"]
    coming = _moments(replace(wanted, sources=own), _NEWER, Place(now), MOST_AHEAD)
    past = _moments(wanted, _OLDER, Place(now), size)
    shown = coming[:MOST_AHEAD]
    entries = _entries(wanted, [*shown, *past[:size]])  # together, so that rows are read once
    ahead = [entry for entry in entries if entry.at > now]
    more = Place(*coming[MOST_AHEAD]) if len(coming) > MOST_AHEAD else None
    older = Place(*past[size - 1]) if len(past) > size else None
    return Page(ahead, more), Page(entries[len(ahead) :], older)


_OLDER = "(at, mark) < (%(at)s, %(mark)s) ORDER BY at DESC, mark DESC"
_NEWER = "(at, mark) > (%(at)s, %(mark)s) ORDER BY at, mark"


def _moments(wanted: Wanted, which: str, place: Place, size: int) -> list[_Moment]:
    """So many lines and one more."""
    chosen = wanted.chosen()
    if not chosen:
        return []
    in_campaign = wanted.campaign_id is not None
    union = " UNION ALL ".join(source.select(in_campaign=in_campaign) for source in chosen)
    values = {
        "doctor": wanted.doctor_id,
        "campaign": wanted.campaign_id,
        "at": place.at,
        "mark": place.mark,
        "size": size + 1,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT at, mark FROM ({union}) v WHERE {which} LIMIT %(size)s",  # noqa: S608
            values,
        )
        return [_Moment(*row) for row in cursor.fetchall()]


def _entries(wanted: Wanted, moments: Sequence[_Moment]) -> list[Entry]:
    """The lines in words, in the order of `moments`; a row that is gone meanwhile has none."""
    keys: dict[str, list[str]] = defaultdict(list)
    for model, _, key in (moment.named for moment in moments):
        keys[model].append(key)
    sources = {source.model: source for source in wanted.sources}
    rows = {model: sources[model].read(found) for model, found in keys.items()}
    goals = _goals(wanted) if any(sources[m].theme == Theme.ACTIVITY for m in rows) else {}
    named = [(moment.at, *moment.named) for moment in moments]
    with timezone.override(wanted.zone):
        return [
            _entry(sources[model], at, name, rows[model][key], goals)
            for at, model, name, key in named
            if key in rows[model]
        ]


def _goals(wanted: Wanted) -> dict[datetime, str]:
    """The moments at which the doctor came back, with the campaign; empty where it is not shown."""
    source = next((s for s in wanted.sources if s.model == campaigns.ENROLLMENT), None)
    if source is None:
        return {}
    found: Any = source.rows._default_manager.filter(  # noqa: SLF001  Django's
        doctor_id=wanted.doctor_id, converted_at__isnull=False
    )
    return dict(found.values_list("converted_at", "campaign__name"))


def _entry(
    source: Source, at: datetime, moment: str, row: Any, goals: dict[datetime, str]
) -> Entry:
    said = source.say(row, moment)
    if source.theme == Theme.ACTIVITY and at in goals:
        words = f"{said.sentence} It counted as coming back in “{goals[at]}”.".strip()
        said = replace(said, sentence=words, tone="good")
    return Entry(at, source.theme, said, source.model, row.pk)


__all__ = ["PER_PAGE", "SOURCES", "Page", "Place", "Theme", "Wanted", "newest", "page", "place_of"]
