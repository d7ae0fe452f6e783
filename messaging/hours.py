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
    """First moment from `start` (aware) on at which the clock of `zone` shows open `hours`.

    `start` itself where it is open, else a time in UTC. Where the clock is put forward over the
    opening hour, that is the moment of the change, or another day's opening if the change leaves
    nothing of the window; where it is put back, the hours it shows twice are open twice.
    """
    local = start.astimezone(zone)
    clock = local.time()
    if hours.opens <= clock < hours.closes:
        return start
    day = local.date() if clock < hours.opens else local.date() + timedelta(days=1)
    wait = datetime.combine(day, hours.opens, tzinfo=zone) - local  # by the clock on the wall
    opens = start.astimezone(UTC) + wait
    if opens.astimezone(zone).utcoffset() == local.utcoffset():
        return opens
    return next_open(_clock_change(start, opens, zone), hours, zone)


def _clock_change(start: datetime, end: datetime, zone: tzinfo) -> datetime:
    """When, after `start` and up to `end`, the clock of `zone` is put forward or back; in UTC."""

    def offset(second: int) -> timedelta | None:
        return datetime.fromtimestamp(second, zone).utcoffset()

    before, after = int(start.timestamp()), int(end.timestamp())
    while after - before > 1:
        middle = (before + after) // 2
        if offset(middle) == offset(before):
            before = middle
        else:
            after = middle
    return datetime.fromtimestamp(after, UTC)
