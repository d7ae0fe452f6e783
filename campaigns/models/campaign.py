"""Campaigns and their steps."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import TransactionNow
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q

from messaging.models import Channel, MessageTemplate
from segments.models import SegmentType
from segments.models.fields import UuidV7Field


class CampaignStatus(models.TextChoices):
    """Life of a campaign."""

    DRAFT = "draft", "Draft"
    IN_REVIEW = "in_review", "In review"
    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused"
    COMPLETED = "completed", "Completed"


class CampaignQuerySet(models.QuerySet["Campaign"]):
    """Campaigns, in business words."""

    def running(self, now: datetime) -> CampaignQuerySet:
        """Active, started, and not past the end date."""
        return self.filter(
            Q(start_date=None) | Q(start_date__lte=now),
            Q(end_date=None) | Q(end_date__gt=now),
            status=CampaignStatus.ACTIVE,
        )


# strategy, Success Metrics & Timeline: a soft launch with 10 %, then all.
ROLLOUT_STAGES = (10, 25, 50, 100)


def _percent(label: str, default: float | str, of_what: str) -> models.DecimalField[Any, Any]:
    """A limit of the rollout's health, in percent."""
    return models.DecimalField(
        label,
        max_digits=5,
        decimal_places=2,
        default=Decimal(default),
        db_default=Decimal(default),
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=f"Share {of_what}. Beyond it, the rollout stops and says why.",
    )


def default_channel_order() -> list[str]:
    """WhatsApp, SMS, e-mail: the strategy's order."""
    return list(Channel.values)


