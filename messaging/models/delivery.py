"""One message to one doctor, and every attempt to hand it to a provider."""

from __future__ import annotations

from datetime import datetime

from django.contrib.postgres.functions import TransactionNow
from django.contrib.postgres.indexes import BrinIndex
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime

from messaging.models.account import ProviderAccount
from messaging.models.template import Channel
from segments.models import Doctor
from segments.models.fields import UuidV7Field


class DeliveryStatus(models.TextChoices):
    """Life of a delivery (the strategy's statuses, and four that keep it honest)."""

    SCHEDULED = "scheduled", "Scheduled"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    DELIVERED = "delivered", "Delivered"
    OPENED = "opened", "Opened"
    CLICKED = "clicked", "Clicked"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"
    UNKNOWN = "unknown", "Unknown"


class SkipReason(models.TextChoices):
    """Why a message was not sent although its day had come."""

    CAMPAIGN_OVER = "campaign_over", "The campaign had ended"
    ENROLLMENT_OVER = "enrollment_over", "The doctor had left the campaign"
    CONVERTED = "converted", "The doctor had come back"
    LEFT_SEGMENT = "left_segment", "The doctor was no longer in the segment"
    UNSUBSCRIBED = "unsubscribed", "The doctor had opted out"
    NO_CONSENT = "no_consent", "No consent for this channel"
    NO_ADDRESS = "no_address", "No address for this channel"
    SUPPRESSED = "suppressed", "The channel is suppressed"
    TEMPLATE_NOT_APPROVED = "template_not_approved", "The template was not approved"
    TOO_LATE = "too_late", "Its time had passed"
    FREQUENCY_CAP = "frequency_cap", "The doctor had messages enough"
    MISSING_VARIABLE = "missing_variable", "A variable had no value"
    PAUSED = "paused", "The doctor had asked for a pause"
    CAMPAIGN_PAUSED = "campaign_paused", "The campaign was paused"
    STEP_CHANGED = "step_changed", "The step was changed"


class DeliveryQuerySet(models.QuerySet["MessageDelivery"]):
    """Deliveries, in business words."""

    def due(self, channel: str, now: datetime) -> DeliveryQuerySet:
        """Scheduled for `now` or earlier, oldest first (idx_message_deliveries_lane)."""
        return self.filter(
            status=DeliveryStatus.SCHEDULED, channel=channel, scheduled_at__lte=now
        ).order_by("scheduled_at")


