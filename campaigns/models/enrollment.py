"""A doctor under way in a campaign."""

from __future__ import annotations

from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime

from campaigns.models.campaign import Campaign
from segments.models import Doctor
from segments.models.fields import UuidV7Field


class EnrollmentStatus(models.TextChoices):
    """The strategy's four, and the one that is the aim."""

    ACTIVE = "active", "Active"
    COMPLETED = "completed", "All steps done"
    CONVERTED = "converted", "Came back"
    UNSUBSCRIBED = "unsubscribed", "Opted out"
    BOUNCED = "bounced", "No channel left"


class CampaignEnrollment(models.Model):
    """One doctor in one campaign, about one subject."""

    id = UuidV7Field()
    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.PROTECT,
        db_index=False,  # idx_campaign_enrollments_campaign
        related_name="enrollments",
    )
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.CASCADE,
        db_column="user_id",
        db_index=False,  # idx_campaign_enrollments_user
        related_name="enrollments",
    )
    subject = models.CharField(
        max_length=64,
        default="",
        db_default="",
        blank=True,
        help_text="What it is about: id of the course, session or certificate.",
    )
    enrolled_at = models.DateTimeField(db_default=TransactionNow())
    status = models.CharField(
        max_length=20,
        choices=EnrollmentStatus,
        default=EnrollmentStatus.ACTIVE,
        db_default=EnrollmentStatus.ACTIVE,
    )
    completed_at = models.DateTimeField(
        null=True, blank=True, help_text="When the enrolment ended, in whatever way."
    )
    converted_at = models.DateTimeField(
        null=True, blank=True, help_text="When the doctor came back."
    )
    unsubscribed_at = models.DateTimeField(null=True, blank=True)
    is_holdout = models.BooleanField(
        "holdout",
        default=False,
        db_default=False,
        help_text="Never written to, so that returns without messages can be counted.",
    )
    shifted_days = models.SmallIntegerField(
        default=0,
        db_default=0,
        help_text="Days by which the steps still to come were moved, as after a pause.",
    )
    is_spread = models.BooleanField(
        "spread",
        default=False,
        db_default=False,
        help_text="Messages held up by a pause were given later days than planned.",
    )
    next_due_at = models.DateTimeField(
        null=True,
        blank=True,
        help_text="When the next step without a delivery falls due. Empty: all are scheduled.",
    )

    class Meta:
        db_table = "campaign_enrollments"
        verbose_name = "enrolment"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "doctor"],
                name="campaign_enrollments_one_active",
                condition=Q(status="active"),
            ),
            models.UniqueConstraint(
                fields=["campaign", "doctor", "subject"],
                name="campaign_enrollments_subject_once",
            ),
        ]
        indexes = [
            models.Index(fields=["doctor"], name="idx_campaign_enrollments_user"),
            models.Index(fields=["campaign"], name="idx_campaign_enrollments_campaign"),
            models.Index(fields=["status"], name="idx_campaign_enrollments_status"),
            # campaigns/analytics: who was enrolled in a period; the admin's list, by day.
            models.Index(fields=["campaign", "enrolled_at"], name="idx_campaign_enrollments_when"),
            # schedule.py: whose next step falls due; nothing due costs one look.
            models.Index(
                fields=["campaign", "next_due_at"],
                name="idx_campaign_enrollments_due",
                condition=Q(status="active", next_due_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"Enrolment of {localtime(self.enrolled_at):%d %b %Y}"
