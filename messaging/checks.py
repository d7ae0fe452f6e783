"""System checks: what does not fit together is told at start, not with the first message."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured

from messaging import catalogue
from messaging.catalogue import SYSTEM, Variable
from messaging.models import Channel
from messaging.providers import MissingError, provider_for
from messaging.render import TemplateError, needed
from messaging.validation import Draft, check_template
from segments.definitions import DEFINITIONS, Definition
from segments.definitions.common import DOCTOR_VARIABLE_NAMES

FIXTURES: Path = settings.BASE_DIR / "fixtures" / "templates"
# Names that no definition fills by itself.
SHARED = DOCTOR_VARIABLE_NAMES | SYSTEM


@register("settings")
def check_providers(**_: Any) -> list[CheckMessage]:
    """Every channel has an account at a provider, and the account what it needs (E001)."""
    errors: list[CheckMessage] = []
    for channel in Channel.values:
        try:
            provider_for(channel)
        except ImproperlyConfigured as error:
            variable = "it" if isinstance(error, MissingError) else f"{channel.upper()}_PROVIDER"
            hint = f"Set {variable} in the environment."
            errors.append(Error(str(error), hint=hint, id="messaging.E001"))
    return errors


@register
def check_variables(**_: Any) -> list[CheckMessage]:
    """The catalogue, the definitions and the fixtures name the same variables (E003 to E006)."""
    return [
        *catalogue_errors(catalogue.CATALOGUE, DEFINITIONS),
        *definition_errors(catalogue.CATALOGUE, DEFINITIONS),
        *fixture_errors(FIXTURES),
    ]


def catalogue_errors(
    variables: Sequence[Variable], definitions: Mapping[str, Definition]
) -> Iterator[CheckMessage]:
    """A variable named twice, told of incompletely, or of a segment that is not (E003)."""
    names = Counter(variable.name for variable in variables)
    for name, count in names.items():
        if count > 1:
            yield _error("E003", f"The catalogue has {name} {count} times.", "Keep one.")
    for variable in variables:
        for segment in variable.segments:
            if segment not in definitions:
                text = f"The catalogue gives {variable.name} to {segment}, which is no segment."
                yield _error("E003", text, f"Segments: {', '.join(definitions)}.")
        for each in (variable, *variable.items):
            told = (each.description, each.example, each.source)
            if not all(text.strip() for text in told):
                text = f"The catalogue does not tell of {each.name} completely."
                yield _error("E003", text, "Give its description, example and source.")
        if (variable.kind == "list") != bool(variable.items):
            text = f"The catalogue has {variable.name} as a {variable.kind}."
            yield _error("E003", text, "A list, and only a list, has items.")


def definition_errors(
    variables: Sequence[Variable], definitions: Mapping[str, Definition]
) -> Iterator[CheckMessage]:
    """A name that a definition fills and the catalogue does not have, or the reverse (E004)."""
    for segment, definition in definitions.items():
        promised = {variable.name for variable in variables if segment in variable.segments}
        filled = definition.variable_names | SHARED
        for name in sorted(filled - promised):
            text = f"The definition of {segment} fills {name}, which the catalogue does not tell."
            yield _error("E004", text, "Add it to messaging/catalogue/, or take it out there.")
        for name in sorted(promised - filled):
            text = f"The catalogue gives {name} to {segment}, whose definition does not fill it."
            yield _error("E004", text, f"Fill it in segments/definitions/{segment}.py.")


def fixture_errors(folder: Path) -> Iterator[CheckMessage]:
    """A template of the fixtures that could not be saved (E005), or lists other names (E006)."""
    for path in sorted(folder.glob("*.yaml")):
        for row in yaml.load(path.read_bytes(), Loader=_LOADER):  # noqa: S506  the safe loader
            yield from _row_errors(path.name, row)


# Written in C where PyYAML came with it: ten times as fast.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _row_errors(file: str, row: Mapping[str, Any]) -> Iterator[CheckMessage]:
    where = f"{file}, {row['template_key']}"
    if row["segment_type"] not in DEFINITIONS:
        text = f"{where}: there is no segment {row['segment_type']}."
        yield _error("E005", text, f"Segments: {', '.join(DEFINITIONS)}.")
        return
    content, subject = row["template_content"], row.get("subject_line")
    draft = Draft(
        channel=row["channel"],
        content=content,
        subject=subject or "",
        segment_type=row["segment_type"],
        defaults=row.get("defaults", {}),
    )
    for finding in check_template(draft):
        if finding.level == "error":
            yield _error("E005", f"{where}: {finding}", "Correct it in fixtures/templates/.")
    try:
        names = list(needed(content, subject))
    except TemplateError:
        return  # told above
    if names != row["variables"]:
        hint = f"Write: {', '.join(names)}."
        yield _error("E006", f"{where}: `variables` are not those of the text.", hint)


def _error(code: str, text: str, hint: str) -> CheckMessage:
    return Error(text, hint=hint, id=f"messaging.{code}")