class MessageDelivery(models.Model):
    """One step of a campaign for one doctor."""

    id = UuidV7Field()
    # The strategy's schema points from messages to campaigns; no module imports upward.
    enrollment = models.ForeignKey(
        "campaigns.CampaignEnrollment",
        on_delete=models.CASCADE,
        db_index=False,  # idx_message_deliveries_enrollment
        related_name="deliveries",
    )
    campaign_message = models.ForeignKey(
        "campaigns.CampaignMessage",
        on_delete=models.PROTECT,
        verbose_name="step",
        db_index=False,  # message_deliveries_step_once
        related_name="deliveries",
    )
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.CASCADE,
        db_column="user_id",
        related_name="deliveries",
        help_text="The doctor written to: the same as on the enrolment.",
    )
    channel = models.CharField(max_length=20, choices=Channel)
    scheduled_at = models.DateTimeField(help_text="Goes out at this time or soon after.")
    due_at = models.DateTimeField(help_text="When the step fell due, before any deferral.")
    expires_at = models.DateTimeField(help_text="Not sent at or after this time.")
    sent_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    opened_at = models.DateTimeField(null=True, blank=True)
    clicked_at = models.DateTimeField(null=True, blank=True)
    failed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the provider refused it or could not deliver it."
    )
    status = models.CharField(
        max_length=20,
        choices=DeliveryStatus,
        default=DeliveryStatus.SCHEDULED,
        db_default=DeliveryStatus.SCHEDULED,
    )
    error_message = models.TextField(null=True, blank=True, help_text="Why it failed.")
    skip_reason = models.CharField(
        max_length=30, choices=SkipReason, null=True, blank=True, help_text="Why it was skipped."
    )
    skip_detail = models.CharField(
        max_length=200, default="", db_default="", blank=True, help_text="Such as the variable."
    )
    external_id = models.CharField(
        max_length=255, null=True, blank=True, help_text="The provider's id of the message."
    )
    trace = models.JSONField(
        null=True, blank=True, help_text="Verdict of each gate, where the answer was not to send."
    )
    claim_id = models.UUIDField(
        null=True, blank=True, help_text="Who sends it; a result under another claim is refused."
    )
    crashes = models.PositiveSmallIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Times that its worker ended while preparing it; then it is prepared alone.",
    )
    token = models.CharField(
        max_length=22,
        null=True,
        blank=True,
        help_text="128 random bits in its links, drawn when it is first authorised.",
    )
    target_url = models.TextField(
        null=True, blank=True, help_text="Where its link leads, fixed before it is sent."
    )
    variant = models.ForeignKey(
        "campaigns.Variant",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,  # idx_message_deliveries_variant
        related_name="deliveries",
        help_text="Which variant of an experiment it is, fixed when it is scheduled.",
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        db_table = "message_deliveries"
        verbose_name = "delivery"
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        permissions = [("send_again_messagedelivery", "Can send an unanswered message again")]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign_message", "enrollment"], name="message_deliveries_step_once"
            ),
            models.UniqueConstraint(
                fields=["token"],
                name="message_deliveries_token_once",
                condition=Q(token__isnull=False),  # only what was authorised has one
            ),
            models.CheckConstraint(
                condition=~Q(status=DeliveryStatus.SKIPPED) | Q(skip_reason__isnull=False),
                name="message_deliveries_skipped_says_why",
            ),
            models.CheckConstraint(
                condition=~Q(status=DeliveryStatus.FAILED) | Q(error_message__isnull=False),
                name="message_deliveries_failed_says_why",
            ),
        ]
        indexes = [
            models.Index(
                fields=["scheduled_at"],
                name="idx_message_deliveries_scheduled",
                condition=Q(status=DeliveryStatus.SCHEDULED),
            ),
            models.Index(fields=["enrollment"], name="idx_message_deliveries_enrollment"),
            # dispatch: what is due on a channel.
            models.Index(
                fields=["channel", "scheduled_at"],
                name="idx_message_deliveries_lane",
                condition=Q(status=DeliveryStatus.SCHEDULED),
            ),
            # callbacks that name the provider's id.
            models.Index(
                fields=["external_id"],
                name="idx_message_deliveries_extern",
                condition=Q(external_id__isnull=False),
            ),
            # admin, dashboard and reconciler: the few that failed, broke off or were skipped.
            models.Index(
                fields=["status", "id"],
                name="idx_message_deliveries_trouble",
                condition=Q(status__in=["failed", "unknown", "skipped"]),
            ),
            # campaigns/experiments: what became of each variant.
            models.Index(
                fields=["variant"],
                name="idx_message_deliveries_variant",
                condition=Q(variant__isnull=False),
            ),
            # campaigns/analytics.py: what happened on a day. Rows lie in time order, so a few
            # kilobytes replace five B-trees that each report would have to update.
            BrinIndex(
                fields=["sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at"],
                name="idx_message_deliveries_facts",
                opclasses=["timestamptz_minmax_multi_ops"] * 5,
                autosummarize=True,
                pages_per_range=32,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} due {localtime(self.due_at):%d %b %Y}"


class AttemptOutcome(models.TextChoices):
    """What a provider said to one hand-off."""

    PENDING = "pending", "In the call"
    ACCEPTED = "accepted", "Accepted"
    REFUSED = "refused", "Refused"
    UNKNOWN = "unknown", "No answer"
    RELEASED = "released", "Given back before the call"
    WRITTEN_OFF = "written_off", "No answer, sent again by hand"


class DeliveryAttempt(models.Model):
    """One authorised hand-off to a provider, written before the provider hears of it.

    Caps count pending, accepted, unknown and written-off ones; never refused or released ones.
    """

    id = UuidV7Field()
    delivery = models.ForeignKey(MessageDelivery, on_delete=models.CASCADE, related_name="attempts")
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.CASCADE,
        db_column="user_id",
        db_index=False,  # idx_delivery_attempts_doctor
        db_constraint=False,  # the delivery's own doctor: checking it twice costs a tenth of a send
        related_name="attempts",
    )
    account = models.ForeignKey(
        ProviderAccount,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,  # a handful of accounts: an index would find half the table
        db_constraint=False,  # written by the sender, which has just read it; never deleted
        related_name="attempts",
    )
    channel = models.CharField(max_length=20, choices=Channel)
    claim_id = models.UUIDField()
    authorised_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(
        max_length=20,
        choices=AttemptOutcome,
        default=AttemptOutcome.PENDING,
        db_default=AttemptOutcome.PENDING,
    )
    counts = models.BooleanField(
        default=True,
        db_default=True,
        help_text="It went out, or may have, and no other attempt takes its place.",
    )
    external_id = models.CharField(max_length=255, null=True, blank=True)
    error_code = models.CharField(max_length=50, default="", db_default="", blank=True)
    error_message = models.TextField(default="", db_default="", blank=True)
    consent_version = models.IntegerField(
        help_text="The doctor's consent counter when this was authorised."
    )
    timezone = models.CharField(
        max_length=50, help_text="The zone whose quiet hours were kept when this was authorised."
    )
    price = models.DecimalField(
        max_digits=8,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Rupees for a message, or a part of an SMS, when this was authorised. "
        "Empty: none was set.",
    )
    # Without a check that it is positive: that would read the whole table when it is added.
    sms_parts = models.SmallIntegerField(
        "parts",
        null=True,
        blank=True,
        help_text="Parts of the SMS, each of which is paid for. Empty: it is no SMS, or went out "
        "before parts were kept.",
    )

    class Meta:
        db_table = "delivery_attempts"
        verbose_name = "attempt"
        ordering = ["-id"]
        constraints = [
            # Never twice: a delivery has one attempt at most that was or may have been accepted.
            # Not by the outcome itself: recording it would write every index anew.
            models.UniqueConstraint(
                fields=["delivery"], name="delivery_attempts_once", condition=Q(counts=True)
            )
        ]
        indexes = [
            # caps: what a doctor got in the last seven days.
            models.Index(fields=["doctor", "authorised_at"], name="idx_delivery_attempts_doctor")
        ]

    def __str__(self) -> str:
        return f"{self.authorised_at:%d %b %Y %H:%M}: {self.get_outcome_display()}"


