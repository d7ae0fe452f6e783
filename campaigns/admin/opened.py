"""Two people on one campaign's page: what each changed, told by what their form was opened with.

The form carries the values that it was rendered with. What differs from these in the post, this
person changed; what differs from these in the database, a colleague changed meanwhile: that stays,
unless both changed the same, which is asked.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.http import QueryDict
from django.utils.text import capfirst

from campaigns import revise
from campaigns.models import Campaign, CampaignMessage
from campaigns.revision import shown

NAME = "opened"  # of the hidden field
OF_STEP = ("delay_days", "template", "subject_line", "send_from")

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a form was opened with. `steps` in the order that they had."""

    fields: Values
    steps: Mapping[uuid.UUID, Values]


@dataclass(slots=True)
class Merge:
    """What one person changed, what colleagues changed meanwhile, and where both did."""

    proposed: revise.Proposed
    theirs: list[str] = field(default_factory=list)  # kept as it is now
    conflicts: list[str] = field(default_factory=list)


def written(campaign: Campaign, names: Sequence[str]) -> str:
    """The values of the campaign's fields and steps as they stand, for the form to carry."""
    told = {
        "fields": {name: getattr(campaign, name) for name in names},
        "steps": [[step.pk, _values(step)] for step in campaign.steps.order_by("sequence_order")],
    }
    return json.dumps(told, default=str)


def read(posted: str) -> Opened | None:
    """What a form has carried; None: nothing, or nothing that can be read."""
    try:
        told = json.loads(posted)
        steps = {uuid.UUID(pk): _typed(CampaignMessage, values) for pk, values in told["steps"]}
        return Opened(_typed(Campaign, told["fields"]), steps)
    except (ValueError, TypeError, AttributeError, LookupError):
        return None
    except (FieldDoesNotExist, ValidationError):
        return None


def _typed(model: type[Campaign | CampaignMessage], values: Values) -> dict[str, Any]:
    return {
        name: value if name == "template" else model._meta.get_field(name).to_python(value)  # type: ignore[union-attr]  # noqa: SLF001
        for name, value in values.items()
    }


def _value(step: CampaignMessage, name: str) -> Any:
    return step.template_id if name == "template" else getattr(step, name)


def without_removed(posted: QueryDict, opened: Opened, campaign: Campaign) -> QueryDict:
    """The post, with the steps marked as deleted that a colleague has removed meanwhile."""
    gone = opened.steps.keys() - set(campaign.steps.values_list("pk", flat=True))
    if not gone:
        return posted
    marked = posted.copy()
    for name, value in posted.items():
        if name.startswith("steps-") and name.endswith("-id") and _key(value) in gone:
            marked[name.removesuffix("id") + "DELETE"] = "on"
    return marked


def _key(value: object) -> uuid.UUID | None:
    try:
        return uuid.UUID(str(value))
    except ValueError:
        return None


def merge(
    campaign: Campaign, opened: Opened, form: Any, formset: Any | None, *, takes_mine: bool
) -> Merge:
    """Three ways: `opened`, the forms as posted, and `campaign` as the database has it now.

    The forms' initial values are those of `opened`. Where both changed the same, this person's
    value is proposed if `takes_mine`.
    """
    merged = Merge(revise.Proposed({}, revise.as_it_is(campaign)))
    fields = {}
    for name, was in opened.fields.items():
        if name not in form.cleaned_data:
            continue
        now, mine = getattr(campaign, name), form.cleaned_data[name]
        label = str(capfirst(Campaign._meta.get_field(name).verbose_name))  # type: ignore[union-attr]  # noqa: SLF001
        if name not in form.changed_data:
            mine = was
        if _settle(merged, label, was, now, mine, takes_mine=takes_mine):
            fields[name] = mine
    steps = merged.proposed.steps
    if formset is not None:
        steps = _steps(campaign, opened, formset, merged, takes_mine=takes_mine)
    merged.proposed = revise.Proposed(fields, steps)
    return merged


def _settle(  # noqa: PLR0913  three values of one thing, and what is done with them
    merged: Merge, label: str, was: Any, now: Any, mine: Any, *, takes_mine: bool
) -> bool:
    """Whether to propose this person's value; tells of what a colleague did meanwhile."""
    if _same(mine, now):
        return False
    if _same(was, now):
        return True
    if _same(mine, was):
        merged.theirs.append(f"{label}: {shown(was)} → {shown(now)}.")
        return False
    merged.conflicts.append(f"{label}: you wrote {shown(mine)}; it is {shown(now)} now.")
    return takes_mine


def _same(one: Any, other: Any) -> bool:
    """Browsers post lines with other ends; an empty text and none are one."""
    if isinstance(one, str) and isinstance(other, str):
        return one.replace("\r\n", "\n") == other.replace("\r\n", "\n")
    return bool(one == other) or (one in ("", None) and other in ("", None))


