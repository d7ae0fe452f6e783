"""Enrolments and daily figures: written by the engine, read here."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, F, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns import analytics
from campaigns.admin.why import address as why_address
from campaigns.admin.why import may_ask_why
from campaigns.models import Campaign, CampaignAnalytics, CampaignEnrollment
from messaging.models import MessageDelivery
from reengage.admin_base import (
    ChoicesDropdownFilter,
    Confirmation,
    DropdownFilter,
    PageExtrasMixin,
    RangeDateFilter,
    ReadOnlyAdmin,
    RelatedDropdownFilter,
    Table,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.base import link, when
from segments.admin.search import DoctorSearchMixin

STATUS_COLOURS = {
    "active": "info",
    "completed": "default",
    "converted": "success",
    "left": "default",
    "unsubscribed": "danger",
    "bounced": "warning",
}
# A day's figures may still change: a report can come days late.
RECOUNTED_DAYS = 30


class ReachedFilter(DropdownFilter):
    """How far the doctor came: the stages of the funnel."""

    title = "came as far as"
    parameter_name = "reached"
    facts = {
        "sent": "sent_at",
        "delivered": "delivered_at",
        "opened": "opened_at",
        "clicked": "clicked_at",
    }

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The stages."""
        words = [(stage, f"A message was {stage}") for stage in self.facts]
        return [*words, ("returned", "Came back")]

    def queryset(
        self, request: HttpRequest, enrollments: QuerySet[CampaignEnrollment]
    ) -> QuerySet[CampaignEnrollment]:
        """Keep who reached the stage (idx_message_deliveries_enrollment)."""
        if self.value() == "returned":
            return enrollments.filter(converted_at__isnull=False)
        if fact := self.facts.get(self.value() or ""):
            messages_of = MessageDelivery.objects.filter(enrollment=OuterRef("pk"))
            return enrollments.filter(Exists(messages_of.filter(**{f"{fact}__isnull": False})))
        return enrollments


class CameBackFilter(DropdownFilter):
    """Back within so many times 24 hours of the enrolment: goals and cohorts."""

    title = "came back within"
    parameter_name = "came_back"
    weeks = (7, 14, 21, 28)

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The days of each campaign's goal, and whole weeks."""
        goals = Campaign.objects.order_by().values_list("goal_days", flat=True).distinct()
        days = sorted({*self.weeks, *(goal for goal in goals if goal)})
        return [(str(count), f"{count} days") for count in days]

    def queryset(
        self, request: HttpRequest, enrollments: QuerySet[CampaignEnrollment]
    ) -> QuerySet[CampaignEnrollment]:
        """Keep who was back by then; any number of days up to four digits will do."""
        days = self.value() or ""
        if not (days.isascii() and days.isdigit() and len(days) < 5):
            return enrollments
        return enrollments.filter(converted_at__lte=F("enrolled_at") + timedelta(days=int(days)))


@admin.register(CampaignEnrollment)
class CampaignEnrollmentAdmin(
    DoctorSearchMixin, PageExtrasMixin[CampaignEnrollment], ReadOnlyAdmin[CampaignEnrollment]
):
    """Doctors under way in campaigns, and how it ended."""

    list_display = (
        "doctor",
        "campaign",
        "subject",
        "state",
        "enrolled_at",
        "next_due_at",
        "converted_at",
    )
    list_filter = (
        ("campaign", RelatedDropdownFilter),
        ("status", ChoicesDropdownFilter),
        ReachedFilter,
        CameBackFilter,
        "is_holdout",
    )
    list_select_related = ("doctor", "campaign")
    actions_detail = ("why",)
    fields = (
        "doctor",
        "campaign",
        "subject",
        "status",
        "is_holdout",
        "enrolled_at",
        "next_due_at",
        "completed_at",
        "converted_at",
        "unsubscribed_at",
    )

    @display(description="status", label=STATUS_COLOURS)
    def state(self, enrollment: CampaignEnrollment) -> tuple[str, str]:
        """Status as a coloured word."""
        return enrollment.status, enrollment.get_status_display()

    @action(description="Why (not)?", icon="help", permissions=["why"], url_path="why")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The page on this doctor and this campaign."""
        enrollment: CampaignEnrollment | None = self.get_object(request, object_id)
        if enrollment is None:
            raise Http404
        return redirect(why_address(enrollment.campaign_id, enrollment.doctor_id))

    def has_why_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see the page."""
        return may_ask_why(request)

    def tables(self, request: HttpRequest, obj: CampaignEnrollment) -> list[Table]:
        """Its messages, in the order of their days."""
        deliveries = obj.deliveries.select_related("campaign_message").order_by("due_at")
        return [
            Table(
                title="Messages",
                headers=("Step", "Planned for", "Sent", "Status", "Why"),
                rows=[
                    (
                        link("messaging_messagedelivery", row.pk, row.campaign_message),
                        when(row.scheduled_at),
                        when(row.sent_at),
                        row.get_status_display(),
                        row.get_skip_reason_display() or row.error_message,
                    )
                    for row in deliveries
                ],
                empty="No message is planned yet: that is done every hour.",
            )
        ]


@admin.register(CampaignAnalytics)
class CampaignAnalyticsAdmin(ReadOnlyAdmin[CampaignAnalytics]):
    """What happened on each day, on each channel."""

    ordering = ("-date", "campaign__priority", "channel")
    list_display = (
        "date",
        "campaign",
        "channel",
        "total_sent",
        "total_delivered",
        "total_opened",
        "total_clicked",
        "total_failed",
        "total_unsubscribed",
    )
    list_filter = (
        ("campaign", RelatedDropdownFilter),
        ("channel", ChoicesDropdownFilter),
        ("date", RangeDateFilter),
    )
    list_select_related = ("campaign",)
    actions_list = ("count_again",)

    @action(description="Count again", icon="refresh", permissions=["view"])
    def count_again(self, request: HttpRequest) -> HttpResponse:
        """Bring the figures up to this minute, instead of waiting for the evening."""
        back = reverse("admin:campaigns_campaignanalytics_changelist")
        if not is_confirmed(request):
            question = f"Count the last {RECOUNTED_DAYS} days again? No message is touched."
            return confirm(self, request, Confirmation("Count again", question, "Count"), back)
        changed = analytics.catch_up(timezone.now(), RECOUNTED_DAYS)
        messages.success(request, f"Counted. Rows that are new or changed: {changed}.")
        return redirect(back)
