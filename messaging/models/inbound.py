"""What doctors write back, and what is answered by itself."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from messaging.models.delivery import MessageDelivery
from messaging.models.event import ProviderEvent
from messaging.models.template import Channel
from segments.models import Doctor
from segments.models.fields import UuidV7Field


class KeywordReply(models.Model):
    """A word that doctors are invited to send, and the answer that they get."""

    keyword = models.CharField(
        max_length=40,
        help_text="The whole message, such as DEMO. Capitals and punctuation do not matter.",
    )
    channel = models.CharField(
        max_length=20,
        choices=[(c.value, c.label) for c in Channel if c != Channel.EMAIL],
        default=Channel.WHATSAPP,
    )
    reply = models.TextField(
        max_length=1024,
        help_text="Sent as it stands here, once for each time the word comes, within 24 hours.",
    )
    is_active = models.BooleanField(
        "in use", default=True, db_default=True, help_text="Not ticked: it goes to the inbox."
    )

    class Meta:
        db_table = "keyword_replies"
        verbose_name = "keyword reply"
        verbose_name_plural = "keyword replies"
        ordering = ["keyword", "channel"]
        constraints = [
            models.UniqueConstraint(
                fields=["keyword", "channel"],
                name="keyword_replies_once",
                violation_error_message="This word has an answer on this channel already.",
            )
        ]

    def __str__(self) -> str:
        return f"{self.keyword} ({self.get_channel_display()})"

    def clean(self) -> None:
        """Keep the word as messages are compared; one that means STOP or START is taken."""
        from messaging.inbound_words import meaning, plain  # noqa: PLC0415  it names no models

        self.keyword = plain(self.keyword).upper()
        if not self.keyword:
            raise ValidationError({"keyword": "Write a word of letters or digits."})
        if meaning(self.keyword) in ("stop", "start"):
            raise ValidationError(
                {"keyword": f"{self.keyword} already opts the doctor out or back in."}
            )
        if self.reply and (wrong := wrong_with(self.reply)):
            raise ValidationError({"reply": wrong})


def wrong_with(reply: str) -> str:
    """What keeps an answer from going out as it stands, for the form; '': nothing."""
    from messaging.links.target import is_allowed  # noqa: PLC0415  its package knows the models
    from messaging.validation.addresses import addresses  # noqa: PLC0415  so does this one

    if "{" in reply or "}" in reply:
        return "Variables are not filled in replies: write the words without { and }."
    for _line, address in addresses(reply):
        if not is_allowed(address if "://" in address else f"https://{address}"):
            hosts = ", ".join(sorted(settings.LINK_HOSTS)) or "none yet"
            return f"{address} may not be linked to. Links may lead to: {hosts}."
    return ""


class InboundKind(models.TextChoices):
    """What a message from a doctor is taken for."""

    STOP = "stop", "Opts out"
    START = "start", "Comes back"
    KEYWORD = "keyword", "Keyword"
    DOUBT = "doubt", "May want to opt out"
    OTHER = "other", "To be read"


class InboundMessage(models.Model):
    """One message from a doctor; without a doctor where nobody has the number."""

    id = UuidV7Field()
    event = models.OneToOneField(
        ProviderEvent, on_delete=models.SET_NULL, null=True, related_name="inbound"
    )
    provider = models.CharField(max_length=30)
    channel = models.CharField(max_length=20, choices=Channel)
    doctor = models.ForeignKey(
        Doctor,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        db_column="user_id",
        related_name="inbound_messages",
        help_text="By the number. Empty: no doctor has it.",
    )
    sender = models.CharField("from", max_length=32)
    text = models.TextField(blank=True)
    button = models.CharField(
        max_length=256, blank=True, help_text="What the button says that the doctor pressed."
    )
    kind = models.CharField(max_length=20, choices=InboundKind, default=InboundKind.OTHER)
    delivery = models.ForeignKey(
        MessageDelivery,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        verbose_name="answers",
        related_name="answers",
        help_text="The doctor's last message on the channel before this one.",
    )
    received_at = models.DateTimeField()
    handled_at = models.DateTimeField(
        null=True, blank=True, help_text="Empty: it waits for somebody."
    )
    handled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where it was done by itself.",
    )

    class Meta:
        db_table = "inbound_messages"
        verbose_name = "message from a doctor"
        verbose_name_plural = "messages from doctors"
        permissions = [("handle_inboundmessage", "Can mark messages from doctors as handled")]
        indexes = [
            # the inbox: what waits first, then what was handled last.
            models.Index(
                F("handled_at").desc(nulls_first=True),
                F("id").desc(),
                name="idx_inbound_messages_inbox",
            ),
            # session.open_numbers: who wrote on WhatsApp within a day.
            models.Index(
                fields=["sender", "received_at"],
                name="idx_inbound_messages_session",
                condition=Q(channel="whatsapp"),
            ),
        ]

    def __str__(self) -> str:
        received = timezone.localtime(self.received_at)
        return f"{self.get_channel_display()}, {received:%d %b %Y, %H:%M}"


class ReplyStatus(models.TextChoices):
    """Life of an answer."""

    QUEUED = "queued", "Waits to be sent"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    FAILED = "failed", "Not sent"
    UNKNOWN = "unknown", "No answer from the provider"


UNDER_WAY = (ReplyStatus.QUEUED, ReplyStatus.SENDING)


class Reply(models.Model):
    """One answer to a message from a doctor: to its keyword, or by a person."""

    id = UuidV7Field()
    message = models.ForeignKey(InboundMessage, on_delete=models.CASCADE, related_name="replies")
    text = models.TextField(blank=True)
    status = models.CharField(
        "state", max_length=20, choices=ReplyStatus, default=ReplyStatus.QUEUED
    )
    is_automatic = models.BooleanField(default=False, help_text="The answer to a keyword.")
    written_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty where it was answered by itself.",
    )
    written_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True, blank=True, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)
    external_id = models.CharField(max_length=255, blank=True, default="")
    error = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "inbound_replies"
        verbose_name = "answer to a doctor"
        verbose_name_plural = "answers to doctors"
        default_permissions = ("view",)  # they are seen and written on the page of their message
        indexes = [
            # inbound_reply.send_replies: the few that wait or are on their way.
            models.Index(
                fields=["id"],
                name="idx_inbound_replies_under_way",
                condition=Q(status__in=["queued", "sending"]),
            ),
        ]
        constraints = [
            # Two colleagues at once, or a double click: one of them is first.
            models.UniqueConstraint(
                fields=["message"],
                name="inbound_replies_one_under_way",
                condition=Q(status__in=["queued", "sending"]),
            )
        ]

    def __str__(self) -> str:
        written = timezone.localtime(self.written_at)
        return f"{self.who}, {written:%d %b %Y, %H:%M}"

    @property
    def who(self) -> str:
        """Whoever answered, as a sentence begins."""
        if self.is_automatic:
            return "The keyword's answer"
        return self.written_by.get_username() if self.written_by else "Somebody"
