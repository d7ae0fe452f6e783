"""Two people with the same template open: the second one to save is told, and loses nothing."""

# ruff: noqa: ARG002, SLF001  overridden signatures and `_state` are Django's
from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.forms import HiddenInput, IntegerField
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from messaging import versions
from messaging.models import MessageTemplate, TemplateVersion
from reengage.admin_base import ModelForm

# So many of the versions saved meanwhile are named.
NAMED = 5
# Ticked by whoever wants to save all the same; its value is the version that they were told of.
OVERWRITE = "overwrite_version"


class _Unchanging(IntegerField):
    """A number that is no change of the row: the log of changes does not name it."""

    def has_changed(self, initial: Any, data: Any) -> bool:
        """Never."""
        return False

    def to_python(self, value: Any) -> int | None:
        """None for what is no number, too: who forges it is told what others saved."""
        try:
            return super().to_python(value)
        except ValidationError:
            return None


class OpenedForm(ModelForm[MessageTemplate]):
    """Carries the number of the version that the form was opened with."""

    opened_version = _Unchanging(required=False, widget=HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.instance._state.adding and not self.is_bound:
            self.initial["opened_version"] = _shown(self.instance)

    def clean(self) -> dict[str, Any] | None:
        """Refuse to save over what somebody else has saved since, unless that is what is wanted."""
        cleaned = super().clean()
        if self.instance._state.adding:
            return cleaned
        versions.lock(self.instance.pk)  # until this save is done: nobody comes in between
        opened = self._opened()
        later = versions.saved_since(self.instance.pk, opened)
        if later and self.data.get(OVERWRITE) != str(later[0].number):
            raise ValidationError(_words(later, opened))
        return cleaned

    def _opened(self) -> int:
        """The version that the form was opened with; 0, before the first, where it is not known."""
        opened = self.cleaned_data.get("opened_version") or 0
        return opened if 0 < opened <= versions.current(self.instance).number else 0


def with_opened(form: type[ModelForm[MessageTemplate]]) -> type[ModelForm[MessageTemplate]]:
    """The form class, with the version that it was opened with."""
    metaclass: Any = type(form)
    made: type[ModelForm[MessageTemplate]] = metaclass(form.__name__, (OpenedForm, form), {})
    return made


def _shown(template: MessageTemplate) -> int:
    """The version that the template was read as.

    Saved between the two reads, it is shown as it was before.
    """
    newest = versions.current(template)
    is_older = versions.changes(versions.content_of(template), newest.content)
    return newest.number - 1 if is_older else newest.number


def _words(later: list[TemplateVersion], opened: int) -> SafeString:
    """Who saved what since, and how to go on."""
    newest = later[0]
    before = newest.template.versions.filter(number=opened).first()
    changed = versions.changes(before.content, newest.content) if before else []
    found = versions.in_a_line(changed) if before else "not known, nor is what you had open"
    page = reverse(
        "admin:messaging_messagetemplate_version", args=[newest.template_id, newest.number]
    )
    who = format_html_join(" ", "{}", ((versions.who_saved(version),) for version in later[:NAMED]))
    return format_html(
        "<strong>Not saved: somebody else saved this template while you had it open.</strong> "
        "{who} Changed since you opened it: {found}. "
        '<a class="underline" href="{page}{against}" target="_blank">See what is '
        "different (opens a new tab)</a>. What you typed is still here below: put both together, "
        'then tick <label><input type="checkbox" name="{name}" value="{number}"> save mine over '
        "version {number}</label> and save again.",
        who=who,
        found=found,
        page=page,
        against=f"?against={opened}" if before else "",
        name=OVERWRITE,
        number=newest.number,
    )