class MessageCost(models.Model):
    """What the messages of a step that went out on one day are paid by: written by the roll-up.

    One row for each account and price. Without a price they are counted at the account's present
    one; without an account, at the channel's.
    """

    id = UuidV7Field()
    step = models.ForeignKey(
        "campaigns.CampaignMessage",
        on_delete=models.CASCADE,
        db_index=False,  # message_costs_once
        related_name="costs",
    )
    date = models.DateField(help_text="When they were sent, in the time zone of the settings.")
    channel = models.CharField(max_length=20, choices=Channel)
    account = models.ForeignKey(
        ProviderAccount,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        db_constraint=False,  # as on the attempt that it is read from
        related_name="+",
    )
    price = models.DecimalField(
        max_digits=8, decimal_places=4, null=True, help_text="Rupees, as on the attempts."
    )
    messages = models.IntegerField(default=0, db_default=0)
    units = models.IntegerField(
        default=0, db_default=0, help_text="What is paid for: parts of SMS, else messages."
    )
    unmeasured = models.IntegerField(
        default=0,
        db_default=0,
        help_text="SMS among them of which the parts are not known: each counts as one.",
    )

    class Meta:
        db_table = "message_costs"
        constraints = [
            models.UniqueConstraint(
                fields=["step", "date", "account", "price"],
                name="message_costs_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.date:%d %b %Y}, {self.step_id}"
