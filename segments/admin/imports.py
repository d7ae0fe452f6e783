"""What was imported by `import_csv`, and which rows were not."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest

from reengage.admin_base import Notice, PageExtrasMixin, ReadOnlyAdmin, Table, display
from segments.admin.base import list_address
from segments.models import ImportRejection, ImportRun

SHOWN_REJECTIONS = 50


@admin.register(ImportRun)
class ImportRunAdmin(PageExtrasMixin[ImportRun], ReadOnlyAdmin[ImportRun]):
    """One file each."""

    list_display = (
        "kind",
        "file_name",
        "started_at",
        "finished_at",
        "created",
        "updated",
        "unchanged",
        "rejected",
        "outcome",
    )
    list_display_links = ("kind", "file_name")
    list_filter = ("started_at",)

    @display(
        description="outcome",
        label={"Imported": "success", "Some rows rejected": "warning", "Nothing": "danger"},
    )
    def outcome(self, run: ImportRun) -> str:
        """How it went, in words."""
        if run.error:
            return "Nothing"
        if run.finished_at is None:
            return "Under way"
        return "Some rows rejected" if run.rejected else "Imported"

    def notices(self, request: HttpRequest, run: ImportRun) -> list[Notice]:
        """Why nothing was imported, where that is so."""
        return [Notice("error", "Nothing was imported.", [run.error])] if run.error else []

    def tables(self, request: HttpRequest, run: ImportRun) -> list[Table]:
        """The first rejected rows."""
        rejections = run.rejections.order_by("line")[:SHOWN_REJECTIONS]
        return [
            Table(
                title=f"Rejected rows ({run.rejected:,})",
                headers=("Line", "Field", "Value", "What to do"),
                rows=[(row.line, row.field, row.value, row.problem) for row in rejections],
                empty="No row was rejected.",
                more=list_address("segments_importrejection", run__id__exact=run.pk)
                if run.rejected
                else "",
            )
        ]


@admin.register(ImportRejection)
class ImportRejectionAdmin(ReadOnlyAdmin[ImportRejection]):
    """Rows of files that were not imported."""

    list_display = ("line", "field", "value", "problem", "run")
    list_select_related = ("run",)
