"""A provider's own list of the calls that it accepted, in a table of this transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.db import connection

from messaging.record import storable

Call = tuple[uuid.UUID | None, datetime | None, str]


class LedgerError(Exception):
    """The file is no ledger; says where and why."""


@contextmanager
def loaded(paths: Sequence[Path]) -> Iterator[int | None]:
    """Have the calls of all files in the table audit_ledger; gives how many, None without a file.

    A file has a JSON object a line: {"delivery_id": ..., "at": ISO 8601 or seconds since 1970};
    whatever else it says is not read, so no address leaves it. A call that names no delivery keeps
    its place in the file. Within a transaction. LedgerError: a line is something else.
    """
    if not paths:
        yield None
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE audit_ledger (delivery_id uuid, at timestamptz, place text) "
            "ON COMMIT DROP"
        )
        calls = 0
        copy: Callable[[str], AbstractContextManager[Any]] = cursor.copy
        with copy("COPY audit_ledger FROM STDIN") as rows:
            for path in paths:
                for call in _calls(path):
                    rows.write_row(call)
                    calls += 1
        cursor.execute("CREATE INDEX ON audit_ledger (delivery_id)")
        cursor.execute("ANALYZE audit_ledger")  # nobody else does it for temporary tables
        yield calls
        cursor.execute("DROP TABLE audit_ledger")  # after an error the transaction's end does


def _calls(path: Path) -> Iterator[Call]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _call(line, f"{storable(path.name)}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise LedgerError(storable(f"{path} can't be read: {error}")) from None


def _call(line: str, place: str) -> Call:
    try:
        entry = json.loads(line)
        return _delivery(entry.get("delivery_id")), _moment(entry.get("at")), place
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        raise LedgerError(
            f'{place}: not a call. Each line is like {{"delivery_id": "...", "at": "..."}}.'
        ) from None


def _delivery(value: object) -> uuid.UUID | None:
    """None: the call names no delivery of ours."""
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def _moment(value: str | float | None) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, str):
        moment = datetime.fromisoformat(value)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return datetime.fromtimestamp(value, UTC)
