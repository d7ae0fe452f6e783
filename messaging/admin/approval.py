"""What WhatsApp or India's operators have of a template: entered, compared, asked for."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib import messages
from django.db import models
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timezone import localtime

from messaging import approval, approvals
from messaging.approval import need_of, registration_of
from messaging.models import ApprovalStatus, Channel, MessageTemplate
from messaging.providers.base import Need
from messaging.registered import difference
from messaging.tasks import ask_when_saved
from messaging.validation.draft import REGISTERED_TEXT
from messaging.validation.registered import registered_findings
from reengage.admin_base import (
    AnyAdmin,
    Confirmation,
    DropdownFilter,
    Notice,
    TextareaWidget,
    action,
    confirm,
    display,
    is_confirmed,
)

COLOURS = {
    "approved": "success",
    "registered": "success",
    "pending": "info",
    "unsubmitted": "warning",
    "unknown": "warning",
    "rejected": "danger",
    "paused": "danger",
    "disabled": "danger",
}
UNKNOWN = "unknown"
WHATSAPP_NEEDS = {
    Need.NOTHING: "The sandbox takes any text, WhatsApp only what it approved: make it ready here.",
    Need.CONTENT_SID: "Only an approved template goes out. Twilio is asked after each save and "
    "every morning.",
    Need.WHATSAPP_NAME: "Only an approved template goes out. Interakt cannot be asked: say here "
    "what it shows.",
}
SMS_NEEDS = {
    Need.NOTHING: "Any text goes out on the route that SMS take now. In India only registered ones "
    "do: make it ready here.",
    Need.DLT: "Only a registered text goes out, and exactly as it was registered.",
}


class NamesField(forms.CharField):
    """Names of variables, one a line or with commas; braces around them do no harm."""

    widget = TextareaWidget(attrs={"rows": 4, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        """One a line."""
        return "\n".join(map(str, value)) if isinstance(value, list) else value

    def to_python(self, value: Any) -> Any:
        """A list of names."""
        return re.findall(r"[^\s,;{}]+", value or "")

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Whether the names or their order did, and not only how they are written."""
        return bool(self.to_python(data) != (initial or []))


