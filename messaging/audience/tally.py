"""What one step of a campaign would say to everybody, counted doctor by doctor.

Every finding has a count and the first few doctors it concerns, so that a person can look.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from messaging import render, sms
from messaging.catalogue import with_defaults
from messaging.mustache import Texts
from messaging.validation.size import LINKS_TOKEN, SUBJECT_LIMIT, WHATSAPP_LIMIT

EXAMPLES = 5
# What WhatsApp's providers allow as the value of a template's variable.
VALUE_LIMIT = 1600
FIVE_SPACES = " " * 5


@dataclass(frozen=True, slots=True)
class Step:
    """A template, and where a campaign sends it: no `day` and `place` for a template alone."""

    template_key: str
    channel: str
    content: str
    subject: str | None
    defaults: Mapping[str, str]
    max_sms_segments: int
    day: int | None = None
    place: int | None = None
    preheader: str = ""


@dataclass(slots=True)
class Found:
    """How many messages have something, and the doctors of the first few."""

    count: int = 0
    examples: list[int] = field(default_factory=list)

    def add(self, doctor_id: int) -> None:
        """One more."""
        self.count += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(doctor_id)

    def as_json(self) -> dict[str, Any]:
        """As the result keeps it."""
        return {"count": self.count, "examples": self.examples}


@dataclass(slots=True)
class Extent:
    """The shortest and the longest text, in characters, and whose they are."""

    shortest: int = -1
    shortest_doctor: int = 0
    longest: int = -1
    longest_doctor: int = 0

    def add(self, length: int, doctor_id: int) -> None:
        """One more text."""
        if length > self.longest:
            self.longest, self.longest_doctor = length, doctor_id
        if length < self.shortest or self.shortest < 0:
            self.shortest, self.shortest_doctor = length, doctor_id

    def as_json(self) -> dict[str, Any] | None:
        """As the result keeps it; None where there was no text."""
        if self.longest < 0:
            return None
        return {
            "shortest": {"characters": self.shortest, "doctor": self.shortest_doctor},
            "longest": {"characters": self.longest, "doctor": self.longest_doctor},
        }


def value_rule(value: str) -> str | None:
    """The rule of WhatsApp's providers that a variable's value breaks; None: it breaks none."""
    if len(value) > VALUE_LIMIT:
        return "too_long"
    if "\n" in value or "\r" in value or "\t" in value:
        return "line_break"
    return "spaces" if FIVE_SPACES in value else None


class Tally:
    """Counts of one step. TemplateError: its text cannot be rendered."""

    def __init__(self, step: Step) -> None:
        self.step = step
        self.message = render.compile_message(
            step.channel, step.content, step.subject, step.preheader
        )
        self.links = render.links(LINKS_TOKEN, step.channel)
        self.has_own_links = self.links != render.links(LINKS_TOKEN)
        self.rendered = 0
        self.skipped = 0
        self.missing: dict[str, Found] = {}
        self.values: dict[tuple[str, str], Found] = {}
        self.length = Extent()
        self.too_long = Found()
        self.subject = Extent()
        self.long_subject = Found()
        self.segments: Counter[int] = Counter()
        self.encodings: Counter[str] = Counter()
        self.forcing: dict[str, Found] = {}
        self.over = Found()

    def add(self, doctor_id: int, variables: Mapping[str, Any], texts: Texts) -> list[str]:
        """Count the message to one doctor; `texts` are the same variables, without defaults.

        Returns the names without which it would be skipped.
        """
        given = with_defaults(variables, self.step.defaults) if self.step.defaults else variables
        if given is not variables or self.has_own_links:
            texts = render.texts_of(given, self.links)
        missing = self.message.missing(texts)
        if self.step.channel == "whatsapp":
            self._check_values(doctor_id, texts, missing)
        if missing:
            self.skipped += 1
            for name in missing:
                self.missing.setdefault(name, Found()).add(doctor_id)
            return missing
        self.rendered += 1
        if self.step.channel == "email":
            self._add_email(doctor_id, texts)
        else:
            self._add_text(doctor_id, self.message.fill(texts, self.links).text)
        return missing

    def _check_values(self, doctor_id: int, texts: Texts, missing: list[str]) -> None:
        for name in self.message.text.names:
            rule = "empty" if name in missing else value_rule(texts[name])
            if rule:
                self.values.setdefault((name, rule), Found()).add(doctor_id)

    def _add_email(self, doctor_id: int, texts: Texts) -> None:
        # The HTML says the same and takes ten times as long.
        self.length.add(len(self.message.text.fill(texts)), doctor_id)
        subject = len(self.message.subject.fill(texts))
        self.subject.add(subject, doctor_id)
        if subject > SUBJECT_LIMIT:
            self.long_subject.add(doctor_id)

    def _add_text(self, doctor_id: int, body: str) -> None:
        self.length.add(len(body), doctor_id)
        if self.step.channel == "whatsapp":
            if len(body) > WHATSAPP_LIMIT:
                self.too_long.add(doctor_id)
            return
        size = sms.measure(body)
        self.segments[size.segments] += 1
        self.encodings[size.encoding] += 1
        for char in size.forcing:
            self.forcing.setdefault(char, Found()).add(doctor_id)
        if 0 < self.step.max_sms_segments < size.segments:
            self.over.add(doctor_id)

    def as_json(self) -> dict[str, Any]:
        """As the result keeps it: what concerns most doctors first."""
        found = {
            **head(self.step),
            "rendered": self.rendered,
            "skipped": self.skipped,
            "missing": _by_name(self.missing),
            "length": self.length.as_json(),
        }
        if self.step.channel == "email":
            long = {"allowed": SUBJECT_LIMIT, **self.long_subject.as_json()}
            found |= {"subject": self.subject.as_json(), "long_subject": long}
        elif self.step.channel == "sms":
            found["sms"] = self._sms()
        else:
            found["too_long"] = {"allowed": WHATSAPP_LIMIT, **self.too_long.as_json()}
            found["values"] = [
                {"name": name, "rule": rule, **f.as_json()}
                for (name, rule), f in _most(self.values)
            ]
        return found

    def _sms(self) -> dict[str, Any]:
        return {
            "segments": {str(segments): n for segments, n in sorted(self.segments.items())},
            "encodings": dict(self.encodings.most_common()),
            "over": {"allowed": self.step.max_sms_segments, **self.over.as_json()},
            "forcing": [{"char": char, **f.as_json()} for char, f in _most(self.forcing)],
        }


@dataclass(slots=True)
class People:
    """Doctors over all steps: who gets every message, and who lacks what for at least one."""

    complete: int = 0
    skipped: int = 0
    missing: dict[str, Found] = field(default_factory=dict)

    def add(self, doctor_id: int, missing: Iterable[str]) -> None:
        """One more, and the names that any of the messages lacks."""
        names = dict.fromkeys(missing)  # a name that two messages lack is one
        for name in names:
            self.missing.setdefault(name, Found()).add(doctor_id)
        if names:
            self.skipped += 1
        else:
            self.complete += 1

    def as_json(self) -> dict[str, Any]:
        """As the result keeps it: what most doctors lack first."""
        return {
            "complete": self.complete,
            "skipped": self.skipped,
            "missing": _by_name(self.missing),
        }


def head(step: Step) -> dict[str, Any]:
    """Which step a result is about."""
    return {
        "template_key": step.template_key,
        "channel": step.channel,
        "day": step.day,
        "place": step.place,
    }


def _by_name(found: Mapping[str, Found]) -> list[dict[str, Any]]:
    return [{"name": name, **f.as_json()} for name, f in _most(found)]


def _most(found: Mapping[Any, Found]) -> list[tuple[Any, Found]]:
    return sorted(found.items(), key=lambda item: -item[1].count)
