"""Two texts line by line: what went, what came, and which words of a line. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import NamedTuple

# Unchanged lines that stand around a change.
CONTEXT = 2
# Comparing takes the product of both lengths: what is longer than any message is shown as it is.
MOST_LINES = 2_000
LONGEST_LINE = 2_000
# Lines that have less in common are another text, not a changed one: marked words would only hurt.
ALIKE = 0.4

SAME, GONE, NEW, GAP = " ", "-", "+", "…"
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


class Piece(NamedTuple):
    """A part of a line; `is_changed`: the other text has not got these words in this line."""

    text: str
    is_changed: bool = False


class Line(NamedTuple):
    """`mark`: " " in both, "-" in the old one only, "+" in the new one only, "…" lines left out."""

    mark: str
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The line without its marks."""
        return "".join(piece.text for piece in self.pieces)


def compare(old: str, new: str) -> list[Line]:
    """The changed lines with some lines around; none where both texts are the same."""
    if old == new:
        return []
    before, after = _split(old), _split(new)
    if max(len(before), len(after)) > MOST_LINES:
        return [*_plain(GONE, before[:MOST_LINES]), *_plain(NEW, after[:MOST_LINES])]
    found: list[Line] = []
    end = 0
    for group in SequenceMatcher(None, before, after).get_grouped_opcodes(CONTEXT):
        if group[0][1] > end:
            found.append(Line(GAP, ()))
        for tag, i, j, k, m in group:
            found += _block(tag, before[i:j], after[k:m])
        end = group[-1][2]
    return [*found, Line(GAP, ())] if end < len(before) else found


def unified(lines: Sequence[Line]) -> Iterator[str]:
    """The same for a terminal: each line with its mark before it."""
    for line in lines:
        yield "  …" if line.mark == GAP else f"{line.mark} {line.text}"


def _split(text: str) -> list[str]:
    """Its lines. Only at line feeds: any other character is part of what a doctor reads."""
    return text.split("\n") if text else []


def _block(tag: str, before: Sequence[str], after: Sequence[str]) -> list[Line]:
    if tag == "equal":
        return _plain(SAME, before)
    if tag != "replace":
        return [*_plain(GONE, before), *_plain(NEW, after)]
    gone: list[Line] = []
    new: list[Line] = []
    for one, other in zip_longest(before, after):
        if one is None or other is None:
            gone += [] if one is None else _plain(GONE, [one])
            new += [] if other is None else _plain(NEW, [other])
            continue
        left, right = _words(one, other)
        gone.append(Line(GONE, left))
        new.append(Line(NEW, right))
    return [*gone, *new]


def _plain(mark: str, lines: Sequence[str]) -> list[Line]:
    return [Line(mark, (Piece(line),)) for line in lines]


def _words(old: str, new: str) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Both lines with their differing words marked, where they have enough in common."""
    if max(len(old), len(new)) > LONGEST_LINE:
        return (Piece(old),), (Piece(new),)
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.ratio() < ALIKE:
        return (Piece(old),), (Piece(new),)
    left: list[Piece] = []
    right: list[Piece] = []
    for tag, i, j, k, m in matcher.get_opcodes():
        is_changed = tag != "equal"
        left.append(Piece("".join(before[i:j]), is_changed))
        right.append(Piece("".join(after[k:m]), is_changed))
    return _filled(left), _filled(right)


def _filled(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    return tuple(piece for piece in pieces if piece.text)
