"""The weekly review, as it was sent to each of the team."""

from django.conf import settings
from django.db import models

from segments.models.fields import UuidV7Field


class ReviewState(models.TextChoices):
    """What became of one person's e-mail."""

    SENDING = "sending", "Being sent, or broken off"
    SENT = "sent", "Sent"
    REFUSED = "refused", "Refused by the mail server"


class WeeklyReview(models.Model):
    """One week's review to one person, written before the mail server hears of it.

    A row that stays at “sending” broke off in the call: it may have arrived, so it is not sent
    again. A refused one is tried again by the next run.
    """

    id = UuidV7Field()
    week = models.DateField(help_text="The Monday after the week that it is about.")
    recipient = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="weekly_reviews",
    )
    address = models.EmailField(help_text="Where it was sent.")
    subject = models.CharField(max_length=200)
    text = models.TextField()
    html = models.TextField()
    state = models.CharField(max_length=20, choices=ReviewState, default=ReviewState.SENDING)
    error = models.TextField(blank=True, default="", help_text="What the mail server said.")
    claimed_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "weekly_reviews"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["week", "recipient"], name="weekly_reviews_once_a_week")
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.address}"
