"""What an audience check found, in a marketer's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from messaging import sms
from messaging.catalogue import BY_NAME
from messaging.models.audience import AudienceCheck, CheckState
from messaging.models.template import Channel

Level = Literal["info", "success", "warning", "error"]

# More names than so many are only counted in the headline.
NAMED = 3
RULES = {
    "too_long": "is longer than 1,600 characters",
    "line_break": "has a line break or a tab in it",
    "spaces": "has five spaces in a row",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so of some of a step's messages, and a few of the doctors.

    `count` is None where it is said of one message, such as the longest.
    """

    level: Level
    words: str
    count: int | None
    doctors: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a check: a sentence, and what more a person should look at."""

    level: Level
    title: str
    lines: Sequence[str] = ()


def report(check: AudienceCheck, warned: int = 0) -> Report:
    """How it stands with the check, or what it found; `warned`: so many texts have warnings now."""
    if check.state == CheckState.QUEUED:
        return Report("info", "Waiting for a worker.")
    if check.state == CheckState.RUNNING:
        return Report("info", f"Running: {progress(check)}.")
    if check.state == CheckState.CANCELLED:
        return Report("info", f"Cancelled: {progress(check)}. There is no result.")
    if check.state == CheckState.FAILED:
        return Report("error", f"Failed. {check.error}")
    return _found(check, warned)


def progress(check: AudienceCheck) -> str:
    """How far it is."""
    if not check.total:
        return "nobody was looked at yet"
    return f"{check.done:,} of {check.total:,} doctors looked at"


def steps(check: AudienceCheck) -> list[dict[str, Any]]:
    """What was counted for each step, in their order; none before it is done."""
    found: list[dict[str, Any]] = check.result.get("steps", [])
    return found


def name_of(step: Mapping[str, Any]) -> str:
    """“Step 3: SMS on day 7”; the channel alone where a template is checked by itself."""
    channel = Channel(step["channel"]).label
    if step["place"] is None:
        return str(channel)
    return f"Step {step['place']}: {channel} on day {step['day']}"


def findings(step: Mapping[str, Any]) -> list[Finding]:
    """Everything that was counted of a step: what is wrong first, then how large it all is."""
    return [*_skipped(step), *_wrong(step), *_sizes(step)]


def has_findings(step: Mapping[str, Any]) -> bool:
    """Whether there is more of it than sizes: it is broken, skips doctors or looks wrong."""
    return "broken" in step or bool(step["skipped"]) or any(_wrong(step))


def worth_a_look(step: Mapping[str, Any]) -> list[Finding]:
    """What would go out, but should not go out so."""
    return list(_wrong(step))


def examples(check: AudienceCheck) -> set[int]:
    """Every doctor whom the result names."""
    return {
        doctor
        for step in steps(check)
        if "broken" not in step
        for finding in findings(step)
        for doctor in finding.doctors
    }


# --- the whole ----------------------------------------------------------------------------


def _found(check: AudienceCheck, warned: int) -> Report:
    found = steps(check)
    if not found:
        return Report("warning", "The campaign has no steps: there was nothing to check.")
    if not check.total:
        quiet = "" if check.template_id else "has been quiet for long enough and "
        nobody = f"no doctor in the segment now {quiet}still takes these messages."
        return Report("warning", f"There is nobody to write to: {nobody}")
    lines = list(_lines(found))
    sound = [step for step in found if "broken" not in step]
    if not sound:
        return Report("error", f"{_doctors(check.total)}: none would get anything.", lines)
    people = check.result["people"]
    level: Level = "warning" if lines or people["skipped"] or warned else "success"
    if len(sound) < len(found):
        level = "error"
    title = _headline(people, check.total, len(found), len(found) - len(sound))
    return Report(level, f"{title} {_warned(warned, len(found))}".rstrip(), lines)


def _warned(warned: int, texts: int) -> str:
    if not warned:
        return ""
    if texts == 1:
        return "The text has warnings."
    return f"{warned} text{' has' if warned == 1 else 's have'} warnings."


def _headline(people: Mapping[str, Any], total: int, texts: int, broken: int) -> str:
    """“1,204 doctors: 1,180 would get every message, 24 would be skipped at least once …”."""
    gets = "would get it" if texts == 1 else "would get every message"
    if broken:
        gets += f" but the {broken} whose text is broken"
    skipped = "would be skipped" if texts == 1 else "would be skipped at least once"
    everybody = "" if total == 1 else "all "
    if not people["skipped"]:
        return f"{_doctors(total)}: {everybody}{gets}."
    why = _because(people["missing"])
    if not people["complete"]:
        return f"{_doctors(total)}: {everybody}{skipped} {why}."
    return (
        f"{_doctors(total)}: {people['complete']:,} {gets}, {people['skipped']:,} {skipped} {why}."
    )


def _because(missing: Sequence[Mapping[str, Any]]) -> str:
    """Which values are missing, with how many doctors lack each where they are several."""
    if len(missing) == 1:
        return f"because {missing[0]['name']} is missing"
    named = [f"{one['name']} ({one['count']:,})" for one in missing[:NAMED]]
    if more := len(missing) - len(named):
        return f"because {', '.join(named)} or one of {more} other values is missing"
    return f"because {', '.join(named[:-1])} or {named[-1]} is missing"


def _doctors(count: int) -> str:
    return "1 doctor" if count == 1 else f"{count:,} doctors"


def _lines(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Steps that nobody gets, and what would go out but should not go out so."""
    for step in found:
        before = f"{name_of(step)}: " if step["place"] is not None else ""
        if "broken" in step:
            yield f"{before}the text is broken and goes to nobody. {' '.join(step['broken'])}"
            continue
        for finding in _wrong(step):
            yield f"{before}{finding.words}: {_doctors(finding.count or 0)}."


