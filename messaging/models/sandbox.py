"""Messages that the sandbox provider accepted, to be read in the admin."""

from django.db import models

from messaging.models.delivery import MessageDelivery


class SandboxMessage(models.Model):
    """A message that would have gone out; it never leaves the machine."""

    delivery = models.OneToOneField(
        MessageDelivery, on_delete=models.CASCADE, primary_key=True, related_name="sandbox_message"
    )
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
