"""What was imported, and which rows were not."""

from django.conf import settings
from django.db import models

from segments.models.fields import TransactionNow


class ImportRun(models.Model):
    """One file given to `import_csv`."""

    kind = models.CharField(max_length=40)
    file_name = models.CharField(max_length=255)
    started_at = models.DateTimeField(db_default=TransactionNow(), db_index=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True
    )
    created = models.PositiveIntegerField("rows created", default=0)
    updated = models.PositiveIntegerField("rows changed", default=0)
    unchanged = models.PositiveIntegerField("rows unchanged", default=0)
    rejected = models.PositiveIntegerField("rows rejected", default=0)
    error = models.TextField(
        blank=True, help_text="Why nothing at all was imported, where that is so."
    )

    class Meta:
        db_table = "import_runs"
        verbose_name = "import"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind}: {self.file_name}"


class ImportRejection(models.Model):
    """One row that was not imported: where it is, what is wrong, what to do."""

    run = models.ForeignKey(ImportRun, on_delete=models.CASCADE, related_name="rejections")
    line = models.PositiveIntegerField(help_text="Line of the file; the header is line 1.")
    field = models.CharField(max_length=64, blank=True)
    value = models.CharField(max_length=200, blank=True)
    problem = models.CharField(max_length=500, help_text="What is wrong, and what to do.")

    class Meta:
        db_table = "import_rejections"
        verbose_name = "rejected row"
        ordering = ["run", "line"]

    def __str__(self) -> str:
        return f"Line {self.line}: {self.problem}"
