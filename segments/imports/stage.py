"""The rows of a file in a temporary table, and the SQL that speaks of them."""

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import IO, Any

from django.conf import settings
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from segments.imports.convert import BlockConverter, Rejection
from segments.imports.kinds import Column, Kind, Sql
from segments.imports.reader import Table
from segments.imports.tables import column_type, table, target_column
from segments.imports.values import escape_formula

STAGE = sql.Identifier("import_stage")
REJECTED = sql.Identifier("import_rejected")
VALUE_LENGTH = 200
SPOOL_BYTES = 1 << 20


@dataclass(frozen=True)
class Stage:
    """Names of one import's SQL: `s` is the staged row, `t` the row of the table that it is about,
    `r_doctor_id` the row that the column doctor_id refers to."""

    kind: Kind
    columns: Sequence[Column]  # those that the file gives
    place: str = "line"  # what the number of a row counts, as problems name it

    @property
    def table(self) -> Sql:
        """The table that is imported into."""
        return table(self.kind.model)

    @property
    def key(self) -> list[Column]:
        """The columns that find `t`."""
        return [self.kind.column(name) for name in self.kind.key]

    def new(self, column: Column) -> Sql:
        """The value that the file gives: of a reference, the primary key."""
        if column.refers_to is None:
            return sql.Identifier("s", column.name)
        return sql.Identifier(f"r_{column.name}", "id")

    def old(self, column: Column) -> Sql:
        """The value that the table has."""
        return target_column(self.kind.model, column.attribute)

    def merged(self, name: str) -> Sql:
        """The value after the import, by the column's name."""
        column = self.kind.column(name)
        return self.new(column) if column in self.columns else self.old(column)

    def shown(self, column: Column) -> Sql:
        """The file's value as a person reads it."""
        cell = sql.Identifier("s", column.name)
        if column_type(column, self.kind).startswith("timestamp"):
            zone = sql.Literal(settings.TIME_ZONE)
            return sql.SQL("to_char({} AT TIME ZONE {}, 'YYYY-MM-DD HH24:MI:SS')").format(
                cell, zone
            )
        return sql.SQL("{}::text").format(cell)

    def source(self, target_join: str = "LEFT JOIN") -> Sql:
        """FROM clause: staged rows, what they refer to, and the rows that they are about."""
        same = sql.SQL(" AND ").join(
            sql.SQL("{} = {}").format(self.old(column), self.new(column)) for column in self.key
        )
        target = sql.SQL("{} {} AS t ON {}").format(sql.SQL(target_join), self.table, same)
        return sql.SQL("{} {}").format(self.referring(), target)

    def referring(self) -> Sql:
        """FROM clause: staged rows, and what they refer to."""
        parts: list[Sql] = [sql.SQL("{} AS s").format(STAGE)]
        parts.extend(
            sql.SQL("LEFT JOIN {} AS {} ON {} = {}").format(
                table(column.refers_to),
                sql.Identifier(f"r_{column.name}"),
                sql.Identifier(f"r_{column.name}", "external_id"),
                sql.Identifier("s", column.name),
            )
            for column in self.columns
            if column.refers_to is not None
        )
        return sql.SQL(" ").join(parts)


def create_tables(cursor: CursorWrapper, stage: Stage) -> None:
    """Make the temporary tables; they go with the transaction."""
    cursor.execute(sql.SQL("DROP TABLE IF EXISTS {}, {}").format(STAGE, REJECTED))
    columns = [
        sql.SQL("{} {}").format(
            sql.Identifier(column.name), sql.SQL(column_type(column, stage.kind))
        )
        for column in stage.columns
    ]
    cursor.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} (line integer, {}) ON COMMIT DROP").format(
            STAGE, sql.SQL(", ").join(columns)
        )
    )
    cursor.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {} (line integer, field text, value text, problem text) "
            "ON COMMIT DROP"
        ).format(REJECTED)
    )


def fill_tables(
    cursor: CursorWrapper, stage: Stage, source: Table, converter: BlockConverter
) -> None:
    """Copy the rows of the file that are right into the one table, the others into the other.

    PostgreSQL takes rows in while Python prepares the next ones.
    """
    with tempfile.SpooledTemporaryFile(
        SPOOL_BYTES, mode="w+", encoding="utf-8", newline=""
    ) as spool:
        writer = csv.writer(spool, quoting=csv.QUOTE_ALL)
        names = sql.SQL(", ").join(
            [sql.Identifier("line"), *(sql.Identifier(c.name) for c in stage.columns)]
        )
        into = sql.SQL("COPY {} ({}) FROM STDIN").format(STAGE, names)
        with _local_time(cursor), _copy(cursor, into) as copy:
            for block in source.blocks:
                text, rejections = converter.convert(block)
                copy.write(text)
                writer.writerows(map(_readable, rejections))
        # Nobody else will: autovacuum does not see temporary tables. A small sample is enough.
        cursor.execute("SET LOCAL default_statistics_target = 10")
        cursor.execute(sql.SQL("ANALYZE {}").format(STAGE))
        spool.seek(0)
        with _copy(cursor, sql.SQL("COPY {} FROM STDIN (FORMAT csv)").format(REJECTED)) as copy:
            for part in _parts(spool):
                copy.write(part)


@contextmanager
def _local_time(cursor: CursorWrapper) -> Iterator[None]:
    """Times without a zone are meant in settings.TIME_ZONE; Django's own connection has UTC."""
    cursor.execute("SELECT current_setting('TimeZone')")
    zone = cursor.fetchone()[0]
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [settings.TIME_ZONE])
    yield  # after an error the transaction's end takes it back
    cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])


def _copy(cursor: CursorWrapper, statement: Sql) -> AbstractContextManager[Any]:
    copy: Callable[[Sql], AbstractContextManager[Any]] = cursor.copy
    return copy(statement)


def _parts(spool: IO[str]) -> Iterator[str]:
    while part := spool.read(1 << 16):
        yield part


def _readable(rejection: Rejection) -> Rejection:
    """With a value that is short, printable, and harmless in a spreadsheet."""
    value = "".join(c if c.isprintable() else "�" for c in rejection.value[: VALUE_LENGTH + 1])
    if len(value) > VALUE_LENGTH:
        value = f"{value[: VALUE_LENGTH - 2]}…"
    return rejection._replace(value=escape_formula(value))
