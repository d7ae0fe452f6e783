"""A doctor's timeline: the newest lines on the doctor's page, and all of them on a page of its own.

The doctor's page is that of segments/admin/doctor.py, which knows of no messages; this is the same
page with what the applications above it have to say.
"""

# ruff: noqa: SLF001  `_meta` is Django's
from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import date, datetime, tzinfo
from itertools import groupby
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from messaging.timeline.page import (
    SOURCES,
    Page,
    Theme,
    Wanted,
    newest,
    page,
    place_of,
)
from messaging.timeline.source import Entry, Source
from reengage.admin_base import action
from segments.admin import doctor as segments_doctor
from segments.definitions.common import time_zone
from segments.models import Doctor

ON_THE_DOCTORS_PAGE = 15
NOTHING = Page((), None)
OFFICE = time_zone(settings.TIME_ZONE)

admin.site.unregister(Doctor)


@admin.register(Doctor)
class DoctorAdmin(segments_doctor.DoctorAdmin):
    """The doctor's page, with the timeline."""

    change_form_after_template = "messaging/timeline/on_doctor.html"
    actions_detail = ("show_timeline", *segments_doctor.DoctorAdmin.actions_detail)

    def get_urls(self) -> list[URLPattern]:
        """With the timeline's page."""
        own = path(
            "<int:doctor_id>/timeline/",
            self.admin_site.admin_view(self.timeline_view),
            name="segments_doctor_timeline",
        )
        return [own, *super().get_urls()]

    @action(description="Timeline", icon="timeline", permissions=["view"])
    def show_timeline(self, request: HttpRequest, object_id: str) -> HttpResponse:  # noqa: ARG002
        """The button that leads to all lines."""
        return redirect("admin:segments_doctor_timeline", object_id)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand the newest lines to the doctor's page."""
        if doctor := context.get("original"):
            now = timezone.now()
            wanted = Wanted(doctor.pk, time_zone(doctor.timezone), _visible(request))
            coming, found = newest(wanted, now, ON_THE_DOCTORS_PAGE)
            context["timeline"] = {
                **_shown(request, doctor, coming, found),
                "all": reverse("admin:segments_doctor_timeline", args=[doctor.pk]),
                "is_cut": found.older is not None,
            }
        return super().render_change_form(request, context, *args, **kwargs)

    def timeline_view(self, request: HttpRequest, doctor_id: int) -> HttpResponse:
        """Everything known of a doctor, newest first.

        `?about=messages` keeps one theme, `?campaign=<id>` what belongs to one campaign, and
        `?before=` goes on from a place. What cannot be read means: all, from now on.
        """
        doctor = self.get_object(request, str(min(doctor_id, 2**31 - 1)))
        if doctor is None:
            raise Http404
        if not self.has_view_permission(request, doctor):
            raise PermissionDenied
        now = timezone.now()
        start = place_of(request.GET.get("before", ""))
        theme = request.GET.get("about", "")
        visible = _visible(request)
        chosen = [
            source for source in visible if theme not in Theme.values or source.theme == theme
        ]
        campaign_id = _uuid(request.GET.get("campaign", ""))
        wanted = Wanted(doctor.pk, time_zone(doctor.timezone), chosen, campaign_id)
        coming, found = (NOTHING, page(wanted, start)) if start else newest(wanted, now)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": doctor,
            "title": f"Timeline: {doctor}",
            "timeline": {
                **_shown(request, doctor, coming, found),
                "is_filtered": chosen != visible or campaign_id is not None,
            },
            "themes": _themes(request, visible),
            "campaigns": _campaigns(doctor, visible),
            "campaign": wanted.campaign_id,
            "about": theme if theme in Theme.values else "",
            "start": start,
            "older": _address(request, before=str(found.older)) if found.older else "",
            "newest": _address(request, before="") if start else "",
        }
        return TemplateResponse(request, "messaging/timeline/page.html", context)


