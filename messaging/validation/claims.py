"""What is typed where a variable should stand: countdowns, last days, counts of people.

A typed number is the same for every doctor and every day, and is true for few of them. Found by
the words around it, so that “48 hours” is a countdown in “Offer: 48 hours left” and none in
“diagnosed within 48 hours”. Pure; English texts, and what Hindi says of days that are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from messaging.syntax import TAG, tags

Kind = Literal["countdown", "date", "people", "share", "period"]


class Claim(NamedTuple):
    """Words of a text that say how long is left, or which day is the last; how many people, or
    which share of them; or over which period they were counted.
    """

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
_HINDI_UNITS = {
    **dict.fromkeys(("ghanta", "ghante", "घंटा", "घंटे"), 1),
    **dict.fromkeys(("din", "दिन"), 24),
    **dict.fromkeys(("hafta", "hafte", "हफ़्ता", "हफ़्ते", "हफ्ते"), 7 * 24),
}
HOURS = {"hour": 1, "day": 24, "week": 7 * 24, "month": 30 * 24, **_HINDI_UNITS}

_NUMBER = rf"(?P<number>\d{{1,3}}|{'|'.join(NUMBERS)})"
_UNIT = r"(?P<unit>hour|day|week|month)s?"
_ENDS = r"(?:expir\w*|ends?|ending|clos(?:e|es|ed|ing)|remov\w+|delet\w+)"
# The words that make a span of time one that runs out.
_RUNS_OUT = re.compile(
    rf"\b(?:{_ENDS}|left|remain\w*|deadline|valid|availab\w+|access|trial|offer|hurry|only|just|"
    r"until|to go|last chance|(?:hours|days|weeks) to|gone|laps(?:e|es|ing)|forfeit\w*|"
    r"disappear\w*|claim|lose|registrations?|act)\b",
    re.IGNORECASE,
)
_SPAN = re.compile(
    rf"(?:\b(?:{_ENDS}|valid|available)\s+)?(?:\b(?:in|within|for|only|just)\s+){{0,2}}"
    r"(?:\b(?:the\s+)?next\s+)?"
    rf"(?<![\w.,:/-]){_NUMBER}\s+(?:more\s+|full\s+)?{_UNIT}\b"
    r"(?:\s+(?:left|remaining|remain|more|to go))?(?!\s+(?:ago|earlier|later|after)\b)",
    re.IGNORECASE,
)
# “4-day trial left”; a “14-day trial” alone is as long as it always was.
_HYPHENED = re.compile(
    rf"(?<![\w.,:/-]){_NUMBER}-{_UNIT}\s+(?:\w+\s+){{0,3}}?(?:left|remain(?:s|ing)?|to\s+go)\b",
    re.IGNORECASE,
)
_HINDI = re.compile(
    rf"(?<![\w.,:/-])(?P<number>\d{{1,3}})\s+(?:aur\s+)?(?P<unit>{'|'.join(_HINDI_UNITS)})\s+"
    r"(?:(?:hi|ही)\s+)?(?:baa?[kq]i|bach[aei]|bache|shesh|reh|rah|बाकी|बाक़ी|बचे|बचा|शेष)",
    re.IGNORECASE,
)
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|"
    r"sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
# “may 4 times” names no month.
_DATE = (
    rf"(?:\d{{1,2}}(?:st|nd|rd|th)?\s+(?:of\s+)?{_MONTH}\b(?:,?\s+\d{{4}}\b)?"
    rf"|(?!(?-i:may)\s){_MONTH}\s+\d{{1,2}}(?:st|nd|rd|th)?\b(?:,?\s+\d{{4}}\b)?"
    r"|\d{1,2}[/.-]\d{1,2}[/.-]\d{2,4}\b|\d{4}-\d\d-\d\d\b)"
)
_LAST_DATE = re.compile(
    rf"\b(?:{_ENDS}|valid|available|until|till|deadline|last\s+da(?:y|te))\b"
    rf"(?:[ \t:,]+(?!\d)[\w'’]+){{0,4}}?[ \t:,]+{_DATE}",
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

_MANY = r"(?:hundred|thousand|lakh|crore)"
_SAID_OF_MANY = (
    rf"(?:a|{'|'.join(NUMBERS)}|fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|"
    r"fifty|sixty|seventy|eighty|ninety|hundred)(?:-(?:one|two|three|four|five|six|seven|eight|"
    r"nine))?"
)
_WHOSE = r"(?:your|our|the|other|fellow|more)"
_WHO = (
    r"(?:doctors|colleagues|peers|physicians|clinicians|specialists|practitioners|surgeons|"
    r"consultants|professionals|people|users|members|participants|attendees|learners)"
)
_PEOPLE = re.compile(
    r"(?:\b(?:over|more\s+than|about|around|nearly|almost|some)\s+)?"
    rf"(?:(?<![\w.,:/-])\d[\d,]*(?:\.\d+)?(?!\s?per\s?cent)(?:\s?[kK]\b)?\+?(?:\s+{_MANY}\+?)?"
    rf"|(?<![\w-])(?:{_SAID_OF_MANY}\s+){{1,3}}{_MANY}"
    r"|\b(?:dozens|hundreds|thousands|lakhs)\s+of)"
    rf"\s+(?:(?:of\s+)?{_WHOSE}\s+|\w+\s+){{0,2}}?{_WHO}\b",
    re.IGNORECASE,
)
_PERCENT = re.compile(
    rf"(?<![\w.,:/-])\d[\d.]{{0,5}}\s?(?:%|percent\b|per\s+cent\b)\s+of\s+"
    rf"(?:all\s+)?(?:{_WHOSE}\s+|\w+\s+){{0,2}}?{_WHO}\b",
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
    for pattern in (_HYPHENED, _HINDI):
        for match in pattern.finditer(words):
            yield match, "countdown", _days(match)
    for match in _LAST_DATE.finditer(words):
        yield match, "date", 0
    for pattern in _DAY_WORDS:
        for match in pattern.finditer(words):
            if ends or "tomorrow" not in match[0].lower():
                yield match, "countdown", 1


def _people(words: str) -> Iterator[_Match]:
    for match in _PEOPLE.finditer(words):
        if not _SHARE.search(_before(match)):
            yield match, "people", 0
    for match in _PERCENT.finditer(words):
        yield match, "share", 0


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
