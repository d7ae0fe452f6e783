"""Addresses that are typed into a text: a second way out that nobody counts or can stop.

{{shortlink}} is the one link of a message. It is tracked, and leads nowhere once a campaign has
been stopped; a typed address does neither, and mail programs and phones make links even of bare
ones. Links to our own support are no call to action.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from messaging.catalogue import BY_NAME
from messaging.syntax import NAME, TAG, Finding, braced
from messaging.validation.draft import FIELD_WORDS, Draft

# What phones and mail programs make a link of without a scheme; “word.Next” is none of these.
_ENDINGS = r"(?:com|org|net|info|biz|co\.in|org\.in|gov\.in)"
_WITH_PATH = r"(?:in|co|io|me|ly|gl|to|cc|app|link|page|shop|site|xyz|dev|example)"
_MARKDOWN = r"(?P<image>!)?(?:\[[^\[\]\n]*)?\]\(\s*(?P<target>[^)\n]{0,300})\)"
_ADDRESS = re.compile(
    rf"{_MARKDOWN}|(?<![a-z0-9])[a-z][a-z0-9+.-]{{0,20}}://\S*|(?<![\w.@-])www\.\S+"
    rf"|(?<![\w.@/-])(?:[a-z0-9-]+\.)+(?:{_ENDINGS}\b(?:/\S*)?(?!@)|{_WITH_PATH}/\S+)",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_SUPPORT = re.compile(r"mailto:\{\{\s*support_email\s*\}\}|tel:\{\{\s*support_phone\s*\}\}", re.I)
_TRAILING = ".,;:!?"


def address_findings(draft: Draft, field: str) -> list[Finding]:
    """Every address of one field that is not a variable; the tags must be well-formed."""
    only = f"only {braced('shortlink')} is tracked and can be stopped."
    return [
        Finding(
            "error",
            field,
            line,
            f"“{words}” is typed into the {FIELD_WORDS[field]}: {only}",
            "Remove it.",
        )
        for line, words in addresses(draft.text_of(field))
    ]


def addresses(text: str) -> Iterator[tuple[int, str]]:
    """The line, from 1, and the words of each address that is typed."""
    # Comments and sections leave nothing behind, so that none of them tears an address in two.
    sent = TAG.sub(lambda tag: "\n" * tag[0].count("\n") if tag[1] else tag[0], text)
    line, seen = 1, 0
    for match in _ADDRESS.finditer(sent):
        if not _is_ours(match):
            line += sent.count("\n", seen, match.start())
            seen = match.start()
            yield line, match[0].rstrip(_TRAILING)


def _is_ours(match: re.Match[str]) -> bool:
    """Whether it is a link in markdown to what a variable says, or to our support."""
    target = match["target"]
    if target is None or match["image"]:
        return False
    if variable := _VARIABLE.fullmatch(target.strip()):
        name = variable[1]
        return bool(NAME.fullmatch(name)) and name in BY_NAME and BY_NAME[name].kind == "link"
    return bool(_SUPPORT.fullmatch(target.strip()))
