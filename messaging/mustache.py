"""A template parsed once and filled in for any number of doctors.

mystace parses; dictionary look-ups and nothing else. What is parsed becomes a list of words for
the text and one for each section, with gaps for the values: joined, that is what mystace itself
would write, and three times as fast as a formatting by % for a long page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from mystace import MustacheRenderer
from mystace.mustache_tree import MustacheTreeNode, TagType

# What can be seen: not white space, a control or a zero-width character.
VISIBLE = re.compile(
    r"[^\s\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
_SPECIAL = re.compile("[&<>\"']")
# Controls, and the marks that change the direction of the text around them.
_DROPPED = {
    code: None
    for codes in (
        (*range(0x20), *range(0x7F, 0xA0)),
        (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)),
    )
    for code in codes
} | {ord("\t"): " "}


def as_text(value: Any) -> str:
    """A value as it is written, on one line; a list as its length (`remaining_modules`).

    Line ends become blanks, so that a value makes no header, paragraph or list item; controls and
    marks of direction are left out, so that it does not turn the words around it.
    """
    text = value if type(value) is str else str(len(value) if isinstance(value, list) else value)
    if text.isprintable():
        return text
    return " ".join(filter(None, map(str.strip, text.splitlines()))).translate(_DROPPED)


def escaped(text: str) -> str:
    """For HTML, as html.escape() does it."""
    return html.escape(text) if _SPECIAL.search(text) else text


class Texts(dict[str, str]):
    """The values of one message as they are written; '' for a name without one."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(
            {
                name: value
                if type(value) is str and value.isprintable()  # as nearly all are
                else ("" if value is None else as_text(value))
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
        copy = Texts({})
        copy.values_of_message, copy.written = self.values_of_message, escaped
        copy.update(self)
        if _SPECIAL.search("".join(self.values())):  # one search for all of them
            for name, text in self.items():
                copy[name] = escaped(text)
        return copy


class Template:
    """A parsed text. The tags must be right: mystace raises otherwise."""

    def __init__(self, text: str) -> None:
        tree = MustacheRenderer.from_template(text).mustache_tree
        self.nodes: Sequence[MustacheTreeNode] = tree.children or []
        # What the data must supply, in order of first use.
        self.names = tuple(dict.fromkeys(_top_level_names(self.nodes)))
        self._words, self._slots = _compiled(self.nodes)
        self._is_flat = all(type(slot) is str for slot in self._slots)
        plain = {node.data for node in self.nodes if node.tag_type is TagType.VARIABLE}
        self._plain = tuple(name for name in self.names if name in plain)
        self._inner = [
            node
            for node in self.nodes
            if node.tag_type in (TagType.SECTION, TagType.INVERTED_SECTION)
        ]

    def fill(self, texts: Texts) -> str:
        """The text with the values in their places."""
        parts = self._words.copy()
        if self._is_flat:
            parts[1::2] = map(texts.__getitem__, self._slots)  # type: ignore[arg-type]
        else:
            parts[1::2] = [
                texts[slot] if type(slot) is str else slot.fill(texts, ())  # type: ignore[union-attr]
                for slot in self._slots
            ]
        return "".join(parts)

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


class _Section:
    """What stands between {{#name}} or {{^name}} and {{/name}}."""

    __slots__ = ("_is_inverted", "_name", "_slots", "_words")

    def __init__(self, node: MustacheTreeNode) -> None:
        self._name: str = node.data
        self._is_inverted = node.tag_type is TagType.INVERTED_SECTION
        self._words, self._slots = _compiled(node.children or [])

    def fill(self, texts: Texts, scopes: tuple[Any, ...]) -> str:
        """Once for each item; `scopes` are the items of the sections around, innermost first."""
        value = _look_up(self._name, (*scopes, texts.values_of_message))
        if self._is_inverted:
            return "" if value else self._once(texts, scopes)
        if not value:
            return ""
        items = value if isinstance(value, list) else [value]
        return "".join([self._once(texts, (item, *scopes)) for item in items])

    def _once(self, texts: Texts, scopes: tuple[Any, ...]) -> str:
        parts = self._words.copy()
        parts[1::2] = [
            _written(slot, texts, scopes) if type(slot) is str else slot.fill(texts, scopes)  # type: ignore[union-attr]
            for slot in self._slots
        ]
        return "".join(parts)


def _compiled(nodes: Sequence[MustacheTreeNode]) -> tuple[list[str], tuple[str | _Section, ...]]:
    """Words and gaps in turn, words first and last; and what fills the gaps: names, sections."""
    words = [""]
    slots: list[str | _Section] = []
    for node in nodes:
        if node.tag_type is TagType.LITERAL:
            words[-1] += str(node.data)
        else:
            words += ["", ""]
            slots.append(node.data if node.tag_type is TagType.VARIABLE else _Section(node))
    return words, tuple(slots)


def _written(name: str, texts: Texts, scopes: tuple[Any, ...]) -> str:
    """A variable within sections: the innermost item's value, else the message's own."""
    for scope in scopes:
        if isinstance(scope, dict) and name in scope:
            value = scope[name]
            return "" if value is None else texts.written(as_text(value))
        if scope is None:
            return ""  # mystace looks no further
    return texts[name]


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
        if scope is None:
            return None  # mystace looks no further
    return None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not VISIBLE.search(value))
