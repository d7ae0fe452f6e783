"""The rows within a form, when colleagues have added and deleted some while it was open."""

from __future__ import annotations

import re
from typing import Any

from django.http import QueryDict

Row = dict[str, list[str]]  # what is posted of it, by field


def put_together(posted: QueryDict, shown: Any, place: str = "") -> QueryDict:
    """The post, with the rows that were added meanwhile; those that were deleted as new ones.

    So whoever saves over a colleague's version sees all rows that there will be, and none vanishes
    unseen. `shown`: the formset as the page would show it now; `place`: the field by which its rows
    are ordered, if any, of which no two may be the same.
    """
    key = shown.model._meta.pk.name  # noqa: SLF001  Django's own name
    found = _rows(posted, shown.prefix)
    there = {str(form.instance.pk): form for form in shown.initial_forms}
    keys = [_text(row, key) for row in found]
    theirs = [form for pk, form in there.items() if pk not in keys]
    gone = [row for row, pk in zip(found, keys, strict=True) if pk and pk not in there]
    if not (theirs or gone):
        return posted
    initial = [row for row, pk in zip(found, keys, strict=True) if pk in there]
    initial += [_values(form) for form in theirs]
    new = [{**row, key: [""]} for row in gone if not _text(row, "DELETE")]
    new += [row for row, pk in zip(found, keys, strict=True) if not pk]
    _number([*initial, *new], place)
    return _written(posted, shown.prefix, initial, new)


def _number(rows: list[Row], place: str) -> None:
    """From 1, in the order that they have; a row without a place goes last as ever."""
    placed = [row for row in rows if _text(row, place).isdecimal()]
    for number, row in enumerate(sorted(placed, key=lambda row: int(_text(row, place))), start=1):
        row[place] = [str(number)]


def _text(row: Row, name: str) -> str:
    return (row.get(name) or [""])[-1]


def _rows(posted: QueryDict, prefix: str) -> list[Row]:
    """In the order of the page; without the blank one that scripts copy."""
    found: dict[int, Row] = {}
    field = re.compile(rf"{re.escape(prefix)}-([0-9]{{1,4}})-(\w+)")
    for name, values in posted.lists():
        if match := field.fullmatch(name):
            found.setdefault(int(match[1]), {})[match[2]] = [str(value) for value in values]
    return [found[number] for number in sorted(found)]


def _values(form: Any) -> Row:
    """As a page would post it unchanged."""
    told = {name: form[name].value() for name in form.fields if name != "DELETE"}
    return {name: ["" if value is None else str(value)] for name, value in told.items()}


def _written(posted: QueryDict, prefix: str, initial: list[Row], new: list[Row]) -> QueryDict:
    field = re.compile(rf"{re.escape(prefix)}-[0-9]+-\w+")
    made = posted.copy()
    for name in [name for name in made if field.fullmatch(name)]:
        del made[name]
    for number, row in enumerate([*initial, *new]):
        for name, values in row.items():
            made.setlist(f"{prefix}-{number}-{name}", values)
    made[f"{prefix}-TOTAL_FORMS"] = str(len(initial) + len(new))
    made[f"{prefix}-INITIAL_FORMS"] = str(len(initial))
    return made
