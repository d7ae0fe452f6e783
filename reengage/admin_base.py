"""Everything the admin takes from the theme, and the habits that all its pages share.

The only module that imports unfold: the theme can be left by rewriting this file. It imports
nothing of the applications, so that every application's admin may import it.
"""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_meta` are Django's
from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from django.contrib.admin import ShowFacets
from django.contrib.admin.views.main import SEARCH_VAR
from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import resolve
from import_export.admin import ImportExportModelAdmin
from import_export.formats.base_formats import CSV, XLSX

from reengage import narrowed
from reengage.day_filter import DayMixin
from reengage.opened import OpenedForm, OpenedMixin
from reengage.pagination import BoundedPaginator

if TYPE_CHECKING:
    from django.contrib.admin import FieldListFilter, SimpleListFilter
    from django.contrib.admin import ModelAdmin as ThemeModelAdmin
    from django.contrib.admin import TabularInline as ThemeTabularInline
    from django.contrib.admin.views.main import ChangeList as ThemeChangeList
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from django.forms import Form as ExportForm
    from django.forms import Form as ImportForm
    from django.forms import NumberInput as NumberWidget
    from django.forms import Select as SelectWidget
    from django.forms import Textarea as TextareaWidget
    from django.forms import TextInput as TextInputWidget
    from django.forms.models import BaseInlineFormSet as InlineFormSet
    from django.forms.models import ModelForm

    F = TypeVar("F", bound=Callable[..., Any])
    # What a mixin of admin classes is to the type checker; to Python it is a plain class.
    AnyAdmin = ThemeModelAdmin[Any]
    ChoicesDropdownFilter = RangeDateFilter = FieldListFilter
    DayFilter = RelatedDropdownFilter = FieldListFilter
    DropdownFilter = SimpleListFilter

    def action(**options: Any) -> Callable[[F], F]:
        """Make a method a button: permissions, description, icon, variant, url_path."""

    def display(**options: Any) -> Callable[[F], F]:
        """Describe a column: description, ordering, boolean, label, header."""

    class ActionVariant:
        """Colours of buttons."""

        PRIMARY = SUCCESS = WARNING = DANGER = DEFAULT = ""
else:
    from django.contrib.admin import SimpleListFilter
    from django.forms.models import BaseInlineFormSet as _InlineFormSet
    from django.forms.models import ModelForm as _ModelForm
    from unfold.admin import ModelAdmin as _ModelAdmin
    from unfold.admin import TabularInline as _TabularInline
    from unfold.contrib.filters.admin import (
        ChoicesDropdownFilter,
        DropdownFilter,
        RangeDateFilter,
        RelatedDropdownFilter,
    )
    from unfold.contrib.import_export.forms import ExportForm, ImportForm
    from unfold.decorators import action, display
    from unfold.enums import ActionVariant
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
    from unfold.views import ChangeList as ThemeChangeList
    from unfold.widgets import UnfoldAdminIntegerFieldWidget as NumberWidget
    from unfold.widgets import UnfoldAdminSelectWidget as SelectWidget
    from unfold.widgets import UnfoldAdminTextareaWidget as TextareaWidget
    from unfold.widgets import UnfoldAdminTextInputWidget as TextInputWidget

    class _Generic:
        """Let `ModelAdmin[Doctor]` be written: the type checker wants it, Django lacks it."""

        def __class_getitem__(cls, _item: Any) -> type:
            return cls

    AnyAdmin = object

    class DayFilter(DayMixin, RangeDateFilter): ...

    class ThemeModelAdmin(_Generic, _ModelAdmin): ...

    class ThemeTabularInline(_Generic, _TabularInline): ...

    class ModelForm(_Generic, _ModelForm): ...

    class InlineFormSet(_Generic, _InlineFormSet): ...


__all__ = [
    "CSV",
    "XLSX",
    "ActionVariant",
    "AdminPasswordChangeForm",
    "AnyAdmin",
    "BigTableMixin",
    "ChoicesDropdownFilter",
    "Confirmation",
    "DayFilter",
    "DropdownFilter",
    "Group",
    "ImportExportAdmin",
    "InlineFormSet",
    "ModelAdmin",
    "ModelForm",
    "Notice",
    "NumberWidget",
    "OpenedForm",
    "OpenedMixin",
    "PageExtrasMixin",
    "RangeDateFilter",
    "ReadOnlyAdmin",
    "ReadOnlyInline",
    "RelatedDropdownFilter",
    "SelectWidget",
    "SimpleListFilter",
    "Table",
    "TabularInline",
    "TextInputWidget",
    "TextareaWidget",
    "User",
    "UserChangeForm",
    "UserCreationForm",
    "action",
    "confirm",
    "display",
    "is_confirmed",
]

M = TypeVar("M", bound=Model)
P = TypeVar("P", bound=Model)


class ChangeList(ThemeChangeList):
    """A list that offers "Show all" only where something is hidden."""

    def get_queryset(self, request: HttpRequest, *args: Any, **kwargs: Any) -> QuerySet[Any]:
        """The rows that the filters leave; no text that is stored has the character NUL."""
        rows: QuerySet[Any] = super().get_queryset(request, *args, **kwargs)
        asked = [value for name, value in request.GET.items() if name != SEARCH_VAR]
        return rows.none() if any("\x00" in value for value in asked) else rows

    def narrowed_to(self) -> list[dict[str, Any]]:
        """Each condition in words, and the address of the list without it."""
        asked = {
            name: self.params[name] for name in self.get_filters_params() if name in self.params
        }
        return [
            {**one._asdict(), "without": self.get_query_string(remove=one.names)}
            for one in narrowed.conditions(self.model, asked, self.filter_specs)
        ]

    def get_results(self, request: HttpRequest) -> None:
        """Find the page's rows."""
        super().get_results(request)
        if not self.has_active_filters and not self.query:
            self.full_result_count = self.result_count


class ModelAdmin(ThemeModelAdmin[M]):
    """A page for marketers: filters that apply at once, no counting of whole tables."""

    paginator = BoundedPaginator
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 50
    list_filter_submit = True
    list_disable_select_all = True
    warn_unsaved_form = True
    list_before_template = "admin/includes/narrowed.html"
    show_facets = ShowFacets.NEVER  # it would count the whole table once for each choice
    empty_value_display = "–"
    object_history_template = "admin/trail_history.html"
    # A search finds whole values that an index serves: see `search_exactly`.
    search_exact: tuple[str, ...] = ()

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list above."""
        return ChangeList

    def get_search_fields(self, request: HttpRequest) -> list[str] | tuple[str, ...]:
        """Show the search box where there is anything to search by."""
        return super().get_search_fields(request) or self.search_exact

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[M], search_term: str
    ) -> tuple[QuerySet[M], bool]:
        """Search by whole values where `search_exact` is set; otherwise as Django does."""
        term = search_term.strip().replace("\x00", "")
        if not self.search_exact or not term:
            return super().get_search_results(request, queryset, term)
        return self.search_exactly(queryset, term), False

    def search_exactly(self, queryset: QuerySet[M], term: str) -> QuerySet[M]:
        """Rows that one of `matches` finds, each by an index of its own."""
        found = self.matches(term)
        if not found:
            return queryset.none()
        # A union lets each part use its index; an OR over two tables would read both.
        return queryset.filter(pk__in=found[0].union(*found[1:]) if found[1:] else found[0])

    def matches(self, term: str) -> list[QuerySet[Any, Any]]:
        """Keys of the rows in which one of `search_exact` is the term."""
        found: list[QuerySet[Any, Any]] = []
        for name in self.search_exact:
            with contextlib.suppress(ValidationError, ValueError):  # not a UUID, not a number
                rows = self.model._default_manager.filter(**{name: term})
                found.append(rows.order_by().values("pk"))
        return found

    def first_buttons(self, obj: M) -> Sequence[str]:
        """Names of `actions_detail` that stand in the page's header, in order; the rest of them
        is in a menu behind. None named: all stand there.
        """
        return ()

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Put the buttons that do not come first into a menu."""
        obj, buttons = context.get("original"), context.get("actions_detail")
        if obj and buttons and (first := self.first_buttons(obj)):
            prefix = f"{self.opts.app_label}_{self.opts.model_name}"
            context["actions_detail"] = _with_menu(buttons, [f"{prefix}_{name}" for name in first])
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)
        return page

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Rows are deleted one by one, on their own page that shows what goes with them."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions


def _with_menu(buttons: Sequence[dict[str, Any]], first: Sequence[str]) -> list[dict[str, Any]]:
    """The buttons whose addresses have the names `first`, in that order; the rest as a menu."""
    named = {resolve(button["path"]).url_name: button for button in buttons}
    shown = [named.pop(name) for name in first if name in named]
    return [*shown, {"title": "More", "actions": list(named.values())}] if named else shown


class BigTableMixin(AnyAdmin):
    """For tables that grow to millions: newest first, and no sorting that no index serves."""

    ordering: ClassVar[tuple[str, ...]] = ("-pk",)
    sortable_by = ()


class ReadOnlyAdmin(BigTableMixin, ModelAdmin[M]):
    """Rows that the engine writes: anybody with the permission reads, nobody edits."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refused: the engine writes these."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Refused: an edit would make the engine's memory untrue."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        """Refused: caps, opt-outs and figures are counted from these."""
        return False


class TabularInline(ThemeTabularInline[M, P]):
    """Rows edited on their parent's page."""

    extra = 0


class ReadOnlyInline(TabularInline[M, P]):
    """Rows shown on their parent's page."""

    can_delete = False
    max_num = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refused."""
        return False


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence or list at the top of a page. `level`: info, success, warning or error."""

    level: str
    title: str
    lines: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A small read-only table below a form; `more` is the address of the whole list."""

    title: str
    headers: Sequence[str]
    rows: Sequence[Sequence[Any]]
    empty: str
    more: str = ""


class PageExtrasMixin(Generic[M]):
    """Notices above a row's page and tables below it."""

    change_form_outer_before_template = "admin/includes/notices.html"
    change_form_after_template = "admin/includes/tables.html"

    def notices(self, request: HttpRequest, obj: M) -> list[Notice]:
        """What to say at the top."""
        return []

    def tables(self, request: HttpRequest, obj: M) -> list[Table]:
        """What to show below."""
        return []

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand both to the page; a row that is only being added has neither."""
        if obj := context.get("original"):
            context["notices"] = self.notices(request, obj)
            if context["notices"] and context.get("errors"):  # or they would come first
                context["notices"].insert(0, Notice("error", "Not saved. Why is said below."))
            context["tables"] = self.tables(request, obj)
        page: HttpResponse = super().render_change_form(request, context, *args, **kwargs)  # type: ignore[misc]
        return page


class ImportExportAdmin(ModelAdmin[M], ImportExportModelAdmin):  # type: ignore[misc]  # untyped
    """A list with Import and Export buttons. Subclasses name their `resource_classes`."""

    import_form_class = ImportForm
    export_form_class = ExportForm
    resource_classes: Sequence[Any] = ()
    formats = (CSV, XLSX)
    # A row of the log for each row of a file would be more rows than the file.
    skip_admin_log = True

    def has_import_permission(self, request: HttpRequest) -> bool:
        """Whoever may add and change rows one by one."""
        return self.has_add_permission(request) and self.has_change_permission(request)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whoever may change the rows: a file of all addresses is more than a look at one."""
        return self.has_change_permission(request)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What a page asks before an action that cannot be taken back by another click."""

    title: str
    question: str
    button: str
    facts: Sequence[str] = field(default_factory=list)
    is_dangerous: bool = False
    selected: Sequence[Any] = field(default_factory=list)  # keys, when several rows were ticked
    action: str = ""  # name of the list action, when several rows were ticked


def confirm(
    admin: ThemeModelAdmin[M], request: HttpRequest, confirmation: Confirmation, back: str
) -> HttpResponse:
    """Show a page with the question; its button posts `confirmed=yes` to the same address."""
    context = {
        **admin.admin_site.each_context(request),
        "title": confirmation.title,
        "opts": admin.model._meta,
        "confirmation": confirmation,
        "back": back,
    }
    return TemplateResponse(request, "admin/confirm.html", context)


def is_confirmed(request: HttpRequest) -> bool:
    """The button of the `confirm` page was pressed."""
    return request.method == "POST" and request.POST.get("confirmed") == "yes"
