"""What an audit looks at and what it finds: rows that break a promise, counted by the database."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

# The clocks of the machines may be so far apart.
CLOCKS_APART = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Row:
    """One row that breaks a promise: of which kind it is, its key, and in words what is wrong.

    `kind`: delivery, enrolment, event, optout, suppression, window, call (of a ledger) or schema.
    """

    kind: str
    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Found:
    """How many rows break a promise, the newest of them, and what was looked at besides."""

    count: int = 0
    rows: tuple[Row, ...] = ()
    note: str = ""

    def __add__(self, other: Found) -> Found:
        note = "; ".join(filter(None, (self.note, other.note)))
        return Found(self.count + other.count, self.rows + other.rows, note)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked at, and as of when.

    `since`: attempts authorised and reports received from then on only; None: all. Whatever was
    to happen by now and did not is looked for however old it is. `covers`: the channels whose
    accepted calls are all in the ledgers; empty: the accounts through which those went that they
    name.
    """

    now: datetime
    since: datetime | None = None
    ledger_calls: int | None = None  # in the table audit_ledger; None: there is no ledger
    covers: tuple[str, ...] = ()
    examples: int = 5  # so many rows of each kind of fault are kept
    overdue: timedelta = timedelta(minutes=15)  # patience with what should have happened
    unscheduled: timedelta = timedelta(minutes=75)  # steps are scheduled each hour
    given_up: timedelta = timedelta(hours=24, minutes=15)  # what stays unknown

    def values(self) -> dict[str, Any]:
        """Parameters that every statement may name."""
        return {
            "now": self.now,
            "since": self.since or "-infinity",
            "since_id": first_id(self.since),
            "overdue": self.now - self.overdue,
            "unscheduled": self.now - self.unscheduled,
            "given_up": self.now - self.given_up,
            "office_zone": settings.TIME_ZONE,
            "examples": self.examples,
        }


def first_id(since: datetime | None) -> uuid.UUID:
    """A key that is smaller than those of rows written from `since` on: keys grow with time."""
    if since is None:
        return uuid.UUID(int=0)
    milliseconds = int((since - CLOCKS_APART).timestamp() * 1000)
    return uuid.UUID(int=max(0, milliseconds) << 80)


def said(moment: str) -> str:
    """SQL that writes a moment in the office's time zone."""
    return f"to_char({moment} AT TIME ZONE %(office_zone)s, 'DD Mon YYYY HH24:MI:SS')"


# Attempts `a` that are looked at; the key spares reading those from before.
IN_SCOPE = "a.id >= %(since_id)s AND a.authorised_at >= %(since)s::timestamptz"

_COUNTED = """
    SELECT kind, key::text, what, count(*) OVER () FROM ({statement}) AS found (kind, key, what)
    ORDER BY key DESC LIMIT %(examples)s
"""


def find(scope: Scope, statement: str, **more: Any) -> Found:
    """Run a statement that selects the kind, key and words of each row that breaks a promise."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTED.format(statement=statement), {**scope.values(), **more})
        rows = cursor.fetchall()
    if not rows:
        return Found()
    return Found(int(rows[0][3]), tuple(Row(kind, key, what) for kind, key, what, _ in rows))
