"""Who is in the segment, would be enrolled, is held back: counts, and the doctors behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.timezone import localtime

from campaigns import people
from campaigns.admin import sequence, why
from campaigns.models import Campaign, CampaignStatus
from campaigns.people import TAKEN, Member, People, Why
from reengage.admin_base import AnyAdmin
from segments.admin.base import link, list_address, when
from segments.models import Doctor

PAGE = 50
MAY_SEE_DOCTORS = "segments.view_doctor"

# What each class means and, where something can be done, what.
EXPLAINED: Mapping[Why, str] = {
    Why.ENROLLED: "At the next run, which comes every hour while the campaign runs.",
    Why.UNREACHABLE: "Every channel it uses lacks an address or a consent, or is shut: they are "
    "enrolled but get nothing. Import addresses or consents, or add a step on another channel.",
    Why.HOLDOUT: "They are enrolled but never written to, so that the effect can be measured.",
    Why.ROLLOUT: "Widen the rollout, when its health is good, to let more of them in.",
    Why.NOT_QUIET: "They used CLIRNET not long ago.",
    Why.WAS_IN: "Nobody is enrolled about the same course, session or certificate twice.",
    Why.OPTED_OUT: "Of all messages, of this kind of campaign, or on each channel it uses. They "
    "are never enrolled again by themselves.",
    Why.SUPPRESSED: "Each channel it uses is suppressed, such as after a bounce, or opted out of.",
    Why.UNDER_WAY: "Their messages go on. They may be enrolled about another subject afterwards.",
}
HELD_BACK = (Why.ROLLOUT, Why.NOT_QUIET, Why.WAS_IN, Why.OPTED_OUT, Why.SUPPRESSED)


@dataclass(frozen=True, slots=True)
class Line:
    """One class: how many, what it means, and the way to the doctors ('' where there is none)."""

    why: str
    label: str
    count: int
    words: str
    url: str


@dataclass(frozen=True, slots=True)
class Group:
    """Classes that belong together, and their sum."""

    title: str
    count: int
    lines: Sequence[Line]


class PeopleMixin(AnyAdmin):
    """The people of a campaign's page, and what the page loads once it is open."""

    def get_urls(self) -> list[Any]:
        """With the people, and the figures of the steps."""
        views = (("people", self.people_view), ("figures", self.figures_view))
        return [
            *(
                path(
                    f"<uuid:object_id>/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"campaigns_campaign_{name}",
                )
                for name, view in views
            ),
            *super().get_urls(),
        ]

    def people_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """`why` lists the doctors of a class. Else the counts: `part` alone, for a page that is
        open; `counts` in their page; without either the page loads them.
        """
        campaign = self._viewed(request, object_id)
        now = timezone.now()
        asked = request.GET.get("why", "")
        context: dict[str, Any] = {"original": campaign}
        template = "campaigns/sequence/people.html"
        if asked:
            if asked not in Why.values:
                raise Http404
            if not request.user.has_perm(MAY_SEE_DOCTORS):
                raise PermissionDenied
            may_ask_why = self.has_why_permission(request)  # type: ignore[attr-defined]  # WhyMixin
            context |= listed(campaign, Why(asked), request.GET, now, may_ask_why=may_ask_why)
            template = "campaigns/sequence/people_list.html"
        else:
            if "part" in request.GET or "counts" in request.GET:
                context |= counted(campaign, now, may_list=request.user.has_perm(MAY_SEE_DOCTORS))
            if "part" in request.GET:
                return TemplateResponse(request, "campaigns/sequence/people_part.html", context)
        context |= {
            **self.admin_site.each_context(request),
            "title": f"People: {campaign}",
            "opts": self.model._meta,  # noqa: SLF001  Django's
        }
        return TemplateResponse(request, template, context)

    def figures_view(self, request: HttpRequest, object_id: Any) -> HttpResponse:
        """How many wait for each step, were sent it, or skipped."""
        campaign = self._viewed(request, object_id)
        return JsonResponse({"steps": sequence.figures(campaign, timezone.now())})

    def _viewed(self, request: HttpRequest, object_id: Any) -> Campaign:
        campaign: Campaign | None = self.get_object(request, str(object_id))
        if campaign is None:
            raise Http404
        if not self.has_view_permission(request, campaign):
            raise PermissionDenied
        return campaign


