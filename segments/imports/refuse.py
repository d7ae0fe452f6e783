"""Rows about people who asked to be erased: refused, and nothing of them is repeated."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from segments import erased
from segments.erased import LostKeyError, Register
from segments.imports.header import ImportFileError
from segments.imports.kinds import Column, Kind
from segments.imports.stage import REJECTED, STAGE, Stage
from segments.imports.tables import table, target_column
from segments.models import Doctor, ErasedPerson


def naming(kind: Kind) -> dict[str, str]:
    """Columns of a kind of file that name a doctor, and what sort of name each is."""
    if kind.model is Doctor:
        return {
            c.name: erased.NAMES[c.attribute] for c in kind.stored if c.attribute in erased.NAMES
        }
    return {c.name: erased.ID for c in kind.stored if c.refers_to is Doctor}


def register() -> Register:
    """Who was erased. ImportFileError: that cannot be told, so nothing is imported."""
    try:
        return erased.register()
    except LostKeyError as error:
        raise ImportFileError(str(error)) from None


def reject_erased(cursor: CursorWrapper, stage: Stage) -> None:
    """Move staged rows of erased people to the rejected ones, without their values.

    What the file says of them is dropped from the other rejections of their lines, too. Costs one
    query where nobody was ever erased or the file names no doctors.
    """
    names = naming(stage.kind)
    columns = [column for column in stage.columns if column.name in names]
    if not columns or not (people := register()):
        return
    found = list(_found(cursor, stage, columns, people))
    if not found:
        return
    lines = [line for line, _, _ in found]
    cursor.execute(
        sql.SQL("UPDATE {} SET value = '' WHERE line = ANY(%s)").format(REJECTED), [lines]
    )
    cursor.execute(
        sql.SQL(
            "INSERT INTO {} SELECT line, field, '', problem "
            "FROM unnest(%s::int[], %s::text[], %s::text[]) AS found (line, field, problem)"
        ).format(REJECTED),
        [*map(list, zip(*found, strict=True))],
    )
    cursor.execute(sql.SQL("DELETE FROM {} WHERE line = ANY(%s)").format(STAGE), [lines])


def _found(
    cursor: CursorWrapper, stage: Stage, columns: list[Column], people: Register
) -> Iterator[tuple[int, str, str]]:
    """Line, column and words of each row about somebody who was erased, once a row."""
    names = naming(stage.kind)
    kinds = [names[column.name] for column in columns]
    for line, *cells in _rows(cursor, stage, columns):
        for column, kind, cell in zip(columns, kinds, cells, strict=True):
            if cell and (at := people.when(kind, cell)):
                yield int(line or 0), column.name, erased.refused(at)
                break


def _rows(
    cursor: CursorWrapper, stage: Stage, columns: list[Column]
) -> Iterator[tuple[str | None, ...]]:
    """Line and names of the staged rows that may be about somebody who was erased.

    Not those that say of a doctor what is known: hashing takes as long as writing the row.
    """
    shown = sql.SQL(", ").join(sql.Identifier("s", column.name) for column in columns)
    if stage.kind.model is Doctor:
        source, owner = stage.source(), target_column(Doctor, "id")
        is_new = sql.SQL("({}) IS DISTINCT FROM ({})").format(
            shown, sql.SQL(", ").join(map(stage.old, columns))
        )
    else:
        source, owner = stage.referring(), stage.new(columns[0])
        is_new = sql.SQL("{} IS NULL").format(owner)
    query = sql.SQL(
        "SELECT s.line, {shown} FROM {source} "
        "WHERE {is_new} OR {owner} IN (SELECT doctor_id FROM {erased})"
    ).format(shown=shown, source=source, is_new=is_new, owner=owner, erased=table(ErasedPerson))
    copying: AbstractContextManager[Any] = cursor.copy(sql.SQL("COPY ({}) TO STDOUT").format(query))
    with copying as copy:
        yield from copy.rows()
