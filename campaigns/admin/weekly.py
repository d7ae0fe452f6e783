"""The weekly review: what would be sent now, and what was sent to whom."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_meta` are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from campaigns import weekly
from campaigns.models import WeeklyReview
from reengage.admin_base import (
    ChoicesDropdownFilter,
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    action,
    display,
)

STATE_COLOURS = {"sending": "warning", "sent": "success", "refused": "danger"}
STATE_WORDS = {
    "sending": "It is being sent, or that broke off: it may have arrived, so it is not sent again.",
    "sent": "The mail server took it.",
    "refused": "The mail server did not take it. It is tried again each hour of the morning.",
}


@admin.register(WeeklyReview)
class WeeklyReviewAdmin(PageExtrasMixin[WeeklyReview], ReadOnlyAdmin[WeeklyReview]):
    """Each e-mail that was sent, newest first."""

    list_display = ("week", "recipient", "address", "state_shown", "sent_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("recipient",)
    fields = ("week", "recipient", "address", "subject", "sent_at", "text")
    actions_list = ("preview",)

    @display(description="state", label=STATE_COLOURS)
    def state_shown(self, row: WeeklyReview) -> tuple[str, str]:
        """State as a coloured word."""
        return row.state, row.get_state_display()

    def notices(self, request: HttpRequest, obj: WeeklyReview) -> list[Notice]:
        """What the state means."""
        level = {"sent": "success", "refused": "error"}.get(obj.state, "warning")
        return [Notice(level, STATE_WORDS[obj.state], [obj.error] if obj.error else [])]

    @action(description="Preview", icon="preview", permissions=["view"])
    def preview(self, request: HttpRequest) -> HttpResponse:
        """The review of last week as it would be sent now, and who gets it."""
        now = timezone.now()
        monday = weekly.monday_of(now)
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": "Weekly review",
            "opts": self.model._meta,
            "mail": weekly.compose(monday, now),
            "recipients": weekly.recipients(),
            "last": weekly.last_sent(),
            "is_staff_mail_kept": weekly.is_only_logged(),
        }
        return TemplateResponse(request, "campaigns/weekly/preview.html", context)
