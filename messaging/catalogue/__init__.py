"""The one catalogue of template variables.

The strategy's glossary and every name in its 51 templates. The validator, the editor, the
previews and the documentation all read this list. `segments/definitions/` fills the values;
the system variables are added when a message is rendered.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from messaging.catalogue import (
    aida_users,
    common,
    incomplete_courses,
    no_show,
    unclaimed_certificates,
)
from messaging.catalogue.common import SYSTEM
from messaging.catalogue.variable import Kind, Variable
from messaging.mustache import VISIBLE

__all__ = [
    "BY_NAME",
    "CATALOGUE",
    "SYSTEM",
    "Kind",
    "Variable",
    "closest",
    "examples",
    "item_names",
    "lists_with",
    "of_segment",
    "with_defaults",
]

CATALOGUE: tuple[Variable, ...] = (
    *common.VARIABLES,
    *aida_users.VARIABLES,
    *incomplete_courses.VARIABLES,
    *no_show.VARIABLES,
    *unclaimed_certificates.VARIABLES,
)

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in CATALOGUE}


def of_segment(segment_type: str) -> list[Variable]:
    """The variables that a segment's templates can use, in the catalogue's order."""
    return [variable for variable in CATALOGUE if segment_type in variable.segments]


def examples(segment_type: str | None = None) -> dict[str, Any]:
    """An example value for each variable (of one segment): what a preview shows without data.

    Lists have as many entries as their example says.
    """
    variables = CATALOGUE if segment_type is None else of_segment(segment_type)
    return {variable.name: _example(variable) for variable in variables}


def _example(variable: Variable) -> Any:
    if variable.kind != "list":
        return variable.example
    entry = {item.name: item.example for item in variable.items}
    return [dict(entry) for _ in range(int(variable.example))]


def with_defaults(variables: Mapping[str, Any], defaults: Mapping[str, str]) -> Mapping[str, Any]:
    """The variables of one message; where one has nothing to be seen, the template's default."""
    if not defaults:
        return variables
    given = {
        name: text for name, text in defaults.items() if not VISIBLE.search(_said(variables, name))
    }
    return {**variables, **given} if given else variables


def _said(variables: Mapping[str, Any], name: str) -> str:
    value = variables.get(name)
    return "" if value is None else str(value)


def item_names(section: str) -> frozenset[str]:
    """Names that stand between {{#section}} and {{/section}} only; none when it is not a list."""
    variable = BY_NAME.get(section)
    return frozenset(item.name for item in variable.items) if variable else frozenset()


def lists_with(item_name: str) -> list[str]:
    """Names of the lists whose entries have this name."""
    return [variable.name for variable in CATALOGUE if item_name in item_names(variable.name)]


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None when nothing is near."""
    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
