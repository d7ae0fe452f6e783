"""How a cell is read: text in, value out, or the reason why not in the reader's words.

The bulk import and the admin's import both read through these, so a file means the same to both.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from segments.models.doctor import known_timezones

CONTROL = r"\x00-\x1f\x7f-\x9f\ufffd"
FORMULA_STARTS = ("=", "+", "-", "@")
LIST_SEPARATOR = "|"

_special = re.compile(r"[\\\t\n\r]")
_escapes = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_control = re.compile(f"[{CONTROL}]")
_control_but_lines = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffd]")
_spreadsheet_error = re.compile(r"#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)")
_number = re.compile(r"[+-]?[0-9 ()-]*[0-9](\.[0-9]+)?")


class BadValueError(ValueError):
    """A cell that cannot be imported; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class Value:
    """How the cells of a column are read and written.

    `parse` gets a cell that is stripped and not empty; it raises BadValueError.
    `stored` writes a parsed value as COPY reads it.
    `plain` matches cells c that PostgreSQL reads as it would read stored(parse(c)): a column
    full of them is taken over as it stands. What a pattern cannot say, `check` says: it raises
    ValueError for the others.
    `shown` writes a parsed value as a cell of an export.
    `takes` is what a program may send beside a text, a number and null: bool or list.
    """

    parse: Callable[[str], Any]
    stored: Callable[[Any], str] = str
    plain: str = ""
    check: Callable[[str], object] | None = None
    shown: Callable[[Any], str] = str
    takes: type | None = None


def copy_text(text: str) -> str:
    """Text as COPY reads it."""
    return _special.sub(lambda found: _escapes[found[0]], text) if _special.search(text) else text


class EveryCell:
    """Whether all cells of a column match a pattern, by one match of all of them together."""

    def __init__(self, pattern: str) -> None:
        self._cells = re.compile(rf"(?:(?:{pattern})?\n)*+")

    def matches(self, cells: Sequence[str]) -> bool:
        """True if each cell matches or is empty. A cell with a line break does not match."""
        joined = "\n".join([*cells, ""])
        # A cell with a line break would pass for two.
        return joined.count("\n") == len(cells) and self._cells.fullmatch(joined) is not None


def escape_formula(cell: str) -> str:
    """A cell that a spreadsheet shows instead of running. Numbers, +91... too, stay as they are."""
    if cell.startswith((*FORMULA_STARTS, "\t", "\r")) and not _number.fullmatch(cell):
        return f"'{cell}"
    return cell


def refuse_control(cell: str, *, lines: bool = False) -> None:
    """Raise BadValueError for NUL and other control characters, and for the mark of lost ones."""
    found = (_control_but_lines if lines else _control).search(cell)
    if found is None:
        return
    if found[0] == "\ufffd":
        raise BadValueError("A character was lost (�): export the file again as UTF-8.")
    if found[0] in "\r\n":
        raise BadValueError("Holds a line break: write it in one line.")
    raise BadValueError(f"Holds a control character (code {ord(found[0])}): type the cell again.")


def refuse_formula(cell: str) -> None:
    """Raise BadValueError for what a spreadsheet would calculate, or failed to."""
    if cell.startswith(FORMULA_STARTS):
        raise BadValueError("Looks like a formula: write its result, or drop the first sign.")
    if _spreadsheet_error.match(cell):
        raise BadValueError("Is an error of the spreadsheet: correct the cell there.")


def text(max_length: int, *, lines: bool = False) -> Value:
    """Text of at most `max_length` characters; `lines` allows line breaks and tabs."""

    def parse(cell: str) -> str:
        if lines:
            cell = cell.replace("\r\n", "\n").replace("\r", "\n")
        refuse_control(cell, lines=lines)
        refuse_formula(cell)
        if len(cell) > max_length:
            raise BadValueError(f"Has {len(cell)} characters: at most {max_length} fit.")
        return cell

    longest = max(max_length - 2, 0)
    end = rf"(?:[^\\{CONTROL}]{{0,{longest}}}[^\s\\{CONTROL}])?"
    return Value(parse, stored=copy_text, plain=rf"[^\s\\{CONTROL}=+\-@#]{end}")


def text_list(max_length: int) -> Value:
    """Several texts in one cell, separated by " | "; each of at most `max_length` characters."""
    item = text(max_length)

    def parse(cell: str) -> list[str]:
        parts = (part.strip() for part in cell.split(LIST_SEPARATOR))
        return [item.parse(part) for part in parts if part]

    return Value(parse, stored=_array, shown=f" {LIST_SEPARATOR} ".join, takes=list)


def choice(choices: Iterable[str]) -> Value:
    """One of these words, in capitals or not."""
    known = tuple(choices)

    def parse(cell: str) -> str:
        word = cell.lower()
        if word not in known:
            raise BadValueError(f"Is not known: write one of {', '.join(known)}.")
        return word

    return Value(parse, plain="|".join(map(re.escape, known)))


def integer(low: int = 0, high: int = 2_147_483_647) -> Value:
    """A whole number from `low` to `high`; 12.0, as spreadsheets write it, is 12."""

    def parse(cell: str) -> int:
        number = re.fullmatch(r"(-?[0-9]{1,18})(\.0+)?", cell)
        if number is None:
            raise BadValueError("Is not a whole number: write it with digits only.")
        value = int(number[1])
        if not low <= value <= high:
            raise BadValueError(f"Lies outside {low} to {high}.")
        return value

    wide = low <= 0 and high >= 999_999_999
    return Value(parse, plain=r"0|[1-9][0-9]{0,8}" if wide else "")


def decimal(max_digits: int, places: int) -> Value:
    """A number from 0, with at most `places` digits after the point."""
    limit = 10 ** (max_digits - places)

    def parse(cell: str) -> Decimal:
        if not re.fullmatch(r"[0-9]{1,18}(\.[0-9]{1,18})?", cell):
            raise BadValueError("Is not a number: write it like 4 or 4.5.")
        value = Decimal(cell)
        if value >= limit:
            raise BadValueError(f"Is too large: it has to be below {limit}.")
        if value != round(value, places):
            raise BadValueError(f"Has more than {places} digits after the point.")
        return round(value, places)

    return Value(parse)


def _parse_yes_no(cell: str) -> bool:
    word = cell.lower()
    if word in {"yes", "y", "true", "1", "1.0"}:
        return True
    if word in {"no", "n", "false", "0", "0.0"}:
        return False
    raise BadValueError("Is neither yes nor no: write yes or no.")


@cache
def _zones() -> dict[str, str]:
    """IANA names by their lower-case form."""
    return {name.lower(): name for name in known_timezones()}


def _parse_timezone(cell: str) -> str:
    name = _zones().get(cell.lower())
    if name is None:
        raise BadValueError("Is not a time zone: use a name such as Asia/Kolkata or Europe/London.")
    return name


def _array(items: list[str]) -> str:
    """PostgreSQL's text form of an array, as COPY reads it."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return copy_text("{" + ",".join(f'"{item}"' for item in quoted) + "}")


YES_NO = Value(
    _parse_yes_no,
    stored=lambda value: "t" if value else "f",
    shown=lambda value: "yes" if value else "no",
    takes=bool,
)
TIMEZONE = Value(_parse_timezone, plain="Asia/Kolkata")