def _shown(request: HttpRequest, doctor: Doctor, coming: Page, found: Page) -> dict[str, Any]:
    """What both pages show of the timeline."""
    return {
        "days": _days(request, found.entries, doctor),
        "ahead": _days(request, coming.entries, doctor),
        "more_ahead": coming.older is not None,
        "zone": _zone_words(doctor, timezone.now()),
        "hidden": _hidden(_visible(request)),
    }


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def _may_view(request: HttpRequest, model: str) -> bool:
    return admin.site.get_model_admin(apps.get_model(model)).has_view_permission(request)


def _visible(request: HttpRequest) -> list[Source]:
    """The sources whose rows this person may see."""
    return [source for source in SOURCES if _may_view(request, source.model)]


def _hidden(visible: Sequence[Source]) -> str:
    """What is left out for want of a permission, in words."""
    names = (str(s.rows._meta.verbose_name_plural) for s in SOURCES if s not in visible)
    return ", ".join(names)


def _address(request: HttpRequest, **changed: str) -> str:
    """This page with other parameters; an empty one is dropped."""
    kept = {name: request.GET.get(name, "") for name in ("about", "campaign", "before")}
    filled = {name: value for name, value in (kept | changed).items() if value}
    return f"{request.path}?{urlencode(filled)}" if filled else request.path


def _themes(request: HttpRequest, visible: Sequence[Source]) -> list[dict[str, Any]]:
    """The choices of the filter: all, and each theme of which anything may be seen."""
    there = {source.theme for source in visible}
    chosen = request.GET.get("about", "")
    choices = [("", "Everything")] + [(t.value, t.label) for t in Theme if t in there]
    known = {value for value, _ in choices}
    return [
        {
            "label": label,
            "address": _address(request, about=value, before=""),
            "is_chosen": value == (chosen if chosen in known else ""),
        }
        for value, label in choices
    ]


def _campaigns(doctor: Doctor, visible: Sequence[Source]) -> list[tuple[uuid.UUID, str]]:
    """The campaigns that the doctor was ever enrolled in."""
    if not any(source.model == "campaigns.CampaignEnrollment" for source in visible):
        return []
    found = doctor.enrollments.order_by("campaign__name")
    return list(found.values_list("campaign_id", "campaign__name").distinct())


def _zone_words(doctor: Doctor, now: datetime) -> str:
    """Whose time the page shows."""
    local = now.astimezone(time_zone(doctor.timezone))
    offset = f"{local:%z}"
    return f"{doctor.timezone} (UTC{offset[:3]}:{offset[3:]})"


def _days(request: HttpRequest, entries: Iterable[Entry], doctor: Doctor) -> list[dict[str, Any]]:
    """The lines by the day that the doctor's calendar showed."""
    zone = time_zone(doctor.timezone)

    def day(entry: Entry) -> date:
        return entry.at.astimezone(zone).date()

    return [
        {"day": found, "lines": [_line(request, entry, zone) for entry in of_day]}
        for found, of_day in groupby(entries, key=day)
    ]


def _line(request: HttpRequest, entry: Entry, zone: tzinfo) -> dict[str, Any]:
    local = entry.at.astimezone(zone)
    model, key = entry.target
    if not _may_view(request, model):
        model, key = entry.model, entry.key
    name = model.lower().replace(".", "_")
    return {
        "at": entry.at,
        "clock": f"{local:%H:%M} {_name_of(local)}",
        "elsewhere": _elsewhere(local),
        "said": entry.said,
        "theme": entry.theme.label,
        "address": reverse(f"admin:{name}_change", args=[key]),
    }


def _name_of(local: datetime) -> str:
    """The zone as people write it: IST, or UTC+4 where it has no name of letters."""
    name = f"{local:%Z}"
    return name if name.isalpha() else f"UTC{name}"


def _elsewhere(local: datetime) -> str:
    """The same moment in the office's zone; where that shows the same, in UTC."""
    office = local.astimezone(OFFICE)
    if office.utcoffset() != local.utcoffset():
        other = office
    else:
        other = local.astimezone(time_zone("UTC"))
    on = f" on {other:%d %b}" if other.date() != local.date() else ""
    return f"{other:%H:%M} {_name_of(other)}{on}"
