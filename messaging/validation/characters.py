"""Characters that nobody sees: marks of direction, zero-width ones, controls.

They turn the words around them, hide what an address says, and turn an SMS to UCS-2. What comes
from data is cleaned when it is filled in (mustache.as_text); what is typed is refused here.
"""

from __future__ import annotations

import re
import unicodedata

from messaging.syntax import Finding

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e"
    "\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_JOINERS = "\u200c\u200d"
_LONE = re.compile("[\x00\ud800-\udfff]")  # what PostgreSQL keeps in no text
_NAMES = {"\x00": "NUL"}


def unseen_findings(text: str, field: str) -> list[Finding]:
    """An error for each character that cannot be seen, once for each line.

    Joiners within an emoji or a word of an Indian script are part of how it is written.
    """
    found: dict[tuple[int, str], Finding] = {}
    line, seen = 1, 0
    for match in _UNSEEN.finditer(text):
        if match[0] in _JOINERS and _joins(text, match.start()):
            continue
        line += text.count("\n", seen, match.start())
        seen = match.start()
        says = f"There is a character that cannot be seen: {named(match[0])}."
        found[line, match[0]] = Finding("error", field, line, says, "Delete it.")
    return list(found.values())


def named(char: str) -> str:
    """Such as: RIGHT-TO-LEFT OVERRIDE (U+202E)."""
    name = _NAMES.get(char) or unicodedata.name(char, "a control character")
    return f"{name} (U+{ord(char):04X})"


def cannot_be_stored(text: str) -> bool:
    """Whether PostgreSQL would refuse it: NUL, or half of a pair of surrogates."""
    return bool(_LONE.search(text))


def _joins(text: str, place: int) -> bool:
    """Whether a joiner stands behind an emoji, or a letter or sign of a script that has joiners."""
    before = text[place - 1] if place else ""
    return before > "\u02ff" and unicodedata.category(before) in {"Lo", "Mn", "Mc", "So", "Sk"}
