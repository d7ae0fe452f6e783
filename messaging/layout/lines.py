"""A template's tree as plain text, with marks in place of the tags: for a person to read.

The lines are those that the author typed. Bold and emphasis lose their stars, a button becomes
`Label: link`, `[words](address)` becomes `words <address>`, and lists keep their bullets.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from messaging.layout.markup import OPEN, Markup, tags_of, words

_ARROW = re.compile(r"[\s→➔➜›»]+$")
_SENTENCE = re.compile(r".*?(?<!\bDr)[.!?…](?=\s|$)")
_SCHEME = re.compile(r"(?:mailto|tel):", re.IGNORECASE)
_ENOUGH = 40  # characters


def lines(markup: Markup) -> str:
    """The text of all blocks, each on the lines where it was typed."""
    written: list[str | None] = [None if line.strip() else "" for line in markup.lines]
    for first, text in _leaves(markup.root.children, "", ""):
        written[first] = text
    return "\n".join(line for line in written if line is not None).strip("\n")


def first_sentence(markup: Markup) -> str:
    """What says best what the e-mail is about: its first sentence after the salutation."""
    for node in markup.root.children:
        text = _without_addresses(node) if node.type == "paragraph" else ""
        if not text or text.endswith(","):
            continue
        sentence = _SENTENCE.match(text)
        # A sentence may end within a section, which has to be whole; and a few words say little.
        is_enough = sentence and len(sentence[0]) >= _ENOUGH and OPEN not in text
        return sentence[0] if sentence and is_enough else text
    return ""


def _without_addresses(node: SyntaxTreeNode) -> str:
    tokens = [token for token in words(node) if not token.type.startswith("link")]
    return " ".join(as_text(tokens).split())


def as_text(tokens: Sequence[Token]) -> str:
    """The words alone, with their line ends and marks; an address stands after its words."""
    parts: list[str] = []
    start, address = 0, ""
    for token in tokens:
        if token.type == "link_open":
            start, address = len(parts), _SCHEME.sub("", str(token.attrs["href"]))
        elif token.type == "link_close":
            if "".join(parts[start:]) != address:
                parts.append(f" <{address}>")
        elif token.type in ("softbreak", "hardbreak"):
            parts.append("\n")
        else:
            # Section tags have a mark and no content; stars have neither.
            parts.append(token.content or (token.markup if token.type.startswith("sec") else ""))
    return "".join(parts)


def _leaves(
    nodes: Sequence[SyntaxTreeNode], first: str, following: str
) -> Iterator[tuple[int, str]]:
    """Each block of words or tag of a section: the line where it starts, and its text.

    `first` is what stands before the first block (a bullet), `following` before all other lines.
    """
    for node in nodes:
        start, end = node.map or (0, 0)
        if node.type in ("bullet_list", "ordered_list"):
            for item in node.children:
                bullet = first + _bullet(item)
                yield from _leaves(item.children, bullet, " " * len(bullet))
        elif node.type == "section":
            opening, closing = tags_of(node)
            yield start, opening
            yield from _leaves(node.children, first, following)
            yield end - 1, closing
        else:
            text = _button(node) if node.type == "button" else as_text(words(node))
            yield start, first + text.replace("\n", f"\n{following}")
        first = following


def _bullet(item: SyntaxTreeNode) -> str:
    if item.info:
        return f"{item.info}{item.markup} "
    return "• " if item.markup == "+" else "- "


def _button(node: SyntaxTreeNode) -> str:
    label = _ARROW.sub("", as_text(words(node)))
    return f"{label}{'' if label[-1:] in ':!?.' else ':'} {node.markup}"
