"""Reads what PostgreSQL's catalogue says of a schema, and compares it with the strategy's SQL."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

STRATEGY = Path(__file__).with_name("schema.sql")
SCRATCH = "strategy"


@dataclass
class Table:
    """One table as the catalogue has it. A column: (type, default, may be NULL)."""

    columns: dict[str, tuple[str, str | None, bool]] = field(default_factory=dict)
    rules: set[str] = field(default_factory=set)  # keys, UNIQUE and CHECK
    indexes: dict[str, str] = field(default_factory=dict)  # those that no rule made


Catalogue = dict[str, Table]
# (table, what, in the strategy's SQL, in our database); None: only the other one has it.
Difference = tuple[str, str, str | None, str | None]


def read_catalogue(cursor: CursorWrapper, schema: str) -> Catalogue:
    """Every table of the schema. Names of constraints are left out, names of indexes are not."""
    tables: Catalogue = {name: Table() for (name,) in _rows(cursor, TABLES, schema)}
    for table, column, kind, default, is_nullable in _rows(cursor, COLUMNS, schema):
        tables[table].columns[column] = (kind, default, is_nullable)
    for table, rule in _rows(cursor, RULES, schema):
        tables[table].rules.add(rule)
    for table, name, definition in _rows(cursor, INDEXES, schema):
        tables[table].indexes[name] = definition
    return tables


def _rows(cursor: CursorWrapper, query: str, schema: str) -> list[tuple[Any, ...]]:
    cursor.execute(query, {"schema": schema})
    return cursor.fetchall()


TABLES = """
    SELECT relname FROM pg_class
    WHERE relkind = 'r' AND relnamespace = %(schema)s::regnamespace
"""
COLUMNS = """
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
           pg_get_expr(d.adbin, d.adrelid), NOT a.attnotnull
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
    LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
    WHERE c.relnamespace = %(schema)s::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""
# NOT NULL is the columns' own matter (contype n, from PostgreSQL 18). The strategy's SQL says
# neither what follows a deletion nor when in the transaction a key is checked.
RULES = """
    SELECT c.relname,
           regexp_replace(
               replace(pg_get_constraintdef(k.oid), %(schema)s || '.', ''),
               '( ON DELETE (CASCADE|SET NULL|RESTRICT))?( DEFERRABLE( INITIALLY DEFERRED)?)?$', ''
           )
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
    WHERE k.connamespace = %(schema)s::regnamespace AND k.contype <> 'n'
    UNION ALL
    SELECT tablename, regexp_replace(indexdef, '^CREATE UNIQUE INDEX .* USING ', 'UNIQUE INDEX ')
    FROM pg_indexes i
    WHERE schemaname = %(schema)s AND indexdef LIKE 'CREATE UNIQUE%%' AND NOT EXISTS (
        SELECT FROM pg_constraint k
        WHERE k.connamespace = %(schema)s::regnamespace AND k.conname = i.indexname
    )
"""
INDEXES = """
    SELECT tablename, indexname, regexp_replace(indexdef, '^.* USING ', '')
    FROM pg_indexes
    WHERE schemaname = %(schema)s AND indexdef NOT LIKE 'CREATE UNIQUE%%'
"""


def differences(strategy: Catalogue, ours: Catalogue) -> set[Difference]:
    """All that differs in the strategy's tables. Tables of ours alone are none of its business."""
    found: set[Difference] = set()
    for name, wanted in strategy.items():
        if name not in ours:
            found.add((name, "table", name, None))
            continue
        have = ours[name]
        found |= _column_differences(name, wanted, have)
        found |= {(name, "rule", rule, None) for rule in wanted.rules - have.rules}
        found |= {(name, "rule", None, rule) for rule in have.rules - wanted.rules}
        found |= {
            (name, f"index {index}", wanted.indexes.get(index), have.indexes.get(index))
            for index in wanted.indexes | have.indexes
            if wanted.indexes.get(index) != have.indexes.get(index)
        }
    return found


def _column_differences(table: str, wanted: Table, have: Table) -> set[Difference]:
    found: set[Difference] = set()
    found |= {(table, "column", name, None) for name in wanted.columns.keys() - have.columns.keys()}
    found |= {(table, "column", None, name) for name in have.columns.keys() - wanted.columns.keys()}
    for column in wanted.columns.keys() & have.columns.keys():
        kind, default, is_nullable = wanted.columns[column]
        our_kind, our_default, our_nullable = have.columns[column]
        # The engine works in UTC and stores moments: TIMESTAMP stands for timestamptz.
        kind = kind.replace("timestamp without time zone", "timestamp with time zone")
        if kind != our_kind:
            found.add((table, f"type of {column}", kind, our_kind))
        # Two spellings of the time at which the transaction began.
        if (our_default or "").replace("CURRENT_TIMESTAMP", "now()") != (default or ""):
            found.add((table, f"default of {column}", default, our_default))
        if is_nullable != our_nullable:
            found.add((table, f"NULL in {column}", str(is_nullable), str(our_nullable)))
    return found


def compare(strategy_sql: str) -> set[Difference]:
    """Run the SQL in a schema of its own, compare the catalogues, and leave nothing behind."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {SCRATCH}")
        cursor.execute(f"SET LOCAL search_path = {SCRATCH}")
        cursor.execute(strategy_sql)
        cursor.execute("SET LOCAL search_path = pg_catalog")  # so that both are written in full
        found = differences(read_catalogue(cursor, SCRATCH), read_catalogue(cursor, "public"))
        transaction.set_rollback(True)
    return found
