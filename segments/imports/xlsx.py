"""Rows of a spreadsheet, as the text that a CSV file would hold."""

import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree.ElementTree import ParseError

import openpyxl  # type: ignore[import-untyped]  # no stubs among the dependencies

from segments.imports.header import ImportFileError

MAX_UNPACKED = 1 << 30  # bytes; openpyxl holds all different texts of the file in memory
UNREADABLE = (zipfile.BadZipFile, ParseError, KeyError, ValueError, TypeError, AttributeError)
NOT_READABLE = "The file is no spreadsheet that can be read: save it as XLSX again, or as CSV."


def is_xlsx(path: Path) -> bool:
    """Whether the file is a zip archive, as XLSX files are."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def read_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row of the sheet that was open when the file was saved.

    Formulas come as they are written ("=..."), for the parsers to refuse: their results may be
    missing or old.
    """
    try:
        with path.open("rb") as file:
            _refuse_bomb(file)
            book = openpyxl.load_workbook(file, read_only=True, data_only=False)
            sheet = book.active
            sheet.reset_dimensions()  # written by other programs, they are often wrong
            rows = sheet.iter_rows(values_only=True)
            for line, row in enumerate(rows, start=1):
                yield line, [cell_text(value) for value in row]
    except UNREADABLE as error:
        raise ImportFileError(NOT_READABLE) from error


def cell_text(value: Any) -> str:
    """A spreadsheet's value as text: 9876543210.0 -> "9876543210"; True -> "yes"."""
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.0f}" if value.is_integer() else repr(value)
        case datetime() | date() | time() | timedelta():
            return str(value)
    return str(value)


def _refuse_bomb(file: BinaryIO) -> None:
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(entry.file_size for entry in archive.infolist())
    if unpacked > MAX_UNPACKED:
        raise ImportFileError("The spreadsheet is too large: save it as CSV and import that.")
