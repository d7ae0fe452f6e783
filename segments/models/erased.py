"""Who asked to be erased: no name and no address, only what recognises them in a file."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.timezone import localtime

from segments.models.doctor import Doctor


class ErasedPerson(models.Model):
    """One person who asked to be erased. Deleting the row is how they may come back."""

    doctor = models.OneToOneField(
        Doctor,
        on_delete=models.SET_NULL,
        null=True,
        related_name="erased",
        help_text="The row that stays for the figures, without anything personal.",
    )
    erased_at = models.DateTimeField()
    erased_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    key_id = models.CharField(
        "key", max_length=16, help_text="Which of ERASURE_KEYS the fingerprints were made with."
    )
    # Read as a whole before an import, so no index serves it.
    fingerprints = ArrayField(
        models.CharField(max_length=64),
        help_text="HMAC-SHA256 of the CLIRNET id, the numbers and the e-mail address.",
    )

    class Meta:
        db_table = "erased_persons"
        verbose_name = "erased person"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"Erased on {localtime(self.erased_at):%d %b %Y}"
