"""Saving a campaign under way: what it would do to whom is shown first, and asked."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.forms.formsets import all_valid
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone

from campaigns import revise
from campaigns.admin.ask import Ask, ask
from campaigns.models import Campaign, CampaignMessage
from campaigns.transition import NotReady
from reengage.admin_base import AnyAdmin, is_confirmed

TOKEN = "revision_token"  # noqa: S105  names what was looked at
_OF_THE_PAGE = {"csrfmiddlewaretoken", "confirmed", TOKEN}


class RevisionMixin(AnyAdmin):
    """Sends what is saved of an active or paused campaign through `confirm_revision`."""

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
                proposed = self._proposed(request, campaign)
                if proposed is not None:
                    return self.confirm_revision(request, campaign, proposed)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def confirm_revision(
        self, request: HttpRequest, campaign: Campaign, proposed: revise.Proposed
    ) -> HttpResponse:
        """Show what the proposal does, and do it once that is confirmed.

        The page posts the same form again with the token of what it showed, so that it is all
        checked anew: a campaign that was changed meanwhile is shown anew as well.
        """
        now, page = timezone.now(), reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        token = request.POST.get(TOKEN, "")
        problems: list[str] = []
        if is_confirmed(request) and token:
            try:
                done = revise.apply_revision(campaign, proposed, token, now, _user(request))
            except NotReady as refusal:
                problems = refusal.problems
            else:
                self.log_change(request, campaign, " ".join(done.lines))
                messages.success(request, f"“{campaign}” was changed. {' '.join(done.lines)}")
                return redirect(page)
        revision = revise.plan_revision(campaign, proposed, now)
        if revision.is_empty and not problems:
            messages.info(request, "Nothing was changed.")
            return redirect(page)
        for problem in problems:
            messages.error(request, problem)
        question = Ask(
            title=f"Change “{campaign}” while it is {campaign.get_status_display().lower()}",
            question="Doctors are under way in it. This is what your change does to them:",
            button="Change it",
            facts=revision.lines,
            problems=revision.problems
            and (*revision.problems, "Your browser's back button keeps what you typed."),
            hidden=[*_posted(request), (TOKEN, revision.token)],
        )
        return ask(self, request, question, page)

    def _proposed(self, request: HttpRequest, campaign: Campaign) -> revise.Proposed | None:
        """What the posted form asks for; None where it has errors."""
        form = self.get_form(request, campaign, change=True)(
            request.POST, request.FILES, instance=campaign
        )
        is_valid = form.is_valid()
        formsets, _ = self._create_formsets(  # type: ignore[attr-defined]  # not in the stubs
            request,
            self.save_form(request, form, change=True) if is_valid else campaign,
            change=True,
        )
        if not (all_valid(formsets) and is_valid):
            return None
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        of_steps = [one for one in formsets if one.model is CampaignMessage]
        steps = _steps(of_steps[0]) if of_steps else revise.as_it_is(campaign)
        return revise.Proposed(fields, steps)


def _steps(formset: Any) -> tuple[revise.ProposedStep, ...]:
    """The steps of the page, in their order; what the page does not show stays."""
    found = []
    for number, form in enumerate(formset.forms):
        step: CampaignMessage = form.instance
        if formset.can_delete and formset._should_delete_form(form):  # noqa: SLF001
            continue
        is_new = step._state.adding  # noqa: SLF001  its key is there before it is saved
        if is_new and not form.has_changed():
            continue
        # What did not change, or may not be changed by this person, stays as the database has it.
        posted = form.cleaned_data if form.has_changed() else {}
        told = {
            name: posted.get(name, getattr(step, name))
            for name in ("sequence_order", "delay_days", "subject_line", "send_from")
        }
        template = posted.get("template") or step.template
        place = told.pop("sequence_order")
        proposed = revise.ProposedStep(
            id=None if is_new else step.pk,
            delay_days=told["delay_days"],
            template_key=template.template_key,
            subject_line=told["subject_line"] or "",
            send_from=told["send_from"],
        )
        found.append(((place, told["delay_days"], number), proposed))
    return tuple(step for _, step in sorted(found, key=lambda entry: entry[0]))


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
