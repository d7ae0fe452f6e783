"""Deliveries: every message to a doctor, and why it went or did not go."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import datetime

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.timezone import localtime

from messaging import accounts
from messaging.admin.account import state_of, state_words
from messaging.admin.again import SendAgainMixin
from messaging.admin.evidence import EvidenceMixin
from messaging.models import AttemptOutcome, DeliveryAttempt, MessageDelivery
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

VERDICT_WORDS = {"pass": "yes", "defer": "not yet", "skip": "no"}


def _when(moment: datetime | None) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M:%S}" if moment else ""


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
        (None, {"fields": ("doctor", "campaign", "campaign_message", "channel", "enrolment")}),
        ("State", {"fields": ("status", "reason", "scheduled_at", "due_at", "expires_at")}),
        (
            "What became of it",
            {"fields": ("sent_at", "delivered_at", "opened_at", "clicked_at", "failed_at")},
        ),
        ("For enquiries", {"fields": ("id", "external_id", "target_url", "created_at")}),
    )
    readonly_fields = ("campaign", "enrolment", "reason", "id")

    @display(description="campaign")
    def campaign(self, delivery: MessageDelivery) -> str:
        """The campaign whose step it is."""
        return str(delivery.campaign_message.campaign)

    @display(description="enrolment")
    def enrolment(self, delivery: MessageDelivery) -> str:
        """The way to the doctor's other messages of this campaign."""
        return link(
            "campaigns_campaignenrollment", delivery.enrollment_id, "All messages of this enrolment"
        )

    @display(description="status", label=STATUS_COLOURS)
    def state(self, delivery: MessageDelivery) -> tuple[str, str]:
        """Status as a coloured word."""
        return delivery.status, delivery.get_status_display()

    @display(description="why")
    def reason(self, delivery: MessageDelivery) -> str:
        """Why it was skipped or failed, in words."""
        why = delivery.get_skip_reason_display() or delivery.error_message or ""
        return f"{why}: {delivery.skip_detail}" if why and delivery.skip_detail else why

    def notices(self, request: HttpRequest, obj: MessageDelivery) -> list[Notice]:
        """What the status means."""
        trouble = obj.status in ("failed", "unknown")
        level = "error" if trouble else "warning" if obj.status == "skipped" else "info"
        why = self.reason(obj)
        notice = Notice(level, STATUS_WORDS[obj.status], [why] if why else [])
        return [notice, *_overdue(obj, timezone.now())]

    def tables(self, request: HttpRequest, obj: MessageDelivery) -> list[Table]:
        """Gates, attempts and reports."""
        return [_gates(obj), _attempts(obj), _events(obj)]


def _overdue(delivery: MessageDelivery, now: datetime) -> list[Notice]:
    """Why a message whose time has come is still here."""
    if delivery.status != "scheduled" or delivery.scheduled_at > now:
        return []
    account = accounts.account_for(delivery.channel)
    if account is not None and state_of(account, now) != "well":
        return [Notice("warning", f"Its time has come. {account}:", [state_words(account, now)])]
    return [Notice("info", "Its time has come: it goes with one of the next rounds.")]


def _gates(delivery: MessageDelivery) -> Table:
    """The trace: each check that was made, and what it said."""
    return Table(
        title="Checks before sending",
        headers=("Check", "May it go?", "Because"),
        rows=[
            (
                str(gate.get("gate", "")).capitalize(),
                VERDICT_WORDS.get(gate.get("verdict"), gate.get("verdict")),
                gate.get("detail"),
            )
            for gate in delivery.trace or []
        ],
        empty="No check has held it back."
        if delivery.status != "scheduled"
        else "Not checked yet: that is done when its time comes.",
    )


def _attempts(delivery: MessageDelivery) -> Table:
    attempts = delivery.attempts.select_related("account").order_by("pk")
    return Table(
        title="Attempts",
        headers=("Began", "Ended", "Account", "Outcome", "For the caps", "Provider said"),
        rows=[
            (
                _when(attempt.authorised_at),
                _when(attempt.finished_at),
                attempt.account,
                attempt.get_outcome_display(),
                _for_the_caps(attempt),
                f"{attempt.error_code} {attempt.error_message}".strip() or attempt.external_id,
            )
            for attempt in attempts
        ],
        empty="It was not handed to a provider.",
    )


def _for_the_caps(attempt: DeliveryAttempt) -> str:
    """Whether the frequency caps count it (messaging/facts.py)."""
    is_counted = attempt.counts or attempt.outcome == AttemptOutcome.WRITTEN_OFF
    return "counts" if is_counted else "does not count"


def _events(delivery: MessageDelivery) -> Table:
    return Table(
        title="Reports",
        headers=("Happened", "Received", "What", "From", "Counted"),
        rows=[
            (
                _when(event.occurred_at),
                _when(event.received_at),
                event.get_kind_display(),
                event.provider,
                "no: a machine" if event.is_machine else "yes" if event.processed_at else "waits",
            )
            for event in delivery.events.order_by("occurred_at")
        ],
        empty="No report has come.",
    )


@admin.register(DeliveryAttempt)
class DeliveryAttemptAdmin(DoctorSearchMixin, ReadOnlyAdmin[DeliveryAttempt]):
    """Hand-offs to providers, one row each: what the caps are counted from."""

    list_display = ("doctor", "channel", "account", "authorised_at", "finished_at", "outcome")
    list_select_related = ("doctor", "account")
