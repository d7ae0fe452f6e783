"""Warnings of typed numbers, with what the variable in their place would say."""

from __future__ import annotations

from collections.abc import Mapping

from messaging import catalogue
from messaging.catalogue import BY_NAME
from messaging.syntax import Finding, braced
from messaging.validation.claims import Claim, claims
from messaging.validation.draft import FIELD_WORDS, Draft
from messaging.validation.names import Wrong
from segments.definitions import DEFINITIONS

DAYS, EXPIRY = braced("days_remaining"), braced("expiry_date")


def typed_findings(draft: Draft, truth: Mapping[str, str]) -> list[Finding]:
    """A warning for each last day and count of people that is typed, and for a wrong period.

    `truth`: what variables say now, by name.
    """
    return [
        Finding("warning", field, claim.line, *warning)
        for field in FIELD_WORDS
        for claim in claims(draft.text_of(field))
        if (warning := _warning(claim, draft, truth))
    ]


def _warning(claim: Claim, draft: Draft, truth: Mapping[str, str]) -> Wrong | None:
    if claim.kind == "people":
        return f"“{claim.words}” is typed, not counted.", _counts(draft.segment_type, truth)
    if claim.kind == "share":
        return f"“{claim.words}” is typed, not counted.", "Leave it out, or be sure of it."
    if claim.kind == "date":
        own = f"Write {EXPIRY}." if _has_expiry(draft.segment_type) else _own_days(truth)
        return f"“{claim.words}” is typed, and the same for every doctor.", own
    if claim.kind == "period":
        return _period(claim, draft.segment_type)
    ends_after = _ends_after(draft.segment_type)
    if ends_after is None:
        return f"“{claim.words}” is typed, and true for few.", _own_days(truth)
    left = {day: max(0, ends_after - day) for day in draft.days or (0,)}
    if not draft.days:
        text = f"“{claim.words}” is typed, and the same on every day."
    elif any(days != claim.days for days in left.values()):
        text = f"“{claim.words}” is typed, and wrong."
    else:
        text = f"“{claim.words}” is typed, and right only as long as no day is moved."
    says = " and ".join(f"{days} on day {day}" for day, days in left.items())
    return text, f"{DAYS} would be {says}."


def _ends_after(segment_type: str) -> int | None:
    """Days from enrolment to an end that is the same for everybody.

    None: each doctor's course access, recording or certificate has an end of its own.
    """
    definition = DEFINITIONS.get(segment_type)
    return definition.ends_after.days if definition and definition.ends_after else None


def _has_expiry(segment_type: str) -> bool:
    return segment_type in BY_NAME["expiry_date"].segments


def _own_days(truth: Mapping[str, str]) -> str:
    now = f"; now it is {truth['days_remaining']}" if "days_remaining" in truth else ""
    return f"Only {DAYS} knows each doctor's own last day{now}."


def _counts(segment_type: str, truth: Mapping[str, str]) -> str:
    """Every variable of the segment that counts people, with its value now."""
    counted = [v.name for v in catalogue.of_segment(segment_type) if v.counts_people]
    if not counted:
        return "Leave the number out."
    return "Counted are " + ", ".join(_now(name, truth) for name in counted) + "."


def _now(name: str, truth: Mapping[str, str]) -> str:
    return f"{braced(name)} (now {truth[name]})" if name in truth else braced(name)


def _period(claim: Claim, segment_type: str) -> Wrong | None:
    """A period said of a number that is counted over another one."""
    for name in claim.beside:
        variable = BY_NAME.get(name)
        if variable is None or not variable.counts_people:
            continue
        days = variable.counted_days.get(segment_type)
        if days != claim.days:
            over = f"the last {days} days" if days else "everybody so far"
            return f"“{claim.words}” is typed, and {braced(name)} counts {over}.", "Leave it out."
    return None
