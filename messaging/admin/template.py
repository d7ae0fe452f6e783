"""The texts. Saving checks them, and notes which variables they need."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from messaging import catalogue
from messaging.models import MessageTemplate
from reengage.admin_base import (
    ChoicesDropdownFilter,
    ModelAdmin,
    PageExtrasMixin,
    Table,
    TextareaWidget,
    TextInputWidget,
    display,
)

EDITOR = {"rows": 18, "style": "max-width: 56rem; min-height: 24rem; line-height: 1.6"}


@admin.register(MessageTemplate)
class MessageTemplateAdmin(PageExtrasMixin[MessageTemplate], ModelAdmin[MessageTemplate]):
    """Message texts, by segment and channel."""

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
    readonly_fields = ("variables_needed", "variables_available", "created_at", "updated_at")
    fieldsets = (
        (
            "Text",
            {"fields": ("title", "subject_line", "template_content", "variables_needed")},
        ),
        (
            "Where it belongs",
            {"fields": ("template_key", "segment_type", "channel", "sequence_order")},
        ),
        ("Variables that it may use", {"fields": ("variables_available",)}),
        ("Record", {"fields": (("created_at", "updated_at"),)}),
    )

    def get_readonly_fields(
        self, request: HttpRequest, obj: MessageTemplate | None = None
    ) -> tuple[str, ...]:
        """Campaigns refer to the key and rely on the rest: it stays what it was made for."""
        fixed = ("template_key", "segment_type", "channel") if obj else ()
        return (*self.readonly_fields, *fixed)

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """A large field for the text, one line for the subject."""
        if db_field.name == "template_content":
            kwargs["widget"] = TextareaWidget(attrs=EDITOR)
        elif db_field.name == "subject_line":
            kwargs["widget"] = TextInputWidget(attrs={"style": "max-width: 56rem"})
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

    @display(description="variables used")
    def variables_needed(self, template: MessageTemplate) -> str:
        """The names that the saved text uses."""
        if not template.variables:
            return "None yet: they are taken from the text when it is saved."
        return format_html_join(" ", "<code>{{{{{}}}}}</code>", ((n,) for n in template.variables))

    @display(description="variables")
    def variables_available(self, template: MessageTemplate) -> str:
        """Every name that this segment's texts may use, with an example."""
        if not template.segment_type:
            return "Save first: they depend on the segment."
        rows = format_html_join(
            "",
            "<tr><td class='pr-4 py-1 align-top'><code>{{{{{}}}}}</code></td>"
            "<td class='pr-4 py-1 align-top'>{}</td><td class='py-1 align-top'>{}</td></tr>",
            (
                (variable.name, variable.description, variable.example)
                for variable in catalogue.of_segment(template.segment_type)
            ),
        )
        return format_html(
            "<details><summary class='cursor-pointer'>Show all, with examples</summary>"
            "<table class='mt-2'>{}</table></details>",
            rows,
        )

    def tables(self, request: HttpRequest, obj: MessageTemplate) -> list[Table]:
        """The steps that send this text: a change goes out with the next message."""
        steps = obj.steps.select_related("campaign").order_by("campaign__name", "sequence_order")
        return [
            Table(
                title="Campaigns that send this text",
                headers=("Campaign", "Status", "Day"),
                rows=[
                    (step.campaign, step.campaign.get_status_display(), str(step.delay_days))
                    for step in steps
                ],
                empty="No campaign uses it.",
            )
        ]
