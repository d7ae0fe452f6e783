"""Two people with the same form open: the second one to save is told, and loses nothing.

The form carries the number of the newest change that the trail (models.Change) has of its row and
of what is part of it. Whoever saves over a newer one is told who did what, and saves all the same
by ticking that; what they typed stays in the form.
"""

# ruff: noqa: SLF001  `_meta`, `_state` and `_default_manager` are Django's
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib.admin.utils import unquote
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Case, Model, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.timezone import localtime

from reengage.models import Change, Verb
from reengage.opened_rows import put_together

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin

    AnyAdmin = ModelAdmin[Any]
    AnyForm = forms.ModelForm[Any]
else:
    AnyAdmin, AnyForm = object, forms.ModelForm

NAME = "opened_version"  # of the hidden field
# Ticked by whoever wants to save all the same; its value is the number that they were told of.
OVERWRITE = "overwrite_version"
# So many of the changes made meanwhile are told.
NAMED = 5
LONGEST = 60  # characters of a value that is told
CHANGED = "it was changed while you had it open"
NOT_KNOWN = "the page did not say what you had open, so somebody else's edit may be newer"
# Told first: where a step is deleted, all after it have another place, too.
_WHAT_CAME_OR_WENT = Case(When(verb=Verb.UPDATE, then=1), default=0)
_ROWS = "_opened_rows"  # of an instance: the formsets that are saved with it


@dataclass(frozen=True, slots=True)
class Meanwhile:
    """What was saved since the form was opened: the newest number, and the refusal in words."""

    newest: int
    words: SafeString


class _Unchanging(forms.IntegerField):
    """A number that is no change of the row: the log of changes does not name it."""

    def has_changed(self, initial: Any, data: Any) -> bool:  # noqa: ARG002  Django's
        """Never."""
        return False

    def to_python(self, value: Any) -> int | None:
        """None for what is no number, too: who forges it is told what others saved."""
        try:
            return super().to_python(value)
        except ValidationError:
            return None


class OpenedForm(AnyForm):
    """Carries what it was opened with, and refuses to be saved over something newer.

    Subclasses count by other numbers than the trail's: `shown` and `meanwhile`.
    """

    opened_version = _Unchanging(required=False, widget=forms.HiddenInput)
    is_merged = False  # what others changed is put together with it by another way
    user_id: int | None = None  # who has it open; set by OpenedMixin

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        row: Model | None = kwargs.get("instance")
        is_shown = row is not None and not row._state.adding and not (args or kwargs.get("data"))
        number = self.shown(row) if is_shown and row is not None else None
        super().__init__(*args, **kwargs)
        if number is not None:
            self.initial[NAME] = number

    def shown(self, row: Model) -> int:
        """The number of what is about to be shown.

        The row is read anew after the number: saved between the two, it is shown newer than its
        number, which refuses a save too many, but none too few.
        """
        number = newest(row)
        row.refresh_from_db()
        return number

    def clean(self) -> dict[str, Any] | None:
        """Refuse to save over what somebody else has saved since, unless that is what is wanted."""
        cleaned = super().clean()
        if self.instance._state.adding or self.is_merged:
            return cleaned
        found = self.meanwhile(self.cleaned_data.get(NAME))
        if found and self.data.get(OVERWRITE) != str(found.newest) and self._would_change():
            raise ValidationError(found.words)
        return cleaned

    def meanwhile(self, opened: int | None) -> Meanwhile | None:
        """What was saved since `opened`; None: nothing. What is no number of it is not known."""
        number = newest(self.instance)
        if opened is None or not 0 <= opened <= number:
            return self.refused(NOT_KNOWN, "", number)
        later = changes(self.instance).filter(id__gt=opened).order_by(_WHAT_CAME_OR_WENT, "-id")
        told = list(later[: NAMED + 1])
        if not told:
            return None
        lines = [_line(change, self.user_id) for change in told[:NAMED]]
        if len(told) > NAMED:
            lines.append(f"and {later.count() - NAMED} more.")
        who = format_html_join(" ", "{}", ((line,) for line in lines))
        return self.refused(CHANGED, who, number)

    def refused(self, why: str, what: str, number: int, page: str = "") -> Meanwhile:
        """Says why it is not saved, what was changed meanwhile, and how to go on.

        `page`: where to look at it as it is now; its own page, if not told.
        """
        options = self.instance._meta
        name = f"admin:{options.app_label}_{options.model_name}_change"
        words = format_html(
            "<strong>Not saved: {why}.</strong> {what} "
            '<a class="underline" href="{page}" target="_blank">Look at it as it is now (opens a '
            "new tab)</a>. What you typed is still here below: put both together, then tick "
            '<label><input type="checkbox" name="{name}" value="{number}"> save mine over it'
            "</label> and save again.",
            why=why,
            what=what,
            page=page or reverse(name, args=[self.instance.pk]),
            name=OVERWRITE,
            number=number,
        )
        return Meanwhile(number, words)

    def _would_change(self) -> bool:
        """A second click on Save that comes after the first has nothing left to say.

        Told by the row as it is: `changed_data` may tell by what the page was shown with.
        """
        formsets = getattr(self.instance, _ROWS, ())
        return any(formset.has_changed() for formset in formsets) or any(
            field.has_changed(self.get_initial_for_field(field, name), self[name].data)
            for name, field in self.fields.items()
        )


