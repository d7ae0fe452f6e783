"""Column types shared by the models: time-ordered UUID keys and database time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from uuid_utils.compat import uuid7

__all__ = ["AnyOf", "TransactionNow", "UuidV7Field", "array", "uuid7"]


class UuidV7(models.Func):
    """`uuidv7()`: built in from PostgreSQL 18, made by segments/migrations/0001 before that."""

    function = "uuidv7"
    output_field = models.UUIDField()


class UuidV7Field(models.UUIDField):  # type: ignore[type-arg]  # not generic at run time
    """Primary key whose values grow with time, so that inserts stay at one end of the index.

    Python code and set-based SQL (INSERT ... SELECT) both get their keys from a default.
    """

    def __init__(self, **kwargs: Any) -> None:
        defaults: dict[str, Any] = {
            "primary_key": True,
            "default": uuid7,
            "db_default": UuidV7(),
            "editable": False,
        }
        super().__init__(**{**defaults, **kwargs})


def array(values: Iterable[str | int | UUID]) -> str:
    """The values as PostgreSQL writes an array of any type, in a tenth of the driver's time.

    The driver dumps and quotes one value after the other; a window has thousands.
    """
    listed = [value.hex if type(value) is UUID else str(value) for value in values]
    if not listed:
        return "{}"
    quoted = "\0".join(listed).replace("\\", "\\\\").replace('"', '\\"').replace("\0", '","')
    return f'{{"{quoted}"}}'


@models.Field.register_lookup
@models.ForeignKey.register_lookup
class AnyOf(models.Lookup):
    """`filter(pk__any_of=ids)`: the rows that `__in` finds, with one parameter for all keys.

    For the keys of a window, several hundred: writing a parameter for each costs more than
    looking them up.
    """

    lookup_name = "any_of"
    prepare_rhs = False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, Any]:
        """`column = ANY(array)`, PostgreSQL's own."""
        column, params = self.process_lhs(compiler, connection)
        return f"{column} = ANY(%s)", [*params, array(self.rhs)]
