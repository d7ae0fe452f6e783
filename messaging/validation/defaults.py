"""What a template says where a doctor has no value: names and plain texts."""

from __future__ import annotations

from typing import Any

from messaging.catalogue import BY_NAME, SYSTEM
from messaging.mustache import VISIBLE
from messaging.syntax import Finding, braced
from messaging.validation.addresses import addresses
from messaging.validation.draft import DEFAULTS, Draft
from messaging.validation.names import Wrong, unknown


def default_findings(draft: Draft) -> list[Finding]:
    """Defaults for names that cannot have one, and texts that cannot stand for a value."""
    if not isinstance(draft.defaults, dict):
        pairs = "Defaults are pairs of a variable's name and a text."
        return [Finding("error", DEFAULTS, None, pairs, 'Such as {"specialty": "your field"}.')]
    found = []
    for name, text in draft.defaults.items():
        wrong = _wrong_name(name, draft.segment_type) or _wrong_text(name, text)
        if wrong:
            found.append(Finding("error", DEFAULTS, None, *wrong))
    return found


def _wrong_name(name: str, segment_type: str) -> Wrong | None:
    if not name.isprintable():
        return f"“{name!r:.50}” is not a variable's name.", "Choose one from the list."
    if name in SYSTEM:
        return f"{braced(name)} is filled in for every message.", "Leave its default out."
    if name in BY_NAME and BY_NAME[name].kind == "list":
        otherwise = f"{braced(name, '^')} … {braced(name, '/')}"
        return (
            f"{braced(name)} is a list, which has no default.",
            f"Write what stands in its place between {otherwise}.",
        )
    return unknown(name, segment_type)


def _wrong_text(name: str, text: Any) -> Wrong | None:
    said = f"The default of {braced(name)}"
    if not isinstance(text, str):
        return f"{said} is no text.", "Write it in quotation marks."
    if not VISIBLE.search(text):
        return f"{said} is empty.", "Write what should stand there, or leave it out."
    if "{{" in text or "}}" in text:
        return f"{said} has {{{{ or }}}} in it.", "It stands in the message as it is: write words."
    if typed := next(addresses(text), None):
        words = f"{said} has an address in it, “{typed[1]}”"
        return f"{words}: only {braced('shortlink')} is tracked and can be stopped.", "Remove it."
    if any(not char.isprintable() for char in text):
        return f"{said} has a line break or a character that cannot be seen.", "Write one line."
    return None
