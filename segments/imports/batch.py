"""Import of a batch of rows that a program reports: as a file's, with the same rules and words.

A row is named by its place in the batch, from 0. Good rows go in, each bad one is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import connection, transaction

from segments.imports.bulk import take_over
from segments.imports.convert import EMPTY, Rejection
from segments.imports.header import ImportFileError, meant, missing_columns, quoted
from segments.imports.kinds import KINDS, Kind
from segments.imports.reader import Block, Table
from segments.imports.report import rejections
from segments.imports.values import LIST_SEPARATOR
from segments.imports.xlsx import cell_text
from segments.models import ImportRun

MOST_ROWS = 1000
PLACE = "row"
NO_VALUE = "Is no plain value: send a text, a number or null."
# What would otherwise be stored as the text "yes", or as all parts in one text.
NO_TRUTH = "Is true or false, which this field does not hold: send a text, a number or null."
NO_LIST = "Is a list, and this field holds one value: send a text, a number or null."
NO_ROW = "Is no row: send an object of fields and values."
UNEVEN = (
    "Is missing here, and other rows of the batch have it: give it in every row, null where it is "
    "empty, or send the rows that leave it as it is in a batch of their own."
)


@dataclass(slots=True)
class Imported:
    """What became of the rows; `rejections`: their `line` is the place in the batch, from 0."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejections: list[Rejection] = field(default_factory=list)

    @property
    def rejected(self) -> int:
        """Rows that were left out; one may have several problems."""
        return len({rejection.line for rejection in self.rejections})


@transaction.atomic
def import_rows(
    kind_name: str,
    rows: Sequence[Any],
    *,
    now: datetime,
    started_by: AbstractBaseUser | None = None,
) -> Imported:
    """Import rows of the kind; KeyError for a kind that nobody registered.

    All rows have the same fields: one that is absent leaves what is stored, null empties it.
    ImportFileError: with the fields given, none of the rows can be imported. The number of queries
    does not grow with the rows.
    """
    kind = KINDS[kind_name]
    told: list[Rejection] = []
    whole = _even(dict(_known(kind, rows, told)), told)
    if not whole:
        return Imported(rejections=sorted(told))
    names = _columns(kind, next(iter(whole.values())))
    run = ImportRun(kind=kind.name, file_name="", started_at=now, started_by_id=_key(started_by))
    if kind.run_field:  # a row that proves something says where it came from
        run.file_name = "API"
        run.save()
    with connection.cursor() as cursor:
        take_over(cursor, kind, Table(names, iter([_block(whole, names)])), run, now, place=PLACE)
        told += rejections(cursor)
    if run.pk:
        run.finished_at = now
        run.save(update_fields=["created", "updated", "unchanged", "rejected", "finished_at"])
    return Imported(run.created, run.updated, run.unchanged, sorted(told))


def _key(user: AbstractBaseUser | None) -> int | None:
    return user.pk if user else None


def _known(
    kind: Kind, rows: Sequence[Any], told: list[Rejection]
) -> Iterable[tuple[int, dict[str, str]]]:
    """The rows that have fields of the kind and plain values, as cells by place."""
    for place, row in enumerate(rows):
        if not isinstance(row, Mapping):
            told.append(Rejection(place, "", "", NO_ROW))
            continue
        wrong = list(_wrong(kind, place, row))
        cells = {} if wrong else {name: _cell(value) for name, value in row.items()}
        if not wrong and not any(cells.values()):
            wrong = [Rejection(place, "", "", EMPTY)]
        told.extend(wrong)
        if not wrong:
            yield place, cells


def _wrong(kind: Kind, place: int, row: Mapping[str, Any]) -> Iterable[Rejection]:
    for name, value in row.items():
        if name not in kind.header:
            problem = f"Unknown field {quoted(name)}{meant(name, kind)}."
            yield Rejection(
                place, quoted(name)[1:-1], "", f"{problem} Leave it out, or correct it."
            )
        elif isinstance(value, bool) and kind.column(name).value.takes is not bool:
            yield Rejection(place, name, "", NO_TRUTH)
        elif isinstance(value, list) and kind.column(name).value.takes is not list:
            yield Rejection(place, name, "", NO_LIST)
        elif isinstance(value, list):
            if any(not isinstance(part, str) or LIST_SEPARATOR in part for part in value):
                problem = f"Is no list of texts without “{LIST_SEPARATOR}”: correct it."
                yield Rejection(place, name, "", problem)
        elif isinstance(value, Mapping):
            yield Rejection(place, name, "", NO_VALUE)


def _cell(value: Any) -> str:
    """As a spreadsheet would hold it. Half characters become the mark of a lost one."""
    text = f" {LIST_SEPARATOR} ".join(value) if isinstance(value, list) else cell_text(value)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _even(rows: dict[int, dict[str, str]], told: list[Rejection]) -> dict[int, dict[str, str]]:
    """The rows that have all fields that any of them has."""
    names = dict.fromkeys(name for row in rows.values() for name in row)
    even = {}
    for place, row in rows.items():
        absent = [name for name in names if name not in row]
        told.extend(Rejection(place, name, "", UNEVEN) for name in absent)
        if not absent:
            even[place] = row
    return even


def _columns(kind: Kind, row: Mapping[str, str]) -> list[str]:
    """The fields given, and those that are needed: each row is told that it lacks them."""
    made = set(kind.shape.makes) if kind.shape else set()
    needed = [c.name for c in kind.columns if c.required and c.name not in made]
    names = list(dict.fromkeys([*row, *needed]))
    if problems := missing_columns(names, kind):
        listed = "; ".join(problems).replace("column", "field")
        raise ImportFileError(
            f"The rows do not fit {kind.name}: {listed}. Its fields are: {', '.join(kind.header)}."
        )
    return names


def _block(rows: Mapping[int, Mapping[str, str]], names: Sequence[str]) -> Block:
    cells = [[row.get(name, "") for name in names] for row in rows.values()]
    return Block(cells, list(rows), [])
