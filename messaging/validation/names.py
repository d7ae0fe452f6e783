"""Variables that there are not, that the segment has not, or that stand as what they are not."""

from __future__ import annotations

from messaging import catalogue
from messaging.catalogue import BY_NAME, Variable
from messaging.syntax import Finding, Tag, braced, tags
from messaging.validation.draft import Draft
from segments.models import SegmentType

Wrong = tuple[str, str]  # what is wrong, and what to do

KINDS = {
    "text": "a text",
    "number": "a number",
    "date": "a date",
    "link": "a link",
    "list": "a list",
}


def name_findings(draft: Draft, field: str) -> list[Finding]:
    """Each tag of one field whose name cannot stand where it does; the tags must be well-formed."""
    found: list[Finding] = []
    sections: list[str] = []
    for tag in tags(draft.text_of(field)):
        if tag.sign == "!":
            continue
        if tag.sign == "/":
            sections.pop()
            continue
        if wrong := _wrong_name(tag, sections, draft.segment_type):
            found.append(Finding("error", field, tag.line, *wrong))
        if tag.sign:
            sections.append(tag.name)
    return found


def known_names(segment_type: str) -> list[str]:
    """Names that a text for the segment may use outside of lists; all of them for ''."""
    return [v.name for v in catalogue.CATALOGUE if segment_type in ("", *v.segments)]


def unknown(name: str, segment_type: str, items: frozenset[str] = frozenset()) -> Wrong | None:
    """What to say of a name that the segment does not have; None where it has it."""
    variable = BY_NAME.get(name)
    if variable and segment_type in ("", *variable.segments):
        return None
    if variable:
        here = SegmentType(segment_type).label
        text = f"{braced(name)} is for {_labels(variable)}; “{here}” does not have it."
        return text, "Choose one from the list."
    closest = catalogue.closest(name, [*items, *known_names(segment_type)])
    hint = f"Did you mean {braced(closest)}?" if closest else "Choose one from the list."
    return f"There is no variable {braced(name)}.", hint


def _labels(variable: Variable) -> str:
    return " and ".join(f"“{SegmentType(segment).label}”" for segment in variable.segments)


def _wrong_name(tag: Tag, sections: list[str], segment_type: str) -> Wrong | None:
    items = {
        item.name: item
        for section in sections
        if section in BY_NAME
        for item in BY_NAME[section].items
    }
    if item := items.get(tag.name):
        return _wrong_use(tag, item)
    if tag.name not in BY_NAME and (lists := _lists_with(tag.name, segment_type)):
        opening, closing = braced(lists[0].name, "#"), braced(lists[0].name, "/")
        only = f"{braced(tag.name)} has a value only between {opening} and {closing}."
        if segment_type in ("", *lists[0].segments):
            return only, ""
        return only, f"Only {_labels(lists[0])} has that list."
    if wrong := unknown(tag.name, segment_type, frozenset(items)):
        return wrong
    return _wrong_use(tag, BY_NAME[tag.name])


def _lists_with(item_name: str, segment_type: str) -> list[Variable]:
    """Lists whose entries have the name, the segment's own first."""
    lists = [BY_NAME[name] for name in catalogue.lists_with(item_name)]
    return sorted(lists, key=lambda variable: segment_type not in variable.segments)


def _wrong_use(tag: Tag, variable: Variable) -> Wrong | None:
    if tag.sign and variable.kind != "list":
        kind = KINDS[variable.kind]
        section = f"{braced(tag.name, tag.sign)} … {braced(tag.name, '/')}"
        return (
            f"{section} goes through a list, and {tag.name} is {kind}.",
            f"Write {braced(tag.name)}; for doctors without one, give it a default.",
        )
    if not tag.sign and variable.kind == "list" and not variable.has_length:
        section = f"{braced(tag.name, '#')} … {braced(tag.name, '/')}"
        return f"{braced(tag.name)} is a list.", f"Go through it with {section}."
    return None