@dataclass(slots=True)
class _Sequence:
    """The steps as they are to be: `stays` that are there now, and `added` by this person."""

    stays: dict[uuid.UUID, revise.ProposedStep]  # in the order that they have now
    places: dict[uuid.UUID, tuple[int, int]] = field(default_factory=dict)  # as posted, with day
    added: list[tuple[tuple[int, int], revise.ProposedStep]] = field(default_factory=list)

    def in_order(self, *, as_posted: bool) -> tuple[revise.ProposedStep, ...]:
        """By the places of the page, or as they are now with what was added after them."""
        if not as_posted:
            return (*self.stays.values(), *(step for _, step in self.added))
        entries = [(self.places[pk], step) for pk, step in self.stays.items()]
        return tuple(step for _, step in sorted([*entries, *self.added], key=lambda e: e[0]))


def _steps(
    campaign: Campaign, opened: Opened, formset: Any, merged: Merge, *, takes_mine: bool
) -> tuple[revise.ProposedStep, ...]:
    now = {step.pk: step for step in campaign.steps.order_by("sequence_order")}
    found = _Sequence({step.id: step for step in merged.proposed.steps if step.id})
    for form in formset.forms:
        pk = _key(form["id"].value()) if form["id"].value() else None
        is_deleted = formset.can_delete and formset._should_delete_form(form)  # noqa: SLF001
        if pk is None or pk not in now:
            if pk is None and form.has_changed() and not is_deleted:
                found.added.append((_place(form), _proposed(None, form.cleaned_data)))
            continue
        was = opened.steps.get(pk) or _values(now[pk])
        if is_deleted:
            if _is_removed(now[pk], was, merged, takes_mine=takes_mine):
                del found.stays[pk]
            continue
        values = _own(now[pk], was, form, merged, takes_mine=takes_mine)
        found.stays[pk] = _proposed(pk, values)
        found.places[pk] = _place(form)
    merged.theirs += _added_and_removed(now, opened)
    as_posted = list(now) == list(opened.steps) and found.stays.keys() == found.places.keys()
    return found.in_order(as_posted=as_posted)


def _place(form: Any) -> tuple[int, int]:
    """The place on the page, then the day; a row that this person may not edit has its own."""
    told = form.cleaned_data or {}
    step = form.instance
    place = told.get("sequence_order")
    day = told.get("delay_days")
    return (
        step.sequence_order if place is None else place,
        step.delay_days if day is None else day,
    )


def _values(step: CampaignMessage) -> dict[str, Any]:
    return {name: _value(step, name) for name in OF_STEP}


def _own(
    now: CampaignMessage, was: Values, form: Any, merged: Merge, *, takes_mine: bool
) -> dict[str, Any]:
    """The step as it is now, with what this person changed."""
    values = _values(now)
    changed = form.changed_data if form.has_changed() else ()  # Django's: never without the right
    for name in OF_STEP:
        mine = form.cleaned_data[name] if name in changed else was[name]
        if name == "template" and not isinstance(mine, str):
            mine = mine.template_key
        label = f"{_name(now)}, {_LABELS[name]}"
        if _settle(merged, label, was[name], values[name], mine, takes_mine=takes_mine):
            values[name] = mine
    return values


_LABELS = {
    "delay_days": "day",
    "template": "text",
    "subject_line": "subject",
    "send_from": "hour",
}


def _name(step: CampaignMessage) -> str:
    return f"Step {step.sequence_order} ({step.get_channel_display()})"


def _is_removed(now: CampaignMessage, was: Values, merged: Merge, *, takes_mine: bool) -> bool:
    """This person removes it; a conflict where a colleague changed it meanwhile."""
    changed = [name for name in OF_STEP if not _same(was[name], _value(now, name))]
    if not changed:
        return True
    values = ", ".join(f"{_LABELS[name]} {shown(_value(now, name))}" for name in changed)
    merged.conflicts.append(f"{_name(now)}: you remove it; it has got {values}.")
    return takes_mine


def _added_and_removed(now: Mapping[uuid.UUID, CampaignMessage], opened: Opened) -> Iterator[str]:
    for pk, step in now.items():
        if pk not in opened.steps:
            yield f"{_name(step)} of day {step.delay_days} was added."
    for pk, was in opened.steps.items():
        if pk not in now:
            yield f"The step of day {was['delay_days']} with “{was['template']}” was removed."


def _proposed(pk: uuid.UUID | None, values: Values) -> revise.ProposedStep:
    template = values["template"]
    return revise.ProposedStep(
        id=pk,
        delay_days=values["delay_days"],
        template_key=template if isinstance(template, str) else template.template_key,
        subject_line=values["subject_line"] or "",
        send_from=values.get("send_from"),
    )
