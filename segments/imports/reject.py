"""Staged rows that cannot be imported, found by one statement per rule."""

from collections.abc import Iterator

from django.db.backends.utils import CursorWrapper
from psycopg import sql

from segments.imports.kinds import Address, Sql
from segments.imports.stage import REJECTED, STAGE, Stage
from segments.imports.tables import no_such_row, table

# Each search gives line, field, value and problem.
_keep = sql.SQL(
    "INSERT INTO {} SELECT line, field, coalesce(value, ''), problem "
    "FROM ({}) AS found (line, field, value, problem)"
)
_drop = sql.SQL("DELETE FROM {} AS s USING {} AS j WHERE j.line = s.line")


def reject_repeated(cursor: CursorWrapper, stage: Stage) -> None:
    """Move later rows about the same thing to the rejected ones."""
    _reject(cursor, _keys(stage))


def reject_wrong(cursor: CursorWrapper, stage: Stage) -> None:
    """Move every staged row that breaks a rule to the rejected ones.

    A row is told about the first group of rules that it breaks: references, rules of the kind,
    addresses of others, addresses of earlier lines.
    """
    for rules in (_references, _checks, _taken_in_table, _taken_in_file):
        _reject(cursor, rules(stage))


def _reject(cursor: CursorWrapper, searches: Iterator[Sql]) -> None:
    found = 0
    for search in searches:
        cursor.execute(_keep.format(REJECTED, search))
        found += cursor.rowcount
    if found:
        cursor.execute(_drop.format(STAGE, REJECTED))


def _keys(stage: Stage) -> Iterator[Sql]:
    names = [sql.Identifier(name) for name in stage.kind.key]
    yield sql.SQL(
        "SELECT s.line, {field}, concat_ws(' ', {shown}), "
        "'Is in ' || {place} || ' ' || first.line || ' already: keep one of the two.' "
        "FROM {stage} AS s JOIN (SELECT {names}, min(line) AS line FROM {stage} GROUP BY {names} "
        "HAVING count(*) > 1) AS first ON {same} WHERE s.line > first.line"
    ).format(
        field=sql.Literal(", ".join(stage.kind.key)),
        shown=sql.SQL(", ").join(map(stage.shown, stage.key)),
        place=sql.Literal(stage.place),
        stage=STAGE,
        names=sql.SQL(", ").join(names),
        same=sql.SQL(" AND ").join(
            sql.SQL("first.{name} = s.{name}").format(name=name) for name in names
        ),
    )


def _references(stage: Stage) -> Iterator[Sql]:
    """Rows that refer to what is not there."""
    for column in stage.columns:
        if column.refers_to is not None:
            yield sql.SQL(
                "SELECT s.line, {field}, s.{name}, {problem} FROM {stage} AS s "
                "LEFT JOIN {table} AS r ON r.external_id = s.{name} "
                "WHERE r.id IS NULL AND s.{name} IS NOT NULL"
            ).format(
                field=sql.Literal(column.name),
                name=sql.Identifier(column.name),
                problem=sql.Literal(no_such_row(column)),
                stage=STAGE,
                table=table(column.refers_to),
            )


def _checks(stage: Stage) -> Iterator[Sql]:
    """Rows that break a rule of the kind."""
    given = {column.name for column in stage.columns}
    for check in stage.kind.checks:
        missing = set(check.columns) - given
        if missing == set(check.columns):
            continue
        shown = next(stage.kind.column(name) for name in check.columns if name in given)
        yield sql.SQL(
            "SELECT s.line, {field}, {shown}, {problem} FROM {source} WHERE {wrong}"
        ).format(
            field=sql.Literal(check.columns[0]),
            shown=stage.shown(shown),
            problem=sql.Literal(check.problem),
            # The row of the table is needed for what the file leaves as it is.
            source=stage.source() if missing else stage.referring(),
            wrong=check.wrong(stage.merged),
        )


def _taken_in_table(stage: Stage) -> Iterator[Sql]:
    """Rows with an address that another row of the table has.

    Also where the file gives that row another one: in which order the unique index would see
    the two is not ours to choose.
    """
    for address in stage.kind.addresses:
        if claims := _claims(stage, address):
            yield sql.SQL(
                "SELECT DISTINCT s.line, s.field, s.address, "
                "'Belongs to ' || t.key || ' in the database: correct it, or empty "
                "it there first.' "
                "FROM ({claims}) AS s JOIN ({holders}) AS t "
                "ON t.address = s.address AND t.key <> s.key"
            ).format(claims=claims, holders=_holders(stage, address))


def _taken_in_file(stage: Stage) -> Iterator[Sql]:
    """Rows with an address that an earlier row has."""
    for address in stage.kind.addresses:
        if claims := _claims(stage, address):
            yield sql.SQL(
                "SELECT s.line, s.field, s.address, "
                "'Belongs to ' || f.{key} || ' (' || {place} || ' ' || f.line || "
                "'): correct one of the two.' "
                "FROM ({claims}) AS s JOIN ("
                "SELECT address, min(line) AS line FROM ({claims}) AS c "
                "GROUP BY address HAVING min(line) <> max(line)"
                ") AS first ON first.address = s.address "
                "JOIN {stage} AS f ON f.line = first.line WHERE s.line > first.line"
            ).format(
                claims=claims,
                key=sql.Identifier(stage.key[0].name),
                place=sql.Literal(stage.place),
                stage=STAGE,
            )


def _claims(stage: Stage, address: Address) -> Sql | None:
    """Each address of the file, with line, field, and key of the row that has it."""
    names = [column.name for column in stage.columns if column.name in address.columns]
    if not names:
        return None
    return sql.SQL(" UNION ALL ").join(
        sql.SQL(
            "SELECT line, {key} AS key, {field} AS field, {name} AS address "
            "FROM {stage} WHERE {name} IS NOT NULL"
        ).format(
            key=sql.Identifier(stage.key[0].name),
            field=sql.Literal(name),
            name=sql.Identifier(name),
            stage=STAGE,
        )
        for name in names
    )


def _holders(stage: Stage, address: Address) -> Sql:
    """Each address of the table, with the key of the row that has it."""
    template = (
        "SELECT {key} AS key, {address} AS address FROM {table} AS t WHERE {column} IS NOT NULL"
    )
    parts = []
    for name in address.columns:
        column = stage.old(stage.kind.column(name))
        parts.append(
            sql.SQL(template).format(
                key=stage.old(stage.key[0]),
                address=sql.SQL("lower({})").format(column) if address.any_case else column,
                table=stage.table,
                column=column,
            )
        )
    return sql.SQL(" UNION ALL ").join(parts)