class OpenedMixin(AnyAdmin):
    """Pages whose form is an OpenedForm, and lists that save only what was changed in them.

    To stand before the other bases: what is saved is held from before it is read.
    """

    change_form_before_template = "admin/includes/opened.html"
    opened_form: type[OpenedForm] = OpenedForm

    def is_guarded(self, row: Any) -> bool:  # noqa: ARG002  for subclasses
        """Whether a newer row refuses the form; otherwise the two are put together elsewhere."""
        return True

    def get_form(
        self,
        request: HttpRequest,
        obj: Any = None,
        change: bool = False,  # noqa: FBT001, FBT002  as Django has it
        **kwargs: Any,
    ) -> Any:
        """The form, with what it was opened with."""
        made: Any = super().get_form(request, obj, change, **kwargs)
        is_merged = obj is not None and not self.is_guarded(obj)
        own = {"is_merged": is_merged, "user_id": request.user.pk}
        return type(made)(made.__name__, (self.opened_form, made), own)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Of two who save at once the second waits here, and is told what the first has done."""
        row = None
        if request.method == "POST" and object_id:
            row = self.get_object(request, unquote(object_id))
        if row is None or not self.is_guarded(row):
            return super().changeform_view(request, object_id, form_url, extra_context)
        with transaction.atomic():
            rows = self.model._default_manager.select_for_update(no_key=True)
            held = rows.filter(pk=row.pk).first()
            if held is not None and request.POST.get(NAME) != str(newest(held)):
                for formset, inline in self.get_formsets_with_inlines(request, held):
                    shown = formset(instance=held, queryset=inline.get_queryset(request))
                    place = getattr(inline, "ordering_field", "")
                    request.POST = put_together(request.POST, shown, place)  # type: ignore[assignment]
            return super().changeform_view(request, object_id, form_url, extra_context)

    def _create_formsets(self, request: HttpRequest, obj: Any, change: bool) -> Any:  # noqa: FBT001
        """Django's, known to the form that they are saved with."""
        made = super()._create_formsets(request, obj, change)  # type: ignore[misc]  # not in stubs
        setattr(obj, _ROWS, made[0])
        return made

    def get_changelist_formset(self, request: HttpRequest, **kwargs: Any) -> Any:
        """Fields edited in the list carry what they were: what nobody changed there stays."""
        made = super().get_changelist_formset(request, **kwargs)
        for field in made.form.base_fields.values():
            field.show_hidden_initial = True
        return made


def changes(row: Model) -> Any:
    """What the trail has of a row and of what is part of it, newest first."""
    root = f"{row._meta.label_lower}:{row.pk}"
    return Change.objects.filter(root=root).order_by("-id")


def newest(row: Model) -> int:
    """The number of the newest of these; 0, before the first."""
    return changes(row).values_list("id", flat=True).first() or 0


def _line(change: Change, user_id: int | None) -> str:
    """Such as: anna, 04 Mar 2026, 12:00: step no_show.sms.1: Delay days: 3 → 4."""
    from reengage import trail_admin as trail  # noqa: PLC0415  it imports admin_base, as this is by

    who = change.actor_name or "The engine"
    if user_id is not None and change.actor_id == user_id:
        who = "You, in another tab"
    who = f"{who} ({change.via})" if change.via else who
    at = f"{localtime(change.at):%d %b %Y, %H:%M}"
    is_part = change.root != f"{change.kind}:{change.object_id}"
    part = f"{trail.kind_name(change.kind)} {change.name}".strip() if is_part else ""
    if change.verb != Verb.UPDATE:
        return f"{who}, {at}: {part or 'it'} was {change.get_verb_display().lower()}."
    found = trail.fields_changed(change, trail.names_in([change]))
    told = [(label, _short(was), _short(now)) for label, was, now in found]
    said = "; ".join(f"{label}: {was} → {now}" for label, was, now in told if was != now)
    said = said or "saved"
    return f"{who}, {at}: {f'{part}: ' if part else ''}{said}."


def _short(value: str) -> str:
    return Truncator(value).chars(LONGEST) or "nothing"
