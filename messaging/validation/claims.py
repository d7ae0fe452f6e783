"""What is typed where a variable should stand: countdowns, counts of people, and their period.

A typed number is the same for every doctor and every day, and is true for few of them. Found by
the words around it, so that “48 hours” is a countdown in “Offer: 48 hours left” and none in
“diagnosed within 48 hours”. Pure; English texts only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from messaging.syntax import TAG, tags

Kind = Literal["countdown", "people", "period"]


class Claim(NamedTuple):
    """Words of a text that say how many days are left, how many people, or over which period."""

    kind: Kind
    line: int  # from 1
    words: str  # as typed
    days: int = 0  # of a countdown or a period, a part of a day counting as one
    beside: tuple[str, ...] = ()  # variables in the sentence


_SAID = (
    *("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen"),
)
NUMBERS = {word: number for number, word in enumerate(_SAID, start=1)}
HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24}

_NUMBER = rf"(?P<number>\d{{1,3}}|{'|'.join(NUMBERS)})"
_UNIT = r"(?P<unit>hour|day|week|month)s?"
_ENDS = r"(?:expir\w*|ends?|ending|clos(?:e|es|ed|ing)|remov\w+|delet\w+)"
# The words that make a span of time one that runs out.
_RUNS_OUT = re.compile(
    rf"\b(?:{_ENDS}|left|remain\w*|deadline|valid|availab\w+|access|trial|offer|hurry|only|just|"
    r"until|to go|last chance|(?:hours|days|weeks) to)\b",
    re.IGNORECASE,
)
_SPAN = re.compile(
    rf"(?:\b(?:{_ENDS}|valid|available)\s+)?(?:\b(?:in|within|for|only|just)\s+){{0,2}}"
    r"(?:\b(?:the\s+)?next\s+)?"
    rf"(?<![\w.,:/-]){_NUMBER}\s+(?:more\s+|full\s+)?{_UNIT}\b"
    r"(?:\s+(?:left|remaining|remain|more|to go))?(?!\s+(?:ago|earlier|later|after)\b)",
    re.IGNORECASE,
)
_LOOKS_BACK = re.compile(r"\b(?:last|past|previous)\s+$", re.IGNORECASE)
# A day that is named by a word; “today” names one only where something ends on it.
_DAY_WORDS = (
    re.compile(r"\b(?:final|last)\s+(?:day|hours)\b", re.IGNORECASE),
    re.compile(rf"\b{_ENDS}\s+(?:today|tonight)\b(?!['’]s)", re.IGNORECASE),
    re.compile(rf"\bafter\s+tomorrow\b|(?:\b{_ENDS}\s+)?\btomorrow(?:\s+at\s+midnight)?\b", re.I),
)
_ENDING = re.compile(rf"\b(?:{_ENDS}|after\s+tomorrow|last chance)\b", re.IGNORECASE)

_PEOPLE = re.compile(
    r"(?:\b(?:over|more\s+than|about|around|nearly|almost|some)\s+)?"
    r"(?:(?<![\w.,:/-])\d[\d,]*(?:\s?[kK]\b|\+)?(?:\s+(?:lakh|thousand|crore))?"
    r"|\b(?:dozens|hundreds|thousands|lakhs)\s+of)"
    r"\s+(?:(?:of\s+)?(?:your|our|the|other|fellow|more)\s+|\w+\s+){0,2}?"
    r"(?:doctors|colleagues|peers|physicians|clinicians|specialists|practitioners|surgeons|"
    r"consultants|professionals|people|users|members|participants|attendees|learners)\b",
    re.IGNORECASE,
)
_PERIODS = (
    (re.compile(r"\b(?:since\s+yesterday|today(?!['’]s)|tonight)\b", re.IGNORECASE), 1),
    (re.compile(r"\b(?:this|last|past)\s+week\b", re.IGNORECASE), 7),
    (re.compile(r"\b(?:this|last|past)\s+month\b", re.IGNORECASE), 30),
)
_LAST_DAYS = re.compile(rf"\b(?:last|past)\s+{_NUMBER}\s+{_UNIT}\b", re.IGNORECASE)
_SHARE = re.compile(r"\d\s+(?:in|of|out\s+of)\s+$", re.IGNORECASE)  # “4 out of 5 doctors”
_WORDS = re.compile(r"[^\W\d_]|\0")
_SENTENCE = re.compile(r"[^.!?]+(?:[.!?](?!\s|$)[^.!?]*)*")


_Match = tuple[re.Match[str], Kind, int]


def claims(text: str) -> list[Claim]:
    """Every claim that is typed, in the order of the text.

    A period is one only beside a variable.
    """
    found: list[Claim] = []
    for number, line in enumerate(text.split("\n"), 1):
        # As long as before, so that places stay: what a variable says is not typed.
        masked = TAG.sub(lambda tag: "\0" * len(tag[0]), line)
        for sentence in _SENTENCE.finditer(masked):
            start = sentence.start()
            beside = tuple(tag.name for tag in tags(line[start : sentence.end()]) if not tag.sign)
            matches = [*_countdowns(sentence[0]), *_people(sentence[0])]
            if beside:
                matches += _periods(sentence[0])
            for match, kind, days in sorted(matches, key=lambda item: item[0].start()):
                words = line[start + match.start() : start + match.end()].strip()
                found.append(Claim(kind, number, words, days, beside))
    return found


def _countdowns(words: str) -> Iterator[_Match]:
    runs_out, ends = _RUNS_OUT.search(words), _ENDING.search(words)
    for match in _SPAN.finditer(words):
        looks_back = _LOOKS_BACK.search(_before(match, "number"))
        if (runs_out and not looks_back) or not _WORDS.search(_around(match)):
            yield match, "countdown", _days(match)
    for pattern in _DAY_WORDS:
        for match in pattern.finditer(words):
            if ends or "tomorrow" not in match[0].lower():
                yield match, "countdown", 1


def _people(words: str) -> Iterator[_Match]:
    for match in _PEOPLE.finditer(words):
        if not _SHARE.search(_before(match)):
            yield match, "people", 0


def _periods(words: str) -> Iterator[_Match]:
    for pattern, days in _PERIODS:
        for match in pattern.finditer(words):
            yield match, "period", days
    for match in _LAST_DAYS.finditer(words):
        yield match, "period", _days(match)


def _before(match: re.Match[str], group: str | int = 0) -> str:
    """A few words before it."""
    start = match.start(group)
    return match.string[max(0, start - 20) : start]


def _around(match: re.Match[str]) -> str:
    return match.string[: match.start()] + match.string[match.end() :]


def _days(match: re.Match[str]) -> int:
    number = match["number"].lower()
    count = NUMBERS.get(number) or int(number)
    return -(-count * HOURS[match["unit"].lower()] // 24)
