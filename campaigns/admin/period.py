"""Which days a page of figures is about: the last 7, 30 or 90, or from one day to another."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.http import QueryDict
from django.utils.dateparse import parse_date
from django.utils.http import urlencode

RANGES = (7, 30, 90)
# A chart of more days has bars too thin to see, and the roll-up more rows than a page can wait for.
MOST_DAYS = 730


@dataclass(frozen=True, slots=True)
class Period:
    """Days, both ends included; `days` is None where they were chosen one by one."""

    first: date
    last: date
    days: int | None = None
    problem: str = ""

    @property
    def query(self) -> str:
        """What an address says to get the same period."""
        if self.days:
            return urlencode({"days": self.days})
        return urlencode({"from": self.first.isoformat(), "to": self.last.isoformat()})


def period(query: QueryDict, today: date, default: Period) -> Period:
    """The period that an address names; what it gets wrong is said in `problem`."""
    days = query.get("days", "")
    if days in map(str, RANGES):
        return last_days(int(days), today)
    if not (query.get("from") or query.get("to")):
        return default
    first, last = _date(query.get("from")), _date(query.get("to"))
    if (first is None and query.get("from")) or (last is None and query.get("to")):
        return _with(default, "That is not a date. Write it like 2026-03-04.")
    last = min(last or today, today)
    first = first or last - timedelta(days=29)
    if first > last:
        return _with(default, "The first day must not be after the last one, nor after today.")
    if (last - first).days >= MOST_DAYS:
        return _with(default, f"Choose {MOST_DAYS} days at most.")
    return Period(first, last)


def last_days(days: int, today: date) -> Period:
    """So many days, of which today is the last."""
    return Period(today - timedelta(days=days - 1), today, days)


def _date(text: str | None) -> date | None:
    try:
        return parse_date(text or "")
    except ValueError:  # the 31st of February
        return None


def _with(default: Period, problem: str) -> Period:
    return Period(default.first, default.last, default.days, problem)
