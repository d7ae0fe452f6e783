"""The tags of a template, and what is wrong with their writing. Pure: no models, no catalogue."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

# {{name}}, {{#section}}, {{/section}}, {{^inverted}}, {{! comment }}; the rest is refused. There is
# no {{ within a tag, so that many open ones are read in one go.
TAG = re.compile(r"\{\{([#^/!&>={]?)((?:(?!\{\{|\}\}).)*)\}\}", re.DOTALL)
NAME = re.compile(r"[a-z_]\w*", re.ASCII | re.IGNORECASE)
REFUSED = {
    "{": ("Three braces put a value in unchecked.", "Use two: {{name}}."),
    "&": ("{{&name}} puts a value in unchecked.", "Write {{name}}."),
    ">": ("{{>name}} (a text within a text) cannot be used.", "Write its words here."),
    "=": ("{{=…=}} (other signs for braces) cannot be used.", "Write {{name}}."),
}

Level = Literal["error", "warning"]


class Finding(NamedTuple):
    """One thing that is wrong, or doubtful, with a template, in the marketer's words.

    An error keeps the template from being saved and a campaign from being launched; a warning is
    shown. `field` is the model's; `line` counts from 1, None where it is about the whole field;
    `suggestion` says what to do, '' where there is nothing to add.
    """

    level: Level
    field: str
    line: int | None
    text: str
    suggestion: str = ""

    def __str__(self) -> str:
        place = "" if self.line is None else f"Line {self.line}: "
        return f"{place}{self.text} {self.suggestion}".rstrip()


class Tag(NamedTuple):
    """One {{tag}} of a template."""

    sign: str  # "" for a variable, else one of # ^ / ! & > = {
    name: str
    line: int  # from 1


def tags(text: str) -> Iterator[Tag]:
    """Every tag of the text, comments and refused ones too."""
    line, seen = 1, 0
    for match in TAG.finditer(text):
        line += text.count("\n", seen, match.start())
        seen = match.start()
        yield Tag(match[1], match[2].strip(), line)


def braced(name: str, sign: str = "") -> str:
    """A tag as it is written in a template."""
    return f"{{{{{sign}{name}}}}}"


def without_tags(text: str) -> str:
    """The words alone, on the lines where they stood."""
    return TAG.sub(lambda tag: "\n" * tag[0].count("\n"), text)


def syntax_problems(text: str) -> list[str]:
    """Tags that are refused, misnamed, unclosed or mismatched, each with its line."""
    return [str(finding) for finding in syntax_findings(text, "template_content")]


def syntax_findings(text: str, field: str) -> list[Finding]:
    """The same for one field of the template; a text without any can be rendered."""
    sections: list[Tag] = []
    found = [
        Finding("error", field, tag.line, *wrong)
        for tag in tags(text)
        if (wrong := _wrong_tag(tag, sections))
    ]
    for tag in sections:
        never = f"{braced(tag.name, tag.sign)} is never closed."
        close = f"Write {braced(tag.name, '/')} where it ends."
        found.append(Finding("error", field, tag.line, never, close))
    for number, line in enumerate(without_tags(text).split("\n"), 1):
        for braces in ("{{", "}}"):
            if braces in line:
                alone = f"{braces} stands alone."
                write = f"A variable is written {braced('name')}."
                found.append(Finding("error", field, number, alone, write))
    return found


def _wrong_tag(tag: Tag, sections: list[Tag]) -> tuple[str, str] | None:
    """What is wrong with a tag, and what to do; `sections` are the open ones, and are changed."""
    if tag.sign == "!":
        return None
    if tag.sign in REFUSED:
        return REFUSED[tag.sign]
    if not NAME.fullmatch(tag.name):
        return f"“{tag.name}” is not a variable's name.", "Use letters, digits and _."
    if tag.sign == "/":
        return _wrong_closing(tag, sections)
    if tag.sign:
        sections.append(tag)
    return None


def _wrong_closing(tag: Tag, sections: list[Tag]) -> tuple[str, str] | None:
    if not sections:
        never = f"{braced(tag.name, '/')} closes what {braced(tag.name, '#')} never opened."
        return never, ""
    opened = sections.pop()
    if opened.name == tag.name:
        return None
    due = braced(opened.name, "/")
    return f"{braced(tag.name, '/')} stands where {due} is due.", ""
