"""Template and variables in, the message that a doctor reads out. No models, no database.

Templates are mustache by mystace: dictionary look-ups and nothing else. Values are data, never
read again as mustache, HTML or markdown: the e-mail's HTML is laid out from the template, once,
and the values are filled into that, escaped.
"""

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from mystace import MustacheRenderer
from mystace.mustache_tree import MustacheTreeNode, TagType

from messaging import catalogue, layout

# {{name}}, {{#section}}, {{/section}}, {{^inverted}}, {{! comment }}; the rest is refused.
TAG = re.compile(r"\{\{([#^/!&>={]?)(.*?)\}\}", re.DOTALL)
NAME = re.compile(r"[a-z_]\w*", re.ASCII | re.IGNORECASE)
REFUSED = {
    "{": "Three braces put a value in unchecked. Use two: {{name}}.",
    "&": "{{&name}} puts a value in unchecked. Write {{name}}.",
    ">": "{{>name}} (a text within a text) cannot be used. Write its words here.",
    "=": "{{=…=}} (other signs for braces) cannot be used. Write {{name}}.",
}
# What can be seen: not white space, a control or a zero-width character.
VISIBLE = re.compile(r"[^\s\x00-\x1f\x7f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]")

FOOTERS = {"sms": "\nStop: {}", "whatsapp": "\n\nReply STOP to opt out"}
EMAIL_REASON = "You get this e-mail because you are registered as a doctor with CLIRNET."
NO_SUBJECT = {
    "sms": "An SMS has no subject: leave this empty.",
    "whatsapp": "A WhatsApp message has no subject: leave this empty.",
}


class TemplateError(ValueError):
    """A text that cannot be rendered; `problems` say why in the marketer's words."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Links:
    """The three addresses of one delivery, absolute."""

    shortlink: str
    unsubscribe: str
    pixel: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """What goes out. Subject and HTML are empty except for e-mail."""

    text: str
    subject: str = ""
    html: str = ""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A template parsed once, for any number of doctors."""

    renderer: MustacheRenderer
    names: tuple[str, ...]  # what the data must supply, in order of first use

    @property
    def nodes(self) -> list[MustacheTreeNode]:
        """The parsed parts, outermost first."""
        return self.renderer.mustache_tree.children or []

    def plain(self, values: dict[str, Any]) -> str:
        """The text with the values as they are: there is no HTML to protect."""
        return self.renderer.render(values, stringify=as_text, html_escape_fn=str)


class Tag(NamedTuple):
    """One {{tag}} of a template."""

    sign: str  # "" for a variable, else one of # ^ / ! & > = {
    name: str
    line: int  # from 1


# --- rendering ---------------------------------------------------------------------------


def links(token: str) -> Links:
    """The addresses of the delivery with this token (design, People outside the admin)."""
    base = settings.PUBLIC_BASE_URL
    return Links(f"{base}/r/{token}", f"{base}/u/{token}", f"{base}/o/{token}.gif")


def render_message(
    channel: str, content: str, subject: str | None, variables: Mapping[str, Any], links: Links
) -> Rendered:
    """Fill in a template and add what its channel needs: footer, HTML part, open pixel.

    Ask missing() first: a name without a value leaves a blank here. TemplateError: the template
    is broken, which its validation would have said.
    """
    values = {**variables, **_system_values(links.shortlink)}
    text = compile_template(content).plain(values)
    if channel != "email":
        return Rendered(text + FOOTERS[channel].format(links.unsubscribe))
    # A line break would end the header.
    subject = " ".join(compile_template(subject or "").plain(values).splitlines())
    footer = (EMAIL_REASON, settings.SENDER_ADDRESS, f"Unsubscribe: {links.unsubscribe}")
    return Rendered(
        text="\n".join((text, "", "---", *footer)),
        subject=subject,
        html=compile_html(content).render(
            # No template can name these: a name starts with a letter.
            values
            | {"@subject": subject, "@reason": EMAIL_REASON, "@sender": settings.SENDER_ADDRESS}
            | {"@unsubscribe": links.unsubscribe, "@pixel": links.pixel},
            stringify=as_text,
            html_escape_fn=html.escape,
        ),
    )


