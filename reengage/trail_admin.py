"""What was changed: who did what when, before and after; read by whoever may, edited by nobody."""

# ruff: noqa: ARG002  overridden signatures are Django's
from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Field, Model, QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.dateparse import parse_datetime
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator, capfirst
from django.utils.timezone import localtime

from reengage.admin_base import DayFilter, DropdownFilter, ReadOnlyAdmin, display
from reengage.models import Change

LONGEST_VALUE = 300  # of a text, in the list; its page has the whole
MOST_FIELDS = 12
# What is tracked beside models: rows that join two.
KIND_NAMES = {
    "auth.group_permissions": "permission of a group",
    "auth.user_groups": "group of a user",
    "auth.user_user_permissions": "permission of a user",
    "django_celery_beat.crontabschedule": "time of a schedule",
    "django_celery_beat.intervalschedule": "time of a schedule",
    "django_celery_beat.periodictask": "schedule",
}


def kind_name(kind: str) -> str:
    """Such as campaign, step or schedule."""
    if kind in KIND_NAMES:
        return KIND_NAMES[kind]
    try:
        return str(apps.get_model(kind)._meta.verbose_name)  # noqa: SLF001  Django's own name
    except LookupError:
        return kind


class KindFilter(DropdownFilter):
    """Campaigns, templates, schedules, ..."""

    title = "kind"
    parameter_name = "kind"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The kinds that are there: a handful, each found by one look into the index."""
        kinds = Change.objects.order_by("kind").values_list("kind", flat=True).distinct()
        return [(kind, capfirst(kind_name(kind))) for kind in kinds]

    def queryset(self, request: HttpRequest, changes: QuerySet[Change]) -> QuerySet[Change]:
        """Keep those of the chosen kind."""
        return changes.filter(kind=self.value()) if self.value() else changes


class ActorFilter(DropdownFilter):
    """Who did it; people with access, and the engine."""

    title = "who"
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Everybody who may log in, or could."""
        people = User.objects.filter(is_staff=True).order_by("username")
        return [("0", "The engine"), *((str(one.pk), one.get_username()) for one in people)]

    def queryset(self, request: HttpRequest, changes: QuerySet[Change]) -> QuerySet[Change]:
        """Keep what they did."""
        value = self.value() or ""
        if not value.isdecimal():
            return changes
        return changes.filter(actor=int(value)) if int(value) else changes.filter(actor=None)


@admin.register(Change)
class ChangeAdmin(ReadOnlyAdmin[Change]):
    """The newest first."""

    list_display = ("at", "who", "what", "changed")
    list_display_links = ("at",)
    list_filter = (KindFilter, ActorFilter, ("at", DayFilter))
    search_exact = ("object_id", "name")
    search_help_text = "The key or the whole name of what was changed, such as aida_users.sms.1."
    fields = ("at", "who", "via", "what", "changed_in_full")
    readonly_fields = ("who", "what", "changed_in_full")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[Any]:
        """The list, with the names of the rows that its lines refer to: a query for each kind."""
        base: type[Any] = super().get_changelist(request, **kwargs)

        class NamedList(base):  # type: ignore[misc]  # Django's, or one made of it
            def get_results(self, request: HttpRequest) -> None:
                super().get_results(request)
                rows: list[Any] = list(self.result_list)  # type: ignore[has-type]
                self.result_list = rows
                found = names_in(rows)
                for change in rows:
                    change.names = found

        return NamedList

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """One row's history, which its own page leads to."""
        return lookup in ("root", "root__exact") or super().lookup_allowed(lookup, value, request)

    @display(description="who")
    def who(self, change: Change) -> str:
        """The person, and by what where it was not the admin."""
        name = change.actor_name or "The engine"
        return f"{name}, {change.via}" if change.via else name

    @display(description="what")
    def what(self, change: Change) -> SafeString:
        """Kind and name, with a link to its page."""
        text = f"{change.get_verb_display()}: {kind_name(change.kind)} {change.name}".strip()
        address = _page_of(change)
        return format_html('<a href="{}">{}</a>' if address else "{1}", address, text)

    @display(description="before → after")
    def changed(self, change: Change) -> SafeString:
        """The fields, shortened."""
        lines = fields_changed(change, change.names)  # type: ignore[attr-defined]  # NamedList
        rest = len(lines) - MOST_FIELDS
        more = [(f"and {rest} more: open it", "", "")] if rest > 0 else []
        return _joined([*lines[:MOST_FIELDS], *more], LONGEST_VALUE)

    @display(description="before → after")
    def changed_in_full(self, change: Change) -> SafeString:
        """The fields, whole."""
        return _joined(fields_changed(change, names_in([change])), 0)


