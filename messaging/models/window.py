"""Windows of deliveries that a worker holds right now."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from messaging.models.account import ProviderAccount
from messaging.models.template import Channel


class SendWindow(models.Model):
    """What one lane has authorised and not yet recorded: gone with the record.

    One that outlives its lease lost its worker. Whether it was handed over decides what becomes of
    its messages: not before, they go back and nobody heard of them; after, they are unknown.
    """

    claim_id = models.UUIDField(primary_key=True)
    channel = models.CharField(max_length=20, choices=Channel)
    account = models.ForeignKey(
        ProviderAccount, on_delete=models.CASCADE, null=True, db_index=False
    )
    delivery_ids = ArrayField(models.UUIDField())
    authorised_at = models.DateTimeField()
    lease_expires_at = models.DateTimeField(
        help_text="After this time the window is taken from its worker."
    )
    handed_over_at = models.DateTimeField(
        null=True, help_text="From this time on the provider may have heard of each message."
    )

    class Meta:
        db_table = "send_windows"

    def __str__(self) -> str:
        return f"{len(self.delivery_ids)} by {self.get_channel_display()}"
