"""Message texts that marketers edit."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django.contrib.postgres.functions import TransactionNow
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator, RegexValidator
from django.db import models
from django.utils import timezone

from messaging.audience.members import sample_variables
from messaging.in_use import held
from messaging.render import needed
from messaging.validation import Draft, check_template
from messaging.validation.characters import cannot_be_stored, unseen_findings
from segments.models import SegmentType
from segments.models.fields import UuidV7Field


class Channel(models.TextChoices):
    """Ways to a doctor, in the strategy's order."""

    WHATSAPP = "whatsapp", "WhatsApp"
    SMS = "sms", "SMS"
    EMAIL = "email", "E-mail"


class WhatsAppCategory(models.TextChoices):
    """What WhatsApp approves a template as; it decides the price."""

    MARKETING = "marketing", "Marketing"
    UTILITY = "utility", "Utility"
    AUTHENTICATION = "authentication", "Authentication"


class ApprovalStatus(models.TextChoices):
    """What WhatsApp says of a template (Twilio's words)."""

    UNSUBMITTED = "unsubmitted", "Not submitted"
    PENDING = "pending", "Waiting for approval"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    PAUSED = "paused", "Paused by WhatsApp"
    DISABLED = "disabled", "Disabled by WhatsApp"


# The messages of so many doctors of the segment are measured when an SMS is saved.
MEASURED = 20
KEY = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")


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
        "place in the sequence",
        validators=[MinValueValidator(1, "The first message of the channel is 1.")],
        help_text="First message of the channel is 1.",
    )
    template_content = models.TextField(
        "text", help_text="Write {{first_name}} where the doctor's own value should stand."
    )
    subject_line = models.TextField(
        "subject", null=True, blank=True, help_text="For e-mail only; may use {{variables}}."
    )
    preheader = models.CharField(
        "preview line",
        max_length=150,
        blank=True,
        default="",
        db_default="",
        help_text="For e-mail only: what a list of mails shows beside the subject. "
        "Empty: how the text begins.",
    )
    variables = models.JSONField(
        null=True,
        blank=True,
        editable=False,
        help_text="Every variable that the text needs; taken from the text on saving.",
    )
    defaults = models.JSONField(
        default=dict,
        db_default={},
        blank=True,
        help_text="What stands where a doctor has no value, such as "
        '{"specialty": "your field"}. Without one the message is skipped.',
    )
    max_sms_segments = models.PositiveSmallIntegerField(
        "SMS allowed",
        default=2,
        db_default=2,
        help_text="How many SMS the text may take: each is paid for. 0: any number.",
    )
    # What WhatsApp's providers and India's registry of SMS texts (DLT) know of it.
    content_sid = models.CharField(
        "Twilio content SID",
        max_length=34,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^HX[0-9a-fA-F]{32}$", "It is HX and 32 digits or a to f.")],
        help_text="Of the approved template that goes out through Twilio, such as HX0a1b….",
    )
    whatsapp_name = models.CharField(
        "name at Interakt",
        max_length=100,
        blank=True,
        default="",
        db_default="",
        help_text="Of the approved template that goes out through Interakt: its code name there.",
    )
    whatsapp_language = models.CharField(
        "language",
        max_length=10,
        blank=True,
        default="en",
        db_default="en",
        validators=[RegexValidator(r"^[a-z]{2,3}(_[A-Z]{2})?\Z", "It is such as en, hi or en_US.")],
        help_text="Of the approved template, such as en or hi.",
    )
    whatsapp_category = models.CharField(
        "category",
        max_length=20,
        choices=WhatsAppCategory,
        blank=True,
        default="",
        db_default="",
        help_text="What WhatsApp approved it as.",
    )
    parameters = models.JSONField(
        default=list,
        db_default=[],
        blank=True,
        help_text="Our variables in the order of the registered text's numbers, {{1}} first.",
    )
    dlt_template_id = models.CharField(
        "DLT template id",
        max_length=30,
        blank=True,
        default="",
        db_default="",
        validators=[RegexValidator(r"^[0-9]{10,30}$", "It has digits only, usually 19.")],
        help_text="Of the text as registered with the operators (India).",
    )
    registered_text = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="As it was approved, with {{1}} (WhatsApp) or {#var#} (SMS) for the variables.",
    )
    approval_status = models.CharField(
        "approval",
        max_length=20,
        choices=ApprovalStatus,
        blank=True,
        default="",
        db_default="",
        help_text="What the provider says, or you, where it cannot be asked.",
    )
    approval_detail = models.TextField(
        blank=True, default="", db_default="", help_text="Such as why it was rejected."
    )
    approval_checked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="When the provider was last asked."
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    updated_at = models.DateTimeField(auto_now=True, db_default=TransactionNow(), null=True)

    # What an approval is about, and itself.
    APPROVED_AS: ClassVar[tuple[str, ...]] = (
        "content_sid",
        "whatsapp_name",
        "whatsapp_language",
        "registered_text",
        "approval_status",
    )

    as_loaded: Mapping[str, Any] = {}  # of APPROVED_AS, as the database had it

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
        if self.defaults is None:  # an empty field of a form
            self.defaults = {}
        if self.parameters is None:
            self.parameters = []
        self.registered_text = self.registered_text.replace("\r\n", "\n")
        if unstorable := self._not_storable():
            words = "There is a character in it that cannot be stored. Delete it."
            raise ValidationError(dict.fromkeys(unstorable, words))
        people: Sequence[Mapping[str, Any]] = ()
        if self.channel == Channel.SMS:
            people = sample_variables(self.segment_type, timezone.now(), MEASURED)
        problems = defaultdict(list, self._misplaced() if self._state.adding else held(self))
        title = unseen_findings(self.title, "title")
        for finding in (*title, *check_template(self.draft(), people)):
            if finding.level == "error":
                problems[finding.field].append(str(finding))
        if problems:
            raise ValidationError(dict(problems))

    def _not_storable(self) -> list[str]:
        """Fields of text that the database would refuse; lists and pairs are checked by name."""
        return [
            field.attname
            for field in self._meta.concrete_fields
            if isinstance(field, models.CharField | models.TextField)
            and cannot_be_stored(getattr(self, field.attname) or "")
        ]

    def _misplaced(self) -> dict[str, list[str]]:
        """Of a new template: a key that cannot stand in a file or address, a place that is taken.

        Older ones keep theirs: campaigns rely on them.
        """
        found = {}
        if not KEY.fullmatch(self.template_key):
            parts = "Small letters, digits and _, parts separated by dots, such as"
            found["template_key"] = [f"{parts} aida_users.whatsapp.1."]
        place = ("segment_type", "channel", "sequence_order")
        there = MessageTemplate.objects.filter(**{name: getattr(self, name) for name in place})
        if self.sequence_order is not None and (taken := there.first()):
            already = f"“{taken}” has this place in the segment and channel already."
            found["sequence_order"] = [f"{already} Choose another number."]
        return found

    def draft(self, days: tuple[int, ...] = (), subject: str | None = None) -> Draft:
        """What check_template() looks at; `subject` is a step's own, where it has one."""
        return Draft(
            channel=self.channel,
            content=self.template_content,
            subject=subject or self.subject_line or "",
            segment_type=self.segment_type,
            defaults=self.defaults,
            preheader=self.preheader,
            max_sms_segments=self.max_sms_segments,
            days=days,
            content_sid=self.content_sid,
            whatsapp_name=self.whatsapp_name,
            dlt_template_id=self.dlt_template_id,
            parameters=self.parameters,
            registered_text=self.registered_text,
        )

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save, with `variables` as the text has them. TemplateError: the text is broken."""
        self.variables = list(needed(self.template_content, self.subject_line, self.preheader))
        changed = {"variables", *self._forget_approval()}
        if kwargs.get("update_fields") is not None:
            kwargs["update_fields"] = {*kwargs["update_fields"], *changed}
        super().save(*args, **kwargs)
        here = self.__dict__  # what is deferred is not read for this
        self.as_loaded = {name: here[name] for name in self.APPROVED_AS if name in here}

    @classmethod
    def from_db(
        cls, db: str | None, field_names: Collection[str], values: Collection[Any], **options: Any
    ) -> MessageTemplate:
        """Read a row, and remember what its approval is about."""
        row = super().from_db(db, field_names, values, **options)
        found = dict(zip(field_names, values, strict=False))
        row.as_loaded = {name: found[name] for name in cls.APPROVED_AS if name in found}
        return row

    def _forget_approval(self) -> set[str]:
        """Drop what was said of another content or name; returns the fields that it changed.

        What a person says in the same breath stays.
        """
        loaded = self.as_loaded
        was = {name: loaded[name] for name in loaded if loaded[name] != getattr(self, name)}
        said = loaded.get("approval_status") != self.approval_status
        if not was.keys() & {"content_sid", "whatsapp_name", "whatsapp_language"} or said:
            return set()
        self.approval_status, self.approval_detail, self.approval_checked_at = "", "", None
        changed = {"approval_status", "approval_detail", "approval_checked_at"}
        if was.get("content_sid") and "registered_text" not in was:
            self.registered_text = ""
            changed.add("registered_text")
        return changed
