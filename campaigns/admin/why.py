"""Why (not)? of a doctor and a campaign: the page, and the ways to it."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from campaigns.admin import why_text
from campaigns.models import Campaign
from campaigns.why import explain
from reengage.admin_base import AnyAdmin, action
from segments.admin.search import SEARCH_HELP, doctor_ids
from segments.models import Doctor

# It shows the doctor, and every message.
MAY_SEE = ("campaigns.view_campaign", "segments.view_doctor", "messaging.view_messagedelivery")
MOST_SHOWN = 20


class WhyMixin(AnyAdmin):
    """The button Why (not)? on a campaign's page, where `actions_detail` names `why`."""

    def has_why_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may see doctors and their messages."""
        return may_ask_why(request)

    @action(description="Why (not)?", icon="help", permissions=["why"], url_path="why")
    def why(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what `doctor` (id, phone, e-mail, last name) or `key` gets of the campaign."""
        campaign = self.get_object(request, object_id)
        if campaign is None:
            raise Http404
        term = request.GET.get("doctor", "").strip().replace("\x00", "")[:254]
        found = _doctors(term, request.GET.get("key", ""))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Why (not)? {campaign}",
            "opts": self.model._meta,  # noqa: SLF001  Django's
            "original": campaign,
            "term": term,
            "help": f"{SEARCH_HELP}",
            "asked": bool(term or request.GET.get("key")),
            "doctors": [(doctor, address(campaign.pk, doctor.pk)) for doctor in found],
            **(_answer(campaign, found[0]) if len(found) == 1 else {}),
        }
        return TemplateResponse(request, "campaigns/why/page.html", context)


def may_ask_why(request: HttpRequest) -> bool:
    """Whether the person may see all that the page shows."""
    return request.user.has_perms(MAY_SEE)


def address(campaign_id: uuid.UUID, doctor_id: int) -> str:
    """The page for this doctor."""
    query = urlencode({"key": doctor_id})
    return f"{reverse('admin:campaigns_campaign_why', args=[campaign_id])}?{query}"


def _doctors(term: str, key: str) -> list[Doctor]:
    """The doctor of that key; else those that the term names, by their key as well."""
    if key:
        keys = [int(key)] if key.isascii() and key.isdecimal() and len(key) < 10 else []
    elif term:
        keys = doctor_ids(term)
        if term.isascii() and term.isdecimal() and len(term) < 10:
            keys = [*keys, int(term)]
    else:
        return []
    return list(Doctor.objects.filter(pk__in=keys).order_by("last_name", "pk")[:MOST_SHOWN])


def _answer(campaign: Campaign, doctor: Doctor) -> dict[str, Any]:
    why = explain(campaign, doctor, timezone.now())
    return {
        "why": why,
        "sentence": why_text.sentence(why),
        "notices": why_text.notices(why),
        "enrollment": why_text.enrollment_lines(why),
        "obstacles": why_text.obstacle_lines(why),
        "lines": why_text.lines(why),
        "used": why_text.used_table(why),
    }
