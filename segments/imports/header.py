"""The first line of a file: which column is which."""

import difflib
from collections import Counter
from collections.abc import Sequence

from segments.imports.kinds import Kind


class ImportFileError(Exception):
    """A file of which nothing can be imported; the message says why and what to do."""


def match_header(cells: Sequence[str], kind: Kind) -> list[str]:
    """The names of the file's columns, in the file's order; ImportFileError unless they fit.

    Capitals and spaces around a name do not matter; "First name" is first_name.
    """
    names = [column_name(cell) for cell in cells]
    while names and not names[-1]:  # a spreadsheet's empty columns on the right
        names.pop()
    problems = [
        *_unknown(names, kind),
        *(f"the column {name} is there twice" for name, n in Counter(names).items() if n > 1),
        *missing_columns(names, kind),
    ]
    if problems:
        raise ImportFileError(
            f"The first line does not fit {kind.name}: {'; '.join(problems)}. "
            f"Its columns are: {', '.join(kind.header)}."
        )
    return names


def known_columns(cells: Sequence[str], kind: Kind) -> int:
    """How many of the cells are columns of the kind."""
    return sum(column_name(cell) in kind.header for cell in cells)


def column_name(cell: str) -> str:
    """A header's cell as the kinds spell it."""
    return "_".join(cell.strip("\ufeff \t\r\n").lower().split())


def _unknown(names: Sequence[str], kind: Kind) -> list[str]:
    problems = []
    for place, name in enumerate(names, start=1):
        if not name:
            problems.append(f"column {place} has no name")
        elif name not in kind.header:
            problems.append(f"unknown column {quoted(name)}{meant(name, kind)}")
    return problems[:5]


def meant(name: str, kind: Kind) -> str:
    """The column that somebody may have meant, as a question; empty: none is like it."""
    close = difflib.get_close_matches(name, kind.header, n=1)
    return f" (is it {close[0]}?)" if close else ""


def missing_columns(names: Sequence[str], kind: Kind) -> list[str]:
    """What is lacking for rows with these columns to be imported, in words."""
    shape = kind.shape
    made = set(shape.makes) if shape else set()
    missing = [
        column.name
        for column in kind.columns
        if column.required and column.name not in names and column.name not in made
    ]
    problems = [f"missing column {name}" for name in missing]
    if shape and shape.instead in names and made & set(names):
        problems.append(f"give either {shape.instead} or {' and '.join(shape.makes)}, not both")
    elif shape and shape.instead not in names and not made <= set(names):
        problems.append(f"missing column {shape.instead} (or {' and '.join(shape.makes)})")
    return problems


def quoted(name: str) -> str:
    """A name that somebody gave, short and printable."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in name)
    return f"“{printable if len(printable) <= 40 else f'{printable[:40]}…'}”"
