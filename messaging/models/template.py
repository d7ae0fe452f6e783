"""Message texts that marketers edit."""

from typing import Any

from django.contrib.postgres.functions import TransactionNow
from django.core.exceptions import ValidationError
from django.db import models

from messaging.render import needed, template_problems
from segments.models import SegmentType
from segments.models.fields import UuidV7Field


class Channel(models.TextChoices):
    """Ways to a doctor, in the strategy's order."""

    WHATSAPP = "whatsapp", "WhatsApp"
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"


class MessageTemplate(models.Model):
    """A text with {{variables}}, for one segment and one channel."""

    id = UuidV7Field()
    template_key = models.CharField(
        max_length=100,
        unique=True,
        help_text="Short name that campaigns use, such as aida_users.whatsapp.1.",
    )
    title = models.CharField(
        max_length=100, blank=True, default="", db_default="", help_text="What it is for, in words."
    )
    channel = models.CharField(max_length=20, choices=Channel)
    segment_type = models.CharField("segment", max_length=50, choices=SegmentType)
    sequence_order = models.IntegerField(
        "place in the sequence", help_text="First message of the channel is 1."
    )
    template_content = models.TextField(
        "text", help_text="Write {{first_name}} where the doctor's own value should stand."
    )
    subject_line = models.TextField(
        "subject", null=True, blank=True, help_text="For e-mail only; may use {{variables}}."
    )
    variables = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Every variable that the text needs; taken from the text on saving.",
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=TransactionNow(), null=True)

    class Meta:
        db_table = "message_templates"
        verbose_name = "template"
        ordering = ["segment_type", "channel", "sequence_order"]

    def __str__(self) -> str:
        return self.template_key

    def clean(self) -> None:
        """Refuse a text that could not be sent, in the marketer's words."""
        # Browsers end lines with CR LF; in an SMS each CR is a character that costs.
        self.template_content = self.template_content.replace("\r\n", "\n")
        self.subject_line = self.subject_line or None
        problems = template_problems(self.channel, self.template_content, self.subject_line)
        if problems:
            raise ValidationError(problems)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with `variables` as the text has them. TemplateError: the text is broken."""
        self.variables = list(needed(self.template_content, self.subject_line))
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], "variables"}
        super().save(*args, **kwargs)
