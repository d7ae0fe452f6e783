"""Templates as YAML, to move them from one database to another: out, compared, and in.

The shape is that of fixtures/templates: a list of mappings, with the key as identity. What a file
leaves out of a template stays as it is here. What a provider says of a template (its approval) and
ids are not moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import yaml
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Max

from messaging import versions, warned
from messaging.models import MessageTemplate, TemplateVersion
from messaging.transfer_file import Row, TemplateFile
from messaging.versions import (
    FIELDS,
    IDENTITY,
    OF_CHANNEL,
    Change,
    ChangedMeanwhileError,
    RefusedError,
)

REQUIRED = (*IDENTITY, "sequence_order", "template_content")
_HEAD = ("template_key", "channel", "segment_type", "sequence_order", "title")

State = Literal["new", "changed", "same", "refused"]


# --- Out ------------------------------------------------------------------------------------


class _Flow(list[str]):
    """A list that is written on one line."""


class _Dumper(yaml.SafeDumper):
    """Texts as a person would write them: lines as lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # A reader of YAML takes these for line ends: only escaped they survive.
    is_odd = any(mark in text for mark in "\r\x85\u2028\u2029\ufeff")
    style = '"' if is_odd else "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(
    _Flow,
    lambda dumper, names: dumper.represent_sequence(
        "tag:yaml.org,2002:seq", names, flow_style=True
    ),
)

_STYLE: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "width": 1_000_000}


def export(templates: Iterable[MessageTemplate]) -> str:
    """The templates as YAML, in the order given."""
    return "\n".join(
        yaml.dump([_exported(template)], Dumper=_Dumper, **_STYLE) for template in templates
    )


def _exported(template: MessageTemplate) -> dict[str, Any]:
    content = versions.content_of(template)
    # Those of the channel always, so that an empty one is moved, too; the subject before the text.
    own = OF_CHANNEL.get(template.channel, ())
    is_email = template.channel == "email"
    row = {name: content[name] for name in (*_HEAD, *(own if is_email else ()))}
    row["variables"] = _Flow(template.variables or [])
    row |= {name: content[name] for name in ("template_content", "defaults", *own)}
    for name, value in content.items():
        if name not in row and value not in (FIELDS[name].get_default(), None):
            row[name] = value
    row.update({name: _Flow(value) for name, value in row.items() if isinstance(value, list)})
    return row


# --- Compared -------------------------------------------------------------------------------


@dataclass(slots=True)
class Entry:
    """What becomes of one template of a file."""

    key: str
    line: int  # of the file
    state: State
    base: int | None = None  # number of the version that it is compared with; None: it is new
    changes: Sequence[Change] = ()
    problems: Sequence[str] = ()
    template: MessageTemplate | None = None  # as it would be saved
    warnings: Sequence[str] = ()  # for a person to judge; filled in by judge()
    goes_out: str = ""  # with which running campaigns, as a sentence


@dataclass(slots=True)
class Plan:
    """What an import would do, template by template, in the order of the file."""

    entries: list[Entry] = field(default_factory=list)

    def of(self, state: State) -> list[Entry]:
        """Those that are new, changed, the same or refused."""
        return [entry for entry in self.entries if entry.state == state]

    @property
    def to_write(self) -> list[Entry]:
        """Those that would be saved."""
        return [entry for entry in self.entries if entry.state in ("new", "changed")]

    @property
    def seen(self) -> dict[str, int | None]:
        """By key, the version that each was compared with: apply() wants to find it unchanged."""
        return {entry.key: entry.base for entry in self.entries}


def plan(file: TemplateFile) -> Plan:
    """Compare a file with what is saved. Nothing is written."""
    keys = {row.key for row in file.rows}
    saved = {t.template_key: t for t in MessageTemplate.objects.filter(template_key__in=keys)}
    newest = (
        TemplateVersion.objects.filter(template__in=saved.values())
        .order_by()
        .values_list("template__template_key")
        .annotate(Max("number"))
    )
    numbers: dict[str, int] = dict(newest)
    found = Plan()
    first_lines: dict[str, int] = {}
    for row in file.rows:
        entry = Entry(row.key, row.line, "refused", numbers.get(row.key))
        found.entries.append(entry)
        if row.key and row.key in first_lines:
            entry.problems = [f"It stands twice in the file, first in line {first_lines[row.key]}."]
            continue
        first_lines[row.key] = row.line
        _compare(entry, row, saved.get(row.key))
    return found


