"""A file -> its rows in blocks, in a fixed amount of memory: CSV here, XLSX in xlsx.py."""

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from segments.imports import xlsx
from segments.imports.encoding import detect_encoding
from segments.imports.header import ImportFileError, known_columns, match_header
from segments.imports.kinds import Kind

BLOCK_ROWS = 500  # few enough for the garbage collector to have nothing to do
_line_end = re.compile(r"\r\n|\r|\n")

DELIMITERS = ",;\t"
TOO_LONG = f"A cell has more than {csv.field_size_limit():,} characters: shorten it."
BROKEN = "Quotation marks are wrong: write a mark inside a text twice."


@dataclass(frozen=True)
class Block:
    """Some rows, and for each the line of the file where it begins. Blank rows are among them."""

    rows: list[list[str]]
    lines: list[int]
    broken: list[tuple[int, str]]  # line and problem of what is no row at all


@dataclass(frozen=True)
class Table:
    """A file whose header fits: the names of its columns, and its rows in blocks."""

    columns: list[str]
    blocks: Iterator[Block]


def read_table(path: Path, kind: Kind) -> Table:
    """Open a CSV or XLSX file of this kind; ImportFileError where nothing can be imported.

    What a file is, its content says, not its name. Reading the blocks may raise the error, too.
    """
    if not path.is_file():
        raise ImportFileError(f"There is no file {path}.")
    try:
        if xlsx.is_xlsx(path):
            rows = xlsx.read_rows(path)
            header = next(rows, None)
            if header is None:
                raise ImportFileError("The file is empty.")
            columns = match_header(header[1], kind)
            return Table(columns, _spreadsheet_blocks(rows, len(columns)))
        return _read_csv(path, kind)
    except OSError as error:
        raise ImportFileError(f"The file cannot be read: {error.strerror or error}.") from error


def _read_csv(path: Path, kind: Kind) -> Table:
    encoding = detect_encoding(path)
    blocks = _csv_blocks(path, encoding, _delimiter(path, encoding, kind))
    for block in blocks:
        for place, row in enumerate(block.rows):
            if any(map(str.strip, row)):
                rest = Block(block.rows[place + 1 :], block.lines[place + 1 :], block.broken)
                return Table(match_header(row, kind), chain([rest], blocks))
    raise ImportFileError("The file is empty.")


def _delimiter(path: Path, encoding: str, kind: Kind) -> str:
    """What separates cells: whatever finds most columns in the first line that has text."""
    with path.open(encoding=encoding, newline="") as file:
        line = next((line for line in file if line.strip("\ufeff \t\r\n,;")), "")
    return max(DELIMITERS, key=lambda mark: known_columns(line.replace('"', "").split(mark), kind))


def _csv_blocks(path: Path, encoding: str, delimiter: str) -> Iterator[Block]:
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, strict=True)
        while True:
            block, before = Block([], [], []), reader.line_num
            try:
                block.rows.extend(islice(reader, BLOCK_ROWS))
            except csv.Error as error:
                block.lines.extend(_lines(block.rows, before))
                block.broken.append(_broken_row(error, _next_line(block, before), reader.line_num))
            else:
                if not block.rows:
                    return
                whole = reader.line_num - before == len(block.rows)
                first = before + 1
                block.lines.extend(
                    range(first, first + len(block.rows)) if whole else _lines(block.rows, before)
                )
            yield block


def _lines(rows: list[list[str]], before: int) -> Iterator[int]:
    """The line where each row begins, after line `before`; rows may have texts of several lines."""
    line = before + 1
    for row in rows:
        yield line
        line += 1 + sum(len(_line_end.findall(cell)) for cell in row)


def _next_line(block: Block, before: int) -> int:
    """The line after the block's rows."""
    *_, line = _lines([*block.rows, []], before)
    return line


def _broken_row(error: csv.Error, line: int, last_line: int) -> tuple[int, str]:
    """What to tell about a row that cannot be read; ImportFileError where it swallows others."""
    if last_line > line:
        raise ImportFileError(
            f"Line {line}: a quotation mark is opened and not closed. "
            "Correct it and import the file again."
        ) from error
    return line, TOO_LONG if "field limit" in str(error) else BROKEN


def _spreadsheet_blocks(rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[Block]:
    """Spreadsheets leave out empty cells on the right, or add some."""
    while part := list(islice(rows, BLOCK_ROWS)):
        cells = [_fit(row, width) for _, row in part]
        yield Block(cells, [line for line, _ in part], [])


def _fit(row: list[str], width: int) -> list[str]:
    if len(row) > width and not any(row[width:]):
        return row[:width]
    return row + [""] * (width - len(row))
