"""Who is in a segment now, as enrolment would take them, and what can be said to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection

from messaging import catalogue
from segments.definitions import DEFINITIONS, definition
from segments.definitions.base import Subject

_MEMBERS = """
    SELECT g.user_id, g.subject FROM user_segments g
    WHERE g.segment_type = %(segment)s AND (g.expires_at IS NULL OR g.expires_at > %(now)s)
      AND (%(quiet_since)s::timestamptz IS NULL OR g.inactive_since <= %(quiet_since)s)
      AND EXISTS (  -- a channel that reaches the doctor
        SELECT FROM unnest(%(channels)s::text[]) AS used (channel)
        WHERE NOT EXISTS (
            SELECT FROM unsubscribe_records u
            WHERE u.user_id = g.user_id AND u.revoked_at IS NULL
              AND (u.segment_type IS NULL OR u.segment_type = %(segment)s)
              AND (u.channel IS NULL OR u.channel = used.channel)
        ) AND NOT EXISTS (
            SELECT FROM channel_suppressions x
            WHERE x.user_id = g.user_id AND x.lifted_at IS NULL AND x.channel = used.channel
        )
      )
"""
_COUNT = f"SELECT count(*) FROM ({_MEMBERS}) AS members"  # noqa: S608  only constants are put in
_NEXT = f"{_MEMBERS} AND g.user_id > %(after)s ORDER BY g.user_id LIMIT %(size)s"
_AMONG = f"{_MEMBERS} AND g.user_id = ANY(%(doctors)s) ORDER BY g.user_id"
_NTH = f"{_MEMBERS} ORDER BY g.user_id OFFSET %(before)s LIMIT 1"
_UP_TO = f"SELECT count(*) FROM ({_MEMBERS} AND g.user_id <= %(doctor)s) AS members"  # noqa: S608


class Member(NamedTuple):
    """A doctor, and which course, session or certificate of theirs comes first."""

    doctor_id: int
    subject: str


@dataclass(frozen=True, slots=True)
class Audience:
    """Whom a campaign, or a template, would reach at `now`.

    Doctors of the segment as it was last calculated, one subject each, quiet since `quiet_since`
    (None: however long), who have not opted out of every one of `channels`: those whom
    campaigns/enroll.py enrols. Whoever is or was enrolled counts, too.
    """

    segment_type: str
    channels: tuple[str, ...]
    now: datetime
    quiet_since: datetime | None = None

    def count(self) -> int:
        """How many they are."""
        with connection.cursor() as cursor:
            cursor.execute(_COUNT, self._values())
            return int(cursor.fetchone()[0])

    def after(self, doctor_id: int, size: int) -> list[Member]:
        """The next so many, in the order of their ids; begin with 0."""
        return self._members(_NEXT, after=doctor_id, size=size)

    def nth(self, place: int) -> Member | None:
        """The member at a place, in the order of their ids; the first is 1."""
        found = self._members(_NTH, before=max(place, 1) - 1)
        return found[0] if found else None

    def place_of(self, member: Member) -> int:
        """At which place a member stands."""
        with connection.cursor() as cursor:
            cursor.execute(_UP_TO, {**self._values(), "doctor": member.doctor_id})
            return int(cursor.fetchone()[0])

    def among(self, doctor_ids: Sequence[int]) -> list[Member]:
        """Those of the doctors who are members, in the order of their ids."""
        return self._members(_AMONG, doctors=list(doctor_ids))

    def variables(self, members: Sequence[Member]) -> list[dict[str, Any]]:
        """What can be said to each, if all were enrolled now, in a fixed number of queries."""
        subjects = [Subject(member.doctor_id, member.subject, self.now) for member in members]
        return definition(self.segment_type).variables(subjects, self.now)

    def _members(self, query: str, **values: Any) -> list[Member]:
        with connection.cursor() as cursor:
            cursor.execute(query, {**self._values(), **values})
            return [Member(*row) for row in cursor.fetchall()]

    def _values(self) -> dict[str, Any]:
        return {
            "segment": self.segment_type,
            "now": self.now,
            "quiet_since": self.quiet_since,
            "channels": list(self.channels),
        }


def sample_variables(segment_type: str, now: datetime, size: int) -> list[dict[str, Any]]:
    """Variables of the first so many doctors of a segment; none where nobody is in it."""
    if segment_type not in DEFINITIONS:
        return []
    audience = Audience(segment_type, tuple(settings.MESSAGE_PROVIDERS), now)
    members = audience.after(0, size)
    return audience.variables(members) if members else []


def truth(people: Sequence[dict[str, Any]]) -> dict[str, str]:
    """What number variables say of these doctors: one value, or “3 to 1,214” where they differ."""
    found: dict[str, str] = {}
    for variable in catalogue.CATALOGUE:
        if variable.kind == "number":
            texts = {str(person[variable.name]) for person in people if variable.name in person}
            if texts:
                low, high = min(texts, key=_number), max(texts, key=_number)
                found[variable.name] = low if low == high else f"{low} to {high}"
    return found


def _number(text: str) -> float:
    return float(text.replace(",", ""))
