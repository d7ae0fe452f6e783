"""The same files in the admin: django-import-export over the columns and keys of the kinds.

Preview and errors row by row; for what a page of the admin can take. Larger files go through
`import_csv`.
"""

from collections.abc import Hashable, Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, QuerySet
from django.db.models.functions import Lower
from import_export.instance_loaders import BaseInstanceLoader
from import_export.resources import ModelDeclarativeMetaclass, ModelResource
from import_export.results import Error
from tablib import Dataset

from segments.erased import Register, refused
from segments.imports.cells import CellField, ReferenceWidget, readable
from segments.imports.header import ImportFileError, match_header
from segments.imports.kinds import KINDS, Address, Kind
from segments.imports.refuse import naming, register
from segments.imports.tables import rows
from segments.imports.values import BadValueError
from segments.imports.xlsx import cell_text

# ruff: noqa: ARG002  signatures of import-export


class NaturalKeyLoader(BaseInstanceLoader):  # type: ignore[misc]  # untyped base
    """Finds the rows that a file is about by their natural keys, all in one query."""

    def __init__(self, resource: "KindResource", dataset: Dataset) -> None:
        super().__init__(resource, dataset)
        keys = [key for row in dataset.dict or () if (key := resource.key_of(row)) is not None]
        attributes = resource.key_attributes()
        parts = {
            f"{name}__in": {key[place] for key in keys} for place, name in enumerate(attributes)
        }
        self.instances = {
            tuple(getattr(instance, name) for name in attributes): instance
            for instance in resource.get_queryset().filter(**parts)
        }

    def get_instance(self, row: dict[str, Any]) -> models.Model | None:
        """The row of the table, or None."""
        return self.instances.get(self.resource.key_of(row))


class PlainError(Error):  # type: ignore[misc]  # untyped base
    """A mistake in a file is told in words; where it was noticed helps nobody."""

    @property
    def traceback(self) -> str:
        """Empty for such a mistake."""
        return "" if isinstance(self.error, ImportFileError) else str(super().traceback)


