"""The buttons Launch, Pause, Resume, Complete and Copy: ask, then call one step function."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns import launch
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, CampaignStatus
from reengage.admin_base import (
    ActionVariant,
    AnyAdmin,
    Confirmation,
    action,
    confirm,
    is_confirmed,
)
from segments.models import UserSegment


@dataclass(frozen=True, slots=True)
class Verb:
    """One change of status: from which, how, and what is said."""

    name: str
    past: str
    allowed: tuple[str, ...]
    change: Callable[[Campaign, datetime], Any]
    question: str
    is_dangerous: bool = False


VERBS = {
    verb.name: verb
    for verb in (
        Verb(
            "launch",
            "launched",
            (CampaignStatus.DRAFT,),
            launch.launch,
            "From now on doctors are enrolled and written to. Launch?",
        ),
        Verb(
            "pause",
            "paused",
            (CampaignStatus.ACTIVE,),
            lambda campaign, _now: launch.pause(campaign),
            "Nobody is enrolled or written to until you resume. Pause?",
        ),
        Verb(
            "resume",
            "resumed",
            (CampaignStatus.PAUSED,),
            launch.resume,
            "Messages whose time has passed meanwhile are skipped; the rest goes on. Resume?",
        ),
        Verb(
            "complete",
            "completed",
            (CampaignStatus.ACTIVE, CampaignStatus.PAUSED),
            launch.complete,
            "This ends the campaign for everybody in it, for good. Complete?",
            is_dangerous=True,
        ),
    )
}


class LifecycleMixin(AnyAdmin):
    """The buttons of a campaign's page, and the same as actions of the list."""

    actions = ("launch_selected", "pause_selected", "resume_selected", "complete_selected")
    actions_detail = ("launch", "pause", "resume", "complete", "copy", "check_audience")

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the buttons that fit the campaign's status."""
        campaign = self.get_object(request, object_id)
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        if campaign is None:
            return []
        return [button for button in buttons if _fits(button.path, campaign)]

    def has_copy_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may add a campaign."""
        return self.has_add_permission(request)

    @action(
        description="Launch",
        icon="rocket_launch",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
    )
    def launch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draft -> active."""
        return self._ask_or_do(request, VERBS["launch"], object_id)

    @action(description="Pause", icon="pause", permissions=["change"])
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Active -> paused."""
        return self._ask_or_do(request, VERBS["pause"], object_id)

    @action(
        description="Resume",
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["change"],
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Paused -> active."""
        return self._ask_or_do(request, VERBS["resume"], object_id)

    @action(description="Complete", icon="flag", permissions=["change"])
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Active or paused -> completed."""
        return self._ask_or_do(request, VERBS["complete"], object_id)

    @action(description="Copy", icon="content_copy", permissions=["copy"])
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the same steps."""
        campaign = self._find(request, object_id)
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        if not is_confirmed(request):
            question = f"Make a new draft with the steps of “{campaign}”? Nobody is enrolled in it."
            return confirm(self, request, Confirmation("Copy", question, "Copy"), page)
        draft = copy_campaign(campaign)
        self.log_addition(request, draft, f"Copied from “{campaign}”.")
        messages.success(request, f"“{draft}” is a draft now: change what differs, then launch it.")
        return redirect("admin:campaigns_campaign_change", draft.pk)

    @admin.action(description="Launch", permissions=["change"])
    def launch_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Launch the ticked campaigns."""
        return self._ask_or_do_all(request, VERBS["launch"], chosen)

    @admin.action(description="Pause", permissions=["change"])
    def pause_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Pause the ticked campaigns."""
        return self._ask_or_do_all(request, VERBS["pause"], chosen)

    @admin.action(description="Resume", permissions=["change"])
    def resume_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Resume the ticked campaigns."""
        return self._ask_or_do_all(request, VERBS["resume"], chosen)

    @admin.action(description="Complete", permissions=["change"])
    def complete_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Complete the ticked campaigns."""
        return self._ask_or_do_all(request, VERBS["complete"], chosen)

    def _find(self, request: HttpRequest, object_id: str) -> Campaign:
        campaign: Campaign | None = self.get_object(request, object_id)
        if campaign is None:
            raise Http404
        return campaign

    def _ask_or_do(self, request: HttpRequest, verb: Verb, object_id: str) -> HttpResponse:
        """One campaign, from its page."""
        campaign = self._find(request, object_id)
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        if not is_confirmed(request):
            return confirm(self, request, _question(verb, [campaign], request), page)
        self._change(request, verb, campaign)
        return redirect(page)

    def _ask_or_do_all(
        self, request: HttpRequest, verb: Verb, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Several, from the list."""
        campaigns = list(chosen)
        if not is_confirmed(request):
            page = reverse("admin:campaigns_campaign_changelist")
            return confirm(self, request, _question(verb, campaigns, request), page)
        for campaign in campaigns:
            self._change(request, verb, campaign)
        return None

    def _change(self, request: HttpRequest, verb: Verb, campaign: Campaign) -> None:
        """Call the step function; say what happened, or what is missing."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        try:
            verb.change(campaign, timezone.now())
        except launch.NotReady as refusal:
            for problem in refusal.problems:
                messages.error(request, f"“{campaign}” was not {verb.past}. {problem}")
        else:
            self.log_change(request, campaign, f"{verb.past.capitalize()}.")
            messages.success(request, f"“{campaign}” is {verb.past}.")


def _fits(name: str, campaign: Campaign) -> bool:
    """Whether a button of this name makes sense in the campaign's status."""
    return name not in VERBS or campaign.status in VERBS[name].allowed


def _question(verb: Verb, campaigns: list[Campaign], request: HttpRequest) -> Confirmation:
    """What is asked, with the figures that help to answer."""
    return Confirmation(
        title=f"{verb.name.capitalize()}: {', '.join(map(str, campaigns))}",
        question=verb.question,
        facts=[fact for campaign in campaigns for fact in _facts(verb, campaign)],
        button=verb.name.capitalize(),
        is_dangerous=verb.is_dangerous,
        selected=[campaign.pk for campaign in campaigns] if request.POST.get("action") else [],
        action=request.POST.get("action", ""),
    )


def _facts(verb: Verb, campaign: Campaign) -> list[str]:
    now = timezone.now()
    if verb.name == "launch":
        return [_audience(campaign, now), _steps(campaign), *launch.problems(campaign, now)]
    under_way = CampaignEnrollment.objects.filter(campaign=campaign, status="active").count()
    return [f"“{campaign}”: {under_way:,} doctors are under way in it now."]


def _audience(campaign: Campaign, now: datetime) -> str:
    """How many doctors are in the segment now."""
    members = UserSegment.objects.filter(segment_type=campaign.segment_type).filter(
        Q(expires_at=None) | Q(expires_at__gt=now)
    )
    return (
        f"“{campaign}”: {members.count():,} doctors are in the segment "
        f"“{campaign.get_segment_type_display()}” now. Those quiet for at least "
        f"{campaign.inactivity_days} days are enrolled, within the hour."
    )


def _steps(campaign: Campaign) -> str:
    """How many messages a doctor can get, and over which time."""
    days = list(campaign.steps.values_list("delay_days", flat=True))
    if not days:
        return "It has no steps."
    return f"Each gets up to {len(days)} messages in {max(days) + 1} days, while they stay away."


@transaction.atomic
def copy_campaign(campaign: Campaign) -> Campaign:
    """A draft with the same settings and steps; without dates, enrolments and figures."""
    kept = {
        field: getattr(campaign, field)
        for field in (
            "description",
            "segment_type",
            "priority",
            "inactivity_days",
            "channel_order",
            "send_from",
            "send_until",
            "goal_rate",
            "goal_days",
        )
    }
    draft = Campaign.objects.create(name=f"Copy of {campaign.name}"[:255], **kept)
    CampaignMessage.objects.bulk_create(
        CampaignMessage(
            campaign=draft,
            sequence_order=step.sequence_order,
            channel=step.channel,
            delay_days=step.delay_days,
            template_id=step.template_id,
            subject_line=step.subject_line,
        )
        for step in campaign.steps.all()
    )
    return draft
