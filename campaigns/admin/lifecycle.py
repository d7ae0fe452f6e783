"""The buttons of a campaign's life: each asks, with figures, then calls one step function."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns import launch, overdue, proposal, review, rollout
from campaigns.admin import lifecycle_text as text
from campaigns.admin import resume_text, revision_text
from campaigns.admin.ask import Ask, ask, ask_when_counted
from campaigns.admin.author import AuthorMixin
from campaigns.admin.revision import RevisionMixin
from campaigns.copy import copy_campaign, permissions_to_copy
from campaigns.models import Campaign, CampaignStatus
from campaigns.resumption import Unseen
from campaigns.transition import NotReady
from reengage.admin_base import ActionVariant, Confirmation, action, confirm, is_confirmed

LIVE = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)
Change = Callable[[Campaign], str]  # does it, and says what was done; raises NotReady


class LifecycleMixin(AuthorMixin, RevisionMixin):
    """The buttons of a campaign's page, and some of them as actions of the list."""

    actions = ("launch_selected", "pause_selected", "resume_selected", "complete_selected")
    actions_detail = (
        "launch",
        "submit",
        "send_back",
        "widen",
        "resume_rollout",
        "make_change",
        "drop_change",
        "pause",
        "resume",
        "complete",
        "copy",
        "results",
        "preflight",
        "check_audience",
        "why",
    )

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Show the buttons that fit the campaign's status."""
        campaign = self.get_object(request, object_id)
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        if campaign is None:
            return []
        hidden = set()
        if not review.is_launchable_by(campaign, _user(request)):
            hidden.add("launch")
        if proposal.obstacles(campaign, _user(request)):
            hidden.add("make_change")
        return [
            button
            for button in buttons
            if fits(button.path, campaign) and button.path not in hidden
        ]

    def has_copy_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may add all that the copy has. `obj`: the campaign's key."""
        campaign = self.get_object(request, str(obj))
        may_steps = campaign is None or request.user.has_perms(permissions_to_copy(campaign))
        return may_steps and self.has_add_permission(request)

    def has_launch_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Approvers: who may launch, send back, and widen a rollout."""
        return request.user.has_perm("campaigns.launch_campaign")

    def has_stop_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may pause, resume and complete."""
        return request.user.has_perm("campaigns.stop_campaign")

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Say at the top how it stands, and show a rollout's health below."""
        page = super().render_change_form(request, context, *args, **kwargs)
        campaign = context.get("original")
        if isinstance(campaign, Campaign):
            now = timezone.now()
            context["notices"] = [
                *text.notices(campaign, _user(request)),
                *context.get("notices", ()),
            ]
            context["tables"] = [*text.tables(campaign, now), *context.get("tables", ())]
        return page

    @action(
        description="Launch",
        icon="rocket_launch",
        variant=ActionVariant.PRIMARY,
        permissions=["launch"],
    )
    def launch(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draft or in review -> active."""

        def change(campaign: Campaign) -> str:
            launch.launch(campaign, timezone.now(), _user(request), request.POST.get("seen"))
            return f"“{campaign}” is launched."

        def question(campaign: Campaign) -> Ask:
            return text.launch_question(campaign, timezone.now(), _user(request))

        return self._ask_or_do(request, object_id, question, change, counted="Launch")

    @action(description="Submit for review", icon="rate_review", permissions=["change"])
    def submit(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Draft -> in review; or in review anew, after it was changed."""

        def change(campaign: Campaign) -> str:
            review.submit(campaign, timezone.now(), _user(request))
            return f"“{campaign}” is in review: somebody who may launch it looks at it now."

        return self._ask_or_do(request, object_id, text.submit_question, change)

    @action(description="Back to draft", icon="undo", permissions=["change"])
    def send_back(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """In review -> draft, with a reason; its author may take it back as well."""

        def change(campaign: Campaign) -> str:
            review.send_back(campaign, _user(request), request.POST.get("reason", ""))
            return f"“{campaign}” is a draft again. Its author sees why at the top of its page."

        return self._ask_or_do(request, object_id, text.send_back_question, change)

    @action(
        description="Widen rollout",
        icon="group_add",
        variant=ActionVariant.PRIMARY,
        permissions=["launch"],
    )
    def widen(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Let the next share of doctors in: the one that the page has named."""

        def change(campaign: Campaign) -> str:
            to = request.POST.get("to", "")
            rollout.advance(campaign, timezone.now(), int(to) if to.isdecimal() else 0)
            return f"“{campaign}” reaches {campaign.rollout_percent} % now, within the hour."

        def question(campaign: Campaign) -> Ask:
            return text.widen_question(campaign, timezone.now())

        return self._ask_or_do(request, object_id, question, change, counted="Widen the rollout")

    @action(description="Resume rollout", icon="restart_alt", permissions=["launch"])
    def resume_rollout(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Go on with a rollout that has stopped by itself."""

        def change(campaign: Campaign) -> str:
            rollout.resume_rollout(campaign, timezone.now())
            return f"The rollout of “{campaign}” goes on, at {campaign.rollout_percent} %."

        def question(campaign: Campaign) -> Ask:
            return text.resume_rollout_question(campaign, timezone.now())

        return self._ask_or_do(request, object_id, question, change)

    @action(description="Pause", icon="pause", permissions=["stop"])
    def pause(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Active -> paused."""
        return self._ask_or_do(request, object_id, text.pause_question, _pause)

    @action(
        description="Resume",
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        permissions=["stop"],
    )
    def resume(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Paused -> active, with a word on what is overdue."""
        campaign = self._find(request, object_id)
        chosen, posted = request.POST.get("choice", ""), request.POST.get("days", "")
        days = int(posted) if posted.isdecimal() else resume_text.SPREAD_DAYS
        if is_confirmed(request):
            choice = overdue.Choice(chosen) if chosen in overdue.Choice.values else None
            seen = request.POST.get(f"seen-{chosen}", "")
            try:
                self._resume(request, campaign, choice, days, seen)
            except Unseen as refusal:
                messages.warning(request, f"Nothing was done yet. {refusal}")
            else:
                return redirect("admin:campaigns_campaign_change", campaign.pk)
        chosen = request.POST.get("look", chosen)
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        question = partial(resume_text.resume_question, campaign, timezone.now(), days, chosen)
        return ask_when_counted(self, request, f"Resume: {campaign}", question, page)

    def _resume(
        self,
        request: HttpRequest,
        campaign: Campaign,
        choice: overdue.Choice | None,
        days: int,
        seen: str,
    ) -> None:
        def change(campaign: Campaign) -> str:
            return _resumed(
                campaign, launch.resume(campaign, timezone.now(), choice, days, seen=seen)
            )

        self._do(request, campaign, change)

    @action(
        description="Look at the change",
        icon="rule",
        variant=ActionVariant.PRIMARY,
        permissions=["launch"],
    )
    def make_change(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make the change that waits for a second person."""

        def change(campaign: Campaign) -> str:
            token = request.POST.get("token", "")
            done = proposal.accept(campaign, token, timezone.now(), _user(request))
            return f"“{campaign}” was changed. {' '.join(done.lines)}"

        def question(campaign: Campaign) -> Ask:
            return revision_text.accept_question(campaign, _user(request))

        return self._ask_or_do(request, object_id, question, change)

    @action(description="Drop the change", icon="undo", permissions=["change"])
    def drop_change(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Withdraw the change that waits, or send it back with a reason."""

        def change(campaign: Campaign) -> str:
            proposal.send_back(campaign, _user(request), request.POST.get("reason", ""))
            return f"The change proposed for “{campaign}” is dropped. The campaign is as it was."

        def question(campaign: Campaign) -> Ask:
            return revision_text.send_back_question(campaign, _user(request))

        return self._ask_or_do(request, object_id, question, change)

    @action(description="Complete", icon="flag", permissions=["stop"])
    def complete(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Active or paused -> completed."""
        return self._ask_or_do(request, object_id, text.complete_question, _complete)

    @action(description="Copy", icon="content_copy", permissions=["copy"])
    def copy(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Make a draft with the same steps."""
        campaign = self._find(request, object_id)
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        if not is_confirmed(request):
            question = f"Make a new draft with the steps of “{campaign}”? Nobody is enrolled in it."
            return confirm(self, request, Confirmation("Copy", question, "Copy"), page)
        draft = copy_campaign(campaign, _user(request))
        self.log_addition(request, draft, f"Copied from “{campaign}”.")
        messages.success(request, f"“{draft}” is a draft now: change what differs, then launch it.")
        return redirect("admin:campaigns_campaign_change", draft.pk)

    @admin.action(description="Launch", permissions=["launch"])
    def launch_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Launch the ticked campaigns."""

        def change(campaign: Campaign) -> str:
            launch.launch(campaign, timezone.now(), _user(request))
            return f"“{campaign}” is launched."

        return self._ask_or_do_all(request, "Launch", chosen, change)

    @admin.action(description="Pause", permissions=["stop"])
    def pause_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Pause the ticked campaigns."""
        return self._ask_or_do_all(request, "Pause", chosen, _pause)

    @admin.action(description="Resume", permissions=["stop"])
    def resume_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Resume the ticked campaigns that have nothing overdue: the others ask on their pages."""

        def change(campaign: Campaign) -> str:
            return _resumed(campaign, launch.resume(campaign, timezone.now()))

        return self._ask_or_do_all(request, "Resume", chosen, change)

    @admin.action(description="Complete", permissions=["stop"])
    def complete_selected(
        self, request: HttpRequest, chosen: QuerySet[Campaign]
    ) -> HttpResponse | None:
        """Complete the ticked campaigns."""
        return self._ask_or_do_all(request, "Complete", chosen, _complete)

    def _find(self, request: HttpRequest, object_id: str) -> Campaign:
        campaign: Campaign | None = self.get_object(request, object_id)
        if campaign is None:
            raise Http404
        return campaign

    def _ask_or_do(
        self,
        request: HttpRequest,
        object_id: str,
        question: Callable[[Campaign], Ask],
        change: Change,
        counted: str = "",  # the title of a question that counts doctors
    ) -> HttpResponse:
        """One campaign, from its page. Who may not has been refused by the button's permission."""
        campaign = self._find(request, object_id)
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        if not is_confirmed(request):
            if counted:
                title, to_ask = f"{counted}: {campaign}", partial(question, campaign)
                return ask_when_counted(self, request, title, to_ask, page)
            return ask(self, request, question(campaign), page)
        self._do(request, campaign, change)
        return redirect(page)

    def _ask_or_do_all(
        self, request: HttpRequest, verb: str, chosen: QuerySet[Campaign], change: Change
    ) -> HttpResponse | None:
        """Several, from the list."""
        campaigns = list(chosen)
        if not is_confirmed(request):
            page = reverse("admin:campaigns_campaign_changelist")
            return confirm(self, request, text.question_of_all(verb, campaigns, request), page)
        for campaign in campaigns:
            self._do(request, campaign, change)
        return None

    def _do(self, request: HttpRequest, campaign: Campaign, change: Change) -> None:
        """Call the step function; say what happened, or what is missing. Raises Unseen alone."""
        try:
            done = change(campaign)
        except Unseen:
            raise  # it is asked again
        except NotReady as refusal:
            for problem in refusal.problems:
                messages.error(request, f"“{campaign}”: nothing was done. {problem}")
        else:
            self.log_change(request, campaign, done)
            messages.success(request, done)


def _pause(campaign: Campaign) -> str:
    launch.pause(campaign, timezone.now())
    return f"“{campaign}” is paused."


def _resumed(campaign: Campaign, outcome: overdue.Outcome) -> str:
    return (
        f"“{campaign}” is resumed. Messages skipped: {outcome.skipped:,}; "
        f"given another day: {outcome.moved:,}."
    )


def _complete(campaign: Campaign) -> str:
    ended = launch.complete(campaign, timezone.now())
    said = (
        f"“{campaign}” is completed. Doctors who were under way: {ended.people:,}; "
        f"messages skipped: {ended.skipped:,}."
    )
    if ended.sending:
        said += f" {ended.sending:,} were just being handed over, and can't be called back."
    return said


def fits(name: str, campaign: Campaign) -> bool:
    """Whether a button of this name makes sense as the campaign stands."""
    status = campaign.status
    in_review = status == CampaignStatus.IN_REVIEW
    shown = {
        "launch": status in review.launchable_from(),
        "submit": status == CampaignStatus.DRAFT or review.is_changed(campaign),
        "send_back": in_review,
        "pause": status == CampaignStatus.ACTIVE,
        "resume": status == CampaignStatus.PAUSED,
        "complete": status in LIVE,
        "widen": status in LIVE
        and not campaign.rollout_halted
        and rollout.next_stage(campaign) is not None,
        "make_change": status in LIVE and campaign.proposal is not None,
        "drop_change": status in LIVE and campaign.proposal is not None,
        "resume_rollout": status in LIVE and bool(campaign.rollout_halted),
    }
    return shown.get(name, True)


def _user(request: HttpRequest) -> Any:
    return request.user
