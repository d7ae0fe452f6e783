"""An e-mail's text laid out as HTML, tags and all: the values are filled in afterwards.

Understood: paragraphs and line breaks, **bold**, *emphasis*, sections on lines of their own,
`[Label →] {{shortlink}}` on a line as a button. Bullets and numbers stay as they are typed.
"""

import html
import re
from collections.abc import Iterator
from itertools import groupby

COMMENT = re.compile(
    r"^[ \t]*\{\{!(?:(?!\}\}).)*\}\}[ \t]*\n|\{\{!.*?\}\}", re.DOTALL | re.MULTILINE
)
SECTION_TAG = re.compile(r"(\{\{[#^/]\s*\w+\s*\}\})")
BUTTON = re.compile(r"\s*\[(.+)\]\s*\{\{\s*shortlink\s*\}\}\s*")
LINK = re.compile(r"\{\{\s*shortlink\s*\}\}")
BOLD = re.compile(r"\*\*([^*\s](?:[^*]*[^*\s])?)\*\*")
EMPHASIS = re.compile(r"(?<![\w*])\*([^*<>\s](?:[^*<>]*[^*<>\s])?)\*(?![\w*])")

# Mail programs drop style sheets, so the styles stand on the elements.
BLOCK_END = "0 0 16px"
BUTTON_STYLE = (
    "display:inline-block;padding:12px 20px;border-radius:6px;background:#0b5cad;"
    "color:#ffffff;font-weight:bold;text-decoration:none"
)
# The names with @ are those of render.render_message(); {body} is replaced once, below.
PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{@subject}}</title>
</head>
<body style="margin:0;padding:0;background:#f2f4f7">
<div style="max-width:600px;margin:0 auto;padding:24px 20px;background:#ffffff;\
color:#1f2933;font-family:Arial,Helvetica,sans-serif;font-size:16px;line-height:1.5">
{body}
<p style="margin:24px 0 0;padding-top:16px;border-top:1px solid #d5dae1;font-size:13px;\
color:#52606d">{{@reason}}<br>
{{@sender}}<br>
<a href="{{@unsubscribe}}" style="color:#52606d">Unsubscribe</a></p>
<img src="{{@pixel}}" width="1" height="1" alt="" style="display:block;border:0">
</div>
</body>
</html>
"""


def page(text: str) -> str:
    """The HTML template of a whole e-mail, from a text without problems()."""
    return PAGE.replace("{body}", "\n".join(_blocks(text)))


def problems(text: str) -> list[str]:
    """Sections that open on a line of words and close on another: repeated, they would tear it."""
    found = []
    without_comments = COMMENT.sub(lambda match: "\n" * match[0].count("\n"), text)
    for number, line in enumerate(without_comments.split("\n"), 1):
        if _kind(line) == "section":
            continue
        depth = 0
        for tag in SECTION_TAG.findall(line):
            depth += -1 if tag[2] == "/" else 1
            if depth < 0:
                break
        if depth:
            found.append(
                f"Line {number}: A section opens and closes on the same line, "
                "or has both of its tags on lines of their own."
            )
    return found


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if not SECTION_TAG.sub("", line).strip():
        return "section"
    return "button" if BUTTON.fullmatch(line) else "words"


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs, buttons, and the boxes that sections repeat their lines in."""
    groups = [(kind, list(lines)) for kind, lines in groupby(_lines(text), key=_kind)]
    following = [kind for kind, _ in groups[1:]] + ["blank"]
    for (kind, lines), after in zip(groups, following, strict=True):
        if kind == "words":
            # Lines next to a section belong together with it.
            margin = "0" if after == "section" else BLOCK_END
            yield f'<p style="margin:{margin}">' + "<br>\n".join(map(_words, lines)) + "</p>"
        elif kind == "button":
            yield from map(_button, lines)
        elif kind == "section":
            yield from (_box(tag) for line in lines for tag in SECTION_TAG.findall(line))


def _lines(text: str) -> list[str]:
    return COMMENT.sub("", text).split("\n")


def _box(tag: str) -> str:
    return f"{tag}</div>" if tag[2] == "/" else f'<div style="margin:{BLOCK_END}">{tag}'


def _button(line: str) -> str:
    label = BUTTON.sub(r"\1", line)
    link = f'<a href="{{{{shortlink}}}}" style="{BUTTON_STYLE}">{_marked(label)}</a>'
    return f'<p style="margin:24px 0">{link}</p>'


def _words(line: str) -> str:
    indent = len(line) - len(line.lstrip())
    linked = LINK.sub(r'<a href="\g<0>">\g<0></a>', _marked(line))
    return "&nbsp;" * indent + linked


def _marked(words: str) -> str:
    """Escaped, with bold and emphasis; marks are paired between section tags, not across one."""
    parts = SECTION_TAG.split(html.escape(words.strip(), quote=False))
    return "".join(
        part
        if SECTION_TAG.fullmatch(part)
        else EMPHASIS.sub(r"<em>\1</em>", BOLD.sub(r"<strong>\1</strong>", part))
        for part in parts
    )
