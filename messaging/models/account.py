"""Accounts at providers: how fast, at what price, and whether they are well."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from messaging.models.template import Channel


class ProviderAccount(models.Model):
    """The account that a channel sends through.

    The fields below `price_per_message` are kept by messaging/accounts.py, for all workers
    together.
    """

    channel = models.CharField(max_length=20, choices=Channel)
    provider = models.CharField(max_length=30, help_text="Such as sandbox.")
    is_paused = models.BooleanField(
        "paused by hand",
        default=False,
        db_default=False,
        help_text="While paused the channel waits; nothing fails and nothing is lost.",
    )
    rate_per_second = models.FloatField(
        "messages a second",
        null=True,
        blank=True,
        validators=[MinValueValidator(0.001), MaxValueValidator(100_000)],
        help_text="What the provider allows, over all workers. Empty: as fast as it goes.",
    )
    burst = models.PositiveIntegerField(
        "at once",
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1_000_000)],
        help_text="How many may go at once after a rest, where the messages a second are limited.",
    )
    price_per_message = models.DecimalField(
        max_digits=8,
        decimal_places=4,
        default=0,
        validators=[MinValueValidator(0)],
        help_text="In rupees.",
    )
    # Token bucket: how many messages may go at `tokens_at`; it fills with `rate_per_second`.
    tokens = models.FloatField(default=1, db_default=1, editable=False)
    tokens_at = models.DateTimeField(null=True, editable=False)
    # Circuit breaker.
    failures_in_row = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="Answers in a row by which the provider, and not the message, seems unwell.",
    )
    times_opened = models.PositiveIntegerField(
        default=0,
        db_default=0,
        editable=False,
        help_text="How often in a row the breaker opened; each time it stays open for longer.",
    )
    closed_until = models.DateTimeField(
        "waits until",
        null=True,
        editable=False,
        help_text="Nothing is sent before this time: the provider did not answer, or asked for it.",
    )
    probe_until = models.DateTimeField(
        null=True,
        editable=False,
        help_text="One message tries whether the provider is back; others wait for it this long.",
    )
    last_trouble = models.TextField(default="", db_default="", editable=False)

    class Meta:
        db_table = "provider_accounts"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "provider"], name="provider_accounts_channel_provider"
            ),
            models.CheckConstraint(
                condition=Q(rate_per_second=None) | Q(rate_per_second__gt=0),
                name="provider_accounts_rate_is_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} via {self.provider}"
