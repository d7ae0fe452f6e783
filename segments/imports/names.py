"""Names of doctors: texts write "Dr." themselves, and no part of a name may be empty."""

import re
from collections.abc import Sequence

from segments.imports.values import EveryCell, Value, text

MAX_LENGTH = 100
NAME: Value = text(MAX_LENGTH)

_titles = re.compile(r"(?:(?:dr|doctor|prof|professor)(?:\.\s*|\s+|$))+", re.IGNORECASE)

# Cells that strip_titles leaves as they are; most files have no others.
_no_title = EveryCell(
    r"(?![dD][rR][.\s]|[dD][oO][cC][tT][oO][rR][.\s]|[pP][rR][oO][fF][a-zA-Z]*[.\s]"
    r"|(?:[dD][rR]|[dD][oO][cC][tT][oO][rR]|[pP][rR][oO][fF][a-zA-Z]*)\n)[^\s][^\n]*"
)


def strip_titles(name: str) -> str:
    """Without leading titles: "Prof. Dr. Anita Rao" -> "Anita Rao"; "Dr." -> ""."""
    name = name.strip()
    titles = _titles.match(name)
    return name[titles.end() :] if titles else name


def split_name(name: str) -> tuple[str, str]:
    """First and last name; a single word is both: "Dr. Rao" -> ("Rao", "Rao")."""
    words = strip_titles(name).split()
    last = words[-1] if words else ""
    return " ".join(words[:-1]) or last, last


def complete_names(first_name: str, last_name: str) -> tuple[str, str]:
    """Both without titles; one that is missing is the other."""
    first, last = strip_titles(first_name), strip_titles(last_name)
    return first or last, last or first


def shape_names(columns: dict[str, Sequence[str]]) -> None:
    """Give the columns of a file of doctors a first_name and a last_name that are not empty."""
    parts = [columns[name] for name in ("first_name", "last_name") if name in columns]
    if "name" not in columns and all("" not in p and _no_title.matches(p) for p in parts):
        return
    if "name" in columns:
        pairs = [split_name(name) for name in columns.pop("name")]
    else:
        pairs = list(map(complete_names, columns["first_name"], columns["last_name"]))
    columns["first_name"] = [first for first, _ in pairs]
    columns["last_name"] = [last for _, last in pairs]
