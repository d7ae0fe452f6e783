"""What can be imported: a kind of file has columns, a natural key, and rules across columns.

Applications register their kinds (`register`), so that the importer knows none of them by name.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import models
from psycopg import sql

from segments.imports.values import Value

Sql = sql.Composable
# The SQL of a column's value as it will stand after the import.
Merged = Callable[[str], Sql]


@dataclass(frozen=True)
class Column:
    """One column of a file.

    `field` names the model's field where it is called otherwise. With `refers_to` the cell
    holds the external_id of a row of that model, and the field is the foreign key to it.
    An optional column may be absent: then rows that exist keep their value.
    """

    name: str
    value: Value
    help: str
    required: bool = False
    field: str = ""
    refers_to: type[models.Model] | None = None

    @property
    def attribute(self) -> str:
        """Name of the model's field."""
        return self.field or self.name


class Check(Protocol):
    """A rule about `columns`: where `wrong` or `broken` is true, `problem` is told about the first.

    A file with none of the columns cannot break it.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """What it is about."""

    @property
    def problem(self) -> str:
        """What to tell."""

    def wrong(self, merged: Merged, /) -> Sql:
        """SQL condition of a broken rule; NULL counts as false."""

    def broken(self, instance: Any, /) -> bool:
        """The same for a model instance."""


@dataclass(frozen=True)
class NotBefore:
    """`column` is not earlier than `than` (`strictly`: is later). A missing one breaks nothing."""

    column: str
    than: str
    problem: str
    strictly: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """What it is about."""
        return (self.column, self.than)

    def wrong(self, merged: Merged) -> Sql:
        """SQL condition of a broken rule."""
        compare = sql.SQL("<=" if self.strictly else "<")
        return sql.SQL("{} {} {}").format(merged(self.column), compare, merged(self.than))

    def broken(self, instance: Any) -> bool:
        """The same for a model instance."""
        moment, earliest = getattr(instance, self.column), getattr(instance, self.than)
        compare = operator.le if self.strictly else operator.lt
        return moment is not None and earliest is not None and bool(compare(moment, earliest))


@dataclass(frozen=True)
class ExactlyOne:
    """One of `columns`, which hold foreign keys' ids, is filled; not several and not none."""

    columns: tuple[str, ...]
    problem: str

    def wrong(self, merged: Merged) -> Sql:
        """SQL condition of a broken rule."""
        filled = sql.SQL(", ").join(map(merged, self.columns))
        return sql.SQL("num_nonnulls({}) <> 1").format(filled)

    def broken(self, instance: Any) -> bool:
        """The same for a model instance."""
        return sum(getattr(instance, column) is not None for column in self.columns) != 1


@dataclass(frozen=True)
class Shape:
    """Makes the columns that are stored from those that a file may have instead.

    A header has either `instead` or all of `makes`. `apply` gets the cells of some rows by
    column and changes the mapping.
    """

    makes: tuple[str, ...]
    instead: str
    apply: Callable[[dict[str, Sequence[str]]], None]


@dataclass(frozen=True)
class Address:
    """Addresses that reach one person only: no two rows of the table share one.

    `columns` share one space of addresses (a phone is nobody else's WhatsApp number).
    """

    columns: tuple[str, ...]
    any_case: bool = False  # the table may hold it in capitals; parsed cells are in lower case


@dataclass(frozen=True)
class Kind:
    """A kind of file. `key` names the columns that tell which row of the table a line is about."""

    name: str
    model: type[models.Model]
    label: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    addresses: tuple[Address, ...] = ()
    shape: Shape | None = None
    run_field: str = ""  # the model's foreign key to the ImportRun
    changes_consent: bool = False  # each row written raises Doctor.consent_version

    def column(self, name: str) -> Column:
        """The column of that name; KeyError for another."""
        return self._by_name[name]

    @property
    def _by_name(self) -> dict[str, Column]:
        return {column.name: column for column in self.columns}

    @property
    def header(self) -> tuple[str, ...]:
        """Names of the columns, as `import_csv --columns` shows them."""
        return tuple(column.name for column in self.columns)

    @property
    def stored(self) -> tuple[Column, ...]:
        """The columns that the table has, too."""
        instead = self.shape.instead if self.shape else ""
        return tuple(column for column in self.columns if column.name != instead)


KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> Kind:
    """Make a kind known to `import_csv` and to the admin."""
    KINDS[kind.name] = kind
    return kind
