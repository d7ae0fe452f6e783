"""Saving a campaign under way: what it would do to whom is shown first, and asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms.formsets import all_valid
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns import proposal, revise
from campaigns.admin import opened, revision_text
from campaigns.admin.ask import ask
from campaigns.models import Campaign, CampaignMessage, CampaignStatus
from campaigns.transition import NotReady
from reengage.admin_base import AnyAdmin, OpenedForm, is_confirmed

TOKEN = "revision_token"  # noqa: S105  names what was looked at
_OF_THE_PAGE = {"csrfmiddlewaretoken", "confirmed", TOKEN}


class RevisionMixin(AnyAdmin):
    """Sends what is saved of an active or paused campaign through `confirm_revision`."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Have the form carry what it was opened with; one with errors, what it came with.

        That of a draft as well, which may be launched before it is saved.
        """
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        campaign = context.get("original")
        if isinstance(campaign, Campaign) and campaign.status != CampaignStatus.COMPLETED:
            saved = Campaign.objects.get(pk=campaign.pk)  # a form with errors has written into it
            names = _of_campaign(context["adminform"].form.fields)
            came_with = request.POST.get(opened.NAME, "")
            context["form_opened"] = came_with or opened.written(saved, names)
        return page

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Ask first where doctors are under way; a form with errors is shown again as ever."""
        if request.method == "POST" and object_id:
            campaign = self.get_object(request, object_id)
            if campaign is not None and campaign.status in revise.UNDER_WAY:
                if not self.has_change_permission(request, campaign):
                    raise PermissionDenied
                merged = self._merged(request, campaign)
                if merged is not None:
                    return self._revise(request, campaign, merged)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _revise(
        self, request: HttpRequest, campaign: Campaign, merged: opened.Merge
    ) -> HttpResponse:
        """What two people wrote into the same place is asked first, then all goes its way."""
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        if merged.conflicts and _takes_mine(request) is None:
            question = revision_text.conflicts_question(campaign, merged, _posted(request))
            return ask(self, request, question, page)
        return self.confirm_revision(request, campaign, merged.proposed, merged.theirs)

    def confirm_revision(
        self,
        request: HttpRequest,
        campaign: Campaign,
        proposed: revise.Proposed,
        theirs: Sequence[str] = (),
    ) -> HttpResponse:
        """Show what the proposal does, and do it, or propose it, once that is confirmed.

        The page posts the same form again with the token of what it showed, so that it is all
        checked anew: a campaign that was changed meanwhile is shown anew as well. `theirs`: what
        colleagues changed since the form was opened, which stays.
        """
        now, page = timezone.now(), reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        token = request.POST.get(TOKEN, "")
        problems: list[str] = []
        if is_confirmed(request) and token:
            try:
                self._carry_out(request, campaign, proposed, token)
            except NotReady as refusal:
                problems = refusal.problems
            else:
                return redirect(page)
        revision = revise.plan_revision(campaign, proposed, now)
        if revision.is_empty and not problems:
            kept = revision_text.kept_lines(campaign, theirs)
            messages.info(request, " ".join(("Nothing was changed.", *kept)))
            return redirect(page)
        for problem in problems:
            messages.error(request, problem)
        hidden = [*_posted(request), (TOKEN, revision.token)]
        user = _user(request)
        question = revision_text.revision_question(campaign, revision, theirs, hidden, user)
        return ask(self, request, question, page)

    def _carry_out(
        self, request: HttpRequest, campaign: Campaign, proposed: revise.Proposed, token: str
    ) -> None:
        """Make the change, or where two people have to, propose it. Raises NotReady."""
        now, user = timezone.now(), _user(request)
        if revise.plan_revision(campaign, proposed, now).needs_second:
            done = proposal.propose(campaign, proposed, token, now, user)
            said = f"Proposed: {' '.join(done.lines)}"
            told = (
                "Your change is proposed. Nothing is changed until somebody else who may launch "
                "makes it: tell them."
            )
        else:
            done = revise.apply_revision(campaign, proposed, token, now, user)
            said = " ".join(done.lines)
            told = f"“{campaign}” was changed. {said}"
        self.log_change(request, campaign, said)
        messages.success(request, told)

    def _merged(self, request: HttpRequest, campaign: Campaign) -> opened.Merge | None:
        """What the posted form asks for; None where it has errors."""
        saved = Campaign.objects.get(pk=campaign.pk)  # the form writes into the other one
        came_with = opened.read(request.POST.get(opened.NAME, ""))
        form_class = self.get_form(request, campaign, change=True)
        if came_with is None:  # no page of ours: what differs from the database is changed
            came_with = opened.read(opened.written(saved, _of_campaign(form_class.base_fields)))
            assert came_with is not None  # noqa: S101  just written
        request.POST = opened.without_removed(request.POST, came_with, saved)  # type: ignore[assignment]
        form = form_class(
            request.POST, request.FILES, instance=campaign, initial=dict(came_with.fields)
        )
        is_valid = form.is_valid()
        formsets, _ = self._create_formsets(  # type: ignore[attr-defined]  # not in the stubs
            request,
            self.save_form(request, form, change=True) if is_valid else campaign,
            change=True,
        )
        of_steps = [one for one in formsets if one.model is CampaignMessage]
        for row in (row for formset in of_steps for row in formset.initial_forms):
            row.initial.update(came_with.steps.get(row.instance.pk, {}))
        if not (all_valid(formsets) and is_valid):
            return None
        formset = of_steps[0] if of_steps else None
        takes_mine = bool(_takes_mine(request))
        return opened.merge(saved, came_with, form, formset, takes_mine=takes_mine)


def _of_campaign(names: Iterable[str]) -> list[str]:
    """Without what the form carries beside the campaign's own fields."""
    return [name for name in names if name not in OpenedForm.base_fields]


def _takes_mine(request: HttpRequest) -> bool | None:
    """Whose value counts where two people changed the same; None: not said yet."""
    return {"mine": True, "theirs": False}.get(request.POST.get("choice", ""))


def _posted(request: HttpRequest) -> list[tuple[str, str]]:
    """The form as it was posted, to be posted again."""
    return [
        (name, value)
        for name, values in request.POST.lists()
        if name not in _OF_THE_PAGE
        for value in values
    ]


def _user(request: HttpRequest) -> Any:
    return request.user
