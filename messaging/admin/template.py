"""The texts. Saving checks them, and notes which variables they need."""

# ruff: noqa: SLF001  `_meta` is Django's
from __future__ import annotations

from collections.abc import Container
from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe

from messaging.admin.approval import ApprovalMixin
from messaging.admin.audience import AudienceMixin
from messaging.admin.copied import CopiedMixin
from messaging.admin.editor import EditorMixin
from messaging.admin.in_use import InUseMixin
from messaging.admin.transfer import TransferMixin
from messaging.admin.versions import VersionsMixin
from messaging.admin.warned import WarnedMixin
from messaging.models import MessageTemplate
from reengage.admin_base import (
    ChoicesDropdownFilter,
    ModelAdmin,
    PageExtrasMixin,
    TextareaWidget,
    TextInputWidget,
    display,
)

# The page's script puts variables into these.
LINE = {"data-editor-field": ""}
TEXT = {"data-editor-field": "", "rows": 18, "class": "editor-text"}

# What shows a field to somebody who may only look.
IN_WORDS = {"defaults": "defaults_in_words", "parameters": "parameters_in_words"}
BREAK = mark_safe("<br>")


@admin.register(MessageTemplate)
class MessageTemplateAdmin(
    VersionsMixin,
    WarnedMixin,
    InUseMixin,
    CopiedMixin,
    TransferMixin,
    EditorMixin,
    ApprovalMixin,
    PageExtrasMixin[MessageTemplate],
    AudienceMixin,
    ModelAdmin[MessageTemplate],
):
    """Message texts, by segment and channel."""

    actions_detail = ("copy", "check_audience", "ask_again", "show_versions")
    list_display = (
        "name",
        "segment_type",
        "channel",
        "sequence_order",
        "first_words",
        "updated_at",
    )
    sortable_by = ("name", "updated_at")
    list_filter = (("segment_type", ChoicesDropdownFilter), ("channel", ChoicesDropdownFilter))
    search_fields = ("template_key", "title", "subject_line", "template_content")
    search_help_text = "A word of the key, the title, the subject or the text."
    readonly_fields = ("variables_needed", "created_at", "updated_at")
    texts = ("title", "subject_line", "preheader", "template_content", "max_sms_segments")
    place = ("template_key", "segment_type", "channel", "sequence_order")
    absent: Any = ("Where a doctor has no value", {"fields": ("defaults",)})
    fieldsets = (
        ("Text", {"fields": (*texts, "variables_needed")}),
        absent,
        ("Where it belongs", {"fields": place}),
        ("Record", {"fields": (("created_at", "updated_at"),)}),
    )
    # Segment and channel come first: the variables and the limits depend on them.
    add_fieldsets = (("Where it belongs", {"fields": place}), ("Text", {"fields": texts}), absent)

    def get_fieldsets(self, request: HttpRequest, obj: MessageTemplate | None = None) -> Any:
        """A new template has no record yet; who may only look sees pairs and lists in words."""
        if obj is None:
            return self.add_fieldsets
        sets = super().get_fieldsets(request, obj)
        shown = self.get_readonly_fields(request, obj)
        if not self.has_change_permission(request, obj):
            shown = (*shown, *IN_WORDS)
        return _in_words(sets, shown)

    def get_form(
        self,
        request: HttpRequest,
        obj: MessageTemplate | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  as Django has it
        **kwargs: Any,
    ) -> Any:
        """The form; who may only look is not told what to write."""
        if obj is not None and not self.has_change_permission(request, obj):
            kwargs["help_texts"] = {field.name: "" for field in obj._meta.concrete_fields}
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(
        self, request: HttpRequest, obj: MessageTemplate | None = None
    ) -> tuple[str, ...]:
        """Campaigns refer to the key and rely on the rest: it stays what it was made for."""
        fixed = ("template_key", "segment_type", "channel") if obj else ()
        return (*super().get_readonly_fields(request, obj), *fixed, *IN_WORDS.values())

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A large field for the text, one line for subject and preview line."""
        if db_field.name == "template_content":
            kwargs["widget"] = TextareaWidget(attrs=TEXT)
        elif db_field.name in {"subject_line", "preheader"}:
            kwargs["widget"] = TextInputWidget(attrs=LINE)
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @display(description="template", ordering="template_key", header=True)
    def name(self, template: MessageTemplate) -> tuple[str, str]:
        """The title, and the key below it."""
        return template.title or template.template_key, template.template_key

    @display(description="text")
    def first_words(self, template: MessageTemplate) -> str:
        """Enough of the text to know it by."""
        text = " ".join(template.template_content.split())
        return text if len(text) <= 60 else f"{text[:59]}…"

    @display(description="defaults")
    def defaults_in_words(self, template: MessageTemplate) -> str:
        """A line for each variable that has one."""
        lines = ((f"{name}: {text}",) for name, text in template.defaults.items())
        return format_html_join(BREAK, "{}", lines) or "None given"

    @display(description="variables")
    def parameters_in_words(self, template: MessageTemplate) -> str:
        """The variable of each number of the registered text."""
        lines = (
            (f"{{{{{place}}}}} is {name}",) for place, name in enumerate(template.parameters, 1)
        )
        return format_html_join(BREAK, "{}", lines) or "None given"

    @display(description="variables used")
    def variables_needed(self, template: MessageTemplate) -> str:
        """The names that the saved text uses."""
        if not template.variables:
            return "None yet: they are taken from the text when it is saved."
        return format_html_join(" ", "<code>{{{{{}}}}}</code>", ((n,) for n in template.variables))


def _in_words(sets: Any, shown: Container[str]) -> Any:
    """The fieldsets, with what shows a field in words in the place of those that are only shown."""

    def of(field: Any) -> Any:
        return IN_WORDS.get(field, field) if isinstance(field, str) and field in shown else field

    return [
        (name, {**options, "fields": tuple(of(field) for field in options["fields"])})
        for name, options in sets
    ]
