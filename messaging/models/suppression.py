"""A channel that no longer reaches a doctor."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from messaging.models.event import ProviderEvent
from messaging.models.template import Channel
from segments.models import Doctor
from segments.models.fields import UuidV7Field


class SuppressionReason(models.TextChoices):
    """Why a channel is of no use, or no longer wanted."""

    HARD_BOUNCE = "hard_bounce", "Hard bounce"
    SOFT_BOUNCES = "soft_bounces", "Three soft bounces in 30 days"
    COMPLAINT = "complaint", "The doctor reported it as spam"
    INVALID = "invalid", "No such number or address"
    NOT_ON_CHANNEL = "not_on_channel", "The number is not on this channel"
    OPTED_OUT = "provider_opt_out", "Opted out at the provider"


class SuppressionQuerySet(models.QuerySet["Suppression"]):
    """Suppressions, in business words."""

    def standing(self) -> SuppressionQuerySet:
        """Those that nobody has lifted."""
        return self.filter(lifted_at=None)


class Suppression(models.Model):
    """Nothing more is sent to a doctor on a channel, until somebody lifts it."""

    id = UuidV7Field()
    doctor = models.ForeignKey(
        Doctor, on_delete=models.CASCADE, db_column="user_id", related_name="suppressions"
    )
    channel = models.CharField(max_length=20, choices=Channel)
    reason = models.CharField(max_length=20, choices=SuppressionReason)
    detail = models.CharField(
        max_length=300,
        default="",
        db_default="",
        blank=True,
        help_text="The provider's code and words.",
    )
    event = models.ForeignKey(
        ProviderEvent,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name="report",
        related_name="suppressions",
        help_text="The report that said so. Empty: the provider's answer did.",
    )
    since = models.DateTimeField()
    lifted_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="Such as when the address was corrected. Empty: it holds.",
    )
    lifted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where the doctor came back with START.",
    )
    # Written by the database (migration 0013), as for opt-outs.
    consent_version = models.IntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="The doctor's consent counter from this suppression on.",
    )
    revoked_version = models.IntegerField(
        null=True, editable=False, help_text="The counter from the moment it was lifted."
    )

    objects = SuppressionQuerySet.as_manager()

    class Meta:
        db_table = "channel_suppressions"
        ordering = ["-id"]
        permissions = [("lift_suppression", "Can have a suppressed channel used again")]
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "channel"],
                name="channel_suppressions_standing_once",
                condition=Q(lifted_at=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()}: {self.get_reason_display()}"
