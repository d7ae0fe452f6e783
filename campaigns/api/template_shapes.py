"""A template as the API takes and gives it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from ninja import Schema
from pydantic import Field

from campaigns.api.campaign_shapes import told
from campaigns.api.shapes import DoctorId, In, WholeNumber, example
from messaging.models import Channel, MessageTemplate, WhatsAppCategory
from messaging.validation import LONGEST, Draft
from segments.models import SegmentType

TEXT = "Dr. {{last_name}}, {{session_name}} was recorded for you: {{shortlink}} -CLIRNET"


def _template(name: str) -> str:
    return told(MessageTemplate, name)


class Texts(In):
    """What a template says, and as what it is registered."""

    title: str = Field(default="", max_length=100, description=_template("title"))
    text: str = Field(
        default="",
        max_length=LONGEST,
        description=_template("template_content"),
        examples=[TEXT],
    )
    subject: str = Field(default="", max_length=1000, description=_template("subject_line"))
    preheader: str = Field(default="", max_length=150, description=_template("preheader"))
    defaults: dict[str, str] = Field(
        default={}, max_length=100, description=_template("defaults"), examples=[{}]
    )
    max_sms_segments: WholeNumber = Field(
        default=2, ge=0, le=50, description=_template("max_sms_segments")
    )
    content_sid: str = Field(default="", max_length=34, description=_template("content_sid"))
    whatsapp_name: str = Field(default="", max_length=100, description=_template("whatsapp_name"))
    whatsapp_language: str = Field(
        default="en", max_length=10, description=_template("whatsapp_language")
    )
    whatsapp_category: WhatsAppCategory | None = Field(
        default=None, description=_template("whatsapp_category")
    )
    parameters: list[str] = Field(
        default=[], max_length=100, description=_template("parameters"), examples=[[]]
    )
    dlt_template_id: str = Field(
        default="", max_length=30, description=_template("dlt_template_id")
    )
    registered_text: str = Field(
        default="", max_length=LONGEST, description=_template("registered_text")
    )


class TemplateIn(Texts):
    """A new template."""

    model_config = example(
        key="no_show.sms.7",
        channel="sms",
        segment_type="no_show",
        place=7,
        title="Recording, last call",
        text=TEXT,
    )

    key: str = Field(
        min_length=1,
        max_length=100,
        description=_template("template_key"),
        examples=["no_show.sms.7"],
    )
    channel: Channel
    segment_type: SegmentType
    place: WholeNumber = Field(ge=1, le=1000, description=_template("sequence_order"))


class TemplateChange(Texts):
    """What is to be otherwise; what is left out stays. Key, channel and segment stay for good."""

    model_config = example(text=TEXT, version=3)

    place: WholeNumber = Field(default=1, ge=1, le=1000, description=_template("sequence_order"))
    version: WholeNumber | None = Field(
        default=None,
        ge=1,
        le=2_147_483_647,
        description="The version that you have seen: where somebody saved a newer one, nothing "
        "is changed (409).",
    )


class DraftIn(Texts):
    """A text that is being written; it need not be saved."""

    model_config = example(channel="sms", segment_type="no_show", text=TEXT)

    channel: Channel
    segment_type: SegmentType

    def draft(self) -> Draft:
        """What is checked."""
        return Draft(
            channel=self.channel,
            content=self.text,
            subject=self.subject,
            preheader=self.preheader,
            segment_type=self.segment_type,
            defaults=self.defaults,
            max_sms_segments=self.max_sms_segments,
            content_sid=self.content_sid,
            whatsapp_name=self.whatsapp_name,
            dlt_template_id=self.dlt_template_id,
            parameters=self.parameters,
            registered_text=self.registered_text,
        )


class PreviewIn(DraftIn):
    """A text, and for whom."""

    model_config = example(channel="sms", segment_type="no_show", text=TEXT, doctor_id="D-10023")

    doctor_id: DoctorId | None = Field(
        default=None, description="Somebody of the segment; left out: its first doctor."
    )


class SavedPreviewIn(In):
    """For whom."""

    model_config = example(doctor_id="D-10023")

    doctor_id: DoctorId | None = Field(
        default=None, description="Somebody of the segment; left out: its first doctor."
    )


# As the model calls what the API calls otherwise.
FIELDS = {
    "key": "template_key",
    "place": "sequence_order",
    "text": "template_content",
    "subject": "subject_line",
}
SHOWN = {name: ours for ours, name in FIELDS.items()}


class TemplateRow(Schema):
    """A template in a list."""

    id: UUID
    key: str
    title: str
    channel: Channel
    segment_type: SegmentType
    place: int
    approval: str = Field(description=_template("approval_status"))
    updated_at: datetime | None

    @staticmethod
    def resolve_key(template: MessageTemplate) -> str:
        """As campaigns name it."""
        return template.template_key

    @staticmethod
    def resolve_place(template: MessageTemplate) -> int:
        """From 1."""
        return template.sequence_order

    @staticmethod
    def resolve_approval(template: MessageTemplate) -> str:
        """Empty: nobody has said."""
        return template.approval_status


class TemplateOut(TemplateRow):
    """A template."""

    text: str
    subject: str
    preheader: str
    defaults: dict[str, Any]
    variables: list[str]
    max_sms_segments: int
    content_sid: str
    whatsapp_name: str
    whatsapp_language: str
    whatsapp_category: str
    parameters: list[Any]
    dlt_template_id: str
    registered_text: str
    version: int

    @staticmethod
    def resolve_text(template: MessageTemplate) -> str:
        """With its variables."""
        return template.template_content

    @staticmethod
    def resolve_subject(template: MessageTemplate) -> str:
        """Of an e-mail."""
        return template.subject_line or ""

    @staticmethod
    def resolve_variables(template: MessageTemplate) -> list[str]:
        """What the text needs."""
        return template.variables or []

    @staticmethod
    def resolve_version(template: MessageTemplate) -> int:
        """The number of the newest."""
        number: int = template.versions.order_by("-number").values_list("number", flat=True)[0]
        return number


class TemplatePage(Schema):
    """A page of templates."""

    items: list[TemplateRow]
    next: str | None


class FindingOut(Schema):
    """One thing that is wrong with a text, or doubtful."""

    level: str = Field(description="error: it cannot be saved or sent; warning: look at it.")
    field: str
    line: int | None
    text: str
    suggestion: str


class Checked(Schema):
    """What is wrong with a text."""

    valid: bool = Field(description="No errors; there may be warnings.")
    findings: list[FindingOut]


class PersonOut(Schema):
    """Whose message it is."""

    doctor_id: str | None = Field(description="Null: the catalogue's examples stand in.")
    note: str


class Preview(Schema):
    """What one doctor would get. Nothing is stored or sent."""

    person: PersonOut
    verdict: str = Field(description="What to know of it; empty: it goes out as shown.")
    skipped: bool = Field(description="A value is missing: this doctor would get no message.")
    findings: list[FindingOut]
    parts: dict[str, Any] = Field(description="The message: text, subject, HTML, size, price.")
