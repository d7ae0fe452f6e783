"""What providers, links and doctors report back."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q
from django.utils import timezone

from messaging.models.delivery import MessageDelivery
from segments.models.fields import UuidV7Field


class EventKind(models.TextChoices):
    """What happened to a message."""

    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    OPENED = "opened", "Opened"
    CLICKED = "clicked", "Clicked"
    FAILED = "failed", "Failed"
    LOOKED = "looked", "Preferences opened"
    COMPLAINED = "complained", "Reported as spam"
    UNSUBSCRIBED = "unsubscribed", "Opted out at the provider"
    INBOUND = "inbound", "Message from a doctor"


class Verdict(models.TextChoices):
    """What a report says of the way to the doctor, beyond the one message (suppress.py)."""

    HARD_BOUNCE = "hard_bounce", "Hard bounce"
    SOFT_BOUNCE = "soft_bounce", "Soft bounce"
    COMPLAINT = "complaint", "Complaint"
    INVALID = "invalid", "No such number or address"
    NOT_ON_CHANNEL = "not_on_channel", "Not on this channel"
    OPTED_OUT = "provider_opt_out", "Opted out at the provider"


class ProviderEvent(models.Model):
    """One report, stored as it came before anything is done with it."""

    id = UuidV7Field()
    provider = models.CharField(max_length=30)
    event_key = models.CharField(
        max_length=300, help_text="Unique for the provider: a report that comes twice is kept once."
    )
    kind = models.CharField(max_length=20, choices=EventKind)
    delivery = models.ForeignKey(
        MessageDelivery, on_delete=models.CASCADE, null=True, blank=True, related_name="events"
    )
    external_id = models.CharField(max_length=255, default="", db_default="", blank=True)
    occurred_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=TransactionNow())
    processed_at = models.DateTimeField(null=True, blank=True)
    parked_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When it was put aside: it names a message that is not known (yet).",
    )
    is_machine = models.BooleanField(
        "by a machine",
        default=False,
        db_default=False,
        help_text="A scanner, a preview or a HEAD request: kept, not counted.",
    )
    detail = models.JSONField(default=dict, db_default={}, blank=True)
    verdict = models.CharField(
        max_length=20,
        choices=Verdict,
        default="",
        db_default="",
        blank=True,
        help_text="What it says of the channel, beyond this message. Empty: nothing.",
    )
    settled_at = models.DateTimeField(
        null=True, blank=True, help_text="When what it says of the channel was acted on."
    )

    class Meta:
        db_table = "provider_events"
        constraints = [
            models.UniqueConstraint(
                fields=["provider", "event_key"], name="provider_events_event_once"
            )
        ]
        indexes = [
            # track.apply_events: what is not processed yet, and what was put aside.
            models.Index(
                fields=["id"],
                name="idx_provider_events_open",
                condition=Q(processed_at=None, parked_at=None),
            ),
            models.Index(
                fields=["received_at"],
                name="idx_provider_events_parked",
                condition=Q(processed_at=None, parked_at__isnull=False),
            ),
            # suppress.settle: what speaks of a channel and was not acted on.
            models.Index(
                fields=["id"],
                name="idx_provider_events_unsettled",
                condition=Q(settled_at=None, delivery__isnull=False) & ~Q(verdict=""),
            ),
        ]

    def __str__(self) -> str:
        occurred = timezone.localtime(self.occurred_at)
        return f"{self.get_kind_display()}, {occurred:%d %b %Y, %H:%M}"
