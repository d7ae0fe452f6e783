"""A YAML file of templates, read with care: what is wrong with it, and in which line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import PurePath
from typing import Any

import yaml
from django.db import models

from messaging.versions import FIELDS, RefusedError

MOST_BYTES = 2_000_000
# More than any file of templates has: reading what is nested or long beyond this takes for ever.
MOST_EVENTS = 100_000
DEEPEST = 10
MOST_TEMPLATES = 500

# In C where PyYAML has it: ten times as fast.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# Read, and taken from the text all the same.
_DERIVED = "variables"
_KINDS = {
    str: "a text: put it in quotes",
    int: "a whole number",
    dict: "a mapping of names to texts",
    list: "a list of names",
}


class UnreadableError(RefusedError):
    """A file that is not one of templates."""


@dataclass(slots=True)
class Row:
    """One template of a file."""

    line: int
    key: str = ""
    values: dict[str, Any] = field(default_factory=dict)  # by field
    lines: dict[str, int] = field(default_factory=dict)  # where each field stands
    problems: list[str] = field(default_factory=list)


@dataclass(slots=True)
class TemplateFile:
    """What a file says; `text` is the whole of it."""

    name: str
    text: str
    rows: list[Row]


def read(data: bytes, name: str) -> TemplateFile:
    """The templates of a file. UnreadableError: it cannot be read, with the line.

    What is wrong with a single template stands in its row's `problems`.
    """
    if len(data) > MOST_BYTES:
        most = MOST_BYTES // 10**6
        raise UnreadableError([f"The file is too large: at most {most} MB are read."])
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnreadableError([f"Line {line}: the file is not in UTF-8."]) from error
    file_name = "".join(c for c in PurePath(name).name if c.isprintable()) or "a file"
    return TemplateFile(file_name, text, _rows(text))


def _rows(text: str) -> list[Row]:
    try:
        _check_events(text)
        loader = _Loader(text)
        try:
            root = loader.get_single_node()
            if not isinstance(root, yaml.SequenceNode) or not root.value:
                raise UnreadableError(["The file is not a list of templates (- template_key: …)."])
            if len(root.value) > MOST_TEMPLATES:
                count = len(root.value)
                raise UnreadableError(
                    [f"The file has {count} templates; at most {MOST_TEMPLATES} are read."]
                )
            return [_row(loader, node) for node in root.value]
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise UnreadableError([_words(error)]) from error


def _check_events(text: str) -> None:
    """Refuse what would take for ever: references, deep nesting, very many entries."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise UnreadableError([f"Line {line}: references (*name) are not read: write it out."])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST or count > MOST_EVENTS:
            raise UnreadableError([f"Line {line}: this is more than a list of templates."])


def _words(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    place = f"Line {mark.line + 1}: " if mark else ""
    return f"{place}this is not YAML ({problem})."


def _row(loader: Any, node: yaml.Node) -> Row:
    row = Row(node.start_mark.line + 1)
    if not isinstance(node, yaml.MappingNode):
        row.problems.append("It is not a template: write - template_key: … and so on.")
        return row
    for key_node, value_node in node.value:
        _take(loader, row, key_node, value_node)
    key = row.values.get("template_key")
    if not key and not row.problems:
        row.problems.append("It has no template_key.")
    row.key = key or ""
    return row


def _take(loader: Any, row: Row, key_node: yaml.Node, value_node: yaml.Node) -> None:
    """Read one entry of a template into the row, or say what is wrong with it."""
    name, line = str(key_node.value), key_node.start_mark.line + 1
    where = f"Line {line}: {name}"
    if name == _DERIVED:
        return
    if name not in FIELDS:
        near = get_close_matches(name, [*FIELDS, _DERIVED], n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        row.problems.append(f"Line {line}: templates have no “{name[:60]}”.{hint}")
        return
    if name in row.lines:
        row.problems.append(f"{where} stands here again; first in line {row.lines[name]}.")
        return
    row.lines[name] = line
    try:
        value = loader.construct_object(value_node, deep=True)
    except (yaml.YAMLError, ValueError, TypeError) as error:
        row.problems.append(f"{where} cannot be read: {getattr(error, 'problem', None) or error}.")
        return
    if problem := _wrong_type(FIELDS[name], value):
        row.problems.append(f"{where} must be {problem}.")
        return
    row.values[name] = value


def _wrong_type(model_field: models.Field[Any, Any], value: Any) -> str:
    """What the value should be; '' where it is."""
    kind: type = str
    if isinstance(model_field, models.IntegerField):
        kind = int
    elif isinstance(model_field, models.JSONField):
        kind = type(model_field.get_default())
    if value is None and model_field.null:
        return ""
    if not isinstance(value, kind) or isinstance(value, bool):
        return _KINDS[kind]
    texts = list(_inside(value))
    if not all(isinstance(text, str) for text in texts):
        return _KINDS[kind]
    return "" if all("\0" not in text for text in texts) else "without the character NUL"


def _inside(value: Any) -> Iterable[Any]:
    """What should be texts."""
    if isinstance(value, dict):
        return [*value, *value.values()]
    return value if isinstance(value, list) else [value] if isinstance(value, str) else ()
