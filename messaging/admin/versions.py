"""A template's versions in the admin: who saved what, each one's text, and the way back to it."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_meta` are Django's
from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html

from messaging import versions, warned
from messaging.admin.opened import OpenedTemplate
from messaging.admin.warned import tell
from messaging.models import MessageTemplate, TemplateVersion
from messaging.tasks import ask_when_saved
from messaging.versions import ChangedMeanwhileError, RefusedError
from reengage.admin_base import Confirmation, OpenedMixin, Table, action, confirm, is_confirmed
from segments.admin.base import when

PER_PAGE = 25
LINK = "text-primary-600 dark:text-primary-500"
FIRST = "The first version."


class VersionsMixin(OpenedMixin):
    """Signs what is saved, shows what was saved before, and goes back to it.

    To stand before the other bases; the button is shown where `actions_detail` names
    `show_versions`.
    """

    opened_form = OpenedTemplate

    def save_model(
        self, request: HttpRequest, obj: MessageTemplate, form: Any, change: Any
    ) -> None:
        """Save, and sign the version that is made by it."""
        super().save_model(request, obj, form, change)
        TemplateVersion.objects.sign(obj, request.user)  # type: ignore[arg-type]  # staff

    def get_urls(self) -> list[URLPattern]:
        """With the pages of the versions."""
        pages: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("versions/", self.versions_view, "versions"),
            ("versions/<int:number>/", self.version_view, "version"),
            ("versions/<int:number>/restore/", self.restore_view, "restore"),
        ]
        own = [
            path(
                f"<uuid:template_id>/{address}",
                self.admin_site.admin_view(view),
                name=f"messaging_messagetemplate_{name}",
            )
            for address, view, name in pages
        ]
        return own + super().get_urls()

    @action(description="Versions", icon="history", permissions=["view"])
    def show_versions(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The button that leads to the list of versions."""
        return redirect("admin:messaging_messagetemplate_versions", object_id)

    def versions_view(self, request: HttpRequest, template_id: uuid.UUID) -> HttpResponse:
        """All versions, newest first, with what each changed."""
        template = self._viewed(request, template_id)
        saved = template.versions.select_related("saved_by").order_by("-number")
        found = Paginator(saved, PER_PAGE).get_page(request.GET.get("p"))
        shown = list(found)
        context = {
            "title": f"Versions: {template}",
            "page": found,
            "table": Table(
                title="Versions",
                headers=("Version", "Saved", "By", "Note", "What changed"),
                rows=_rows(shown, _before(template, shown)),
                empty="",
            ),
        }
        return self._version_page(request, template, "versions/list.html", context)

    def version_view(
        self, request: HttpRequest, template_id: uuid.UUID, number: int
    ) -> HttpResponse:
        """What one version says, and how it differs from the one before it and from today's.

        `?against=2` compares with version 2 in place of the one before.
        """
        template = self._viewed(request, template_id)
        version = _version(template, number)
        newest = versions.current(template)
        against = request.GET.get("against", "")
        other = int(against) if against.isascii() and against.isdigit() else number - 1
        before = template.versions.filter(number=min(other, 2**31 - 1)).first()
        content = version.content
        context = {
            "title": f"{template}: version {number}",
            "version": version,
            "author": versions.author(version),
            "newest": newest,
            "before": before,
            "since_before": versions.changes(before.content, content) if before else [],
            "to_newest": versions.changes(content, newest.content),
            "fields": versions.said(content),
            "may_restore": self.has_change_permission(request, template),
        }
        return self._version_page(request, template, "versions/version.html", context)

    def restore_view(
        self, request: HttpRequest, template_id: uuid.UUID, number: int
    ) -> HttpResponse:
        """Ask, then give the template the content of an old version again."""
        template = self._viewed(request, template_id)
        if not self.has_change_permission(request, template):
            raise PermissionDenied
        version, newest = _version(template, number), versions.current(template)
        back = reverse("admin:messaging_messagetemplate_version", args=[template_id, number])
        over = request.GET.get("over", "")
        if not (over.isascii() and over.isdigit() and len(over) < 10):
            return redirect(f"{request.path}?over={newest.number}")
        if not is_confirmed(request):
            return confirm(self, request, _question(template, version, newest), back)
        return self._restore(request, template, number, int(over)) or redirect(back)

    def _restore(
        self, request: HttpRequest, template: MessageTemplate, number: int, over: int
    ) -> HttpResponse | None:
        """Where to go when it is done; None: it was refused, and the page says why."""
        try:
            made = versions.restore(template.pk, number, request.user, over)  # type: ignore[arg-type]  # staff
        except ChangedMeanwhileError as error:
            messages.error(request, f"Not restored. {error} Look at it, then decide again.")
            return None
        except RefusedError as error:
            for problem in error.problems:
                messages.error(request, f"Not restored: {problem}")
            return None
        if made is None:
            messages.info(request, "Nothing to do: the template says the same already.")
        else:
            self.log_change(request, template, f"Version {number} restored.")
            ask_when_saved(made.template)
            messages.success(request, f"Version {number} is restored, as version {made.number}.")
            tell(request, [made.template])
        return redirect("admin:messaging_messagetemplate_versions", template.pk)

    def _viewed(self, request: HttpRequest, template_id: uuid.UUID) -> MessageTemplate:
        template: MessageTemplate = get_object_or_404(self.get_queryset(request), pk=template_id)
        if not self.has_view_permission(request, template):
            raise PermissionDenied
        return template

    def _version_page(
        self, request: HttpRequest, template: MessageTemplate, name: str, context: dict[str, Any]
    ) -> HttpResponse:
        shared = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": template,
        }
        return TemplateResponse(request, f"messaging/{name}", {**shared, **context})


def _version(template: MessageTemplate, number: int) -> TemplateVersion:
    found = template.versions.select_related("saved_by").filter(number=min(number, 2**31 - 1))
    version = found.first()
    if version is None:
        raise Http404
    return version


def _before(template: MessageTemplate, shown: Sequence[TemplateVersion]) -> TemplateVersion | None:
    """The version before the oldest one that is shown."""
    oldest = min((version.number for version in shown), default=0)
    return template.versions.filter(number__lt=oldest).order_by("-number").first()


def _rows(shown: list[TemplateVersion], before: TemplateVersion | None) -> list[tuple[Any, ...]]:
    """A line for each version, which is compared with the next one of the list."""
    older = [*shown[1:], before]
    return [
        (
            version_link(version),
            when(version.saved_at),
            versions.author(version),
            version.note,
            versions.in_a_line(versions.changes(previous.content, version.content))
            if previous
            else FIRST,
        )
        for version, previous in zip(shown, older, strict=True)
    ]


def version_link(version: TemplateVersion) -> str:
    """A link to a version's page."""
    page = reverse(
        "admin:messaging_messagetemplate_version", args=[version.template_id, version.number]
    )
    return format_html('<a class="{}" href="{}">Version {}</a>', LINK, page, version.number)


def _question(
    template: MessageTemplate, version: TemplateVersion, newest: TemplateVersion
) -> Confirmation:
    """What would change, and who would get it."""
    found = versions.changes(newest.content, version.content)
    return Confirmation(
        title=f"Restore version {version.number} of {template}",
        question=f"The template shall say again what it said on {when(version.saved_at)}?",
        facts=[
            f"This changes: {versions.in_a_line(found)}.",
            f"It becomes a new version; version {newest.number} is kept, too.",
            warned.goes_out([template]) or "No running campaign sends it.",
        ],
        button="Restore",
    )