def judge(found: Plan) -> None:
    """Note the warnings of each text that would be written, and which campaigns send it."""
    templates = [entry.template for entry in found.to_write if entry.template]
    told = zip(templates, warned.warnings_of(templates), strict=True)
    by_key = {template.template_key: findings for template, findings in told}
    for entry in found.to_write:
        entry.warnings = [str(finding) for finding in by_key.get(entry.key, ())]
        entry.goes_out = warned.goes_out([entry.template]) if entry.template else ""


def _compare(entry: Entry, row: Row, saved: MessageTemplate | None) -> None:
    """Fill in what becomes of the row."""
    entry.problems = [*row.problems, *_misplaced(row, saved)]
    if entry.problems:
        return
    before = versions.content_of(saved) if saved else {}
    template = saved or MessageTemplate()
    for name, value in row.values.items():
        setattr(template, name, value)
    if saved and not versions.changes(before, versions.content_of(template)):
        entry.state = "same"  # nothing is written, so that nothing has to be checked
        return
    try:
        template.full_clean()
    except ValidationError as error:
        entry.problems = _in_words(error, row)
        return
    entry.template = template
    entry.changes = versions.changes(before, versions.content_of(template))
    entry.state = ("changed" if entry.changes else "same") if saved else "new"


def _misplaced(row: Row, saved: MessageTemplate | None) -> list[str]:
    """A new one that lacks something; one that is for another channel or segment here."""
    if saved is None:
        absent = [name for name in REQUIRED if name not in row.values and name not in row.lines]
        return [f"It is new here, so it needs: {', '.join(absent)}."] if absent else []
    return [
        f"{_place(name, row)}: it is “{getattr(saved, name)}” here and “{row.values[name]}” in the "
        "file. Campaigns rely on it, so it cannot change: give the other one a key of its own."
        for name in IDENTITY
        if name in row.values and row.values[name] != getattr(saved, name)
    ]


def _in_words(error: ValidationError, row: Row) -> list[str]:
    return [
        f"{_place(name, row)}: {message}" if name in FIELDS else message
        for name, messages in error.message_dict.items()
        for message in messages
    ]


def _place(name: str, row: Row) -> str:
    return f"{name} (line {row.lines[name]} of the file)" if name in row.lines else name


# --- In -------------------------------------------------------------------------------------


def apply(file: TemplateFile, seen: Mapping[str, int | None], user: User | None) -> Plan:
    """Write what plan() has shown: all of it, or nothing. Returns what was done.

    `seen`: as the plan that was shown says. ChangedMeanwhileError: somebody has saved one of the
    templates since. RefusedError: one of them is refused.
    """
    try:
        with transaction.atomic():
            return _apply(file, seen, user)
    except IntegrityError as error:  # made by somebody else in this very moment
        raise ChangedMeanwhileError(
            ["Somebody has made a template with the same key meanwhile."]
        ) from error


def _apply(file: TemplateFile, seen: Mapping[str, int | None], user: User | None) -> Plan:
    keys = [row.key for row in file.rows]
    locked = MessageTemplate.objects.filter(template_key__in=keys).order_by("pk")
    list(locked.select_for_update().values_list("pk"))
    found = plan(file)
    if meanwhile := _meanwhile(found, seen):
        raise ChangedMeanwhileError(meanwhile)
    if refused := found.of("refused"):
        raise RefusedError(
            [f"{entry.key}: {problem}" for entry in refused for problem in entry.problems]
        )
    written = [entry.template for entry in found.to_write if entry.template]
    for template in written:  # one by one: save() notes the variables, and a file has few
        template.save()
    versions.sign_all(written, user, f"imported from {file.name}"[:200])
    return found


def _meanwhile(found: Plan, seen: Mapping[str, int | None]) -> list[str]:
    """Who has saved what since the plan was shown."""
    words: list[str] = []
    for entry in found.entries:
        if entry.base == seen.get(entry.key):
            continue
        later = TemplateVersion.objects.filter(template__template_key=entry.key)
        newest = later.select_related("saved_by").first()
        words.append(
            f"{entry.key}: {versions.who_saved(newest)}"
            if newest
            else f"{entry.key}: it was deleted."
        )
    return words
