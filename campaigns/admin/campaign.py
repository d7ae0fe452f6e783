"""Campaigns: what is sent to whom, when, in which order."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Count, Field, IntegerField, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from campaigns import launch, review, schedule
from campaigns.admin import sequence
from campaigns.admin.experiment_form import CAN_CHANGE
from campaigns.admin.lifecycle import LIVE, LifecycleMixin
from campaigns.admin.overview import overview
from campaigns.admin.people import PeopleMixin
from campaigns.admin.preflight import PreflightMixin
from campaigns.admin.results import ResultsMixin
from campaigns.admin.steps import StepInline
from campaigns.admin.why import WhyMixin
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, CampaignStatus
from campaigns.revise import UNDER_WAY
from messaging import warned
from messaging.admin.audience import AudienceMixin
from messaging.admin.warned import bounded, warning_lines
from reengage.admin_base import (
    ModelAdmin,
    Notice,
    OpenedMixin,
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
# What a campaign is for in this state; the other buttons are in a menu.
FIRST_BUTTONS: dict[str, tuple[str, ...]] = {
    CampaignStatus.DRAFT: ("launch", "submit", "preflight"),
    CampaignStatus.IN_REVIEW: ("launch", "submit", "preflight"),
    CampaignStatus.ACTIVE: (
        "make_change",
        "widen",
        "resume_rollout",
        "pause",
        "results",
        "preflight",
    ),
    CampaignStatus.PAUSED: ("make_change", "resume", "results", "preflight"),
    CampaignStatus.COMPLETED: ("results", "copy"),
}


def _counted(rows: QuerySet[Any]) -> Subquery:
    """How many of the rows belong to the campaign."""
    counts = rows.filter(campaign=OuterRef("pk")).order_by().values("campaign")
    return Subquery(counts.annotate(n=Count("pk")).values("n"), output_field=IntegerField())


@admin.register(Campaign)
class CampaignAdmin(
    OpenedMixin,
    LifecycleMixin,
    ResultsMixin,
    PreflightMixin,
    WhyMixin,
    PeopleMixin,
    PageExtrasMixin[Campaign],
    AudienceMixin,
    ModelAdmin[Campaign],
):
    """Timed sequences of messages, one segment each."""

    list_display = (
        "name",
        "state",
        "segment_type",
        "step_count",
        "under_way",
        "stage",
        "priority",
        "start_date",
        "end_date",
    )
    list_filter = ("status", "segment_type")
    search_fields = ("name",)
    readonly_fields = ("status",)
    change_form_template = "campaigns/sequence/page.html"
    change_form_outer_before_template = "campaigns/sequence/top.html"
    change_form_before_template = "campaigns/revision/opened.html"
    change_form_after_template = ""  # the tables stand in the overview
    fieldsets = (
        ("What it is", {"fields": ("name", "description", "segment_type", "status")}),
        (
            "Whom it enrols",
            {
                "description": "Doctors of the segment are looked at every hour while it runs.",
                "fields": ("inactivity_days", "start_date", "end_date"),
            },
        ),
        (
            "When it writes",
            {
                "description": "Within these hours and the quiet hours of each channel, in the "
                "doctor's time zone. Where a doctor has no room for more, priority and order "
                "decide what goes.",
                "fields": (("send_from", "send_until"), "priority", "channel_order"),
            },
        ),
        (
            "Rollout and holdout",
            {
                "description": "Begin with a share of the doctors, and widen it once you see that "
                "it goes well. A holdout shows what the messages bring.",
                "fields": (("rollout_percent", "rollout_days"), "holdout_percent"),
            },
        ),
        (
            "When the rollout stops by itself",
            {
                "description": "Beyond one of these limits the next stage does not come.",
                "fields": (
                    ("min_delivery_rate", "max_failure_rate"),
                    ("max_unsubscribe_rate", "max_complaint_rate"),
                ),
            },
        ),
        ("Goal and value", {"fields": (("goal_rate", "goal_days"), "value_per_return")}),
    )

    def first_buttons(self, obj: Campaign) -> Sequence[str]:
        """By its state."""
        return FIRST_BUTTONS[obj.status]

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

    @display(description="rollout")
    def stage(self, campaign: Campaign) -> str:
        """How far it is let in, and whether it has stopped by itself."""
        if campaign.status not in LIVE:
            return ""
        stopped = ", stopped by itself" if campaign.rollout_halted else ""
        return f"{campaign.rollout_percent} %{stopped}"

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A completed campaign stays as it was: its figures were made with it."""
        is_over = isinstance(obj, Campaign) and obj.status == CampaignStatus.COMPLETED
        return super().has_change_permission(request) and not is_over

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only a draft has nothing that depends on it."""
        is_draft = not isinstance(obj, Campaign) or obj.status == CampaignStatus.DRAFT
        return super().has_delete_permission(request) and is_draft

    def is_guarded(self, row: Campaign) -> bool:
        """Until it runs; then what two people change is put together (revision.py)."""
        return row.status not in UNDER_WAY

    def get_readonly_fields(
        self, request: HttpRequest, obj: Campaign | None = None
    ) -> tuple[str, ...]:
        """The segment is settled with the launch; the rollout is widened by its own button."""
        if obj is None or obj.status == CampaignStatus.DRAFT:
            return self.readonly_fields
        if obj.status == CampaignStatus.IN_REVIEW:
            return (*self.readonly_fields, "segment_type")
        return (*self.readonly_fields, "segment_type", "rollout_percent")

    def get_inlines(self, request: HttpRequest, obj: Campaign | None) -> list[Any]:
        """Steps come once the segment is known: it says which templates there are."""
        request.edited_campaign = obj  # type: ignore[attr-defined]  # read by StepInline
        return [StepInline] if obj else []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand over the overview, and what the grid shows beside the form's own fields."""
        page = super().render_change_form(request, context, *args, **kwargs)
        campaign = context.get("original")
        if isinstance(campaign, Campaign):
            saved = Campaign.objects.get(pk=campaign.pk)  # a form with errors has written into it
            context["overview"] = overview(saved, timezone.now(), request.user)
            for inline in context["inline_admin_formsets"]:
                context["sequence"] = sequence.grid(
                    saved,
                    inline.formset,
                    may_edit=inline.has_change_permission,
                    may_test=request.user.has_perms(CAN_CHANGE),
                )
        return page

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
            steps = Notice(
                "info",
                "Running. What a change does to the doctors under way is shown before it is made.",
            )
            stuck = Notice("error", "This campaign can't send as it is:", problems)
            return [stuck, steps] if problems else [steps]
        if problems:
            return [Notice("warning", "Before this campaign can be launched:", problems)]
        return _ready(obj)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: Any) -> None:
        """After steps or hours changed, find anew what each doctor under way is due next."""
        super().save_related(request, form, formsets, change)
        has_moved = {"send_from", "send_until"} & set(form.changed_data)
        if change and (has_moved or any(formset.has_changed() for formset in formsets)):
            schedule.replan(form.instance.pk)


def _ready(campaign: Campaign) -> list[Notice]:
    """What to do next with one that could send; a review's notice is lifecycle_text's."""
    if campaign.status == CampaignStatus.IN_REVIEW:
        return []
    if campaign.status != CampaignStatus.DRAFT:
        return [Notice("warning", "Paused: nobody is enrolled or written to until you resume.")]
    if campaign.status in review.launchable_from():
        return [Notice("success", "Ready. Nothing is sent until you press Launch.")]
    return [Notice("success", "Ready. Submit it for review: somebody else launches it.")]


def _warnings(campaign: Campaign) -> list[str]:
    """The first texts of its steps that have warnings on the days that it sends them."""
    steps = campaign.steps.select_related("template").order_by("sequence_order")
    drafts = [step.template.draft((step.delay_days,), step.subject_line) for step in steps]
    return bounded(warning_lines([step.template for step in steps], warned.warnings(drafts)))
