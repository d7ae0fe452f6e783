"""Template and variables in, the message that a doctor reads out. No models, no database.

Templates are mustache (mustache.py): dictionary look-ups and nothing else. Values are data, never
read again as mustache, HTML or markdown: an e-mail's HTML and text are laid out from the template,
once (layout/), and the values are filled into that, in HTML escaped.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.conf import settings

from messaging import layout
from messaging.mustache import Template, Texts, escaped
from messaging.syntax import syntax_problems

FOOTERS = {"sms": "\nStop: {}", "whatsapp": "\n\nReply STOP to opt out"}
EMAIL_REASON = "You get this e-mail because you are registered as a doctor with CLIRNET."


class TemplateError(ValueError):
    """A text that cannot be rendered; `problems` say why in the marketer's words."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


class Links(NamedTuple):
    """The addresses of one delivery, absolute."""

    shortlink: str
    unsubscribe: str
    pixel: str
    hidden: str = ""  # that no person sees: whoever follows it is a machine


class Rendered(NamedTuple):
    """What goes out. Subject and HTML are empty except for e-mail."""

    text: str
    subject: str = ""
    html: str = ""


def links(token: str, channel: str = "") -> Links:
    """The addresses of the delivery with this token (design, People outside the admin).

    Those of an SMS carry its header, where it has one: India's operators reject others.
    """
    base = settings.PUBLIC_BASE_URL
    if channel == "sms" and settings.SMS_HEADER:
        return _links_at(base, f"{settings.SMS_HEADER}/", token)
    return _links_at(base, "r/", token)


def links_like(shortlink: str, token: str) -> Links | None:
    """All addresses of the delivery whose text has this link; None: it is none of the delivery's.

    So they are told as they went out, although the settings are others now.
    """
    start, found, rest = shortlink.rpartition(token)
    form = re.fullmatch(r"(.*)/(r/|[A-Z0-9]{3,11}/)", start)
    return _links_at(form[1], form[2], token) if found and form and not rest else None


def _links_at(base: str, way: str, token: str) -> Links:
    """`way`: what stands before the token in the link, r/ or the header of an SMS."""
    out = "" if way == "r/" else way
    return Links(
        f"{base}/{way}{token}",
        f"{base}/{out}u/{token}",
        f"{base}/o/{token}.gif",
        f"{base}/h/{token}",
    )


@dataclass(frozen=True)
class Message:
    """A step's texts, each parsed once, for any number of doctors."""

    channel: str
    subject: Template
    text: Template
    page: Template | None = None  # the e-mail as HTML
    preheader: Template | None = None  # its own, if it has one; it stands in the page, too

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What the message needs, in order of first use."""
        parts = (self.subject, self.preheader, self.text)
        return tuple(dict.fromkeys(name for part in parts if part for name in part.names))

    def missing(self, texts: Texts) -> list[str]:
        """Names without a value, the subject's first. Such a message is skipped, never sent."""
        parts = (self.subject, self.preheader, self.text)
        return list(dict.fromkeys(name for part in parts if part for name in part.missing(texts)))

    def used(self, texts: Texts) -> dict[str, Any]:
        """The values that stand in the message, by name: with them it can be filled in again."""
        values = texts.values_of_message
        return {name: values[name] for name in self.names if name in values}

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
        values = texts.as_html()
        # No template can name these: a name starts with a letter.
        for name, value in (
            ("@subject", subject),
            ("@reason", EMAIL_REASON),
            ("@sender", sender),
            ("@unsubscribe", links.unsubscribe),
            ("@pixel", links.pixel),
            ("@hidden", links.hidden),
        ):
            values[name] = escaped(value)
        # Mail programs show as a signature what follows "-- ".
        footer = (
            f"\n\n-- \n{EMAIL_REASON}\n{sender}\n"
            f"Unsubscribe, or choose what you get: {links.unsubscribe}"
        )
        return Rendered(text.rstrip("\n") + footer, subject, self.page.fill(values))


@lru_cache(maxsize=1024)
def compile_message(
    channel: str, content: str, subject: str | None, preheader: str = ""
) -> Message:
    """Parse a step's texts, once for each. TemplateError: one is broken.

    `preheader`, of an e-mail, is what a list of mails shows beside the subject (layout.page).
    """
    head = compile_template(subject or "")
    if channel != "email":
        return Message(channel, head, compile_template(content))
    page = compile_html(content, preheader)
    text = Template(layout.plain(content))
    return Message(channel, head, text, page, compile_template(preheader) if preheader else None)


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


def compile_html(text: str, preheader: str = "") -> Template:
    """Lay an e-mail's template out as HTML and parse that: some milliseconds."""
    if problems := syntax_problems(text) or layout.problems(text) or syntax_problems(preheader):
        raise TemplateError(problems)
    return Template(layout.page(text, preheader))


def _system_values(shortlink: str) -> dict[str, str]:
    """The variables that every message has (catalogue.SYSTEM)."""
    return {
        "shortlink": shortlink,
        "support_email": settings.SUPPORT_EMAIL,
        "support_phone": settings.SUPPORT_PHONE,
    }


def needed(text: str, subject: str | None = None, preheader: str = "") -> tuple[str, ...]:
    """Names that a template uses, in order of first use, the subject's before the text's.

    A section's name is included; the names within it are not, since they come with its items.
    """
    parts = map(compile_template, (subject or "", preheader, text))
    return tuple(dict.fromkeys(name for part in parts for name in part.names))


def missing(text: str, variables: Mapping[str, Any], subject: str | None = None) -> list[str]:
    """Names of a template that have no value (mustache.Template.missing), the subject's first."""
    texts = Texts({**variables, **_system_values("link")})
    parts = (compile_template(subject or ""), compile_template(text))
    return list(dict.fromkeys(name for part in parts for name in part.missing(texts)))
