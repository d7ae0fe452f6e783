"""Deliveries: every message to a doctor, and why it went or did not go."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html

from messaging import accounts
from messaging.admin import delivery_tables
from messaging.admin.account import state_of, state_words
from messaging.admin.again import SendAgainMixin
from messaging.admin.evidence import EvidenceMixin
from messaging.evidence import outcome, why_skipped
from messaging.models import DeliveryAttempt, MessageDelivery
from reengage.admin_base import (
    ChoicesDropdownFilter,
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    RelatedDropdownFilter,
    Table,
    display,
)
from segments.admin.base import link
from segments.admin.search import DoctorSearchMixin

STATUS_COLOURS = {
    "scheduled": "default",
    "sending": "info",
    "sent": "info",
    "delivered": "success",
    "opened": "success",
    "clicked": "success",
    "failed": "danger",
    "skipped": "warning",
    "unknown": "danger",
}

# What each status means, for somebody who opens a delivery for the first time.
STATUS_WORDS = {
    "scheduled": "Waits for its time. It is checked again just before it is sent.",
    "sending": "Being handed to the provider.",
    "sent": "The provider took it; no report of its arrival yet.",
    "delivered": "It arrived.",
    "opened": "The doctor opened it.",
    "clicked": "The doctor followed its link.",
    "failed": "It was refused, could not be delivered, or was given up.",
    "skipped": "It was not sent, on purpose.",
    "unknown": "The provider did not answer. It may have arrived, so it is not sent again by "
    "itself; it ends by a report, or as failed after 24 hours.",
}


@admin.register(MessageDelivery)
class MessageDeliveryAdmin(
    SendAgainMixin,
    EvidenceMixin,
    DoctorSearchMixin,
    PageExtrasMixin[MessageDelivery],
    ReadOnlyAdmin[MessageDelivery],
):
    """One message to one doctor each, newest first."""

    list_display = (
        "doctor",
        "campaign",
        "campaign_message",
        "state",
        "scheduled_at",
        "sent_at",
        "reason",
    )
    list_filter = (
        ("campaign_message__campaign", RelatedDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ("skip_reason", ChoicesDropdownFilter),
    )
    list_select_related = ("doctor", "campaign_message__campaign")
    search_exact = ("external_id", "pk")
    search_help_text = (
        "Doctor: CLIRNET id, phone, e-mail or start of the last name. "
        "Or the provider's id of the message."
    )
    fieldsets = (
        (
            None,
            {
                "fields": (
                    "doctor",
                    "campaign",
                    "campaign_message",
                    "tested_as",
                    "channel",
                    "enrolment",
                    "why",
                )
            },
        ),
        ("State", {"fields": ("status", "reason", "scheduled_at", "due_at", "expires_at")}),
        (
            "What became of it",
            {"fields": ("sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at")},
        ),
        ("For enquiries", {"fields": ("id", "external_id", "target_url", "created_at")}),
    )
    readonly_fields = ("campaign", "tested_as", "enrolment", "why", "reason", "id")

    @display(description="campaign")
    def campaign(self, delivery: MessageDelivery) -> str:
        """The campaign whose step it is."""
        return str(delivery.campaign_message.campaign)

    @display(description="A/B test")
    def tested_as(self, delivery: MessageDelivery) -> str:
        """Which variant of which test it is."""
        if delivery.variant is None:
            return ""
        test = delivery.variant.experiment
        return link("campaigns_experiment", test.pk, f"Variant {delivery.variant} of “{test}”")

    @display(description="enrolment")
    def enrolment(self, delivery: MessageDelivery) -> str:
        """The way to the doctor's other messages of this campaign."""
        return link(
            "campaigns_campaignenrollment", delivery.enrollment_id, "All messages of this enrolment"
        )

    @display(description="why (not)?")
    def why(self, delivery: MessageDelivery) -> str:
        """The way to all that the campaign sends to the doctor, and what holds it back."""
        page = reverse("admin:campaigns_campaignenrollment_why", args=[delivery.enrollment_id])
        return format_html('<a href="{}">What this doctor gets, and why not more</a>', page)

    @display(description="status", label=STATUS_COLOURS)
    def state(self, delivery: MessageDelivery) -> tuple[str, str]:
        """Status as a coloured word."""
        return delivery.status, delivery.get_status_display()

    @display(description="why")
    def reason(self, delivery: MessageDelivery) -> str:
        """Why it was skipped or failed, in words."""
        return why_skipped(delivery) if delivery.skip_reason else delivery.error_message or ""

    def notices(self, request: HttpRequest, obj: MessageDelivery) -> list[Notice]:
        """What became of it in one sentence, and what its status means."""
        trouble = obj.status in ("failed", "unknown")
        level = "error" if trouble else "warning" if obj.status == "skipped" else "info"
        notice = Notice(level, outcome(obj), [STATUS_WORDS[obj.status]])
        return [notice, *_overdue(obj, timezone.now())]

    def tables(self, request: HttpRequest, obj: MessageDelivery) -> list[Table]:
        """Gates, attempts, reports, opens and clicks, and what the doctor said to it."""
        return delivery_tables.of(request, obj)


def _overdue(delivery: MessageDelivery, now: datetime) -> list[Notice]:
    """Why a message whose time has come is still here."""
    if delivery.status != "scheduled" or delivery.scheduled_at > now:
        return []
    account = accounts.account_for(delivery.channel)
    if account is not None and state_of(account, now) != "well":
        return [Notice("warning", f"Its time has come. {account}:", [state_words(account, now)])]
    return [Notice("info", "Its time has come: it goes with one of the next rounds.")]


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(DoctorSearchMixin, ReadOnlyAdmin[DeliveryAttempt]):
    """Hand-offs to providers, one row each: what the caps are counted from."""

    list_display = ("doctor", "channel", "account", "authorised_at", "finished_at", "outcome")
    list_select_related = ("doctor", "account")
