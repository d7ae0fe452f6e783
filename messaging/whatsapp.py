"""How WhatsApp shows a text: *bold*, _italic_, ~strike~, `code` and ```monospace```, and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

# WhatsApp itself takes no longer text; beyond it nothing is looked for.
LONGEST = 4096

# A mark opens before a visible character and closes after one, on the same line, and neither stands
# within a word: 2*3*4 and snake_case_name stay as they are. Links are taken first: an address may
# hold any of the marks.
_SPAN = re.compile(
    r"(?P<link>https?://[^\s<>]+[^\s<>.,;:!?)\]*_~`])"
    r"|```(?P<block>(?:(?!```)[\s\S])+)```"
    r"|`(?P<code>[^`\n]+)`"
    r"|(?<![^\W_])(?P<mark>[*_~])(?=\S)(?P<inner>(?:(?!(?P=mark)).)+)(?<=\S)(?P=mark)(?![^\W_])"
)
_STYLES = {"*": "bold", "_": "italic", "~": "strike"}


class Run(NamedTuple):
    """Words shown in one way. `styles`: any of bold, italic, strike, mono and link."""

    text: str
    styles: tuple[str, ...]


def runs(text: str) -> list[Run]:
    """The text in the pieces that look alike, without the marks."""
    if len(text) > LONGEST:
        return [Run(text, ())]
    return list(_runs(text, ()))


def _runs(text: str, styles: tuple[str, ...]) -> Iterator[Run]:
    seen = 0
    for match in _SPAN.finditer(text):
        if match["mark"] and _STYLES[match["mark"]] in styles:
            continue
        if match.start() > seen:
            yield Run(text[seen : match.start()], styles)
        seen = match.end()
        if match["mark"]:
            yield from _runs(match["inner"], (*styles, _STYLES[match["mark"]]))
        elif match["link"]:
            yield Run(match["link"], (*styles, "link"))
        else:
            yield Run(match["block"] or match["code"], (*styles, "mono"))
    if seen < len(text):
        yield Run(text[seen:], styles)
