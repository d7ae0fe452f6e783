"""What a list of the admin is narrowed to, in words: a link from a figure, or filters, did it.

The theme shows filters in a panel that is shut on most screens, and nothing at all of conditions
for which there is no filter, such as the days of a figure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from django.contrib.admin import SimpleListFilter
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model
from django.utils.dateparse import parse_date, parse_datetime
from django.utils.text import capfirst
from django.utils.timezone import localtime

_SIGNS = {"gte": "from", "gt": "after", "lt": "before", "lte": "until"}
# The names that the theme's filter of days gives to its fields, and what these mean.
_RANGES = {"_from": "from", "_to": "until"}


class Condition(NamedTuple):
    """One of them: of what, in words, and the parameters of the address that say it."""

    label: str
    words: str
    names: tuple[str, ...]


def conditions(
    model: type[Model], params: Mapping[str, str], filters: Iterable[Any] = ()
) -> list[Condition]:
    """What the parameters of a list's address ask for. `filters`: the list's own.

    What cannot be put into words is left out: Django has refused what is no condition at all.
    """
    own = {f.parameter_name: f for f in filters if isinstance(f, SimpleListFilter)}
    found: list[Condition] = []
    for name, value in params.items():
        if not value:
            continue
        if name in own:
            choices = {str(key): str(label) for key, label in own[name].lookup_choices}
            found.append(Condition(str(own[name].title), choices.get(value, value), (name,)))
        else:
            found += _of_range(model, name, value) or _of_field(model, name, value)
    return [one._replace(label=capfirst(one.label)) for one in found]


def _of_range(model: type[Model], name: str, value: str) -> list[Condition]:
    """The condition of a field of a filter of days."""
    for end, sign in _RANGES.items():
        fields = _fields(model, name.removesuffix(end)) if name.endswith(end) else []
        if fields:
            words = f"{sign} {_moment(value)}"
            return [Condition(str(fields[-1].verbose_name), words, (name,))]
    return []


def _of_field(model: type[Model], name: str, value: str) -> Iterator[Condition]:
    """The condition of a look-up such as campaign__id__exact or sent_at__gte."""
    path, _, sign = name.rpartition("__")
    if not _fields(model, path) or _fields(model, name):
        path, sign = name, "exact"
    fields = _fields(model, path)
    if not fields:
        return
    field = fields[-1]
    of = fields[-2] if field.primary_key and len(fields) > 1 else field
    label = str(getattr(of, "verbose_name", of.name))
    if sign == "isnull":
        yield Condition(label, "none" if value in ("True", "1") else "any", (name,))
    elif sign in _SIGNS:
        yield Condition(label, f"{_SIGNS[sign]} {_moment(value)}", (name,))
    elif sign == "exact":
        yield Condition(label, _value(of, value), (name,))


def _fields(model: type[Model], path: str) -> list[Any]:
    """The fields along a path of look-ups; none where it is no such path."""
    found: list[Any] = []
    at: type[Model] | None = model
    for part in path.split("__"):
        if at is None:
            return []
        try:
            field = at._meta.pk if part == "pk" else at._meta.get_field(part)  # noqa: SLF001
        except FieldDoesNotExist:
            return []
        found.append(field)
        at = getattr(field, "related_model", None)
    return found


def _value(field: Any, value: str) -> str:
    """A value as a marketer reads it: the name of a row, the label of a choice, yes or no."""
    if model := getattr(field, "related_model", None):
        try:
            row = model._default_manager.filter(pk=value).first()  # noqa: SLF001
        except (ValidationError, ValueError):
            return value
        return str(row or value)
    if field.get_internal_type() == "BooleanField":
        return "yes" if value in ("1", "True", "true") else "no"
    return str(dict(field.flatchoices or ()).get(value, value))


def _moment(value: str) -> str:
    """A moment in the office's time zone; midnight is the day."""
    try:
        moment = parse_datetime(value)
        day = None if moment else parse_date(value)
        here = localtime(moment) if moment and moment.tzinfo else moment
    except (ValueError, OverflowError):  # the calendar's ends have no hour in another zone
        return value
    if here is None:
        return f"{day:%d %b %Y}" if day else value
    return f"{here:%d %b %Y}" if not (here.hour or here.minute) else f"{here:%d %b %Y, %H:%M}"
