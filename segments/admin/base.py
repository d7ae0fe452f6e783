"""What the admin pages of doctors and activity share: import, export, links to lists."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.forms import SimpleArrayField
from django.db.models import Field, Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.timezone import localtime

from reengage.admin_base import AnyAdmin, ImportExportAdmin, TextareaWidget
from segments.admin.formats import LinedMixin, import_formats
from segments.imports.header import ImportFileError
from segments.imports.resources import RESOURCES

M = TypeVar("M", bound=Model)


class ImportedAdmin(ImportExportAdmin[M]):
    """Rows that come by file: CSV and XLSX in and out, with a preview."""

    def get_resource_classes(self, request: HttpRequest) -> Sequence[Any]:
        """The reader and writer of this kind of row."""
        resource: Any = RESOURCES[self.model]
        return [type(resource)(resource.__name__, (LinedMixin, resource), {})]

    def get_import_formats(self) -> list[type[Any]]:
        """The same reader as the command's."""
        return import_formats(RESOURCES[self.model].kind)

    def add_data_read_fail_error_to_form(self, form: Any, e: Exception) -> None:
        """Say in words why the file can't be read."""
        if isinstance(e, ImportFileError):
            form.add_error("import_file", str(e))
        else:
            super().add_data_read_fail_error_to_form(form, e)


class LinesField(SimpleArrayField):
    """A list written one entry a line, since an entry may have commas."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Show a few lines, and say how to write them."""
        hint = f"{kwargs.get('help_text') or ''} One a line.".strip()
        super().__init__(*args, **{**kwargs, "delimiter": "\n", "help_text": hint})

    def to_python(self, value: Any) -> Any:
        """Leave empty lines out."""
        if isinstance(value, str):
            value = "\n".join(line for line in value.splitlines() if line.strip())
        return super().to_python(value)


class LinesMixin(AnyAdmin):
    """Edit array columns one entry a line."""

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A small text field for lists."""
        if isinstance(db_field, ArrayField):
            widget = TextareaWidget(attrs={"rows": 3})
            return db_field.formfield(form_class=LinesField, widget=widget)
        return super().formfield_for_dbfield(db_field, request, **kwargs)


def list_address(model: str, **filters: object) -> str:
    """Address of a model's list, such as `messaging_messagedelivery`, filtered."""
    return reverse(f"admin:{model}_changelist") + (f"?{urlencode(filters)}" if filters else "")


def link(model: str, key: object, text: object) -> str:
    """A link to one row's page."""
    return format_html('<a href="{}">{}</a>', reverse(f"admin:{model}_change", args=[key]), text)


def when(moment: datetime | None) -> str:
    """A moment in the office's time zone, short; empty where there is none."""
    return f"{localtime(moment):%d %b %Y, %H:%M}" if moment else ""