class ApprovalFilter(DropdownFilter):
    """WhatsApp templates, by what is said of them."""

    title = "approval"
    parameter_name = "approval"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Each status, and none."""
        return [*ApprovalStatus.choices, (UNKNOWN, "Not asked yet")]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[MessageTemplate]
    ) -> QuerySet[MessageTemplate]:
        """Only those."""
        if not (chosen := self.value()):
            return queryset
        status = "" if chosen == UNKNOWN else chosen
        return queryset.filter(channel=Channel.WHATSAPP, approval_status=status)


class ApprovalMixin(AnyAdmin):
    """A template's approval on its page and in the list.

    To stand before PageExtrasMixin among the bases, to whose notices it adds; the button is shown
    where `actions_detail` names `ask_again`.
    """

    def get_list_display(self, request: HttpRequest) -> Any:
        """With the approval."""
        return (*super().get_list_display(request), "approval_state")

    def get_list_filter(self, request: HttpRequest) -> Any:
        """With the approval."""
        return (*super().get_list_filter(request), ApprovalFilter)

    @display(description="approval", label=COLOURS)
    def approval_state(self, template: MessageTemplate) -> tuple[str, str] | None:
        """What WhatsApp says; of an SMS, whether it is registered where it must be."""
        if template.channel == Channel.WHATSAPP:
            status = template.approval_status
            return status or UNKNOWN, template.get_approval_status_display() or "Not asked yet"
        if template.channel == Channel.SMS:
            if template.dlt_template_id and template.registered_text:
                return "registered", "Registered"
            return (UNKNOWN, "Not registered") if need_of(Channel.SMS) is Need.DLT else None
        return None

    def get_fieldsets(self, request: HttpRequest, obj: MessageTemplate | None = None) -> Any:
        """What the template's channel asks for."""
        sets: list[Any] = list(super().get_fieldsets(request, obj))
        if obj and obj.channel in (Channel.WHATSAPP, Channel.SMS):
            sets.insert(len(sets) - 1, _fieldset(obj))  # before the record
        return sets

    def get_readonly_fields(
        self, request: HttpRequest, obj: MessageTemplate | None = None
    ) -> tuple[str, ...]:
        """What the provider says, where it can be asked."""
        told = ("approval_detail", "approval_checked_at")
        fields = (*super().get_readonly_fields(request, obj), *told)
        by_provider = obj is not None and approvals.is_told_by_provider(obj.channel)
        return (*fields, "approval_status") if by_provider else fields

    def formfield_for_dbfield(
        self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Names instead of JSON; a field as large as the text that goes into it."""
        if db_field.name == "parameters":
            return NamesField(
                label="Variables",
                required=False,
                help_text="Of our text, in the order of the registered text's numbers: one a "
                "line, the first for {{1}}.",
            )
        if db_field.name == "registered_text":
            kwargs["widget"] = TextareaWidget(attrs={"rows": 6, "spellcheck": "false"})
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def save_model(
        self, request: HttpRequest, obj: MessageTemplate, form: Any, change: Any
    ) -> None:
        """Note who said it, or have the provider asked once it is saved."""
        if "approval_status" in form.changed_data:
            said_at = localtime(timezone.now())
            obj.approval_detail = f"Said by {request.user}, {said_at:%d %b %Y, %H:%M}."
            obj.approval_checked_at = None
        super().save_model(request, obj, form, change)
        ask_when_saved(obj)

    def notices(self, request: HttpRequest, obj: MessageTemplate) -> list[Notice]:
        """Whether it may go out, and how it compares with what is registered."""
        return [*super().notices(request, obj), *_notices(obj)]  # type: ignore[misc]

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the button where there is somebody to ask."""
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        template = self.get_object(request, object_id)
        if template is not None and approvals.can_be_asked_about(template):
            return buttons
        return [button for button in buttons if button.path != "ask_again"]

    @action(description="Ask for approval again", icon="sync", permissions=["change"])
    def ask_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask the provider now."""
        template = self.get_object(request, object_id)
        if template is None or not approvals.can_be_asked_about(template):
            raise Http404
        page = reverse("admin:messaging_messagetemplate_change", args=[template.pk])
        if not is_confirmed(request):
            question = "Twilio is asked what WhatsApp says of this template. It takes some seconds."
            facts = [f"{template.content_sid}: {_said(template)}"]
            asking = Confirmation("Ask again now", question, "Ask", facts)
            return confirm(self, request, asking, page)
        if untold := approvals.ask(template, timezone.now()):
            messages.error(request, f"Twilio {untold}")
        else:
            template.refresh_from_db()
            is_approved = template.approval_status == ApprovalStatus.APPROVED
            tell = messages.success if is_approved else messages.warning
            tell(request, f"Asked: {_said(template)}")
        return redirect(page)


def _said(template: MessageTemplate) -> str:
    """The status and what belongs to it, as a sentence."""
    status = template.get_approval_status_display() or "Not asked yet"
    return f"{status}. {template.approval_detail}".strip()


def _fieldset(template: MessageTemplate) -> tuple[str, dict[str, Any]]:
    """The fields of the channel, without those of a provider that it does not use."""
    need = need_of(template.channel)
    if template.channel == Channel.SMS:
        fields: tuple[Any, ...] = ("dlt_template_id", "registered_text")
        return "SMS registration (DLT)", {"fields": fields, "description": SMS_NEEDS[need]}
    twilio = ("content_sid",) if need is not Need.WHATSAPP_NAME or template.content_sid else ()
    interakt: tuple[Any, ...] = ()
    if need is not Need.CONTENT_SID or template.whatsapp_name:
        interakt = (("whatsapp_name", "whatsapp_language"),)
    fields = (
        *twilio,
        *interakt,
        "whatsapp_category",
        "registered_text",
        "parameters",
        ("approval_status", "approval_checked_at"),
        "approval_detail",
    )
    return "WhatsApp approval", {"fields": fields, "description": WHATSAPP_NEEDS[need]}


def _notices(template: MessageTemplate) -> list[Notice]:
    found = []
    problem = approval.problem_of(template)
    differs = approval.mismatch(registration_of(template))
    if problem:
        lines = _comparison(template) if problem == differs else []
        if approvals.is_running(template):
            title = "A running campaign sends this text, and it may not go out: it is skipped."
            found.append(Notice("error", title, lines or [_sentence(problem)]))
        else:
            title = "This text may not go out:"
            found.append(Notice("warning", title, lines or [_sentence(problem)]))
    if differs and differs != problem:
        lines = _comparison(template) or [_sentence(differs)]
        found.append(Notice("warning", "It does not fit what is registered:", lines))
    if template.registered_text and not differs and template.channel != Channel.EMAIL:
        found.append(Notice("success", "The text is as registered, word for word."))
    return found


def _comparison(template: MessageTemplate) -> list[str]:
    """The first difference with both texts, one above the other; [] where something else is wrong.

    A line of dots for blanks may be broken anywhere.
    """
    found = registered_findings(template.draft())
    if not found or found[0].field != REGISTERED_TEXT:
        return []
    differs = difference(
        template.channel, template.template_content, template.registered_text, template.parameters
    )
    if differs is None:
        return []
    beside = "{} <code style='overflow-wrap: anywhere'>{}</code>"
    return [
        f"The text is not as registered in line {differs.line}, column {differs.column}.",
        format_html(beside, "Message:", differs.ours),
        format_html(beside, "Registered:", differs.theirs),
        differs.what_to_do,
    ]


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
