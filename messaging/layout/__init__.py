"""An e-mail's text laid out as HTML and as plain text, tags and all: the values come afterwards.

What a template may hold, and what becomes of it, stands in markup.py. The page around it is
page.html; page.css goes onto its elements.
"""

import html
import re
from functools import lru_cache
from pathlib import Path

from css_inline import CSSInliner

from messaging.layout.elements import elements
from messaging.layout.lines import first_sentence, lines
from messaging.layout.markup import GONE, Markup, tidied
from messaging.syntax import tags

# Gmail cuts a page off after 102 kB, and the way out with it.
LARGEST_PAGE = 102_000
# Markdown looks for the end of a link from each of them; the strategy's e-mails have one.
MOST_BRACKETS = 500

_HERE = Path(__file__).parent
_PAGE = (_HERE / "page.html").read_text()
_INLINER = CSSInliner(
    extra_css=(_HERE / "page.css").read_text(),
    inline_style_tags=False,
    keep_style_tags=True,
    load_remote_stylesheets=False,
)
_SECTION_LINE = re.compile(rf"[ \t{GONE}]*(?:\{{\{{[#^/]\w+\}}\}}[ \t{GONE}]*)+")
# Keeps a mail program from filling the preheader up with what the page begins with.
_NO_MORE = "\u034f\u200c&nbsp;" * 60


def page(text: str, preheader: str = "") -> str:
    """The HTML template of a whole e-mail, from a text without problems().

    `preheader`: a template of what a list of mails shows beside the subject; without one it is the
    text's first sentence.
    """
    markup = _markup(text)
    preheader = preheader or _template(markup, first_sentence(markup))
    inlined = _INLINER.inline(_PAGE.replace("{body}", elements(markup), 1))
    hidden = f"\n{html.escape(preheader, quote=False)}\n{_NO_MORE}\n" if preheader else ""
    return markup.restored(inlined).replace("{preheader}", hidden, 1)


def plain(text: str) -> str:
    """The template of an e-mail's text part, from a text without problems()."""
    markup = _markup(text)
    return _template(markup, lines(markup))


def _template(markup: Markup, words: str) -> str:
    # What stood between two braces, such as a star, may be gone; they are no tag all the same.
    return markup.restored(words.replace("{{", "{ {"))


def page_size(rendered: str) -> int:
    """Bytes of a page; what is beyond LARGEST_PAGE will be cut off."""
    return len(rendered.encode())


def problems(text: str) -> list[str]:
    """What cannot be laid out, each with its line.

    Sections that open on a line of words and close on another: repeated, they would tear it. And
    more brackets than can be parsed while somebody types.
    """
    if text.count("[") > MOST_BRACKETS:
        return [f"Line 1: Too many brackets “[”: {MOST_BRACKETS} are allowed. Leave some out."]
    found = []
    number = 1
    for line in tidied(text).split("\n"):
        if not _SECTION_LINE.fullmatch(line) and not _is_whole(line):
            found.append(
                f"Line {number}: A section opens and closes on the same line, "
                "or has both of its tags on lines of their own."
            )
        number += 1 + line.count(GONE)
    return found


def _is_whole(line: str) -> bool:
    """Whether every section of the line opens and closes on it."""
    depth = 0
    for tag in tags(line):
        depth += {"#": 1, "^": 1, "/": -1}.get(tag.sign, 0)
        if depth < 0:
            return False
    return not depth


@lru_cache(maxsize=8)
def _markup(text: str) -> Markup:
    """Parsed once for both parts."""
    return Markup(text)
