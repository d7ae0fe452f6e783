"""Campaigns and their steps."""

from __future__ import annotations

from datetime import datetime, time

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
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=TransactionNow(), null=True)

    objects = CampaignQuerySet.as_manager()

    class Meta:
        db_table = "campaigns"
        ordering = ["priority", "name"]
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
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)

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