Names = dict[tuple[str, str], str]  # of rows, by kind and key

# Rows that others refer to by a key that says nothing, and may be named: no doctors.
NAMED = {
    "campaigns.campaign",
    "campaigns.campaignmessage",
    "campaigns.experiment",
    "campaigns.variant",
    "auth.user",
}


def names_in(changes: Iterable[Change]) -> Names:
    """What the rows are called to which the changed fields refer: a query for each kind of row.

    A row that is no longer there has no name.
    """
    keys: dict[type[Model], set[str]] = {}
    for change in changes:
        for column, value in (*change.before.items(), *change.after.items()):
            if value and (model := _refers_to(change.kind, column)):
                keys.setdefault(model, set()).add(str(value))
    found: Names = {}
    for model, wanted in keys.items():
        kind = model._meta.label_lower  # noqa: SLF001  Django's own name
        rows = model._base_manager.filter(pk__in=wanted)  # noqa: SLF001  those taken out, too
        found |= {(kind, str(row.pk)): str(row) for row in rows}
    return found


def _refers_to(kind: str, column: str) -> type[Model] | None:
    """The model of whose rows a column has keys, if it is one of NAMED."""
    field = _field(kind, column)
    model = field.related_model if field else None
    is_named = isinstance(model, type) and model._meta.label_lower in NAMED  # noqa: SLF001
    return model if is_named else None


def fields_changed(change: Change, called: Names) -> list[tuple[str, str, str]]:
    """Name of each field, what it was and what it became, in words; '' where there was none."""

    def words(column: str, value: Any) -> str:
        model = _refers_to(change.kind, column)
        key = (model._meta.label_lower, str(value)) if model else None  # noqa: SLF001
        return called[key] if key in called else _words(change.kind, column, value)

    names = dict.fromkeys([*change.before, *change.after])
    return [
        (
            _label(change.kind, name),
            words(name, change.before.get(name)),
            words(name, change.after.get(name)),
        )
        for name in names
    ]


def _joined(lines: list[tuple[str, str, str]], longest: int) -> SafeString:
    def short(text: str) -> str:
        return Truncator(text).chars(longest) if longest else text

    return format_html_join(
        "",
        '<span style="display: block; white-space: pre-wrap">{}{}</span>',
        [(name, _arrow(short(was), short(became))) for name, was, became in lines],
    )


def _arrow(was: str, became: str) -> str:
    if was == became:  # masked
        return " changed"
    if was and became:
        return f": {was} → {became}"
    if was:
        return f": {was} → nothing"
    return f": {became}" if became else ""


def _field(kind: str, column: str) -> Field[Any, Any] | None:
    try:
        options = apps.get_model(kind)._meta  # noqa: SLF001  Django's own name
    except LookupError:
        return None
    return next((field for field in options.concrete_fields if field.column == column), None)


def _label(kind: str, column: str) -> str:
    field = _field(kind, column)
    return capfirst(str(field.verbose_name)) if field else column


def _words(kind: str, column: str, value: Any) -> str:
    """A value as a marketer reads it."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    field = _field(kind, column)
    choices = dict(field.flatchoices) if field and field.choices else {}
    if isinstance(value, str | int) and value in choices:
        return str(choices[value])
    if field and field.get_internal_type() == "DateTimeField" and isinstance(value, str):
        moment = parse_datetime(value)
        return f"{localtime(moment):%d %b %Y, %H:%M}" if moment else value
    return str(value)


def _page_of(change: Change) -> str:
    """The page of what it belongs to; '' where there is none any more, or never was."""
    kind, _, key = change.root.partition(":")
    if change.verb == "delete" and change.root == f"{change.kind}:{change.object_id}":
        return ""
    try:
        return reverse(f"admin:{kind.replace('.', '_')}_change", args=[key])
    except NoReverseMatch:
        return ""
