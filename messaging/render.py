"""Template and variables in, the message that a doctor reads out. No models, no database.

Templates are mustache (mustache.py): dictionary look-ups and nothing else. Values are data, never
read again as mustache, HTML or markdown: the e-mail's HTML is laid out from the template, once,
and the values are filled into that, escaped.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings

from messaging import catalogue, layout
from messaging.mustache import VISIBLE, Template, Texts

# {{name}}, {{#section}}, {{/section}}, {{^inverted}}, {{! comment }}; the rest is refused.
TAG = re.compile(r"\{\{([#^/!&>={]?)(.*?)\}\}", re.DOTALL)
NAME = re.compile(r"[a-z_]\w*", re.ASCII | re.IGNORECASE)
REFUSED = {
    "{": "Three braces put a value in unchecked. Use two: {{name}}.",
    "&": "{{&name}} puts a value in unchecked. Write {{name}}.",
    ">": "{{>name}} (a text within a text) cannot be used. Write its words here.",
    "=": "{{=…=}} (other signs for braces) cannot be used. Write {{name}}.",
}

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


class Links(NamedTuple):
    """The three addresses of one delivery, absolute."""

    shortlink: str
    unsubscribe: str
    pixel: str


class Rendered(NamedTuple):
    """What goes out. Subject and HTML are empty except for e-mail."""

    text: str
    subject: str = ""
    html: str = ""


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


@dataclass(frozen=True, slots=True)
class Message:
    """A step's texts, each parsed once, for any number of doctors."""

    channel: str
    subject: Template
    text: Template
    page: Template | None  # the e-mail as HTML

    def missing(self, texts: Texts) -> list[str]:
        """Names without a value, the subject's first. Such a message is skipped, never sent."""
        return list(dict.fromkeys([*self.subject.missing(texts), *self.text.missing(texts)]))

    def fill(self, texts: Texts, links: Links) -> Rendered:
        """The message with its footer, HTML part and open pixel.

        Ask missing() first: a name without a value leaves a blank here.
        """
        text = self.text.fill(texts)
        if self.page is None:
            return Rendered(text + FOOTERS[self.channel].format(links.unsubscribe))
        # A line break would end the header.
        subject = " ".join(self.subject.fill(texts).splitlines())
        sender = settings.SENDER_ADDRESS
        escaped = texts.as_html()
        # No template can name these: a name starts with a letter.
        for name, value in (
            ("@subject", subject),
            ("@reason", EMAIL_REASON),
            ("@sender", sender),
            ("@unsubscribe", links.unsubscribe),
            ("@pixel", links.pixel),
        ):
            escaped[name] = html.escape(value)
        footer = f"\n\n---\n{EMAIL_REASON}\n{sender}\nUnsubscribe: {links.unsubscribe}"
        return Rendered(text + footer, subject, self.page.fill(escaped))


@lru_cache(maxsize=1024)
def compile_message(channel: str, content: str, subject: str | None) -> Message:
    """Parse a step's texts, once for each. TemplateError: one is broken."""
    page = compile_html(content) if channel == "email" else None
    return Message(channel, compile_template(subject or ""), compile_template(content), page)


def texts_of(variables: Mapping[str, Any], links: Links) -> Texts:
    """The variables of one message and those that every message has."""
    return Texts({**variables, **_system_values(links.shortlink)})


def render_message(
    channel: str, content: str, subject: str | None, variables: Mapping[str, Any], links: Links
) -> Rendered:
    """Fill in a step's texts for one doctor. TemplateError: one of them is broken."""
    return compile_message(channel, content, subject).fill(texts_of(variables, links), links)


@lru_cache(maxsize=1024)
def compile_template(text: str) -> Template:
    """Parse a template, once for each text. TemplateError: its tags are wrong."""
    if problems := syntax_problems(text):
        raise TemplateError(problems)
    return Template(text)


@lru_cache(maxsize=256)
def compile_html(text: str) -> Template:
    """Lay an e-mail's template out as HTML and parse that, once for each text."""
    if problems := syntax_problems(text) or layout.problems(text):
        raise TemplateError(problems)
    return Template(layout.page(text))


def _system_values(shortlink: str) -> dict[str, str]:
    """The variables that every message has (catalogue.SYSTEM)."""
    return {
        "shortlink": shortlink,
        "support_email": settings.SUPPORT_EMAIL,
        "support_phone": settings.SUPPORT_PHONE,
    }


def needed(text: str, subject: str | None = None) -> tuple[str, ...]:
    """Names that a template uses, in order of first use, the subject's before the text's.

    A section's name is included; the names within it are not, since they come with its items.
    """
    parts = (compile_template(subject or ""), compile_template(text))
    return tuple(dict.fromkeys(name for part in parts for name in part.names))


def missing(text: str, variables: Mapping[str, Any], subject: str | None = None) -> list[str]:
    """Names of a template that have no value (mustache.Template.missing), the subject's first."""
    texts = Texts({**variables, **_system_values("link")})
    parts = (compile_template(subject or ""), compile_template(text))
    return list(dict.fromkeys(name for part in parts for name in part.missing(texts)))


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
