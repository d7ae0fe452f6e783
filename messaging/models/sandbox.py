"""Messages that the sandbox provider accepted, to be read in the admin."""

from django.db import models

from messaging.models.delivery import MessageDelivery
from messaging.models.inbound import Reply
from messaging.models.template import Channel
from segments.models.fields import uuid7


class SandboxMessage(models.Model):
    """A message that would have gone out; it never leaves the machine.

    Its id is the one that the provider was handed: that of the delivery, or of the answer to a
    doctor, or one of its own for a test.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    delivery = models.OneToOneField(
        MessageDelivery, on_delete=models.CASCADE, null=True, related_name="sandbox_message"
    )
    answers = models.OneToOneField(
        Reply,
        on_delete=models.CASCADE,
        null=True,
        related_name="sandbox_message",
        help_text="The answer to a doctor that this is.",
    )
    channel = models.CharField(max_length=20, choices=Channel, default="", db_default="")
    recipient = models.CharField(max_length=254)
    subject = models.TextField(blank=True, default="")
    text = models.TextField()
    html = models.TextField(blank=True, default="")
    accepted_at = models.DateTimeField()

    class Meta:
        db_table = "sandbox_messages"
        ordering = ["-accepted_at"]

    def __str__(self) -> str:
        return f"To {self.recipient}"

    @property
    def is_test(self) -> bool:
        """Whether somebody tried a text out: no doctor was meant to get it."""
        return self.delivery_id is None and self.answers_id is None
