"""What looks like a variable and is none: {first_name}, [Name], %name%. It would go out so."""

from __future__ import annotations

import re
from collections.abc import Iterator

from messaging.catalogue import BY_NAME
from messaging.syntax import Finding, braced, without_tags
from messaging.validation.draft import Draft

_SINGLE = re.compile(r"(?<!\{)\{[ \t]*(#?[A-Za-z_][\w ]{0,60}#?)[ \t]*\}(?!\})")
# In other programs' signs. A digit before % is a share: “50%”.
_FOREIGN = re.compile(
    r"\[\[[^\[\]\n]{1,60}\]\]|<<?/?[A-Za-z][\w .-]{0,60}/?>>?|(?<![\w%])%[A-Za-z]\w{0,60}%"
    r"|\*\|\w{1,60}\|\*|\b(?:X{3,8}|x{3,6})\b"
)
# Headings such as [Final Notice] are meant as they stand, and so is the label of a button.
_BRACKETS = re.compile(r"(?<!\[)\[([A-Za-z_][\w .'’/-]{0,60})\](?![\](])")
_BUTTON = re.compile(r"\s*\[[^\[\]]*\]\s*\{\{\s*shortlink\s*\}\}\s*")
_STAND_INS = frozenset(
    (
        *("name", "full_name", "your_name", "doctor", "doctor_name", "dr_name"),
        *("doctors_name", "surname", "salutation", "title", "date", "day", "time", "city"),
        *("place", "hospital", "clinic", "number", "phone", "email", "link", "url", "cta"),
        *("amount", "code", "course", "session", "webinar", "module", "certificate"),
        *("speaker", "topic", "company", "sender", "signature"),
    )
)
_NO_LETTERS = re.compile(r"[^a-z0-9]+")


def placeholder_findings(draft: Draft, field: str) -> list[Finding]:
    """An error for a known variable in single braces, a warning for what else stands for a value.

    The tags must be well-formed.
    """
    found = []
    text = draft.text_of(field)
    typed = text.split("\n")
    for number, line in enumerate(without_tags(text).split("\n"), 1):
        if not _BUTTON.fullmatch(typed[number - 1]):
            found += [_finding(field, number, words, name) for words, name in _placeholders(line)]
    return found


def _placeholders(line: str) -> Iterator[tuple[str, str]]:
    """What stands for a value, as typed, and the name that is meant."""
    for match in _SINGLE.finditer(line):
        yield match[0], _named(match[1])
    for match in _FOREIGN.finditer(line):
        yield match[0], _named(match[0])
    for match in _BRACKETS.finditer(line):
        name = _named(match[1].replace("'", "").replace("’", ""))
        if name in BY_NAME or name.removeprefix("insert_") in _STAND_INS:
            yield match[0], name


def _named(words: str) -> str:
    return _NO_LETTERS.sub("_", words.lower()).strip("_")


def _finding(field: str, line: int, words: str, name: str) -> Finding:
    goes_out = f"“{words}” goes out as it stands."
    if name not in BY_NAME:
        choose = "Choose a variable from the list, or leave it out."
        return Finding("warning", field, line, goes_out, choose)
    if words.startswith("{"):
        two = f"Write {braced(name)} with two braces."
        return Finding("error", field, line, goes_out, two)
    return Finding("warning", field, line, goes_out, f"Write {braced(name)}.")
