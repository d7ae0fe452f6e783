"""A template parsed once and filled in for any number of doctors.

mystace parses: dictionary look-ups and nothing else. What stands outside its sections, which is
most of a text, is filled in by one formatting; sections are left to mystace.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mystace import MustacheRenderer
from mystace.mustache_tree import MustacheTreeNode, TagType

# What can be seen: not white space, a control or a zero-width character.
VISIBLE = re.compile(r"[^\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")
_SPECIAL = re.compile("[&<>\"']")


def as_text(value: Any) -> str:
    """A value as it is written: a list is written as its length (`remaining_modules`)."""
    return str(len(value)) if isinstance(value, list) else str(value)


class Texts(dict[str, str]):
    """The values of one message as they are written; '' for a name without one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(
            {
                name: value if type(value) is str else "" if value is None else as_text(value)
                for name, value in values.items()
            }
        )
        self.values_of_message = values
        self.written: Callable[[str], str] = str

    def __missing__(self, name: str) -> str:
        """Ask `Template.missing` first."""
        return ""

    def as_html(self) -> Texts:
        """The same, escaped."""
        escaped = Texts({})
        for name, text in self.items():
            escaped[name] = html.escape(text) if _SPECIAL.search(text) else text
        escaped.values_of_message, escaped.written = self.values_of_message, html.escape
        return escaped


class Template:
    """A parsed text. The tags must be right: mystace raises otherwise."""

    def __init__(self, text: str) -> None:
        tree = MustacheRenderer.from_template(text).mustache_tree
        self.nodes: Sequence[MustacheTreeNode] = tree.children or []
        # What the data must supply, in order of first use.
        self.names = tuple(dict.fromkeys(_top_level_names(self.nodes)))
        self._sections: dict[int, MustacheRenderer] = {}
        self._slots: list[str] = []
        self._format = "".join(map(self._part, self.nodes))
        plain = {node.data for node in self.nodes if node.tag_type is TagType.VARIABLE}
        self._plain = tuple(name for name in self.names if name in plain)
        self._inner = [
            node
            for node in self.nodes
            if node.tag_type in (TagType.SECTION, TagType.INVERTED_SECTION)
        ]

    def _part(self, node: MustacheTreeNode) -> str:
        if node.tag_type is TagType.LITERAL:
            return str(node.data).replace("%", "%%")
        if node.tag_type is not TagType.VARIABLE:
            root = MustacheTreeNode(TagType.ROOT, "", 0)
            root.children = [node]
            self._sections[len(self._slots)] = MustacheRenderer(root)
        self._slots.append(node.data)
        return "%s"

    def fill(self, texts: Texts) -> str:
        """The text with the values in their places."""
        filled = (
            list(map(texts.__getitem__, self._slots))
            if not self._sections
            else [
                texts[name] if place not in self._sections else self._section(place, texts)
                for place, name in enumerate(self._slots)
            ]
        )
        return self._format % tuple(filled)

    def _section(self, place: int, texts: Texts) -> str:
        rendered: str = self._sections[place].render(
            texts.values_of_message, stringify=as_text, html_escape_fn=texts.written
        )
        return rendered

    def missing(self, texts: Texts) -> Iterator[str]:
        """Names without a value: absent, None, nothing to be seen, or an empty list of a section.

        An item that lacks a name is told as `section.name`. A section with a {{^name}} counterpart
        says itself what stands there when it is empty, so it is never missing.
        """
        for name in self._plain:
            text = texts[name]
            if not (text[:1].isalnum() or VISIBLE.search(text)):  # nearly all begin with a letter
                yield name
        if self._inner:
            yield from _missing(self._inner, (texts.values_of_message,))


def _top_level_names(nodes: Sequence[MustacheTreeNode]) -> Iterator[str]:
    for node in nodes:
        if node.tag_type is not TagType.LITERAL:
            yield node.data
        if node.tag_type is TagType.INVERTED_SECTION:
            yield from _top_level_names(node.children or [])


def _missing(
    nodes: Sequence[MustacheTreeNode], scopes: tuple[Any, ...], prefix: str = ""
) -> Iterator[str]:
    """Names without a value in `scopes`, the innermost section's item first."""
    optional = {node.data for node in nodes if node.tag_type is TagType.INVERTED_SECTION}
    for node in nodes:
        if node.tag_type is TagType.LITERAL:
            continue
        value = _look_up(node.data, scopes)
        if node.tag_type is TagType.VARIABLE:
            if _is_blank(value):
                yield prefix + node.data
        elif node.tag_type is TagType.INVERTED_SECTION:
            if not value:
                yield from _missing(node.children or [], scopes, prefix)
        elif value and not _is_blank(value):
            for item in value if isinstance(value, list) else [value]:
                inner = (item, *scopes)
                yield from _missing(node.children or [], inner, f"{prefix}{node.data}.")
        elif node.data not in optional:
            yield prefix + node.data


def _look_up(name: str, scopes: tuple[Any, ...]) -> Any:
    """The value that mystace would find: that of the innermost scope which has the name."""
    for scope in scopes:
        if isinstance(scope, dict) and name in scope:
            return scope[name]
    return None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not VISIBLE.search(value))
