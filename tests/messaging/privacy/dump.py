"""Everything that the database holds, as text."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection


def tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return sorted(name for (name,) in cursor.fetchall())


def of_database() -> dict[str, str]:
    """Each table's rows, as COPY writes them."""
    with connection.cursor() as cursor:
        texts = {}
        for name in tables():
            with cursor.copy(f'COPY "{name}" TO STDOUT') as copy:
                texts[name] = b"".join(bytes(part) for part in copy).decode()
        return texts


@contextmanager
def without_triggers() -> Iterator[None]:
    """Rows as they can only come about over days."""
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        yield
        cursor.execute("SET session_replication_role = DEFAULT")