class Campaign(models.Model):
    """A timed sequence of messages to one segment."""

    id = UuidV7Field()
    name = models.CharField(max_length=255)
    description = models.TextField(
        blank=True, default="", db_default="", help_text="What it is to reach, for your colleagues."
    )
    segment_type = models.CharField(
        "segment", max_length=50, choices=SegmentType, help_text="Who is written to."
    )
    status = models.CharField(
        max_length=20,
        choices=CampaignStatus,
        default=CampaignStatus.DRAFT,
        db_default=CampaignStatus.DRAFT,
        help_text="Changed by the actions Launch, Pause, Resume and Complete.",
    )
    start_date = models.DateTimeField(
        null=True, blank=True, help_text="Nobody is enrolled before. Empty: from the launch on."
    )
    end_date = models.DateTimeField(
        null=True, blank=True, help_text="Nothing is sent from then on. Empty: no end."
    )
    priority = models.PositiveSmallIntegerField(
        default=10,
        db_default=10,
        help_text="Smaller goes first when campaigns want the same doctor at the same time.",
    )
    inactivity_days = models.PositiveSmallIntegerField(
        "days of inactivity",
        default=30,
        db_default=30,
        help_text="Doctors are enrolled after so many quiet days (30 to 60). "
        "0: as soon as they are in the segment.",
    )
    channel_order = ArrayField(
        models.CharField(max_length=20, choices=Channel),
        default=default_channel_order,
        help_text="Which channel goes first on a day with several, such as: whatsapp,sms,email",
    )
    send_from = models.TimeField(
        default=time(10), db_default=time(10), help_text="Earliest hour, in the doctor's time zone."
    )
    send_until = models.TimeField(
        default=time(21), db_default=time(21), help_text="Latest hour, in the doctor's time zone."
    )
    goal_rate = models.PositiveSmallIntegerField(
        "goal (%)",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Share of enrolled doctors who should come back.",
    )
    goal_days = models.PositiveSmallIntegerField(
        "goal within days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="Coming back counts up to so many days after enrolment.",
    )
    value_per_return = models.DecimalField(
        "value of a doctor who came back (₹)",
        max_digits=10,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text="What it is worth on average that a doctor comes back; for the ROI.",
    )
    holdout_percent = models.PositiveSmallIntegerField(
        "holdout (%)",
        default=0,
        db_default=0,
        validators=[MaxValueValidator(50)],
        help_text="Share of doctors who are enrolled but never written to, so that what the "
        "messages bring can be told from what comes by itself. 0: none.",
    )
    # Rollout: a share of the eligible doctors, chosen by a stable hash (campaigns/buckets.py).
    rollout_percent = models.PositiveSmallIntegerField(
        "rollout (%)",
        choices=[(percent, f"{percent} %") for percent in ROLLOUT_STAGES],
        default=100,
        db_default=100,
        help_text="Share of the eligible doctors who are enrolled. Each stage contains the one "
        "before.",
    )
    rollout_days = models.PositiveSmallIntegerField(
        "next stage after days",
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text="The rollout advances by itself after so many days in good health. Empty: only "
        "by hand.",
    )
    rollout_since = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when the rollout is at its stage."
    )
    rollout_halted = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="Why the rollout stopped by itself. Empty: it goes on.",
    )
    min_delivery_rate = _percent("delivered at least (%)", 90, "of what was sent")
    max_failure_rate = _percent("failed at most (%)", 5, "of what was sent or failed")
    max_unsubscribe_rate = _percent("opted out at most (%)", 2, "of what was delivered")
    max_complaint_rate = _percent("complaints at most (%)", "0.1", "of what was delivered")
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # few campaigns
        related_name="+",
        help_text="Who made it.",
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # few campaigns
        related_name="+",
        help_text="Who changed it or its steps last.",
    )
    submitted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # few campaigns
        related_name="+",
        help_text="Who asked for its review.",
    )
    submitted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When its review was asked for."
    )
    submitted_digest = models.CharField(
        max_length=64,
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="SHA-256 of what was submitted (campaigns/digest.py): only that is launched.",
    )
    review_note = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="Why its review sent it back to draft.",
    )
    launched_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # few campaigns
        related_name="+",
        help_text="Who approved and launched it.",
    )
    launched_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When it was launched."
    )
    paused_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="Since when it is paused."
    )
    proposal = models.JSONField(
        "proposed change",
        null=True,
        blank=True,
        editable=False,
        help_text="A change that waits for a second person (campaigns/proposal.py).",
    )
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # few campaigns
        related_name="+",
        help_text="Who proposed that change: somebody else makes it.",
    )
    proposed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When that change was proposed."
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=TransactionNow(), null=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        db_table = "campaigns"
        ordering = ["priority", "name"]
        permissions = [
            ("launch_campaign", "Can launch a campaign, and approve one of somebody else"),
            ("stop_campaign", "Can pause, resume and complete a campaign"),
            ("receive_weekly_review", "Gets the weekly review by e-mail"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(send_until__gt=F("send_from")),
                name="campaigns_hours_in_order",
                violation_error_message="“Send until” must be later than “send from”.",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check what concerns several fields."""
        if self.start_date and self.end_date and self.end_date <= self.start_date:
            raise ValidationError({"end_date": "The end must be later than the start."})
        if sorted(self.channel_order or []) != sorted(Channel.values):
            raise ValidationError(
                {"channel_order": "Name each channel once, such as: whatsapp,sms,email"}
            )


class StepManager(models.Manager["CampaignMessage"]):
    """Steps in use. A delivery finds its own step also after that was removed."""

    def get_queryset(self) -> models.QuerySet[CampaignMessage]:
        """Leave out what was removed."""
        return super().get_queryset().filter(removed_at=None)


class CampaignMessage(models.Model):
    """One step: a template on a day."""

    id = UuidV7Field()
    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        db_index=False,  # campaign_messages_place_once
        related_name="steps",
    )
    sequence_order = models.IntegerField("place", help_text="1, 2, 3, … through the campaign.")
    channel = models.CharField(max_length=20, choices=Channel)
    delay_days = models.IntegerField(
        "day",
        validators=[MinValueValidator(0), MaxValueValidator(365)],
        help_text="Days after enrolment; the first day is 0.",
    )
    template = models.ForeignKey(
        MessageTemplate,
        on_delete=models.PROTECT,
        to_field="template_key",
        db_column="template_id",
        related_name="steps",
    )
    subject_line = models.TextField(
        "subject", null=True, blank=True, help_text="For e-mail. Empty: the template's own subject."
    )
    send_from = models.TimeField(
        "sent from",
        null=True,
        blank=True,
        help_text="Another hour for this step, later than the campaign's “send from”, in the "
        "doctor's time zone. Empty: the campaign's.",
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    removed_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="When it was taken out of a running campaign: kept for the messages it has sent.",
    )

    objects = StepManager()
    ever: ClassVar[models.Manager[CampaignMessage]] = models.Manager()

    class Meta:
        db_table = "campaign_messages"
        verbose_name = "step"
        ordering = ["campaign", "sequence_order"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "sequence_order"],
                name="campaign_messages_place_once",
                deferrable=models.Deferrable.DEFERRED,
            ),
            models.CheckConstraint(
                condition=Q(delay_days__gte=0), name="campaign_messages_day_from_0"
            ),
        ]

    def __str__(self) -> str:
        return f"Day {self.delay_days}, {self.get_channel_display()}"

    def clean(self) -> None:
        """A template fits its step: same channel, same segment."""
        problems = {}
        if self.template_id and self.template.channel != self.channel:
            problems["template"] = (
                f"This template is for {self.template.get_channel_display()}, "
                f"the step for {self.get_channel_display()}."
            )
        elif self.template_id and self.template.segment_type != self.campaign.segment_type:
            problems["template"] = (
                f"This template is for the segment “{self.template.get_segment_type_display()}”, "
                f"the campaign for “{self.campaign.get_segment_type_display()}”."
            )
        if self.subject_line and self.channel != Channel.EMAIL:
            problems["subject_line"] = "Only e-mails have a subject."
        if problems:
            raise ValidationError(problems)
        self._keep_what_is_tested()

    # What the variants of an A/B test are variants of. The database refuses a change, too.
    TESTED = ("template_id", "subject_line", "channel", "delay_days", "send_from", "removed_at")

    def _keep_what_is_tested(self) -> None:
        """Refuse a change of what a running A/B test compares with."""
        running = CampaignMessage.objects.filter(pk=self.pk, experiments__status="running")
        saved = running.values("experiments__name", *self.TESTED).first()
        if saved and any((saved[n] or None) != (getattr(self, n) or None) for n in self.TESTED):
            raise ValidationError(
                f"An A/B test of this step is running, “{saved['experiments__name']}”: its text, "
                "subject, day and hour stay as they are until it ends. End the test first."
            )
