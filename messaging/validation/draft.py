"""The text that is checked, and what it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CONTENT, SUBJECT, PREHEADER = "template_content", "subject_line", "preheader"
DEFAULTS = "defaults"
PARAMETERS, REGISTERED_TEXT = "parameters", "registered_text"
# As the editor calls them, in its order.
FIELD_WORDS = {SUBJECT: "subject", PREHEADER: "preview line", CONTENT: "text"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A template as it stands in an editor. `days`: on which days campaigns send it."""

    channel: str
    content: str
    subject: str = ""
    preheader: str = ""
    segment_type: str = ""  # '' where it is not known yet: every variable is allowed
    defaults: Mapping[str, Any] = field(default_factory=dict)
    max_sms_segments: int = 2  # 0: no limit
    days: tuple[int, ...] = ()
    # What WhatsApp's providers and India's operators have registered of it.
    content_sid: str = ""
    whatsapp_name: str = ""
    dlt_template_id: str = ""
    parameters: Sequence[Any] = field(default_factory=list)
    registered_text: str = ""

    def text_of(self, field: str) -> str:
        """What stands in one of the fields that take variables."""
        return {CONTENT: self.content, SUBJECT: self.subject, PREHEADER: self.preheader}[field]
