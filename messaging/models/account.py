"""Accounts at providers."""

from django.db import models

from messaging.models.template import Channel


class ProviderAccount(models.Model):
    """The account that a channel sends through, its price, and whether it is paused by hand."""

    channel = models.CharField(max_length=20, choices=Channel)
    provider = models.CharField(max_length=30, help_text="Such as sandbox.")
    is_paused = models.BooleanField(
        "paused by hand",
        default=False,
        db_default=False,
        help_text="While paused the channel waits; nothing fails and nothing is lost.",
    )
    price_per_message = models.DecimalField(
        max_digits=8,
        decimal_places=4,
        default=0,
        help_text="In rupees.",
    )

    class Meta:
        db_table = "provider_accounts"
        constraints = [
            models.UniqueConstraint(
                fields=["channel", "provider"], name="provider_accounts_channel_provider"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_channel_display()} via {self.provider}"
