"""All invariants at once, and their last result."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.db import connection, transaction

from messaging.audit.calls import unaccounted
from messaging.audit.consent import opted_out
from messaging.audit.facts import untold
from messaging.audit.finding import Found, Scope
from messaging.audit.ledger import loaded
from messaging.audit.limits import beyond_caps, out_of_hours
from messaging.audit.lost import lost
from messaging.audit.once import twice
from messaging.audit.schema import unguarded
from messaging.models import AuditRun

# What the nightly check looks at: each attempt seven times, and by the settings of its own week.
LOOK_BACK = timedelta(days=7)
KEPT = timedelta(days=400)  # so that last year's is there to compare with


@dataclass(frozen=True, slots=True)
class Invariant:
    """A promise, what to call the rows that break it, and what finds them."""

    code: str
    name: str
    promise: str
    fault: str
    check: Callable[[Scope], Found]


INVARIANTS = (
    Invariant(
        "I1",
        "twice",
        "every message was accepted once at most",
        "accepted twice, or may have been",
        twice,
    ),
    Invariant(
        "I2",
        "opt-out",
        "nobody was written to after an opt-out",
        "written to after an opt-out, or without consent",
        opted_out,
    ),
    Invariant("I3", "caps", "nobody got more than the caps allow", "beyond the caps", beyond_caps),
    Invariant(
        "I4",
        "quiet hours",
        "nothing went out outside sending hours",
        "outside sending hours",
        out_of_hours,
    ),
    Invariant(
        "I5",
        "lost",
        "nothing is lost, and all that ended says why",
        "lost, or ended without a reason",
        lost,
    ),
    Invariant(
        "I6",
        "ledger",
        "providers took what we say they took",
        "not the same in our books and the providers'",
        unaccounted,
    ),
    Invariant(
        "I7",
        "events",
        "every report is counted, in whatever order it came",
        "reports not counted, or counted wrongly",
        untold,
    ),
    Invariant(
        "I8",
        "schema",
        "the database itself refuses what must not be",
        "guards of the database that do not hold",
        unguarded,
    ),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one invariant found, and how long it took."""

    invariant: Invariant
    found: Found
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """As the last result is kept, and `--json` prints it."""
        return {
            "name": self.invariant.name,
            "promise": self.invariant.promise,
            "fault": self.invariant.fault,
            "count": self.found.count,
            "note": self.found.note,
            "seconds": round(self.seconds, 3),
            "examples": [asdict(row) for row in self.found.rows],
        }


def audit(
    now: datetime,
    since: datetime | None = None,
    ledgers: Sequence[Path] = (),
    covers: Sequence[str] = (),
) -> list[Outcome]:
    """Check every invariant, as of `now`; see Scope for `since` and `covers`.

    Each check is a statement or a few, and sees what is committed when it begins; a ledger is read
    first, so with one nothing should be under way. LedgerError: a ledger can't be read.
    """
    with transaction.atomic(), loaded(ledgers) as calls:
        return check(Scope(now, since, ledger_calls=calls, covers=tuple(covers)))


def check(scope: Scope) -> list[Outcome]:
    """The same with a scope of one's own. Within a transaction."""
    with connection.cursor() as cursor:
        # Whole tables are sorted and joined: in memory where they fit.
        cursor.execute("SET LOCAL work_mem = '64MB'")
    return [_timed(invariant, scope) for invariant in INVARIANTS]


def _timed(invariant: Invariant, scope: Scope) -> Outcome:
    began = time.perf_counter()
    found = invariant.check(scope)
    return Outcome(invariant, found, time.perf_counter() - began)


def keep(
    outcomes: Sequence[Outcome],
    started_at: datetime,
    finished_at: datetime,
    since: datetime | None = None,
) -> AuditRun:
    """Keep the result, for the dashboard, and forget those of long ago."""
    AuditRun.objects.filter(started_at__lt=started_at - KEPT).delete()
    return AuditRun.objects.create(
        started_at=started_at,
        finished_at=finished_at,
        since=since,
        result=as_json(outcomes),
    )


def as_json(outcomes: Sequence[Outcome]) -> dict[str, dict[str, Any]]:
    """What each invariant found, by its code."""
    return {outcome.invariant.code: outcome.as_json() for outcome in outcomes}


def audit_recent(clock: Callable[[], datetime]) -> AuditRun:
    """Check what the nightly check looks at, and keep the result; `clock` says what time it is."""
    started_at = clock()
    since = started_at - LOOK_BACK
    outcomes = audit(started_at, since)
    return keep(outcomes, started_at, clock(), since)
