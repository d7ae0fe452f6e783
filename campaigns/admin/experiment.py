"""A/B tests: write one on a step, start it, watch what comes of it, take over the winner."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.forms import Media
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.admin.author import AuthorMixin
from campaigns.admin.experiment_form import CAN_CHANGE, ExperimentForm, VariantInline
from campaigns.admin.experiment_results import shown
from campaigns.experiments import lifecycle, problems
from campaigns.experiments.expect import expected, in_words, warnings
from campaigns.experiments.results import results
from campaigns.experiments.verdict import verdict
from campaigns.models import (
    Campaign,
    CampaignMessage,
    CampaignStatus,
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
)
from campaigns.transition import NotReady
from messaging.models import Channel
from reengage.admin_base import (
    ActionVariant,
    ChoicesDropdownFilter,
    Confirmation,
    ModelAdmin,
    Notice,
    OpenedMixin,
    PageExtrasMixin,
    RelatedDropdownFilter,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.base import link

STATUS_COLOURS = {"draft": "default", "running": "info", "ended": "success"}
CAN_START = "campaigns.launch_campaign"
BUTTONS = {
    "start": ExperimentStatus.DRAFT,
    "end": ExperimentStatus.RUNNING,
    "promote": ExperimentStatus.ENDED,
}


@admin.register(Experiment)
class ExperimentAdmin(
    OpenedMixin, AuthorMixin, PageExtrasMixin[Experiment], ModelAdmin[Experiment]
):
    """Two to four variants of one step each."""

    form = ExperimentForm
    inlines = (VariantInline,)
    list_display = ("name", "campaign", "step", "kind", "state", "started_at", "outcome")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("kind", ChoicesDropdownFilter),
        ("campaign", RelatedDropdownFilter),
    )
    list_select_related = ("campaign", "step")
    search_fields = ("name",)
    fields = (
        "of_step",
        "name",
        "kind",
        "metric",
        ("min_per_arm", "horizon_days"),
        "auto_promote",
    )
    readonly_fields = ("of_step",)
    actions_detail = ("start", "end", "promote")
    change_form_outer_before_template = "campaigns/experiment/results.html"

    @property
    def media(self) -> Media:
        """With the bars."""
        return super().media + Media(css={"all": ["campaigns/experiment.css"]})

    # --- Who may what -----------------------------------------------------------------------

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see campaigns."""
        return super().has_view_permission(request, obj) or request.user.has_perms(CAN_CHANGE)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whoever may change campaigns and their steps."""
        return request.user.has_perms(CAN_CHANGE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same, while it is a draft: what has started is locked, in the database as well."""
        is_draft = not isinstance(obj, Experiment) or obj.status == ExperimentStatus.DRAFT
        return request.user.has_perms(CAN_CHANGE) and is_draft

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A draft only: of the others messages were sent."""
        return self.has_change_permission(request, obj)

    def has_decide_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may launch campaigns starts, ends and promotes."""
        return request.user.has_perm(CAN_START)

    # --- The list ---------------------------------------------------------------------------

    @display(description="status", label=STATUS_COLOURS)
    def state(self, experiment: Experiment) -> tuple[str, str]:
        """Status as a coloured word."""
        return experiment.status, experiment.get_status_display()

    @display(description="what came of it")
    def outcome(self, experiment: Experiment) -> str:
        """The conclusion of an ended one."""
        return experiment.conclusion

    # --- The form ---------------------------------------------------------------------------

    @display(description="step")
    def of_step(self, experiment: Experiment) -> str:
        """The step that is tested, and its campaign."""
        step = experiment.step
        words = f"{step.campaign}, step {step.sequence_order}: {step}"
        return link("campaigns_campaign", step.campaign_id, words)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The form for the step that ?step= names; without one, the steps to choose from."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        step = _step_of(request)
        if step is None:
            return self._choose(request)
        request.tested_step = step  # type: ignore[attr-defined]  # read by form and inline
        return super().add_view(request, form_url, extra_context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: Any = None,
    ) -> HttpResponse:
        """The page; its form is about the experiment's own step."""
        experiment = self.get_object(request, object_id)
        if experiment is not None:
            request.tested_step = experiment.step  # type: ignore[attr-defined]
        return super().change_view(request, object_id, form_url, extra_context)

    def get_form(
        self,
        request: HttpRequest,
        obj: Experiment | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  as Django has it
        **kwargs: Any,
    ) -> Any:
        """For the step that is tested."""
        made = super().get_form(request, obj, change, **kwargs)
        step = request.tested_step  # type: ignore[attr-defined]
        return type(made.__name__, (made,), {"step": step})

    def get_fields(self, request: HttpRequest, obj: Experiment | None = None) -> Any:
        """The step is known from the address while the test is new."""
        fields = super().get_fields(request, obj)
        return fields if obj else [name for name in fields if name != "of_step"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What fits the step most often: subjects of an e-mail, else the call to action."""
        step = request.tested_step  # type: ignore[attr-defined]
        is_email = step.channel == Channel.EMAIL
        what = "which subject?" if is_email else "which call to action?"
        return {
            "name": f"{step.campaign}, {step}: {what}"[:255],
            "kind": ExperimentKind.SUBJECT if is_email else ExperimentKind.CTA,
            "metric": ExperimentMetric.OPENED if is_email else ExperimentMetric.CLICKED,
        }

    def get_inlines(self, request: HttpRequest, obj: Experiment | None) -> list[Any]:
        """What has started shows its variants with their results."""
        return [VariantInline] if obj is None or obj.status == ExperimentStatus.DRAFT else []

    def _choose(self, request: HttpRequest) -> HttpResponse:
        """The steps that can be tested, by campaign."""
        over = Campaign.objects.exclude(status=CampaignStatus.COMPLETED)
        steps = CampaignMessage.objects.filter(campaign__in=over)
        steps = steps.select_related("campaign", "template").order_by(
            "campaign__priority", "campaign__name", "sequence_order"
        )
        by_campaign: dict[Campaign, list[CampaignMessage]] = {}
        for step in steps:
            by_campaign.setdefault(step.campaign, []).append(step)
        context = {
            **self.admin_site.each_context(request),
            "title": "Test a step",
            "opts": self.model._meta,  # noqa: SLF001  Django's own name
            "by_campaign": by_campaign.items(),
        }
        return TemplateResponse(request, "campaigns/experiment/choose.html", context)

    # --- The page ---------------------------------------------------------------------------

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """With the results of what has started."""
        experiment = context.get("original")
        step = request.tested_step  # type: ignore[attr-defined]
        if experiment is None:
            context["title"] = f"Test {step.campaign}, step {step.sequence_order}: {step}"
        elif experiment.status != ExperimentStatus.DRAFT:
            context["found"] = shown(results(experiment, timezone.now()))
        return super().render_change_form(request, context, *args, **kwargs)

    def notices(self, request: HttpRequest, obj: Experiment) -> list[Notice]:
        """Of a draft: what keeps it from starting, and what it can be expected to tell."""
        if obj.status != ExperimentStatus.DRAFT:
            found = problems(obj) if obj.status == ExperimentStatus.RUNNING else []
            stuck = "Messages of a variant can't go out as it is:"
            return [Notice("error", stuck, found)] if found else []
        now = timezone.now()
        if found := problems(obj):
            return [Notice("warning", "Before this test can start:", found)]
        foreseen = in_words(expected(obj, now), obj)
        notices = [Notice("success", "Ready. It begins when you press Start.", foreseen)]
        if doubtful := warnings(obj, now):
            notices.append(Notice("warning", "Think again:", doubtful))
        return notices

    # --- The buttons ------------------------------------------------------------------------

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the buttons that fit the status."""
        experiment = self.get_object(request, object_id)
        if experiment is None:
            return []
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        may_promote = lifecycle.change_of(experiment) is not None
        return [
            button
            for button in buttons
            if BUTTONS[button.path] == experiment.status
            and (button.path != "promote" or may_promote)
        ]

    @action(
        description="Start",
        icon="science",
        variant=ActionVariant.PRIMARY,
        permissions=["decide"],
    )
    def start(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draft -> running."""
        return self._ask_or_do(request, object_id, _ask_start, _start)

    @action(description="End", icon="flag", permissions=["decide"])
    def end(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Running -> ended."""
        return self._ask_or_do(request, object_id, _ask_end, _end)

    @action(
        description="Take over the winner",
        icon="trophy",
        variant=ActionVariant.PRIMARY,
        permissions=["decide"],
    )
    def promote(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The step becomes like the winner."""
        return self._ask_or_do(request, object_id, _ask_promote, _promote)

    def _ask_or_do(
        self,
        request: HttpRequest,
        object_id: str,
        ask: Callable[[Experiment], Confirmation],
        do: Callable[[HttpRequest, Experiment], str],
    ) -> HttpResponse:
        """Ask with the numbers; then call the one function, and say what came of it."""
        experiment: Experiment | None = self.get_object(request, object_id)
        if experiment is None:
            raise Http404
        if not self.has_decide_permission(request):
            raise PermissionDenied
        page = reverse("admin:campaigns_experiment_change", args=[experiment.pk])
        try:
            if not is_confirmed(request):
                return confirm(self, request, ask(experiment), page)
            said = do(request, experiment)
        except NotReady as refusal:
            for problem in refusal.problems:
                messages.error(request, problem)
        else:
            messages.success(request, said)
        return redirect(page)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Experiment]:
        """With what the pages name."""
        experiments: QuerySet[Experiment] = super().get_queryset(request)
        return experiments.select_related("campaign", "step__template", "step__campaign", "winner")


def _step_of(request: HttpRequest) -> CampaignMessage | None:
    try:
        key = uuid.UUID(request.GET.get("step", ""))
    except ValueError:
        return None
    steps = CampaignMessage.objects.exclude(campaign__status=CampaignStatus.COMPLETED)
    return steps.select_related("campaign", "template").filter(pk=key).first()


def _ask_start(experiment: Experiment) -> Confirmation:
    if found := problems(experiment):
        raise NotReady(found)
    now = timezone.now()
    return Confirmation(
        title=f"Start: {experiment}",
        question="From now on the step's messages are shared out among the variants. What is "
        "compared, the weights, and how it is decided can't be changed any more. Start?",
        facts=[*in_words(expected(experiment, now), experiment), *warnings(experiment, now)],
        button="Start",
    )


def _start(request: HttpRequest, experiment: Experiment) -> str:
    lifecycle.start(experiment, timezone.now(), request.user)  # type: ignore[arg-type]  # staff
    _log(request, experiment, "Started.")
    return f"“{experiment}” is running. Messages planned from now on are shared out."


def _ask_end(experiment: Experiment) -> Confirmation:
    found = results(experiment, timezone.now())
    judged = verdict(found)
    if judged.is_final:
        question, facts = "It has all it needs. End it with this verdict?", [judged.sentence]
    else:
        question = "It is too early. If you end it now, there is no winner. End it all the same?"
        facts = [
            judged.sentence,
            "Messages planned already keep their variant; later ones are the step as it is.",
        ]
    return Confirmation(f"End: {experiment}", question, "End", facts, not judged.is_final)


def _end(request: HttpRequest, experiment: Experiment) -> str:
    said = lifecycle.end(experiment, timezone.now())
    _log(request, experiment, f"Ended. {said}")
    return said


def _ask_promote(experiment: Experiment) -> Confirmation:
    change = lifecycle.change_of(experiment)
    if change is None:
        raise NotReady(["There is nothing to take over: no winner, or the step is like it."])
    return Confirmation(
        title=f"Take over {experiment.winner}: {experiment}",
        question="The step becomes like the winner, for what is still to be sent?",
        facts=[
            *change.words,
            f"For {change.planned:,} planned messages and {change.to_come:,} doctors to come.",
            "What was sent stays as it was.",
        ],
        button="Take over",
    )


def _promote(request: HttpRequest, experiment: Experiment) -> str:
    return lifecycle.promote(experiment, timezone.now(), request.user)  # type: ignore[arg-type]


def _log(request: HttpRequest, experiment: Experiment, said: str) -> None:
    admin.site._registry[Experiment].log_change(request, experiment, said)  # noqa: SLF001
