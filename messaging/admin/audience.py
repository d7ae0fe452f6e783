"""Audience checks: the button on a template's and a campaign's page, and each check's own page."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_meta` are Django's
from __future__ import annotations

import uuid
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.forms.widgets import Media, Script
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_POST

from messaging import tasks, warned
from messaging.admin.audience_result import LINK, overview, sections
from messaging.admin.warned import warning_lines
from messaging.audience import report
from messaging.audience.run import ask, cancel, plan, withdraw
from messaging.models import AudienceCheck, CheckState, MessageTemplate
from messaging.models.audience import LIVE
from reengage.admin_base import (
    AnyAdmin,
    ChoicesDropdownFilter,
    Confirmation,
    Notice,
    PageExtrasMixin,
    ReadOnlyAdmin,
    Table,
    action,
    confirm,
    display,
    is_confirmed,
)
from segments.admin.base import when

MAY_START = "messaging.add_audiencecheck"
CHANGED = "What it looked at has been changed since: run it again."
STATE_COLOURS = {
    "queued": "info",
    "running": "info",
    "done": "success",
    "cancelled": "default",
    "failed": "danger",
}


class AudienceMixin(AnyAdmin):
    """On the page of a template or a campaign: the button, and what the last check found.

    To stand after PageExtrasMixin among the bases, whose notices this one adds to; the button is
    shown where `actions_detail` names `check_audience`.
    """

    def has_check_audience_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may start checks. By a method: a name is looked up in the database at start."""
        return request.user.has_perm(MAY_START)

    @action(description="Check audience", icon="groups", permissions=["check_audience"])
    def check_audience(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a check, and go to its page."""
        target = self.get_object(request, object_id)
        if target is None:
            raise Http404
        if not self.has_view_permission(request, target):
            raise PermissionDenied
        if not is_confirmed(request):
            return confirm(self, request, _question(target), _page_of(target))
        return _begin(request, target)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Add what the last check found to the notices."""
        target = context.get("original")
        if target is not None and request.user.has_perm("messaging.view_audiencecheck"):
            checks = AudienceCheck.objects.filter(**_as_target(target))
            if check := checks.select_related("campaign", "template").first():
                context["notices"] = [*context.get("notices", ()), _last(check)]
        return super().render_change_form(request, context, *args, **kwargs)


@admin.register(AudienceCheck)
class AudienceCheckAdmin(PageExtrasMixin[AudienceCheck], ReadOnlyAdmin[AudienceCheck]):
    """Who was checked when, how far it is, and what was found."""

    list_display = ("what", "state_shown", "doctors", "requested_by", "requested_at")
    list_filter = (("state", ChoicesDropdownFilter),)
    list_select_related = ("campaign", "template", "requested_by")
    fields = ("requested_by", "requested_at", "took")
    readonly_fields = ("took",)
    change_form_outer_before_template = "messaging/audience/top.html"
    change_form_after_template = "messaging/audience/result.html"

    @property
    def media(self) -> Media:
        """With the module that moves the progress."""
        own = Media(
            css={"all": ["messaging/audience.css"]},
            js=[Script("messaging/audience.js", type="module")],  # type: ignore[list-item]  # django-stubs knows paths only
        )
        return super().media + own

    def has_delete_permission(self, request: HttpRequest, obj: AudienceCheck | None = None) -> bool:
        """Whoever has the permission: a campaign's draft is deleted together with its checks."""
        return request.user.has_perm("messaging.delete_audiencecheck")

    def get_queryset(self, request: HttpRequest) -> QuerySet[AudienceCheck]:
        """The list shows no results."""
        checks: QuerySet[AudienceCheck] = super().get_queryset(request)
        return checks.select_related("campaign", "template")

    @display(description="what")
    def what(self, check: AudienceCheck) -> str:
        """The campaign, or the template."""
        return str(_target(check))

    @display(description="state", label=STATE_COLOURS)
    def state_shown(self, check: AudienceCheck) -> tuple[str, str]:
        """State as a coloured word."""
        return check.state, check.get_state_display()

    @display(description="doctors looked at")
    def doctors(self, check: AudienceCheck) -> str:
        """How far it is, or came."""
        if check.state == CheckState.DONE:
            return f"{check.done:,}"
        return f"{check.done:,} of {check.total:,}" if check.total else ""

    @display(description="took")
    def took(self, check: AudienceCheck) -> str:
        """From the start to the end."""
        if check.started_at is None or check.finished_at is None:
            return ""
        return f"{(check.finished_at - check.started_at).total_seconds():.1f} s"

    def get_urls(self) -> list[URLPattern]:
        """With the addresses of the progress and of the buttons."""
        own = [
            ("progress", require_GET(self.progress)),
            ("cancel", require_POST(self.cancel)),
            ("again", require_POST(self.again)),
        ]
        return [
            *(
                path(
                    f"<uuid:check_id>/{name}/",
                    self.admin_site.admin_view(view),
                    name=f"messaging_audiencecheck_{name}",
                )
                for name, view in own
            ),
            *super().get_urls(),
        ]

    def progress(self, request: HttpRequest, check_id: uuid.UUID) -> JsonResponse:
        """How far a check is; its page asks every two seconds."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        check = get_object_or_404(AudienceCheck.objects.defer("result"), pk=check_id)
        return JsonResponse(
            {
                "live": check.state in LIVE,
                "done": check.done,
                "total": check.total,
                "words": _words(check),
            }
        )

    def cancel(self, request: HttpRequest, check_id: uuid.UUID) -> HttpResponse:
        """Stop a check."""
        check = _allowed(request, check_id)
        if cancel(check.pk, timezone.now()):
            messages.success(request, "Cancelled.")
        else:
            messages.info(request, "It had ended already.")
        return redirect(_page(check))

    def again(self, request: HttpRequest, check_id: uuid.UUID) -> HttpResponse:
        """Make another check of the same thing; this one's result stays to compare with."""
        return _begin(request, _target(_allowed(request, check_id)), back=check_id)

    def notices(self, request: HttpRequest, obj: AudienceCheck) -> list[Notice]:
        """What came of it; a live one has its progress instead."""
        if obj.state in LIVE:
            return []
        found = _warnings(obj)
        said = report.report(obj, len(found))
        changed = [CHANGED] if _has_changed(obj) else []
        return [Notice(said.level, said.title, [*said.lines, *found, *changed])]

    def tables(self, request: HttpRequest, obj: AudienceCheck) -> list[Table]:
        """The steps of a campaign, at a glance."""
        return [overview(obj)] if obj.campaign_id and report.steps(obj) else []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand the page its progress, its buttons and what was found."""
        if check := context.get("original"):
            target, is_live = _target(check), check.state in LIVE
            button = "cancel" if is_live else "again"
            context["title"] = f"Audience check: {target}"
            context["audience"] = {
                "is_live": is_live,
                "words": _words(check),
                "progress_url": _page(check, "progress"),
                "button_url": _page(check, button),
                "may_start": request.user.has_perm(MAY_START),
                "kind": target._meta.verbose_name,
                "left_out": _left_out(check),
                "target_url": _page_of(target),
                "sections": sections(
                    check, with_doctors=request.user.has_perm("segments.view_doctor")
                ),
            }
        return super().render_change_form(request, context, *args, **kwargs)


def _begin(request: HttpRequest, target: Model, back: uuid.UUID | None = None) -> HttpResponse:
    """Queue a check and ring a worker; where none can be reached, nothing was done."""
    check, is_new = ask(timezone.now(), request.user, **_as_target(target))  # type: ignore[arg-type]  # staff
    if check.state == CheckState.QUEUED and not tasks.ring_check(check.pk):
        if is_new:
            withdraw(check.pk)
        messages.error(
            request, "Nothing was checked: a part of the system is down. Try again in a minute."
        )
        if back is None:
            return redirect(_page_of(target))
        return redirect("admin:messaging_audiencecheck_change", back)
    if not is_new:
        messages.info(request, "It is being checked already: this is that check.")
    return redirect(_page(check))


def _allowed(request: HttpRequest, check_id: uuid.UUID) -> AudienceCheck:
    """The check, for somebody who may start and stop checks. PermissionDenied, Http404."""
    if not request.user.has_perm(MAY_START):
        raise PermissionDenied
    checks = AudienceCheck.objects.select_related("campaign", "template")
    return get_object_or_404(checks, pk=check_id)


def _question(target: Model) -> Confirmation:
    """What is asked before a check, with how many it would look at."""
    steps, audience = plan(AudienceCheck(**_as_target(target)), timezone.now())
    texts = "1 text" if len(steps) == 1 else f"{len(steps)} texts"
    return Confirmation(
        title=f"Check audience: {target}",
        question="What is saved now is filled in for everybody in the segment. Nothing is sent.",
        facts=[f"Doctors to look at: {audience.count():,}, {texts} each."],
        button="Check audience",
    )


def _last(check: AudienceCheck) -> Notice:
    """The last check, for the page of what it is about."""
    said = report.report(check, len(_warnings(check)))
    asked = format_html(
        '<a class="{}" href="{}">Open the audience check of {}</a>',
        LINK,
        _page(check),
        when(check.requested_at),
    )
    changed = [CHANGED] if _has_changed(check) else []
    return Notice(said.level, f"Last audience check: {said.title}", [*changed, asked])


def _warnings(check: AudienceCheck) -> list[str]:
    """The texts of a finished check that have warnings as they are saved now, a line each."""
    if check.state != CheckState.DONE:
        return []
    keys = [step["template_key"] for step in report.steps(check)]
    by_key = MessageTemplate.objects.in_bulk(keys, field_name="template_key")
    templates = [by_key[key] for key in keys if key in by_key]
    return warning_lines(templates, warned.warnings_of(templates))


def _has_changed(check: AudienceCheck) -> bool:
    """Whether the steps are others now, or a text that it looked at was saved since it began."""
    if check.state != CheckState.DONE:
        return False
    keys = [step["template_key"] for step in report.steps(check)]
    if check.campaign is not None:
        steps = check.campaign.steps.order_by("sequence_order")
        if keys != list(steps.values_list("template_id", flat=True)):
            return True
    texts = MessageTemplate.objects.filter(updated_at__gt=check.started_at)
    return texts.filter(template_key__in=keys).exists()


def _left_out(check: AudienceCheck) -> str:
    """Who of the segment is not looked at, as a sentence."""
    if check.campaign is None:
        return "Left out are doctors of the segment who opted out of this channel."
    days = check.campaign.inactivity_days
    quiet = f", and those who have not been quiet for {days} days, as the campaign asks"
    return (
        "Left out are doctors of the segment who opted out of all channels of the campaign"
        f"{quiet if days else ''}."
    )


def _as_target(target: Model) -> dict[str, Model]:
    """As a check names what it is about."""
    return {"template" if isinstance(target, MessageTemplate) else "campaign": target}


def _target(check: AudienceCheck) -> Model:
    """What it is about; the database sees to it that it is one thing."""
    target = check.template or check.campaign
    if target is None:  # which the database does not allow
        raise Http404
    return target


def _words(check: AudienceCheck) -> str:
    said = report.progress(check)
    return f"{check.get_state_display()}: {said}."


def _page(check: AudienceCheck, name: str = "change") -> str:
    return reverse(f"admin:messaging_audiencecheck_{name}", args=[check.pk])


def _page_of(target: Model) -> str:
    opts = target._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_change", args=[target.pk])
