"""A/B tests: variants of one step, and what came of each (strategy, A/B Testing Framework)."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.functions import TransactionNow
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from campaigns.models.campaign import Campaign, CampaignMessage
from messaging.models import MessageTemplate
from segments.models.fields import UuidV7Field


class ExperimentKind(models.TextChoices):
    """What differs between the variants; the strategy's five."""

    SUBJECT = "subject", "Subject line (e-mail)"
    CTA = "cta", "Wording of the call to action"
    SEND_TIME = "send_time", "Send time"
    LENGTH = "length", "Length of the message"
    PERSONALISATION = "personalisation", "Personalisation"


class ExperimentStatus(models.TextChoices):
    """Life of an experiment. What is running is locked."""

    DRAFT = "draft", "Draft"
    RUNNING = "running", "Running"
    ENDED = "ended", "Ended"


class ExperimentMetric(models.TextChoices):
    """What the winner is chosen by; of the messages delivered, or sent for conversions."""

    OPENED = "opened", "Opened"
    CLICKED = "clicked", "Clicked"
    CONVERTED = "converted", "Came back"


class Experiment(models.Model):
    """Two to four variants of one step, each for a stable share of the doctors."""

    id = UuidV7Field()
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="experiments")
    step = models.ForeignKey(
        CampaignMessage,
        on_delete=models.PROTECT,
        db_column="campaign_message_id",
        related_name="experiments",
        help_text="The message that is tried in several variants.",
    )
    name = models.CharField(max_length=255, help_text="What you want to find out.")
    kind = models.CharField(max_length=20, choices=ExperimentKind)
    metric = models.CharField(
        "decided by",
        max_length=20,
        choices=ExperimentMetric,
        default=ExperimentMetric.CLICKED,
        db_default=ExperimentMetric.CLICKED,
    )
    status = models.CharField(
        max_length=20,
        choices=ExperimentStatus,
        default=ExperimentStatus.DRAFT,
        db_default=ExperimentStatus.DRAFT,
    )
    # Fixed at the start, so that nobody decides by looking until it fits.
    min_per_arm = models.PositiveIntegerField(
        "doctors per variant, at least",
        default=500,
        db_default=500,
        validators=[MinValueValidator(30)],
        help_text="No winner is named before each variant was sent to so many.",
    )
    horizon_days = models.PositiveSmallIntegerField(
        "days after the last message",
        default=7,
        db_default=7,
        validators=[MinValueValidator(1), MaxValueValidator(90)],
        help_text="How long a message is given to be opened, clicked, or to bring a doctor back.",
    )
    auto_promote = models.BooleanField(
        "take over the winner by itself", default=False, db_default=False
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text="Who saved it last before its start.",
    )
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    started_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    filled_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Since when each variant has its doctors: later ones are not in the test.",
    )
    ended_at = models.DateTimeField(null=True, blank=True, editable=False)
    conclusion = models.TextField(
        default="",
        db_default="",
        blank=True,
        editable=False,
        help_text="What came of it, in words.",
    )
    promoted_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the step took over the winner."
    )
    winner = models.ForeignKey(
        "Variant",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)

    class Meta:
        db_table = "experiments"
        verbose_name = "A/B test"
        ordering = ["-id"]
        constraints = [
            # A doctor is in one variant of a step at most.
            models.UniqueConstraint(
                fields=["step"], name="experiments_one_running", condition=Q(status="running")
            )
        ]

    def __str__(self) -> str:
        return self.name


class Variant(models.Model):
    """One arm. Letter A is what the step says now; whatever is empty is the step's own."""

    id = UuidV7Field()
    experiment = models.ForeignKey(Experiment, on_delete=models.CASCADE, related_name="variants")
    letter = models.CharField(max_length=1, choices=[(letter, letter) for letter in "ABCD"])
    label = models.CharField(max_length=100, blank=True, default="", db_default="")
    weight = models.PositiveSmallIntegerField(
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Its share is its weight of the sum of all.",
    )
    subject_line = models.TextField("subject", blank=True, default="", db_default="")
    template = models.ForeignKey(
        MessageTemplate,
        on_delete=models.PROTECT,
        to_field="template_key",
        null=True,
        blank=True,
        related_name="variants",
        help_text="Another text for this variant.",
    )
    send_from = models.TimeField(
        "sent from",
        null=True,
        blank=True,
        help_text="Another hour for this variant, in the doctor's time zone.",
    )

    class Meta:
        db_table = "experiment_variants"
        ordering = ["experiment", "letter"]
        constraints = [
            models.UniqueConstraint(
                fields=["experiment", "letter"], name="experiment_variants_letter_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.letter}: {self.label}" if self.label else self.letter
