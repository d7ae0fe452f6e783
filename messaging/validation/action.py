"""One call to action in each message (strategy, Messaging Framework: “Clear CTA”).

The call is {{shortlink}}: all of them lead to the same page, so a second one, even with other
words beside it, asks a second time. It stands outside of lists, which would repeat or drop it. A
line such as `[Label →]` becomes a button and needs the link behind it.
"""

from __future__ import annotations

import re

from messaging.syntax import Finding, braced, tags
from messaging.validation.draft import CONTENT, FIELD_WORDS, Draft

LINK = braced("shortlink")
# A label in brackets with an arrow, or with an address behind it, is meant to be a button.
_BUTTON = re.compile(r"^\s*(\[[^\]]*(?:→|->)\s*\]|\[[^\]]+\](?=\s*(?:https?://|www\.)))(.*)$", re.I)
_HAS_LINK = re.compile(r"\{\{\s*shortlink\s*\}\}")


def action_findings(draft: Draft) -> list[Finding]:
    """No link, more than one, or a button without it; the tags must be well-formed."""
    found = [
        Finding("error", CONTENT, number, f"“{button[1]}” has no link.", f"Write {LINK} behind it.")
        for number, line in enumerate(draft.content.split("\n"), 1)
        if (button := _BUTTON.match(line)) and not _HAS_LINK.search(button[2])
    ]
    outside, inside = _link_lines(draft.content)
    if not outside:
        write = "Write it where the doctor should tap."
        found.append(Finding("error", CONTENT, None, f"There is no {LINK}.", write))
        return found
    for line in sorted([*outside[1:], *inside]):
        text = f"{LINK} stands a second time (first in line {outside[0]})."
        one = "Ask for one thing: keep the link that matters."
        found.append(Finding("error", CONTENT, line, text, one))
    return found


def untappable_findings(draft: Draft, field: str) -> list[Finding]:
    """A link in a subject or preview line."""
    text = f"{LINK} cannot be tapped in a {FIELD_WORDS[field]}."
    return [
        Finding("error", field, tag.line, text, "Write it in the text.")
        for tag in tags(draft.text_of(field))
        if not tag.sign and tag.name == "shortlink"
    ]


def _link_lines(content: str) -> tuple[list[int], list[int]]:
    """Lines with the link: outside of sections, and within one."""
    outside: list[int] = []
    inside: list[int] = []
    depth = 0
    for tag in tags(content):
        if tag.sign in ("#", "^"):
            depth += 1
        elif tag.sign == "/":
            depth -= 1
        elif not tag.sign and tag.name == "shortlink":
            (inside if depth else outside).append(tag.line)
    return outside, inside
