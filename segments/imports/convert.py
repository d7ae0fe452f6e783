"""Blocks of rows -> lines for COPY, and the cells that are wrong.

Works by column: a column of a block whose cells are all stored as they stand (Value.plain) is
found by one match of a regular expression, the others are parsed cell by cell.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from django.db import models

from segments.imports.kinds import Column, Kind
from segments.imports.reader import Block
from segments.imports.tables import empty_value
from segments.imports.values import BadValueError, EveryCell

NULL = r"\N"
EMPTY = "Is empty, but needed: fill it in."


class Rejection(NamedTuple):
    """A row that is not imported, and why."""

    line: int
    field: str
    value: str
    problem: str


class _Wrong(NamedTuple):
    """A cell that is wrong: place of its row in the block."""

    place: int
    problem: str


class BlockConverter:
    """Turns the blocks of one file into COPY text of (line, stored columns...)."""

    def __init__(self, kind: Kind, names: Sequence[str]) -> None:
        """`names` are the file's columns, in its order."""
        self.names = list(names)
        self.shape = kind.shape
        made = kind.shape.makes if kind.shape and kind.shape.instead in names else ()
        self.columns = [c for c in kind.stored if c.name in names or c.name in made]
        self._readers = [_CellReader(column, kind.model) for column in self.columns]

    def convert(self, block: Block) -> tuple[str, list[Rejection]]:
        """COPY text of the rows that are right, and what is wrong with the others."""
        rejections = [Rejection(line, "", "", problem) for line, problem in block.broken]
        rows, lines = self._whole_rows(block, rejections)
        if not rows:
            return "", rejections
        raw: dict[str, Sequence[str]] = dict(zip(self.names, zip(*rows, strict=True), strict=True))
        cells = dict(raw)
        if self.shape and self.shape.makes[0] in {column.name for column in self.columns}:
            self.shape.apply(cells)
        stored: list[Iterable[str]] = [map(str, lines)]
        bad: set[int] = set()
        for reader in self._readers:
            texts, wrong = reader.read(cells[reader.column.name])
            stored.append(texts)
            for place, problem in wrong:
                bad.add(place)
                name = reader.column.name if reader.column.name in raw else self._instead()
                rejections.append(Rejection(lines[place], name, raw[name][place], problem))
        texts_of_rows: Iterable[str] = map("\t".join, zip(*stored, strict=True))
        if bad:
            texts_of_rows = (t for place, t in enumerate(texts_of_rows) if place not in bad)
        # A name that is both first and last name is told once.
        return "\n".join([*texts_of_rows, ""]), list(dict.fromkeys(rejections))

    def _instead(self) -> str:
        return self.shape.instead if self.shape else ""

    def _whole_rows(
        self, block: Block, rejections: list[Rejection]
    ) -> tuple[list[list[str]], list[int]]:
        """The rows that are as wide as the header, without blank ones."""
        width = len(self.names)
        if set(map(len, block.rows)) == {width} and all(map(any, block.rows)):
            return block.rows, block.lines
        rows: list[list[str]] = []
        lines: list[int] = []
        for line, row in zip(block.lines, block.rows, strict=True):
            if not any(row):
                continue
            if len(row) < width or any(row[width:]):
                problem = (
                    f"The row has {len(row)} cells, the first line {width}: "
                    "a comma inside a text needs quotation marks around the text."
                )
                rejections.append(Rejection(line, "", ", ".join(row), problem))
                continue
            rows.append(row[:width])
            lines.append(line)
        return rows, lines


class _CellReader:
    """Reads the cells of one column."""

    def __init__(self, column: Column, model: type[models.Model]) -> None:
        value = column.value
        self.column = column
        self._empty = None if column.required else empty_as_stored(column, model)
        self._parse: Callable[[str], Any] = value.parse
        self._stored: Callable[[Any], str] = value.stored
        self._check = value.check
        self._plain = EveryCell(value.plain) if value.plain else None

    def read(self, cells: Sequence[str]) -> tuple[Sequence[str], list[_Wrong]]:
        """The cells as COPY wants them; those that are wrong hold anything."""
        if self._are_plain(cells):
            if "" not in cells:
                return cells, []
            if self._empty is not None:
                return [cell or self._empty for cell in cells], []
        parse, stored, empty = self._parse, self._stored, self._empty
        texts: list[str] = []
        wrong = []
        for place, cell in enumerate(map(str.strip, cells)):
            try:
                texts.append(stored(parse(cell)) if cell else self._required(empty))
            except BadValueError as error:
                texts.append("")
                wrong.append(_Wrong(place, str(error)))
        return texts, wrong

    def _are_plain(self, cells: Sequence[str]) -> bool:
        if self._plain is None or not self._plain.matches(cells):
            return False
        if self._check is not None:
            try:
                deque(map(self._check, filter(None, cells)), maxlen=0)
            except ValueError:
                return False
        return True

    def _required(self, empty: str | None) -> str:
        if empty is None:
            raise BadValueError(EMPTY)
        return empty


def empty_as_stored(column: Column, model: type[models.Model]) -> str:
    """What COPY stores for an empty cell: NULL or the default of the model's field."""
    value = empty_value(column, model)
    return NULL if value is None else column.value.stored(value)