@lru_cache(maxsize=1024)
def compile_template(text: str) -> Compiled:
    """Parse a template, once for each text. TemplateError: its tags are wrong."""
    if problems := syntax_problems(text):
        raise TemplateError(problems)
    renderer = MustacheRenderer.from_template(text)
    names = _top_level_names(renderer.mustache_tree.children or [])
    return Compiled(renderer, tuple(dict.fromkeys(names)))


@lru_cache(maxsize=256)
def compile_html(text: str) -> MustacheRenderer:
    """Lay an e-mail's template out as HTML and parse that, once for each text."""
    if problems := syntax_problems(text) or layout.problems(text):
        raise TemplateError(problems)
    return MustacheRenderer.from_template(layout.page(text))


def as_text(value: Any) -> str:
    """A value as it is written: a list is written as its length (`remaining_modules`)."""
    return str(len(value)) if isinstance(value, list) else str(value)


def _system_values(shortlink: str) -> dict[str, str]:
    """The variables that every message has (catalogue.SYSTEM)."""
    return {
        "shortlink": shortlink,
        "support_email": settings.SUPPORT_EMAIL,
        "support_phone": settings.SUPPORT_PHONE,
    }


# --- what a template needs, and what is missing ------------------------------------------


def needed(text: str, subject: str | None = None) -> tuple[str, ...]:
    """Names that a template uses, in order of first use, the subject's before the text's.

    A section's name is included; the names within it are not, since they come with its items.
    """
    parts = (compile_template(subject or ""), compile_template(text))
    return tuple(dict.fromkeys(name for part in parts for name in part.names))


def missing(text: str, variables: Mapping[str, Any], subject: str | None = None) -> list[str]:
    """Names without a value: absent, None, nothing to be seen, or an empty list of a section.

    An item that lacks a name is told as `section.name`. A section with a {{^name}} counterpart
    says itself what stands there when it is empty, so it is never missing. A message that lacks
    anything is skipped, never sent with a blank.
    """
    scopes = ({**variables, **_system_values("link")},)
    parts = (compile_template(subject or ""), compile_template(text))
    return list(dict.fromkeys(name for part in parts for name in _missing(part.nodes, scopes)))


def _top_level_names(nodes: Sequence[MustacheTreeNode]) -> Iterator[str]:
    for node in nodes:
        if node.tag_type is not TagType.LITERAL:
            yield node.data
        if node.tag_type is TagType.INVERTED_SECTION:
            yield from _top_level_names(node.children or [])


def _missing(
    nodes: Sequence[MustacheTreeNode], scopes: tuple[Any, ...], prefix: str = ""
) -> Iterator[str]:
    """Names without a value in `scopes`, the innermost section's item first."""
    optional = {node.data for node in nodes if node.tag_type is TagType.INVERTED_SECTION}
    for node in nodes:
        if node.tag_type is TagType.LITERAL:
            continue
        value = _look_up(node.data, scopes)
        if node.tag_type is TagType.VARIABLE:
            if _is_blank(value):
                yield prefix + node.data
        elif node.tag_type is TagType.INVERTED_SECTION:
            if not value:
                yield from _missing(node.children or [], scopes, prefix)
        elif value and not _is_blank(value):
            for item in value if isinstance(value, list) else [value]:
                inner = (item, *scopes)
                yield from _missing(node.children or [], inner, f"{prefix}{node.data}.")
        elif node.data not in optional:
            yield prefix + node.data


def _look_up(name: str, scopes: tuple[Any, ...]) -> Any:
    """The value that mystace would find: that of the innermost scope which has the name."""
    for scope in scopes:
        if isinstance(scope, dict) and name in scope:
            return scope[name]
    return None


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not VISIBLE.search(value))


# --- what is wrong with a template -------------------------------------------------------


def template_problems(channel: str, content: str, subject: str | None) -> dict[str, list[str]]:
    """What keeps a template from being sent, in the marketer's words, by model field."""
    found = {
        "template_content": _content_problems(channel, content),
        "subject_line": _subject_problems(channel, subject or ""),
    }
    return {field: problems for field, problems in found.items() if problems}


