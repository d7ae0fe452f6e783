"""What the definitions share: facts by `now`, the doctor's own variables, and how values read.

Texts are Indian English: 3 December 2026, 1,25,000 doctors, 1 hour 20 minutes. A helper gives
'' where there is nothing to say; `filled` then leaves the variable out.
"""

from __future__ import annotations

import functools
import math
import zoneinfo
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar
from urllib.parse import quote

from django.conf import settings
from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Subquery

from segments.imports.names import complete_names
from segments.models import Doctor
from segments.models.doctor import DEFAULT_TIMEZONE

M = TypeVar("M", bound=Model)

MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAY = timedelta(days=1)


def platform_url(*parts: str) -> str:
    """A page of the platform. Each part is one step of its path, whatever characters it has."""
    return "/".join((settings.PLATFORM_BASE_URL, *(quote(part, safe="") for part in parts)))


def not_by(field: str, now: datetime) -> Q:
    """What has not happened by `now`: no date, or a later one, which a replay must not see."""
    return Q(**{f"{field}__isnull": True}) | Q(**{f"{field}__gt": now})


def since_enrollment(field: str, now: datetime) -> Q:
    """Inside a subquery over enrolments: happened after the doctor was enrolled and by `now`."""
    return Q(**{f"{field}__gt": OuterRef("enrolled_at"), f"{field}__lte": now})


def with_first_return(enrollments: QuerySet[M], returns: QuerySet[Any], moment: str) -> QuerySet[M]:
    """Enrolments that have a row in `returns`, annotated with the first one's `moment`.

    The condition is an EXISTS of its own, which PostgreSQL can do as a join; the subquery for
    the moment then runs for the few that returned.
    """
    back: QuerySet[Any, Any] = enrollments.filter(Exists(returns))
    first = Subquery(returns.order_by(moment).values(moment)[:1])
    dated: QuerySet[M] = back.annotate(returned_at=first)
    return dated


def members(rows: QuerySet[Any, Any]) -> QuerySet[Any, dict[str, Any]]:
    """Annotated rows as `Definition.eligible` gives them."""
    return rows.values("doctor_id", "subject", "inactive_since", "rank", "segment_data")


class CountedList(list[dict[str, Any]]):
    """A list whose text is its length: “{{remaining_modules}} modules left” and a section."""

    def __str__(self) -> str:
        return str(len(self))


@dataclass(frozen=True, slots=True)
class Reader:
    """The doctor who reads the message."""

    variables: dict[str, Any]  # those of every segment
    zone: zoneinfo.ZoneInfo
    specialty: str
    location: str


DOCTOR_VARIABLE_NAMES = frozenset({"first_name", "last_name", "user_id", "specialty", "location"})


def readers(doctor_ids: Collection[int]) -> dict[int, Reader]:
    """The doctors by id, in one query; an id that is gone is left out."""
    rows = Doctor.objects.filter(pk__any_of=doctor_ids).values_list(
        "pk", "external_id", "first_name", "last_name", "specialty", "location", "timezone"
    )
    found = {}
    for pk, external_id, first_name, last_name, specialty, location, zone in rows.order_by():
        # A doctor with a single name is addressed by it wherever a text wants a name.
        first, last = complete_names(first_name, last_name)
        values = {
            "first_name": first,
            "last_name": last,
            "user_id": external_id,
            "specialty": specialty,
            "location": location,
        }
        found[pk] = Reader(filled(values), time_zone(zone), specialty, location)
    return found


@functools.cache
def time_zone(name: str) -> zoneinfo.ZoneInfo:
    """The zone of that name, or the default zone where the name is unknown."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError):
        return zoneinfo.ZoneInfo(DEFAULT_TIMEZONE)


def filled(values: Mapping[str, Any]) -> dict[str, Any]:
    """The variables that have a value: not None, not '' and not an empty list."""
    return {name: value for name, value in values.items() if value}


def numbered(pattern: str, values: Sequence[str], count: int) -> dict[str, str]:
    """Variables such as key_point_1, key_point_2 for a `pattern` such as key_point_{}."""
    return {pattern.format(place): value for place, value in enumerate(values[:count], start=1)}


def date_text(moment: datetime, zone: zoneinfo.ZoneInfo) -> str:
    """The day in `zone`, such as 3 December 2026."""
    local = moment.astimezone(zone)
    return f"{local.day} {MONTHS[local.month - 1]} {local.year}"


def days_left(until: datetime | None, now: datetime) -> str:
    """Days from `now`, a part of one counting as one; '' without an end or after it."""
    if until is None or until <= now:
        return ""
    return str(math.ceil((until - now) / DAY))


def end_text(until: datetime | None, now: datetime, zone: zoneinfo.ZoneInfo) -> str:
    """The day on which something ends; '' without an end or after it."""
    return "" if until is None or until <= now else date_text(until, zone)


def decimal_text(value: Decimal | float | None, places: int = 1) -> str:
    """A number without needless zeros: 4, 2.5; '' for none and for nought."""
    if not value:
        return ""
    text = f"{value:.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def duration_text(minutes: int) -> str:
    """2 hours, 45 minutes, 1 hour 20 minutes; '' for nought."""
    hours, rest = divmod(minutes, 60)
    parts = [(hours, "hour"), (rest, "minute")]
    return " ".join(f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in parts if n)


def count_text(number: int) -> str:
    """A count in Indian grouping, 1,25,000; '' for nought: “0 doctors” persuades nobody."""
    if number <= 0:
        return ""
    head, tail = divmod(number, 1000)
    if not head:
        return str(tail)
    groups = [f"{tail:03}"]
    while head >= 100:
        head, pair = divmod(head, 100)
        groups.append(f"{pair:02}")
    return ",".join([str(head), *reversed(groups)])
