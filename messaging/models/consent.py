"""Permission to write: given, withdrawn, and the way out."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

from messaging.models.delivery import MessageDelivery
from messaging.models.template import Channel
from segments.models import Doctor, ImportRun, SegmentType
from segments.models.fields import UuidV7Field


class UnsubscribeQuerySet(models.QuerySet["UnsubscribeRecord"]):
    """Opt-outs, in business words."""

    def standing(self) -> UnsubscribeQuerySet:
        """Those that the doctor has not taken back, and pauses that are not over."""
        return self.filter(revoked_at=None)

    def pauses(self) -> UnsubscribeQuerySet:
        """Those that end by themselves."""
        return self.filter(paused_until__isnull=False)


class UnsubscribeRecord(models.Model):
    """A doctor's wish not to be written to. NULL means all (strategy, Database Schema)."""

    id = UuidV7Field()
    doctor = models.ForeignKey(
        Doctor, on_delete=models.CASCADE, db_column="user_id", related_name="unsubscribes"
    )
    channel = models.CharField(
        max_length=20, choices=Channel, null=True, blank=True, help_text="Empty: all channels."
    )
    segment_type = models.CharField(
        "kind of campaign",
        max_length=50,
        choices=SegmentType,
        null=True,
        blank=True,
        help_text="Empty: all kinds.",
    )
    reason = models.TextField(null=True, blank=True)
    unsubscribed_at = models.DateTimeField(db_default=TransactionNow(), null=True)
    source = models.CharField(
        max_length=30, default="admin", db_default="admin", help_text="Link, reply, admin, import."
    )
    delivery = models.ForeignKey(
        MessageDelivery,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="unsubscribes",
        help_text="The message whose link was used.",
    )
    paused_until = models.DateTimeField(
        null=True,
        blank=True,
        help_text="A pause of everything until then. Empty: an opt-out, which has no end.",
    )
    revoked_at = models.DateTimeField(
        null=True, blank=True, help_text="When the doctor took it back, or the pause was over."
    )
    # Written by the database (migration 0002), which raises the doctor's counter with each.
    consent_version = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The doctor's consent counter from this opt-out on.",
    )
    revoked_version = models.IntegerField(
        null=True, editable=False, help_text="The counter from the moment it was taken back."
    )

    objects = UnsubscribeQuerySet.as_manager()

    class Meta:
        db_table = "unsubscribe_records"
        verbose_name = "opt-out"
        ordering = ["-id"]
        constraints = [
            # Saying it twice is one wish.
            models.UniqueConstraint(
                fields=["doctor", "channel", "segment_type"],
                name="unsubscribe_records_standing_once",
                condition=Q(revoked_at=None),
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        if self.paused_until:
            return f"Pause until {self.paused_until:%d %b %Y}"
        return f"Opt-out of {self.get_channel_display() or 'all channels'}"


class ConsentRecord(models.Model):
    """Consent to be written to on a channel: the newest record of a channel holds."""

    id = UuidV7Field()
    doctor = models.ForeignKey(
        Doctor, on_delete=models.CASCADE, db_column="user_id", related_name="consents"
    )
    channel = models.CharField(max_length=20, choices=Channel)
    is_given = models.BooleanField("given", help_text="Not ticked: withdrawn.")
    recorded_at = models.DateTimeField(help_text="When the doctor said so.")
    source = models.CharField(max_length=100, help_text="Such as sign-up form, 2026 version.")
    text_shown = models.TextField(blank=True, help_text="The words that the doctor agreed to.")
    import_run = models.ForeignKey(ImportRun, on_delete=models.SET_NULL, null=True, blank=True)
    recorded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who entered it here. Empty: it came by file.",
    )
    consent_version = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The doctor's consent counter from this record on; written by the database.",
    )

    class Meta:
        db_table = "consent_records"
        verbose_name = "consent"
        ordering = ["-recorded_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "channel", "recorded_at"], name="consent_records_natural_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {'given' if self.is_given else 'withdrawn'}"
