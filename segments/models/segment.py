"""The segment cache of the strategy: who is in which segment now."""

from django.db import models

from segments.models.doctor import Doctor
from segments.models.fields import TransactionNow, UuidV7Field


class SegmentType(models.TextChoices):
    """The strategy's target user segments."""

    AIDA_USERS = "aida_users", "AiDA users without agents"
    INCOMPLETE_COURSES = "incomplete_courses", "Incomplete courses"
    NO_SHOW = "no_show", "No-show registrants"
    UNCLAIMED_CERTIFICATES = "unclaimed_certificates", "Unclaimed certificates"


class UserSegment(models.Model):
    """A doctor in a segment, as last calculated by segments/identify.py."""

    id = UuidV7Field()
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.CASCADE,
        db_column="user_id",
        db_index=False,  # idx_user_segments_user
        related_name="segments",
    )
    segment_type = models.CharField(max_length=50, choices=SegmentType)
    segment_data = models.JSONField(null=True, blank=True, help_text="Figures worth caching.")
    calculated_at = models.DateTimeField(db_default=TransactionNow())
    expires_at = models.DateTimeField(
        null=True, blank=True, help_text="Not used after this; a newer calculation moves it."
    )
    subject = models.CharField(
        max_length=64,
        default="",
        db_default="",
        blank=True,
        help_text="What it is about: id of the course, session or certificate.",
    )
    inactive_since = models.DateTimeField(
        null=True, blank=True, help_text="Compared with the campaign's days of inactivity."
    )

    class Meta:
        db_table = "user_segments"
        verbose_name = "segment member"
        constraints = [
            models.UniqueConstraint(
                fields=["doctor", "segment_type"], name="user_segments_user_id_segment_type_key"
            )
        ]
        indexes = [
            models.Index(fields=["doctor"], name="idx_user_segments_user"),
            models.Index(fields=["segment_type"], name="idx_user_segments_type"),
            models.Index(fields=["expires_at"], name="idx_user_segments_expires"),
        ]

    def __str__(self) -> str:
        return f"{self.doctor_id} in {self.get_segment_type_display()}"