class KindResource(ModelResource):  # type: ignore[misc]  # untyped base
    """Base of the resources that `add_resource` makes, one for a kind."""

    kind: Kind

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.erased = Register()
        self.seen: dict[Hashable, int] = {}
        self.holders: dict[Address, dict[str, str]] = {}

    @classmethod
    def get_error_result_class(cls) -> type[PlainError]:
        """How errors that are not of a row are told."""
        return PlainError

    # --- The file as a whole

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        """Check the header, and look up in a fixed number of queries what the rows speak of."""
        names = self._tidy(dataset)
        for name in names:
            if name in self.fields and isinstance(self.fields[name].widget, ReferenceWidget):
                self.fields[name].widget.load(dataset[name])
        self.erased = register()
        self.seen = {}
        self.holders = {
            address: _holders(self.kind, address, self._addresses(dataset, address))
            for address in self.kind.addresses
        }

    def _tidy(self, dataset: Dataset) -> Sequence[str]:
        """Give the file the kind's column names, and the columns that are stored."""
        rows = [[cell_text(cell) for cell in row] for row in dataset]
        header = [cell_text(cell) for cell in dataset.headers or ()]
        dataset.wipe()
        names = match_header(header, self.kind)
        rows = [row[: len(names)] for row in rows if any(map(str.strip, row))]
        cells: dict[str, Sequence[str]] = {
            name: [row[place] for row in rows] for place, name in enumerate(names)
        }
        shape = self.kind.shape
        if shape and {shape.instead, *shape.makes} & set(names):
            shape.apply(cells)
        dataset.headers = list(cells)
        for row in zip(*cells.values(), strict=True):
            dataset.append(row)
        return list(cells)

    def _addresses(self, dataset: Dataset, address: Address) -> set[str]:
        """Those of the file."""
        names = set(address.columns) & set(dataset.headers)
        return set().union(*(readable(self.kind.column(name), dataset[name]) for name in names))

    def after_import(self, dataset: Dataset, result: Any, **kwargs: Any) -> None:
        """Nothing: keys come from the database, no sequence has to be moved."""

    # --- One row

    def key_attributes(self) -> list[str]:
        """The model's attributes that make up the natural key."""
        return [self.fields[name].attribute for name in self.kind.key]

    def key_of(self, row: dict[str, Any]) -> tuple[Any, ...] | None:
        """The natural key; None where its cells cannot be read, which is told elsewhere."""
        try:
            return tuple(self.fields[name].clean(row) for name in self.kind.key)
        except (BadValueError, KeyError):
            return None

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """Refuse a row about somebody who was erased, and a second row about the same thing."""
        if self.erased:
            self._refuse_erased(row)
        key = self.key_of(row)
        if key is None:
            return
        number = kwargs.get("row_number", 0)
        first = self.seen.setdefault(key, number)
        if first != number:
            problem = f"Is in row {first} already: keep one of the two."
            raise ValidationError({self.kind.key[0]: problem})

    def _refuse_erased(self, row: dict[str, Any]) -> None:
        for name, kind in naming(self.kind).items():
            for value in readable(self.kind.column(name), [row.get(name) or ""]):
                if at := self.erased.when(kind, value):
                    raise ValidationError({name: refused(at)})

    def validate_instance(
        self,
        instance: models.Model,
        import_validation_errors: dict[str, Any] | None = None,
        validate_unique: bool = True,  # noqa: FBT001, FBT002  import-export's signature
    ) -> None:
        """Check the row as the bulk import does, and as the model does; errors by column."""
        column_names = {f.attribute: name for name, f in self.fields.items()}
        errors = {column_names.get(k, k): e for k, e in (import_validation_errors or {}).items()}
        for check in self.kind.checks:
            if not set(check.columns) & set(errors) and check.broken(instance):
                errors[check.columns[0]] = ValidationError(check.problem)
        claims = self._claims(instance, errors)
        try:
            instance.full_clean(
                exclude=self._checked_above(errors), validate_unique=validate_unique
            )
        except ValidationError as error:
            for name, problems in error.error_dict.items():
                errors.setdefault(column_names.get(name, name), problems)
        if errors:
            raise ValidationError(errors)
        for address, value, key in claims:
            self.holders[address][value] = key

    def _claims(
        self, instance: models.Model, errors: dict[str, Any]
    ) -> list[tuple[Address, str, str]]:
        """The row's addresses, with its key; those of others become errors."""
        claims = []
        key = str(getattr(instance, self.key_attributes()[0]))
        for address, holders in self.holders.items():
            for name in set(address.columns) - set(errors):
                value = getattr(instance, self.fields[name].attribute)
                if value is None:
                    continue
                if holders.get(value, key) != key:
                    errors[name] = ValidationError(
                        f"Belongs to {holders[value]}: correct it, or empty it there first."
                    )
                claims.append((address, value, key))
        return claims

    def _checked_above(self, errors: dict[str, Any]) -> set[str]:
        """Fields that the model need not check again, which would take queries for each row."""
        names = {*self.kind.key, *errors}
        names.update(name for address in self.kind.addresses for name in address.columns)
        names.update(column.name for column in self.kind.stored if column.refers_to)
        return {self.kind.column(name).attribute for name in names if name in self.fields}

    # --- Export

    def filter_export(self, queryset: QuerySet[Any], **kwargs: Any) -> QuerySet[Any]:
        """With what the rows refer to."""
        return self._with_references(queryset)

    def get_queryset(self) -> QuerySet[Any]:
        """With what the rows refer to."""
        return self._with_references(super().get_queryset())

    def _with_references(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        names = [column.attribute for column in self.kind.stored if column.refers_to]
        return queryset.select_related(*names) if names else queryset


def _holders(kind: Kind, address: Address, values: set[str]) -> dict[str, str]:
    """Who in the table has one of the addresses: key by address."""
    key = kind.column(kind.key[0]).attribute
    holders: dict[str, str] = {}
    for name in address.columns:
        attribute = kind.column(name).attribute
        held = Lower(attribute) if address.any_case else F(attribute)
        held_by = rows(kind.model).annotate(held=held).filter(held__in=values)
        holders.update(held_by.values_list("held", key))
    return holders


RESOURCES: dict[type[models.Model], type[KindResource]] = {}


def add_resource(kind: Kind) -> type[KindResource]:
    """Make the resource of a kind, and enter it in RESOURCES for the admin."""
    columns = {column.name: CellField(column, kind.model) for column in kind.stored}
    options = {
        "model": kind.model,
        "fields": tuple(columns),
        "import_id_fields": kind.key,
        "instance_loader_class": NaturalKeyLoader,
        "skip_unchanged": True,
        "report_skipped": True,
        "clean_model_instances": True,
        "name": kind.label,
    }
    attributes = {**columns, "kind": kind, "Meta": type("Meta", (), options)}
    name = f"{kind.model.__name__}Resource"
    resource: type[KindResource] = ModelDeclarativeMetaclass(name, (KindResource,), attributes)
    RESOURCES[kind.model] = resource
    return resource


for _kind in KINDS.values():
    add_resource(_kind)
