"""Messages that are too long, measured as they would go out: with example data, and with real."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from messaging import catalogue, render, sms
from messaging.syntax import Finding, without_tags
from messaging.validation.draft import CONTENT, SUBJECT, Draft

SUBJECT_LIMIT = 150
WHATSAPP_LIMIT = 1024  # characters of a template's body
# As long as the token of a delivery.
LINKS_TOKEN = "x" * 22

Person = tuple[str, Mapping[str, Any]]  # whose data, in words, and the data


def size_findings(draft: Draft, people: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """What exceeds the channel's limits; the texts must be free of other errors."""
    examples = catalogue.examples(draft.segment_type or None)
    persons: list[Person] = [("example data", examples)]
    if draft.defaults:
        persons.append(("the defaults", {**examples, **draft.defaults}))
    for variables in people:
        whose = f"the data of doctor {variables.get('user_id', '?')}"
        persons.append((whose, catalogue.with_defaults(variables, draft.defaults)))
    if draft.channel == "email":
        return list(_long_subject(draft, persons))
    if draft.channel == "whatsapp":
        return list(_long_whatsapp(draft, persons))
    return list(_long_sms(draft, persons)) if draft.channel == "sms" else []


def _long_subject(draft: Draft, persons: Sequence[Person]) -> Iterator[Finding]:
    typed = len(without_tags(draft.subject))
    length, whose = max(
        (typed, "what is typed alone"),
        *((len(_subject(draft, values)), whose) for whose, values in persons),
        key=lambda found: found[0],
    )
    if length > SUBJECT_LIMIT:
        text = f"The subject is {length} characters long with {whose}; {SUBJECT_LIMIT} are allowed."
        yield Finding("error", SUBJECT, None, text, "Shorten it.")


def _subject(draft: Draft, values: Mapping[str, Any]) -> str:
    links = render.links(LINKS_TOKEN)
    return render.compile_template(draft.subject).fill(render.texts_of(values, links))


def _body(draft: Draft, values: Mapping[str, Any]) -> str:
    return render.render_message(
        draft.channel, draft.content, None, values, render.links(LINKS_TOKEN, draft.channel)
    ).text


def _long_whatsapp(draft: Draft, persons: Sequence[Person]) -> Iterator[Finding]:
    length, whose = max(
        ((len(_body(draft, values)), whose) for whose, values in persons),
        key=lambda found: found[0],
    )
    if length > WHATSAPP_LIMIT:
        text = (
            f"The message is {length:,} characters long with {whose}; "
            f"WhatsApp allows {WHATSAPP_LIMIT:,}."
        )
        yield Finding("error", CONTENT, None, text, "Shorten it.")


def _long_sms(draft: Draft, persons: Sequence[Person]) -> Iterator[Finding]:
    if not draft.max_sms_segments:
        return
    size, body, whose = max(
        (
            (sms.measure(body), body, whose)
            for whose, body in ((whose, _body(draft, values)) for whose, values in persons)
        ),
        key=lambda found: found[0].segments,
    )
    if size.segments > draft.max_sms_segments:
        allowed = f"{draft.max_sms_segments} {'is' if draft.max_sms_segments == 1 else 'are'}"
        text = f"It takes {size.segments} SMS with {whose}; {allowed} allowed."
        yield Finding("error", CONTENT, None, text, _shorten(size, body))


def _shorten(size: sms.SmsSize, body: str) -> str:
    plain = sms.measure(sms.plain(body)).segments
    if plain < size.segments:
        swaps = [
            f"{found.plain} for {found.char}"
            for found in sms.replacements(body)
            if found.plain and found.char.isprintable()
        ]
        wrote = f" Write {', '.join(swaps)}." if swaps else ""
        return f"With plain characters it would take {plain}.{wrote}"
    return "Shorten it, or allow more."
