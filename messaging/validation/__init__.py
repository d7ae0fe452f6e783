"""What is wrong with a template: one list for saving, the editor, pre-flight checks and tests.

Errors keep it from being sent; warnings are for a person to judge. Pure: what there is to know of
doctors and of the database is handed in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from messaging import layout
from messaging.mustache import VISIBLE
from messaging.syntax import Finding, syntax_findings
from messaging.validation.action import action_findings, untappable_findings
from messaging.validation.addresses import address_findings
from messaging.validation.characters import unseen_findings
from messaging.validation.defaults import default_findings
from messaging.validation.draft import CONTENT, FIELD_WORDS, PREHEADER, SUBJECT, Draft
from messaging.validation.names import name_findings
from messaging.validation.placeholders import placeholder_findings
from messaging.validation.registered import parameter_findings, registered_findings
from messaging.validation.size import size_findings
from messaging.validation.typed import typed_findings

__all__ = ["Draft", "Finding", "check_template"]

NO_SUBJECT = {
    "sms": "An SMS has no subject: leave this empty.",
    "whatsapp": "A WhatsApp message has no subject: leave this empty.",
}
# Characters of a text; the longest of the strategy's has 1,460.
LONGEST = 20_000


def check_template(
    draft: Draft,
    people: Sequence[Mapping[str, Any]] = (),
    truth: Mapping[str, str] | None = None,
) -> list[Finding]:
    """Everything that is wrong with a template, errors first, each in the order of the text.

    `people`: variables of real doctors, whose messages are measured besides the example's.
    `truth`: what variables say now, such as {"view_count": "12 to 340"}, to be shown beside what
    is typed.
    """
    if too_long := _too_long(draft):
        return too_long  # what is longer takes long to look at
    found = [*_content(draft), *_subject(draft), *_preheader(draft)]
    found += [*default_findings(draft), *parameter_findings(draft)]
    errors = [finding for finding in found if finding.level == "error"]
    warnings = [finding for finding in found if finding.level == "warning"]
    warnings = sorted(typed_findings(draft, truth or {}) + warnings, key=_in_the_editor)
    if not errors:
        for finding in (*size_findings(draft, people), *registered_findings(draft)):
            (errors if finding.level == "error" else warnings).append(finding)
    return errors + warnings


def _in_the_editor(finding: Finding) -> tuple[int, int]:
    return list(FIELD_WORDS).index(finding.field), finding.line or 0


def _too_long(draft: Draft) -> list[Finding]:
    return [
        Finding(
            "error",
            field,
            None,
            f"The {words} has {len(draft.text_of(field)):,} characters; {LONGEST:,} are allowed.",
            "Shorten it.",
        )
        for field, words in FIELD_WORDS.items()
        if len(draft.text_of(field)) > LONGEST
    ]


def _content(draft: Draft) -> list[Finding]:
    if not VISIBLE.search(draft.content):
        return [Finding("error", CONTENT, None, "The text is empty.", "Write the message.")]
    if broken := syntax_findings(draft.content, CONTENT):
        return broken
    found = _written(draft, CONTENT) + action_findings(draft)
    if draft.channel == "email":
        found += _layout_findings(draft.content)
    return sorted(found, key=lambda finding: finding.line or 0)


def _written(draft: Draft, field: str) -> list[Finding]:
    """What is looked at in every field that takes variables; the tags must be well-formed."""
    return [
        *name_findings(draft, field),
        *address_findings(draft, field),
        *unseen_findings(draft.text_of(field), field),
        *placeholder_findings(draft, field),
    ]


def _layout_findings(content: str) -> Iterator[Finding]:
    for problem in layout.problems(content):
        place, _, text = problem.removeprefix("Line ").partition(": ")
        yield Finding("error", CONTENT, int(place), text)


def _subject(draft: Draft) -> list[Finding]:
    if wrong := _wrong_subject(draft.channel, draft.subject):
        return [Finding("error", SUBJECT, None, *wrong)]
    if broken := syntax_findings(draft.subject, SUBJECT):
        return broken
    return _written(draft, SUBJECT) + untappable_findings(draft, SUBJECT)


def _preheader(draft: Draft) -> list[Finding]:
    if draft.channel != "email":
        here = draft.preheader.strip()
        words = "Only an e-mail has a preview line: leave this empty."
        return [Finding("error", PREHEADER, None, words)] if here else []
    if broken := syntax_findings(draft.preheader, PREHEADER):
        return broken
    return _written(draft, PREHEADER) + untappable_findings(draft, PREHEADER)


def _wrong_subject(channel: str, subject: str) -> tuple[str, str] | None:
    if channel != "email":
        not_here = NO_SUBJECT.get(channel)
        return (not_here, "") if not_here and subject.strip() else None
    if not VISIBLE.search(subject):
        return "An e-mail needs a subject.", ""
    if len(subject.splitlines()) > 1:
        return "The subject has a line break.", "Write it in one line."
    return None