# --- one step -----------------------------------------------------------------------------


def _skipped(step: Mapping[str, Any]) -> Iterator[Finding]:
    for found in step["missing"]:
        variable = BY_NAME.get(found["name"].partition(".")[0])
        meaning = f" ({variable.description})" if variable else ""
        words = f"Skipped: {{{{{found['name']}}}}} is missing{meaning}"
        yield Finding("warning", words, found["count"], found["examples"])


def _wrong(step: Mapping[str, Any]) -> Iterator[Finding]:
    if step["channel"] == Channel.SMS:
        over = step["sms"]["over"]
        yield from _some(f"Takes more than the {over['allowed']} SMS allowed", over)
    elif step["channel"] == Channel.EMAIL:
        long = step["long_subject"]
        yield from _some(f"The subject is longer than {long['allowed']} characters", long)
    else:
        long = step["too_long"]
        yield from _some(f"The text is longer than {long['allowed']:,} characters", long)
        for found in step["values"]:
            if found["rule"] in RULES:  # an empty one is skipped, and said to be missing
                words = f"{{{{{found['name']}}}}} {RULES[found['rule']]}, which WhatsApp refuses"
                yield from _some(words, found)


def _some(words: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    if found["count"]:
        yield Finding("warning", words, found["count"], found["examples"])


def _sizes(step: Mapping[str, Any]) -> Iterator[Finding]:
    if step["channel"] == Channel.SMS:
        yield from _sms(step["sms"])
    yield from _extent("text", step["length"])
    if step["channel"] == Channel.EMAIL:
        yield from _extent("subject", step["subject"])


def _sms(found: Mapping[str, Any]) -> Iterator[Finding]:
    for segments, count in found["segments"].items():
        yield Finding("info", f"Goes out as {segments} SMS", count)
    for encoding, count in found["encodings"].items():
        alone, each = sms.CAPACITY[encoding]
        words = f"Encoded as {encoding}: {alone} characters in one SMS, {each} in each of several"
        yield Finding("info", words, count)
    for one in found["forcing"]:
        (known,) = sms.replacements(one["char"])
        words = f"“{known.char}” ({known.name}) makes it UCS-2"
        yield Finding("info", words, one["count"], one["examples"])


def _extent(what: str, found: Mapping[str, Any] | None) -> Iterator[Finding]:
    if found is None:
        return
    for which in ("shortest", "longest"):
        words = f"The {which} {what} has {found[which]['characters']:,} characters"
        yield Finding("info", words, None, [found[which]["doctor"]])
