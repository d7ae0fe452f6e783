"""What the importer asks of a model about its table."""

# ruff: noqa: SLF001  `_meta` and `_default_manager` are Django's
from typing import Any

from django.db import connection, models
from psycopg import sql

from segments.imports.kinds import Column, Kind, Sql


def model_field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """The field of that name, which has a column of its own."""
    field = model._meta.get_field(name)
    if not isinstance(field, models.Field):
        raise TypeError(f"{name} is no column of {model.__name__}")
    return field


def column_of(model: type[models.Model], name: str) -> Sql:
    """The column of the field of that name."""
    return sql.Identifier(_column(model, name))


def target_column(model: type[models.Model], name: str) -> Sql:
    """The same, of the table under the name `t`."""
    return sql.Identifier("t", _column(model, name))


def _column(model: type[models.Model], name: str) -> str:
    return model_field(model, name).column or name


def all_fields(model: type[models.Model]) -> "list[models.Field[Any, Any]]":
    """Every field that has a column."""
    return list(model._meta.concrete_fields)


def table(model: type[models.Model]) -> Sql:
    """The table's name."""
    return sql.Identifier(model._meta.db_table)


def rows(model: type[models.Model]) -> "models.QuerySet[Any, Any]":
    """All rows of the table."""
    return model._default_manager.all()


def column_type(column: Column, kind: Kind) -> str:
    """PostgreSQL's type of what the file gives: of a reference, the external_id."""
    model, name = (column.refers_to, "external_id") if column.refers_to else (kind.model, "")
    return model_field(model, name or column.attribute).db_type(connection) or "text"


def empty_value(column: Column, model: type[models.Model]) -> Any:
    """What an empty cell means: nothing, or the default of the model's field."""
    field = model_field(model, column.attribute)
    return None if field.null else field.get_default()


def no_such_row(column: Column) -> str:
    """What to say about a reference to nothing."""
    label = column.refers_to._meta.verbose_name if column.refers_to else column.name
    return f"No {label} has this id: import it first, or correct the id."
