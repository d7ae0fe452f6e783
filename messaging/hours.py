"""Hours of the day in which messages may go out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Hours:
    """Open from `opens` up to, not including, `closes`: local times of one day."""

    opens: time
    closes: time


def common(windows: Iterable[Hours]) -> Hours | None:
    """The hours that all windows share; None where there are none."""
    windows = list(windows)
    shared = Hours(max(w.opens for w in windows), min(w.closes for w in windows))
    return shared if shared.opens < shared.closes else None


def next_open(start: datetime, hours: Hours, zone: tzinfo) -> datetime:
    """First moment from `start` (aware) on at which `hours` are open in `zone`; in UTC."""
    local = start.astimezone(zone)
    clock = local.time()
    if hours.opens <= clock < hours.closes:
        return start
    day = local.date() if clock < hours.opens else local.date() + timedelta(days=1)
    return datetime.combine(day, hours.opens, tzinfo=zone).astimezone(UTC)