def syntax_problems(text: str) -> list[str]:
    """Tags that are refused, misnamed, unclosed or mismatched, each with its line."""
    problems: list[str] = []
    sections: list[Tag] = []
    for tag in _tags(text):
        problem = _tag_problem(tag, sections)
        if problem:
            problems.append(f"Line {tag.line}: {problem}")
    problems += [
        f"Line {tag.line}: {braced(tag.name, tag.sign)} is never closed. "
        f"Write {braced(tag.name, '/')} where it ends."
        for tag in sections
    ]
    words = TAG.sub(lambda tag: "\n" * tag[0].count("\n"), text)
    problems += [
        f"Line {number}: {braces} stands alone. A variable is written {braced('name')}."
        for number, line in enumerate(words.split("\n"), 1)
        for braces in ("{{", "}}")
        if braces in line
    ]
    return problems


def _tag_problem(tag: Tag, sections: list[Tag]) -> str | None:
    """What is wrong with a tag; `sections` are the open ones, which it may open or close."""
    if tag.sign == "!":
        return None
    if tag.sign in REFUSED:
        return REFUSED[tag.sign]
    if not NAME.fullmatch(tag.name):
        return f"“{tag.name}” is not a variable's name. Use letters, digits and _."
    if tag.sign == "/":
        return _close(tag, sections)
    if tag.sign:
        sections.append(tag)
    return None


def _close(tag: Tag, sections: list[Tag]) -> str | None:
    if not sections:
        return f"{braced(tag.name, '/')} closes what {braced(tag.name, '#')} never opened."
    opened = sections.pop()
    if opened.name != tag.name:
        return f"{braced(tag.name, '/')} stands where {braced(opened.name, '/')} is due."
    return None


def _tags(text: str) -> Iterator[Tag]:
    for match in TAG.finditer(text):
        yield Tag(match[1], match[2].strip(), text.count("\n", 0, match.start()) + 1)


def _content_problems(channel: str, content: str) -> list[str]:
    if not VISIBLE.search(content):
        return ["The text is empty. Write the message."]
    problems = syntax_problems(content)
    if problems:
        return problems
    problems = _unknown_names(content)
    if channel == "email":
        problems += layout.problems(content)
    if "shortlink" not in needed(content):
        problems.append("There is no {{shortlink}}. Write it where the doctor should tap.")
    return problems


def _subject_problems(channel: str, subject: str) -> list[str]:
    if channel != "email":
        return [NO_SUBJECT[channel]] if subject.strip() and channel in NO_SUBJECT else []
    if not VISIBLE.search(subject):
        return ["An e-mail needs a subject."]
    if len(subject.splitlines()) > 1:
        return ["The subject has a line break. Write it in one line."]
    return syntax_problems(subject) or _unknown_names(subject)


def _unknown_names(text: str) -> list[str]:
    """Names that the catalogue does not have, each with the closest one that it has."""
    problems: list[str] = []
    sections: list[str] = []
    for tag in _tags(text):
        if tag.sign == "/":
            sections.pop()
        elif tag.sign != "!":
            items = frozenset[str]().union(*(catalogue.item_names(name) for name in sections))
            if tag.name not in catalogue.BY_NAME and tag.name not in items:
                problems.append(f"Line {tag.line}: {_unknown(tag.name, items)}")
            if tag.sign:
                sections.append(tag.name)
    return problems


def _unknown(name: str, items: frozenset[str]) -> str:
    if lists := catalogue.lists_with(name):
        opening, closing = braced(lists[0], "#"), braced(lists[0], "/")
        return f"{braced(name)} has a value only between {opening} and {closing}."
    closest = catalogue.closest(name, [*items, *catalogue.BY_NAME])
    hint = f"Did you mean {braced(closest)}?" if closest else "Choose one from the list."
    return f"There is no variable {braced(name)}. {hint}"


def braced(name: str, sign: str = "") -> str:
    """A tag as it is written in a template."""
    return f"{{{{{sign}{name}}}}}"
