"""Campaigns: what is sent to whom, when, in which order."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Field, IntegerField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils import timezone

from campaigns import launch, schedule
from campaigns.admin.lifecycle import LifecycleMixin
from campaigns.admin.steps import StepInline
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, CampaignStatus
from messaging import warned
from messaging.admin.audience import AudienceMixin
from messaging.admin.warned import bounded, warning_lines
from reengage.admin_base import (
    ModelAdmin,
    Notice,
    PageExtrasMixin,
    TextareaWidget,
    TextInputWidget,
    display,
)

STATUS_COLOURS = {
    "draft": "default",
    "active": "success",
    "paused": "warning",
    "completed": "info",
}


def _counted(rows: QuerySet[Any]) -> Subquery:
    """How many of the rows belong to the campaign."""
    counts = rows.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    return Subquery(counts.annotate(n=Count("pk")).values("n"), output_field=IntegerField())


@admin.register(Campaign)
class CampaignAdmin(LifecycleMixin, PageExtrasMixin[Campaign], AudienceMixin, ModelAdmin[Campaign]):
    """Timed sequences of messages, one segment each."""

    list_display = (
        "name",
        "state",
        "segment_type",
        "step_count",
        "under_way",
        "priority",
        "start_date",
        "end_date",
    )
    list_filter = ("status", "segment_type")
    search_fields = ("name",)
    readonly_fields = ("status",)
    fieldsets = (
        (None, {"fields": ("name", "description", "segment_type", "status")}),
        (
            "When",
            {
                "fields": (
                    "start_date",
                    "end_date",
                    "inactivity_days",
                    ("send_from", "send_until"),
                )
            },
        ),
        ("Who goes first", {"fields": ("priority", "channel_order")}),
        ("Goal", {"fields": (("goal_rate", "goal_days"),)}),
    )

    def formfield_for_dbfield(
        self, db_field: Field[Any, Any], request: HttpRequest, **kwargs: Any
    ) -> Any:
        """Fields as large as what is written into them."""
        if db_field.name == "description":
            kwargs["widget"] = TextareaWidget(attrs={"rows": 2})
        elif db_field.name == "channel_order":
            kwargs["widget"] = TextInputWidget()
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        """With the counts that the list shows."""
        campaigns: QuerySet[Campaign] = super().get_queryset(request)
        active = CampaignEnrollment.objects.filter(status="active")
        return campaigns.annotate(
            step_total=_counted(CampaignMessage.objects.all()), active_total=_counted(active)
        )

    @display(description="status", label=STATUS_COLOURS)
    def state(self, campaign: Campaign) -> tuple[str, str]:
        """Status as a coloured word."""
        return campaign.status, campaign.get_status_display()

    @display(description="steps")
    def step_count(self, campaign: Campaign) -> int:
        """Messages in the sequence."""
        return campaign.step_total or 0  # type: ignore[attr-defined]  # annotated

    @display(description="doctors under way")
    def under_way(self, campaign: Campaign) -> str:
        """Doctors in it now."""
        return f"{campaign.active_total or 0:,}"  # type: ignore[attr-defined]  # annotated

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A completed campaign stays as it was: its figures were made with it."""
        is_over = isinstance(obj, Campaign) and obj.status == CampaignStatus.COMPLETED
        return super().has_change_permission(request) and not is_over

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a draft has nothing that depends on it."""
        is_draft = not isinstance(obj, Campaign) or obj.status == CampaignStatus.DRAFT
        return super().has_delete_permission(request) and is_draft

    def get_readonly_fields(
        self, request: HttpRequest, obj: Campaign | None = None
    ) -> tuple[str, ...]:
        """The segment is settled with the launch."""
        launched = obj is not None and obj.status != CampaignStatus.DRAFT
        return (*self.readonly_fields, "segment_type") if launched else self.readonly_fields

    def get_inlines(self, request: HttpRequest, obj: Campaign | None) -> list[Any]:
        """Steps come once the segment is known: it says which templates there are."""
        request.edited_campaign = obj  # type: ignore[attr-defined]  # read by StepInline
        return [StepInline] if obj else []

    def notices(self, request: HttpRequest, obj: Campaign) -> list[Notice]:
        """What keeps it from sending, what to do next, and which texts to look at."""
        found = [] if obj.status == CampaignStatus.COMPLETED else _warnings(obj)
        title = "Texts with warnings: they go out as they are, so look at them."
        return [*self._state(obj), *([Notice("warning", title, found)] if found else [])]

    def _state(self, obj: Campaign) -> list[Notice]:
        problems = launch.problems(obj, timezone.now())
        if obj.status == CampaignStatus.COMPLETED:
            return [Notice("info", "This campaign is over. Copy it to run it again.")]
        if obj.status == CampaignStatus.ACTIVE:
            steps = Notice("info", "Running. Pause it to change its steps.")
            stuck = Notice("error", "This campaign can't send as it is:", problems)
            return [stuck, steps] if problems else [steps]
        if problems:
            return [Notice("warning", "Before this campaign can be launched:", problems)]
        if obj.status == CampaignStatus.DRAFT:
            return [Notice("success", "Ready. Nothing is sent until you press Launch.")]
        return [Notice("warning", "Paused: nobody is enrolled or written to until you resume.")]

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """After steps or hours changed, find anew what each doctor under way is due next."""
        super().save_related(request, form, formsets, change)
        has_moved = {"send_from", "send_until"} & set(form.changed_data)
        if change and (has_moved or any(formset.has_changed() for formset in formsets)):
            schedule.replan(form.instance.pk)


def _warnings(campaign: Campaign) -> list[str]:
    """The first texts of its steps that have warnings on the days that it sends them."""
    steps = campaign.steps.select_related("template").order_by("sequence_order")
    drafts = [step.template.draft((step.delay_days,), step.subject_line) for step in steps]
    return bounded(warning_lines([step.template for step in steps], warned.warnings(drafts)))
