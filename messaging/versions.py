"""What templates said before: what changed from one version to another, and how to go back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import User
from django.contrib.postgres.functions import TransactionNow
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils.timezone import localtime

from messaging import diff
from messaging.models import MessageTemplate, TemplateVersion

# What a template is: campaigns refer to it by these, so that going back never touches them.
IDENTITY = ("template_key", "channel", "segment_type")
# What a version leaves out (kept_of_template in the database).
_LEFT_OUT = {
    "id",
    "variables",
    "created_at",
    "updated_at",
    "approval_status",
    "approval_detail",
    "approval_checked_at",
}
# In the order of the model: the fields that a version keeps.
FIELDS: dict[str, models.Field[Any, Any]] = {
    field.name: field
    for field in MessageTemplate._meta.concrete_fields  # noqa: SLF001  Django's own name
    if field.name not in _LEFT_OUT
}
RESTORED = tuple(name for name in FIELDS if name not in IDENTITY)


# What has a meaning on each channel, besides what every template has.
OF_CHANNEL: dict[str, tuple[str, ...]] = {
    "whatsapp": (
        "content_sid",
        "whatsapp_name",
        "whatsapp_language",
        "whatsapp_category",
        "registered_text",
        "parameters",
    ),
    "sms": ("max_sms_segments", "dlt_template_id", "registered_text", "parameters"),
    "email": ("subject_line", "preheader"),
}


class RefusedError(ValueError):
    """What was asked for cannot be done now; `problems` say why, in words."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = list(problems)


class ChangedMeanwhileError(RefusedError):
    """Somebody has saved the template since it was looked at."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs: its name, its name in words, and the lines (diff.Line)."""

    field: str
    label: str
    lines: Sequence[diff.Line]

    def summary(self) -> str:
        """The field, and by how many lines it differs where it has several."""
        gone = sum(line.mark == diff.GONE for line in self.lines)
        new = sum(line.mark == diff.NEW for line in self.lines)
        return self.label if max(gone, new) <= 1 else f"{self.label} (−{gone} +{new} lines)"


def current(template: MessageTemplate) -> TemplateVersion:
    """The version that the template is now: its newest one. Each saved template has one."""
    return template.versions.select_related("saved_by").order_by("-number")[:1].get()


def content_of(template: MessageTemplate) -> dict[str, Any]:
    """What a version of the template would keep, were it saved as it stands."""
    return {name: getattr(template, name) for name in FIELDS}


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """The fields in which two contents differ, in the model's order.

    A field that one of them does not know, since it is younger, counts as its default.
    """
    found = []
    for name, field in FIELDS.items():
        before, after = (written(field, _value(field, content)) for content in (old, new))
        if before != after:
            found.append(Change(name, str(field.verbose_name), diff.compare(before, after)))
    return found


def in_a_line(found: Sequence[Change]) -> str:
    """The changes in a few words, such as: text (−1 +2 lines), subject."""
    return ", ".join(change.summary() for change in found) or "Nothing"


def said(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a content says, field by field in words: what is empty, or usual elsewhere, left out."""
    own = OF_CHANNEL.get(content["channel"], ())
    return [
        (str(field.verbose_name), words)
        for name, field in FIELDS.items()
        if (name in own or _value(field, content) != field.get_default())
        and (words := written(field, _value(field, content)))
    ]


def written(field: models.Field[Any, Any], value: Any) -> str:
    """A field's value as people read it: choices in words, lists one entry a line."""
    if isinstance(value, Mapping):
        return "\n".join(f"{name}: {value[name]}" for name in sorted(value))
    if isinstance(value, list):
        return "\n".join(map(str, value))
    words = dict(field.flatchoices).get(value) if field.choices else None
    return str(words if words is not None else "" if value is None else value)


def _value(field: models.Field[Any, Any], content: Mapping[str, Any]) -> Any:
    return content[field.name] if field.name in content else field.get_default()


def saved_since(template_id: Any, number: int) -> list[TemplateVersion]:
    """The versions after `number`, newest first."""
    later = TemplateVersion.objects.filter(template_id=template_id, number__gt=number)
    return list(later.select_related("saved_by").order_by("-number"))


def lock(template_id: Any) -> MessageTemplate:
    """The template as it is saved, which nobody else saves until this transaction ends."""
    return MessageTemplate.objects.select_for_update().get(pk=template_id)


@transaction.atomic
def restore(
    template_id: Any, number: int, user: User | None, seen: int | None = None
) -> TemplateVersion | None:
    """Give the template the content of its version `number` again, as a new version.

    Returns that version; None: the template says the same already. `seen`: the number of the
    version that was the current one when this was decided, else ChangedMeanwhileError.
    RefusedError: the old content would not be accepted today, and nothing was changed.
    """
    template = lock(template_id)
    if seen is not None and (later := saved_since(template_id, seen)):
        raise ChangedMeanwhileError([who_saved(version) for version in later])
    content = template.versions.get(number=number).content
    for name in RESTORED:
        if name in content:  # a field that is younger than the version stays as it is
            setattr(template, name, content[name])
    try:
        template.full_clean()
    except ValidationError as error:
        raise RefusedError(in_words(error)) from error
    template.save()
    if not TemplateVersion.objects.sign(template, user, f"version {number} restored"):
        return None
    return current(template)


def sign_all(templates: Iterable[MessageTemplate], user: User | None, note: str) -> int:
    """Say who made the versions that this transaction has made of the templates. How many."""
    made = TemplateVersion.objects.filter(
        template__in=list(templates), saved_at=TransactionNow(), saved_by=None, note=""
    )
    return made.update(saved_by=user, note=note)


def author(version: TemplateVersion) -> str:
    """Who saved it, in words."""
    user = version.saved_by
    return (user.get_full_name() or user.get_username()) if user else "The system"


def who_saved(version: TemplateVersion) -> str:
    """Such as: Asha saved version 5 on 04 Mar 2026, 12:00 (version 3 restored)."""
    note = f" ({version.note})" if version.note else ""
    at = f"{localtime(version.saved_at):%d %b %Y, %H:%M}"
    return f"{author(version)} saved version {version.number} on {at}{note}."


def in_words(error: ValidationError) -> list[str]:
    """What full_clean() says, each with the field that it is about."""
    if not hasattr(error, "error_dict"):
        return list(error.messages)
    return [
        f"{_label(name)}: {message}" if name in FIELDS else message
        for name, messages in error.message_dict.items()
        for message in messages
    ]


def _label(name: str) -> str:
    words = str(FIELDS[name].verbose_name)
    return words[:1].upper() + words[1:]
