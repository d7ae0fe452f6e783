"""The page Pre-flight of a campaign: what it lacks, what can never go out, and what would help."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.admin import preflight_text as text
from campaigns.admin.ask import Ask, ask
from campaigns.admin.revision import RevisionMixin
from campaigns.digest import digest
from campaigns.feasibility import Sequence, effect_of, sequence_of, tried, typical
from campaigns.models import Campaign, CampaignStatus
from campaigns.preflight import mend
from campaigns.revise import UNDER_WAY
from campaigns.transition import NotReady
from reengage.admin_base import action, is_confirmed

CHANGE_STEPS = "campaigns.change_campaignmessage"
DELETE_STEPS = "campaigns.delete_campaignmessage"


class PreflightMixin(RevisionMixin):
    """The button Pre-flight on a campaign's page, where `actions_detail` names `preflight`."""

    @action(description="Pre-flight", icon="fact_check", permissions=["view"], url_path="preflight")
    def preflight(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show it; a POST with the key of a mend asks, and does it once that is confirmed.

        `part`: what counts doctors, for the page that is open; `counts`: the page with that in it.
        """
        campaign = self.get_object(request, object_id)
        if campaign is None:
            raise Http404
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        may_mend = self._may_mend(request, campaign)
        if request.method == "POST":
            if not may_mend:
                raise PermissionDenied
            return self._mend(request, campaign, request.POST.get("mend", ""))
        now = timezone.now()
        is_part = "part" in request.GET
        counts = text.counted(campaign, now) if is_part or "counts" in request.GET else None
        if is_part:
            return TemplateResponse(request, "campaigns/preflight/counts.html", {"c": counts})
        context = {
            **self.admin_site.each_context(request),
            "title": f"Pre-flight: {campaign}",
            "opts": self.model._meta,  # noqa: SLF001  Django's
            "original": campaign,
            "may_mend": may_mend,
            "withheld": _withheld(request, campaign) if may_mend else [],
            "p": text.page(campaign, now),
            "c": counts,
        }
        return TemplateResponse(request, "campaigns/preflight/page.html", context)

    def _may_mend(self, request: HttpRequest, campaign: Campaign) -> bool:
        """Whoever may edit its steps: a mend does."""
        may_steps = request.user.has_perm(CHANGE_STEPS)
        return may_steps and bool(self.has_change_permission(request, campaign))

    def _mend(self, request: HttpRequest, campaign: Campaign, key: str) -> HttpResponse:
        """Ask about a mend, or do it. Doctors under way: as any edit of the campaign does."""
        page = reverse("admin:campaigns_campaign_preflight", args=[campaign.pk])
        before = sequence_of(campaign)
        after = mend.wanted(before, key)
        if after is None:
            messages.error(request, mend.GONE)
            return redirect(page)
        if _leaves_out(before, after) and not request.user.has_perm(DELETE_STEPS):
            raise PermissionDenied
        if campaign.status in UNDER_WAY:
            return self.confirm_revision(request, campaign, mend.proposal(campaign, after))
        if not is_confirmed(request):
            return ask(self, request, _question(campaign, before, after, key), page)
        user: Any = request.user
        try:
            done = mend.apply(campaign, key, request.POST.get("token", ""), user)
        except NotReady as refusal:
            for problem in refusal.problems:
                messages.error(request, f"Nothing was changed. {problem}")
        else:
            self.log_change(request, campaign, " ".join(done))
            messages.success(request, f"“{campaign}” was changed. {' '.join(done)}")
        return redirect(page)


def _leaves_out(before: Sequence, after: Sequence) -> bool:
    return len(after.steps) < len(before.steps)


def _withheld(request: HttpRequest, campaign: Campaign) -> list[str]:
    """Keys of the mends that leave a step out, for whoever may not delete steps."""
    if request.user.has_perm(DELETE_STEPS):
        return []
    before = sequence_of(campaign)
    found = tried(before)
    keys = [one.key for one in found.mends if _leaves_out(before, one.sequence)]
    if found.together and _leaves_out(before, found.together[-1].sequence):
        keys.append(mend.ALL)
    return keys


def _question(campaign: Campaign, before: Sequence, after: Sequence, key: str) -> Ask:
    """What the mend changes, and what comes of it."""
    facts = mend.changes(before, after)
    if _leaves_out(before, after):
        facts.append("What is left out is deleted. The template stays.")
    if campaign.status == CampaignStatus.IN_REVIEW:
        facts.append("It is in review: submit it again afterwards, so that this is looked at, too.")
    return Ask(
        title=f"Change the sequence: {campaign}",
        question=f"What comes of it: {effect_of(typical(before), typical(after))}",
        button="Change it",
        facts=facts,
        problems=mend.obstacles(campaign, before, after),
        hidden=[("mend", key), ("token", digest(campaign))],
    )
