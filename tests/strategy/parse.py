"""Reads the messages out of `templates.md`, the strategy's own page of campaign sequences.

The fixtures are checked against what is read here, so nothing in this module may look at them.
"""

import re
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates.md")

SEGMENT_TYPES = {
    "AiDA Users → AI Agent Adoption": "aida_users",
    "Incomplete Course Users": "incomplete_courses",
    "No-Show Registrants (Registered but Didn't Attend)": "no_show",
    "Certificate Non-Claimers": "unclaimed_certificates",
}

SEGMENT = re.compile(r"^### \d\. (?P<heading>.+)$", re.MULTILINE)
CHANNEL = re.compile(r"^#### (?P<channel>WhatsApp|SMS|Email) Sequence$", re.MULTILINE)
MESSAGE = re.compile(
    r"^\*\*(?:Message|Email) (?P<number>\d+) \(Day (?P<day>\d+)\)(?: - (?P<label>[^\n*]+))?\*\*\n"
    r"(?:\nSubject: (?P<subject>[^\n]+)\n\n)?"
    r"```\n(?P<content>.*?)\n```$",
    re.MULTILINE | re.DOTALL,
)
GOAL = re.compile(r"^\*\*Goal\*\*: (.+)$", re.MULTILINE)
TIMING = re.compile(r"^\*\*Timing\*\*: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class StrategyMessage:
    """One message of a sequence. SMS have no label, only emails have a subject."""

    template_key: str
    segment_type: str
    channel: str
    number: int
    day: int
    label: str | None
    subject: str | None
    content: str


@dataclass(frozen=True)
class StrategySegment:
    """What a segment's section says above its sequences: the goal and the days of contact."""

    goal: str
    days: tuple[int, ...]


def messages() -> list[StrategyMessage]:
    """Return every message of the strategy, in the order of the page."""
    return [
        _message(segment_type, channel["channel"].lower(), found)
        for segment_type, section in _sections().items()
        for channel, sequence in _split(CHANNEL, section)
        for found in MESSAGE.finditer(sequence)
    ]


def segments() -> dict[str, StrategySegment]:
    """Return goal and days by segment type."""
    return {
        segment_type: StrategySegment(goal=_one(GOAL, section), days=_days(_one(TIMING, section)))
        for segment_type, section in _sections().items()
    }


def _message(segment_type: str, channel: str, found: re.Match[str]) -> StrategyMessage:
    return StrategyMessage(
        template_key=f"{segment_type}.{channel}.{found['number']}",
        segment_type=segment_type,
        channel=channel,
        number=int(found["number"]),
        day=int(found["day"]),
        label=found["label"],
        subject=found["subject"],
        content=found["content"],
    )


def _sections() -> dict[str, str]:
    page = TEMPLATES.read_text(encoding="utf-8")
    return {SEGMENT_TYPES[found["heading"]]: section for found, section in _split(SEGMENT, page)}


def _split(heading: re.Pattern[str], text: str) -> list[tuple[re.Match[str], str]]:
    """Cut the text at its headings; what stands before the first one is left out."""
    found = list(heading.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match, text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def _one(pattern: re.Pattern[str], section: str) -> str:
    (value,) = pattern.findall(section)
    return str(value)


def _days(timing: str) -> tuple[int, ...]:
    return tuple(int(day) for day in re.findall(r"Day (\d+)", timing))
