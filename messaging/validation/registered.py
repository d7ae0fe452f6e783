"""What was registered of a template at WhatsApp or at India's operators, and whether it fits."""

from __future__ import annotations

from collections.abc import Iterator

from messaging import registered
from messaging.catalogue import BY_NAME
from messaging.syntax import Finding, Level, braced
from messaging.validation.draft import CONTENT, PARAMETERS, REGISTERED_TEXT, Draft
from messaging.validation.names import Wrong, unknown

_NAMES = "Write names, one for each number."


def registered_findings(draft: Draft) -> list[Finding]:
    """What keeps the text from going out as registered; nothing where nothing is registered.

    The content must be free of errors. Errors are what can never go out; warnings may be the work
    of a moment: a text that is to be registered anew, variables that are still to be named.
    """
    if not _is_registered(draft):
        return []
    if found := list(_sections(draft.content)):
        return found
    found = []
    if draft.channel == "whatsapp":
        found = parameter_findings(draft) or list(_order(draft))
    if not found and draft.registered_text:
        names = list(map(str, draft.parameters))
        differs = registered.difference(draft.channel, draft.content, draft.registered_text, names)
        if differs:
            words = f"The text is not as registered, {differs}"
            found.append(Finding("warning", REGISTERED_TEXT, None, words))
    return found


def parameter_findings(draft: Draft) -> list[Finding]:
    """What stands for a number and is not the name of one of the segment's variables."""
    if not isinstance(draft.parameters, list | tuple):
        return [Finding("error", PARAMETERS, None, "The numbers are no list.", _NAMES)]
    return [
        Finding("error", PARAMETERS, None, *wrong)
        for name in draft.parameters
        if (wrong := _wrong_name(name, draft.segment_type))
    ]


def _is_registered(draft: Draft) -> bool:
    if draft.channel == "sms":
        return bool(draft.dlt_template_id or draft.registered_text)
    if draft.channel == "whatsapp":
        return bool(draft.content_sid or draft.whatsapp_name or draft.registered_text)
    return False


def _sections(content: str) -> Iterator[Finding]:
    for section in registered.sections(content):
        text = f"A registered text has a fixed number of words, and {section} has not."
        yield Finding("error", CONTENT, None, text, "Write it with variables alone.")


def _order(draft: Draft) -> Iterator[Finding]:
    """An order of variables that cannot be right; one that is missing may still come."""
    level: Level = "error" if draft.parameters else "warning"
    names = list(map(str, draft.parameters))
    for problem in registered.parameter_problems(draft.content, draft.registered_text, names):
        yield Finding(level, PARAMETERS, None, *problem)


def _wrong_name(name: object, segment_type: str) -> Wrong | None:
    if not isinstance(name, str) or not name.isprintable():
        # As Python writes it, since what cannot be stored may not be shown either.
        return f"“{name!r:.50}” is not a variable's name.", _NAMES
    if wrong := unknown(name, segment_type):
        return wrong
    variable = BY_NAME[name]
    if variable.kind == "list" and not variable.has_length:
        return f"{braced(name)} is a list, which fills no number.", "Choose another variable."
    return None
