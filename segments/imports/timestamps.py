"""Dates and times as files hold them -> aware datetimes.

Without a zone they are meant in settings.TIME_ZONE. Days come first in 05/01/2026, as in India.
"""

import re
from datetime import datetime

from django.utils import timezone

from segments.imports.values import BadValueError, Value

EXAMPLE = "write it like 2026-01-31 10:30 or 31/01/2026 10:30"
YEARS = range(1900, 2200)

_iso = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?: ?(?:Z|[+-]\d\d(?::?\d\d)?))?)?",
    re.ASCII,
)
_indian = re.compile(
    r"(\d{1,2})([/-])(\d{1,2})\2(\d{4})(?:,?[ T]+(\d{1,2}):(\d\d)(?::(\d\d))?(?: ?([AaPp][Mm]))?)?",
    re.ASCII,
)
# Without a zone PostgreSQL adds settings.TIME_ZONE, which the import makes its own for that long.
_plain = (
    r"20[0-9]{2}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?)?"
)


def parse_timestamp(cell: str) -> datetime:
    """The moment in `cell`; a date alone is its midnight. BadValueError for what is none."""
    try:
        moment = _read(cell)
    except ValueError:
        raise BadValueError(f"There is no such date or time: {EXAMPLE}.") from None
    if moment is None:
        raise BadValueError(f"Is not a date and time: {EXAMPLE}.")
    if moment.year not in YEARS:
        raise BadValueError(f"The year {moment.year} cannot be right.")
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.get_default_timezone())
    return moment


def show_timestamp(moment: datetime) -> str:
    """The cell of an export: ISO 8601 in settings.TIME_ZONE."""
    return moment.astimezone(timezone.get_default_timezone()).isoformat()


def _read(cell: str) -> datetime | None:
    """None for another form; ValueError for the right form with a 13th month or a 25th hour."""
    if _iso.fullmatch(cell):
        return datetime.fromisoformat(re.sub(r" (?=[Z+-])", "", cell))
    if parts := _indian.fullmatch(cell):
        day, _, month, year, hour, minute, second, half = parts.groups()
        return datetime(  # noqa: DTZ001  the caller adds the zone
            int(year), int(month), int(day), _hour(hour, half), int(minute or 0), int(second or 0)
        )
    return None


def _hour(hour: str | None, half: str | None) -> int:
    """The hour of 24; `half` is AM, PM or None."""
    if hour is None:
        return 0
    if half is None:
        return int(hour)
    if not 1 <= int(hour) <= 12:
        raise ValueError(hour)
    return int(hour) % 12 + (12 if half.lower() == "pm" else 0)


TIMESTAMP = Value(
    parse_timestamp,
    stored=datetime.isoformat,
    plain=_plain,
    check=datetime.fromisoformat,
    shown=show_timestamp,
)
