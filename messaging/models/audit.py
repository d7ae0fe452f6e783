"""Results of the audit of what is promised (messaging/audit/)."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.timezone import localtime

from segments.models.fields import UuidV7Field


class AuditRun(models.Model):
    """One check of all invariants: how many rows broke each, and examples."""

    id = UuidV7Field()
    started_at = models.DateTimeField("began")
    finished_at = models.DateTimeField("ended")
    since = models.DateTimeField(
        null=True, help_text="Only what was sent from then on was looked at. Empty: everything."
    )
    # By code, I1 to I8: name, promise, fault, count, note, seconds and examples (kind, key, what).
    result = models.JSONField()

    class Meta:
        db_table = "audit_runs"
        verbose_name = "check of what is promised"
        verbose_name_plural = "checks of what is promised"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{localtime(self.finished_at):%d %b %Y, %H:%M}: {self.broken or 'nothing'} found"

    @property
    def broken(self) -> int:
        """Rows that broke a promise, over all of them."""
        return sum(int(found["count"]) for found in self.result.values())

    def found(self) -> list[dict[str, Any]]:
        """What each invariant found, in their order, with its `code`."""
        return [{"code": code, **self.result[code]} for code in sorted(self.result)]
