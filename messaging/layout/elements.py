"""A template's tree as the HTML of an e-mail's body, with marks in place of the tags.

A section repeats whole elements: items within one list, lines within one paragraph, or blocks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import nh3
from markdown_it.tree import SyntaxTreeNode

from messaging.layout.markup import Markup, as_html, tags_of

_LISTS = {"bullet_list": "ul", "ordered_list": "ol"}
_ARROW = re.compile(r"\s*([→➔➜›»]+)$")
# A table, since Outlook gives no padding to a link; the cell's colour is there for it too.
_BUTTON = """\
<table role="presentation" class="button" cellpadding="0" cellspacing="0" border="0">\
<tbody><tr><td class="button" align="center">
<a class="button" href="{link}">{label}</a>
</td></tr></tbody></table>"""

_CLEANER = nh3.Cleaner(
    tags={
        *("p", "br", "strong", "em", "a", "span", "ul", "ol", "li"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "table", "tbody", "tr", "td"),
    },
    attributes={
        "a": {"href", "class"},
        "ol": {"start"},
        "p": {"class"},
        "span": {"aria-hidden"},
        "table": {"role", "class", "cellpadding", "cellspacing", "border"},
        "td": {"class", "align"},
    },
    url_schemes={"http", "https", "mailto", "tel"},
    link_rel=None,
)


class _Run(NamedTuple):
    """Blocks that become one element: the lines of a paragraph, or the items of a list."""

    kind: str
    nodes: list[SyntaxTreeNode]


def elements(markup: Markup) -> str:
    """The HTML of all blocks, with only known elements and attributes."""
    return _CLEANER.clean("\n".join(_Writer(markup).blocks(markup.root.children)))


@dataclass(slots=True)
class _Writer:
    markup: Markup
    # The levels of the headings above the one to be written, as they were typed.
    headings: list[int]

    def __init__(self, markup: Markup) -> None:
        self.markup = markup
        self.headings = []

    def blocks(self, nodes: Sequence[SyntaxTreeNode]) -> Iterator[str]:
        runs = self._runs(nodes)
        for place, (kind, group) in enumerate(runs):
            if kind in ("lines", *_LISTS) and self._is_alternative(group):
                yield self._wrapped(group[0])
            elif kind == "lines":
                after = runs[place + 1] if place + 1 < len(runs) else None
                yield self._paragraph(group, after)
            elif kind in _LISTS:
                yield self._list(_LISTS[kind], group)
            elif kind == "heading":
                yield self._heading(group[0])
            elif kind == "button":
                yield self._button(group[0])
            elif group[0].children:
                yield self._wrapped(group[0])

    def _is_alternative(self, group: Sequence[SyntaxTreeNode]) -> bool:
        """Whether it is one {{^section}} alone: filled in once or not at all, element and all."""
        return len(group) == 1 and self.markup.restored(tags_of(group[0])[0]).startswith("{{^")

    def _wrapped(self, section: SyntaxTreeNode) -> str:
        opening, closing = tags_of(section)
        return "\n".join([opening, *self.blocks(section.children), closing])

    def _runs(self, nodes: Sequence[SyntaxTreeNode]) -> list[_Run]:
        runs: list[_Run] = []
        for node in nodes:
            kind = self._kind(node)
            joins = kind == "lines" or kind in _LISTS
            if joins and runs and runs[-1].kind == kind and self.markup.follows(node):
                runs[-1].nodes.append(node)
            else:
                runs.append(_Run(kind, [node]))
        return runs

    def _kind(self, node: SyntaxTreeNode) -> str:
        """What the block is; a section of nothing but lines, or one kind of list, is that."""
        if node.type == "paragraph":
            return "lines"
        if node.type == "section":
            kinds = {self._kind(child) for child in node.children}
            if kinds == {"lines"} and self._is_close(node):
                return "lines"
            return kinds.pop() if len(kinds) == 1 and kinds <= _LISTS.keys() else "section"
        return node.type

    def _is_close(self, section: SyntaxTreeNode) -> bool:
        return self.markup.ends_close(section) and all(map(self.markup.follows, section.children))

    def _paragraph(self, nodes: Sequence[SyntaxTreeNode], after: _Run | None) -> str:
        lines = "".join(self._lines(nodes)).removesuffix("<br>\n")
        if nodes[0].type == "paragraph" and nodes[0].hidden:
            return lines
        leads = after is not None and self.markup.follows(after.nodes[0])
        return f'<p class="lead">{lines}</p>' if leads else f"<p>{lines}</p>"

    def _lines(self, nodes: Sequence[SyntaxTreeNode]) -> Iterator[str]:
        for node in nodes:
            if node.type == "paragraph":
                yield as_html(node) + "<br>\n"
            else:
                opening, closing = tags_of(node)
                yield opening
                yield from self._lines(node.children)
                yield closing

    def _list(self, tag: str, nodes: Sequence[SyntaxTreeNode]) -> str:
        start = nodes[0].attrs.get("start") if nodes[0].type != "section" else None
        opening = tag if start is None else f'{tag} start="{start}"'
        return f"<{opening}>\n{''.join(self._items(nodes))}</{tag}>"

    def _items(self, nodes: Sequence[SyntaxTreeNode]) -> Iterator[str]:
        for node in nodes:
            if node.type == "section":
                opening, closing = tags_of(node)
                yield opening
                yield from self._items(node.children)
                yield closing
            else:
                for item in node.children:
                    content = "\n".join(self.blocks(item.children))
                    yield f"<li>{content}</li>\n"

    def _heading(self, node: SyntaxTreeNode) -> str:
        """From h1 on, and never more than one level deeper than the heading above it."""
        typed = int(node.tag[1])
        while self.headings and self.headings[-1] >= typed:
            self.headings.pop()
        self.headings.append(typed)
        tag = f"h{len(self.headings)}"
        return f"<{tag}>{as_html(node)}</{tag}>"

    def _button(self, node: SyntaxTreeNode) -> str:
        # A screen reader would read the arrow out.
        label = _ARROW.sub(r' <span aria-hidden="true">\1</span>', as_html(node).strip())
        return _BUTTON.format(link=node.markup, label=label)