def counted(campaign: Campaign, now: datetime, *, may_list: bool) -> dict[str, Any]:
    """The classes in groups whose sums are the segment; the links for who may see doctors."""
    counted_lately = people.people_lately(campaign, now)
    found = counted_lately.people
    page = reverse("admin:campaigns_campaign_people", args=[campaign.pk])

    def group(title: str, count: int, classes: Sequence[Why]) -> Group:
        lines = [
            Line(
                why.value,
                str(why.label),
                found.counts[why],
                _words(why, found, campaign),
                f"{page}?why={why}" if may_list and found.counts[why] else "",
            )
            for why in classes
        ]
        return Group(title, count, lines)

    under_way = found.counts[Why.UNDER_WAY]
    return {
        "people": found,
        "groups": [
            group("Would be enrolled", found.taken, TAKEN),
            group("Held back", found.held_back, HELD_BACK),
            group("Under way", under_way, (Why.UNDER_WAY,)),
        ],
        "condition": condition(campaign, now),
        "segment": list_address("segments_usersegment", segment_type__exact=campaign.segment_type),
        "people_url": page,
        "at": counted_lately.at,
        "minutes": people.KEPT // 60,
    }


def _words(why: Why, found: People, campaign: Campaign) -> str:
    words = EXPLAINED[why]
    if why == Why.ROLLOUT:
        words = f"The rollout is at {campaign.rollout_percent} %. {words}"
    elif why == Why.NOT_QUIET:
        words = f"It asks for {campaign.inactivity_days} quiet days. {words}"
        if found.quiet_in:
            words += f" If they stay away: {_soon(found.quiet_in)}."
    return words


def _soon(quiet_in: Mapping[int, int]) -> str:
    """When those who are not quiet for long enough will be: "within 7 days: 120"."""
    parts = []
    for days in (1, 3, 7, 14, 30, 60):
        count = sum(n for day, n in quiet_in.items() if day <= days)
        parts.append(f"within {days} day{'' if days == 1 else 's'}: {count:,}")
        if count == sum(quiet_in.values()):
            break
    return "; ".join(parts)


_OF_STATUS = {
    CampaignStatus.DRAFT: "It is not launched: this is what a launch at this moment would do.",
    CampaignStatus.IN_REVIEW: "It is not launched: this is what a launch at this moment would do.",
    CampaignStatus.PAUSED: "It is paused: nobody is enrolled until it is resumed.",
    CampaignStatus.COMPLETED: "It is over: nobody is enrolled any more.",
}


def condition(campaign: Campaign, now: datetime) -> str:
    """Why the next run enrols nobody at all, whatever the counts say; '': it does."""
    if not campaign.steps.exists():
        return "It has no steps, so nobody is enrolled: add one first."
    if said := _OF_STATUS.get(CampaignStatus(campaign.status)):
        return said
    if campaign.start_date and campaign.start_date > now:
        return f"It starts on {when(campaign.start_date)}: nobody is enrolled before."
    if campaign.end_date and campaign.end_date <= now:
        return "Its end date is past: nobody is enrolled any more."
    return ""


def listed(
    campaign: Campaign, asked: Why, query: Mapping[str, str], now: datetime, *, may_ask_why: bool
) -> dict[str, Any]:
    """One page of the doctors of a class, in the order of their keys."""
    typed = query.get("after", "")
    after = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 10 else 0
    found = people.members(campaign, asked, now, after=after, size=PAGE)
    doctors = Doctor.objects.in_bulk([member.doctor_id for member in found.members])
    more = urlencode({"why": asked, "after": found.after}) if found.after is not None else ""
    is_short = bool(more) and len(found.members) < PAGE
    return {
        "label": asked.label,
        "explained": EXPLAINED[asked],
        "table": {
            "headers": ("Doctor", "Quiet since", "Quiet long enough", "About", ""),
            "rows": [
                _row(campaign, member, doctors[member.doctor_id], may_ask_why=may_ask_why)
                for member in found.members
                if member.doctor_id in doctors
            ],
            "empty": "None among the doctors looked at so far."
            if is_short
            else "No doctor (any more): the list is newer than the counts.",
            "more": "",
        },
        "next": f"?{more}" if more else "",
        "next_words": "Look further: only a part of the segment was looked at"
        if is_short
        else "Next page",
        "is_first": not after,
        "first": f"?why={asked}",
    }


def _row(
    campaign: Campaign, member: Member, doctor: Doctor, *, may_ask_why: bool
) -> tuple[str, ...]:
    days = member.quiet_days
    ask = why.address(campaign.pk, doctor.pk) if may_ask_why else ""
    return (
        link("segments_doctor", doctor.pk, doctor),
        f"{localtime(member.inactive_since):%d %b %Y}",
        "yes" if days <= 0 else f"in {days} day{'' if days == 1 else 's'}",
        member.subject or "–",
        _why_link(ask),
    )


def _why_link(address: str) -> str:
    return format_html('<a href="{}">Why (not)?</a>', address) if address else ""
