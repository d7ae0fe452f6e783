"""Staged rows -> the table: what changed is updated, what is new is inserted, set-based.

Rows that stay as they are get neither written nor locked.
"""

from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, models
from django.db.backends.utils import CursorWrapper
from psycopg import sql

from segments.imports.kinds import Column, Sql
from segments.imports.stage import STAGE, Stage
from segments.imports.tables import all_fields, column_of, table
from segments.models import Doctor, ImportRun


class Written(NamedTuple):
    """How many rows were written."""

    created: int
    updated: int


def drop_unchanged(cursor: CursorWrapper, stage: Stage) -> int:
    """Take rows off the stage that say what the table says; returns how many."""
    changing = _changing(stage)
    same = sql.SQL("({}) IS NOT DISTINCT FROM ({})").format(
        sql.SQL(", ").join(map(stage.old, changing)), sql.SQL(", ").join(map(stage.new, changing))
    )
    # By place and not by a join: the planner thinks that hardly any row is the same.
    cursor.execute(
        sql.SQL("DELETE FROM {} WHERE ctid = ANY (ARRAY(SELECT s.ctid FROM {} WHERE {}))").format(
            STAGE, stage.source("JOIN"), same if changing else sql.SQL("true")
        )
    )
    return int(cursor.rowcount)


def upsert_rows(cursor: CursorWrapper, stage: Stage, run: ImportRun, now: datetime) -> Written:
    """Write the staged rows. A unique violation means that somebody else wrote meanwhile."""
    if stage.kind.changes_consent:
        _lock_doctors(cursor)
    updated = _update(cursor, stage, run, now)
    return Written(_insert(cursor, stage, run, now), updated)


def _changing(stage: Stage) -> list[Column]:
    """The columns that a row may change."""
    return [column for column in stage.columns if column not in stage.key]


def _update(cursor: CursorWrapper, stage: Stage, run: ImportRun, now: datetime) -> int:
    """Rows are locked in the order of their ids, as every writer does."""
    changing = _changing(stage)
    if not changing:
        return 0
    names = [sql.Identifier(column.name) for column in changing]
    stamps = _stamps(stage, run, now)
    assignments = [
        *(
            sql.SQL("{} = changed.{}").format(_target(stage, column.attribute), name)
            for column, name in zip(changing, names, strict=True)
        ),
        *(sql.SQL("{} = %s").format(_target(stage, field)) for field in stamps),
    ]
    statement = sql.SQL(
        "WITH changed AS (SELECT t.id, {news} FROM {source} "
        "ORDER BY t.id FOR NO KEY UPDATE OF t) "
        "UPDATE {table} AS t SET {assignments} FROM changed WHERE t.id = changed.id"
    ).format(
        news=sql.SQL(", ").join(
            sql.SQL("{} AS {}").format(stage.new(column), name)
            for column, name in zip(changing, names, strict=True)
        ),
        source=stage.source("JOIN"),
        table=stage.table,
        assignments=sql.SQL(", ").join(assignments),
    )
    return _write(cursor, statement, list(stamps.values()))


def _insert(cursor: CursorWrapper, stage: Stage, run: ImportRun, now: datetime) -> int:
    given = {column.attribute: stage.new(column) for column in stage.columns}
    constants = {**_defaults(stage, given), **_stamps(stage, run, now)}
    statement = sql.SQL(
        "INSERT INTO {table} AS t ({names}) SELECT {values} FROM {source} WHERE t.id IS NULL"
    ).format(
        table=stage.table,
        names=sql.SQL(", ").join(_target(stage, name) for name in [*given, *constants]),
        values=sql.SQL(", ").join([*given.values(), *(sql.SQL("%s") for _ in constants)]),
        source=stage.source(),
    )
    return _write(cursor, statement, list(constants.values()))


def _write(cursor: CursorWrapper, statement: Sql, params: list[Any]) -> int:
    """Execute it and return how many rows it wrote."""
    cursor.execute(statement, params)
    return int(cursor.rowcount)


def _lock_doctors(cursor: CursorWrapper) -> None:
    """As every change of consent does, before its own rows; the database raises their counters."""
    cursor.execute(
        sql.SQL(
            "SELECT FROM {} WHERE external_id IN (SELECT doctor_id FROM {}) "
            "ORDER BY id FOR NO KEY UPDATE"
        ).format(table(Doctor), STAGE)
    )


def _target(stage: Stage, name: str) -> Sql:
    """The table's column of that field."""
    return column_of(stage.kind.model, name)


def _stamps(stage: Stage, run: ImportRun, now: datetime) -> dict[str, Any]:
    """Fields that every write sets, by name."""
    stamps: dict[str, Any] = {
        field.name: now
        for field in all_fields(stage.kind.model)
        if isinstance(field, models.DateTimeField) and field.auto_now
    }
    if stage.kind.run_field:
        stamps[stage.kind.run_field] = run.pk
    return stamps


def _defaults(stage: Stage, given: dict[str, Sql]) -> dict[str, Any]:
    """Values of new rows for the fields that the file does not give, by name."""
    return {
        field.name: field.get_db_prep_save(field.get_default(), connection)
        for field in all_fields(stage.kind.model)
        if field.name not in given
        and not (field.primary_key or field.null or field.has_db_default())
    }
