"""Cells of a kind's columns, as django-import-export reads and writes them."""

# ruff: noqa: ARG002  signatures of import-export
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from django.db import models
from import_export.fields import Field
from import_export.widgets import Widget

from segments.imports.convert import EMPTY
from segments.imports.kinds import Column
from segments.imports.tables import empty_value, model_field, no_such_row, rows
from segments.imports.values import BadValueError, escape_formula
from segments.imports.xlsx import cell_text


class CellWidget(Widget):  # type: ignore[misc]  # untyped base
    """Reads and writes the cells of a column as the bulk import does."""

    def __init__(self, column: Column, model: type[models.Model]) -> None:
        super().__init__()
        self.column = column
        self.empty = partial(empty_value, column, model)

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """The parsed cell; BadValueError where it is wrong."""
        text = cell_text(value).strip()
        if text:
            return self.column.value.parse(text)
        if self.column.required:
            raise BadValueError(EMPTY)
        return self.empty()

    def render(self, value: Any, obj: Any = None, **kwargs: Any) -> str:
        """The cell of an export, harmless in a spreadsheet."""
        return "" if value is None else escape_formula(self.column.value.shown(value))


class ReferenceWidget(CellWidget):
    """Cells that hold the external_id of another row; `load` finds the rows of a whole file."""

    def __init__(self, column: Column, model: type[models.Model]) -> None:
        super().__init__(column, model)
        self.ids: dict[str, Any] = {}
        self.names: dict[Any, str] = {}

    def load(self, cells: Iterable[str]) -> None:
        """Look up what the cells refer to, in one query."""
        refers_to = self.column.refers_to
        if refers_to is None:
            raise TypeError(self.column.name)
        found = rows(refers_to).filter(external_id__in=readable(self.column, cells))
        self.ids = dict(found.values_list("external_id", "pk"))
        self.names = {pk: name for name, pk in self.ids.items()}

    def clean(self, value: Any, row: Any = None, **kwargs: Any) -> Any:
        """The primary key of the row that the cell refers to."""
        name = super().clean(value, row, **kwargs)
        if name is None or name in self.ids:
            return self.ids.get(name)
        raise BadValueError(no_such_row(self.column))


class CellField(Field):  # type: ignore[misc]  # untyped base
    """A column over a field of the model."""

    def __init__(self, column: Column, model: type[models.Model]) -> None:
        widget = (ReferenceWidget if column.refers_to else CellWidget)(column, model)
        attribute = model_field(model, column.attribute).attname
        super().__init__(attribute=attribute, column_name=column.name, widget=widget)
        self.column = column

    def export(self, instance: models.Model, **kwargs: Any) -> Any:
        """The cell: of a reference, the external_id of the row."""
        value = self.get_value(instance)
        if value is None or not isinstance(self.widget, ReferenceWidget):
            return self.widget.render(value, **kwargs)
        name = self.widget.names.get(value)
        if name is None:
            name = getattr(instance, self.column.attribute).external_id
        return escape_formula(name)


def readable(column: Column, cells: Iterable[str]) -> set[Any]:
    """The values of those cells that can be read; the others are told with their rows."""
    values = set()
    for cell in filter(None, map(str.strip, cells)):
        with suppress(BadValueError):
            values.add(column.value.parse(cell))
    return values
