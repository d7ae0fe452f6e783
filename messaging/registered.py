"""Our text beside the one that was registered of it: the first place where they differ.

Operators (SMS in India) and WhatsApp let only registered texts through: words that stay as they
are, and slots that are filled for each message, `{#var#}` in an SMS and `{{1}}` in WhatsApp. What
counts is the message as it goes out, with the footer that render.py adds. Pure.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from mystace.mustache_tree import TagType

from messaging.render import FOOTERS, compile_template, links
from messaging.syntax import braced

# An SMS's slot may say what it is for: {#numeric#}, {#url#} (TRAI's direction of 18 Nov 2025).
SLOTS = {"sms": re.compile(r"\{#([a-z]+)#\}"), "whatsapp": re.compile(r"\{\{(\d{1,3})\}\}")}
OPT_OUT_LINK = "[link to opt out]"
BLANKS = "Blanks (·) and line ends (↵) must be as registered."

_BEFORE, _AFTER = 15, 30  # characters that are shown around a difference
_ALWAYS_VISIBLE = {"\n": "↵", "\t": "⇥", "\u00a0": "⍽", "\r": "␍"}


class Difference(NamedTuple):
    """The first place where the message is not as registered, and what to do about it."""

    line: int  # of the message, from 1
    column: int  # from 1; a variable is as wide as its tag
    ours: str
    theirs: str
    what_to_do: str

    def __str__(self) -> str:
        return (
            f"line {self.line}, column {self.column}: the message has “{self.ours}”, "
            f"the registered text “{self.theirs}”. {self.what_to_do}"
        )


class _Slot(NamedTuple):
    written: str  # as a person reads it
    name: str | None = None  # of our variable; None in a registered SMS: any
    fixed: str = ""  # what every value begins with: that of a link


_Atom = str | _Slot  # a single character, or a slot


def difference(
    channel: str, content: str, registered_text: str, parameters: Sequence[str] = ()
) -> Difference | None:
    """Where the message first differs from the registered text; None: nowhere.

    `parameters`: our variables for {{1}}, {{2}} and so on (WhatsApp). Each of our variables, and
    each link, stands where a slot is registered; a long value may have been given several slots
    side by side. Of a link, the part that is the same for everybody may be registered as words.
    The content must have no sections (see `sections`) and no wrong tags (else TemplateError).
    """
    ours = _message(channel, content)
    theirs = list(_registered(channel, registered_text, parameters))
    at, there = 0, 0
    while at < len(ours) and there < len(theirs):
        follows = _follows(ours, at, theirs, there)
        if follows is None:
            break
        at, there = follows
    if at == len(ours) and there == len(theirs):
        return None
    return _tell(channel, ours, at, theirs, there)


def sections(content: str) -> list[str]:
    """Tags of the content that no registered text can have, in their order."""
    signs = {TagType.SECTION: "#", TagType.INVERTED_SECTION: "^"}
    return [
        braced(node.data, signs[node.tag_type])
        for node in compile_template(content).nodes
        if node.tag_type in signs
    ]


def parameter_problems(
    content: str, registered_text: str, parameters: Sequence[str]
) -> list[tuple[str, str]]:
    """Numbers of a WhatsApp text without a variable, and variables without a number or a use.

    Each with what to do. Where the registered text is not known, our own text is what counts.
    """
    found = []
    if registered_text:
        numbers = {int(number) for number in SLOTS["whatsapp"].findall(registered_text)}
        for number in sorted(numbers - set(range(1, len(parameters) + 1))):
            text = f"{{{{{number}}}}} of the registered text has no variable."
            found.append((text, "Name one for each number, the first for {{1}}."))
        for number, name in enumerate(parameters, 1):
            if number not in numbers:
                text = f"The registered text has no {{{{{number}}}}} for {braced(name)}."
                found.append((text, "Take it out, or register the text with it."))
    used = dict.fromkeys(compile_template(content).names)
    found += [
        (f"The text does not use {braced(name)}.", "Take it out, or use it.")
        for name in dict.fromkeys(parameters)
        if name not in used
    ]
    if not registered_text:
        for name in used:
            if name not in parameters:
                text = f"{braced(name)} of the text has no number."
                found.append((text, "Name it among the variables, the first for {{1}}."))
    return found


def _message(channel: str, content: str) -> list[_Atom]:
    """The message as it goes out, footer included."""
    atoms: list[_Atom] = []
    link = links("", channel)
    # What fills a number of WhatsApp is the whole link.
    fixed = {"shortlink": link.shortlink} if channel == "sms" else {}
    for node in compile_template(content).nodes:
        if node.tag_type is TagType.LITERAL:
            atoms += str(node.data)
        else:
            atoms.append(_Slot(braced(node.data), node.data, fixed.get(node.data, "")))
    before, slot, after = FOOTERS[channel].partition("{}")
    atoms += before
    if slot:
        atoms.append(_Slot(OPT_OUT_LINK, "", link.unsubscribe))
    return atoms + list(after)


def _registered(channel: str, text: str, parameters: Sequence[str]) -> Iterator[_Atom]:
    """The registered text; browsers end lines with CR LF."""
    text = text.replace("\r\n", "\n")
    end = 0
    for match in SLOTS[channel].finditer(text):
        yield from text[end : match.start()]
        end = match.end()
        if channel == "sms":
            yield _Slot(match[0])
        else:
            number = int(match[1])
            yield _Slot(match[0], parameters[number - 1] if 0 < number <= len(parameters) else "")
    yield from text[end:]


def _follows(
    ours: Sequence[_Atom], at: int, theirs: Sequence[_Atom], there: int
) -> tuple[int, int] | None:
    """Where to go on in both; None: here they differ."""
    mine = ours[at]
    if isinstance(mine, str):
        return (at + 1, there + 1) if mine == theirs[there] else None
    there = _past(mine.fixed, theirs, there)
    slot = theirs[there] if there < len(theirs) else ""
    if isinstance(slot, str) or slot.name not in (None, mine.name):
        return None
    there += 1
    is_last = at + 1 == len(ours) or isinstance(ours[at + 1], str)
    while slot.name is None and is_last and isinstance(_at(theirs, there), _Slot):
        there += 1
    return at + 1, there


def _past(fixed: str, theirs: Sequence[_Atom], there: int) -> int:
    """Past as much of what a link begins with as is registered before the slot."""
    for ahead, char in enumerate(fixed):
        if isinstance(_at(theirs, there + ahead), _Slot):
            return there + ahead
        if _at(theirs, there + ahead) != char:
            return there
    return there + len(fixed)


def _at(atoms: Sequence[_Atom], at: int) -> _Atom:
    """'' past the end."""
    return atoms[at] if at < len(atoms) else ""


# --- in words -----------------------------------------------------------------------------


def _tell(
    channel: str, ours: Sequence[_Atom], at: int, theirs: Sequence[_Atom], there: int
) -> Difference:
    before = _written(ours[:at])
    mine, other = _at(ours, at), _at(theirs, there)
    about_blanks = any(isinstance(atom, str) and atom.isspace() for atom in (mine, other))
    return Difference(
        line=before.count("\n") + 1,
        column=len(before) - before.rfind("\n"),
        ours=_near(ours, at, about_blanks=about_blanks),
        theirs=_near(theirs, there, about_blanks=about_blanks),
        what_to_do=_what_to_do(channel, ours, at, mine, other),
    )


def _what_to_do(channel: str, ours: Sequence[_Atom], at: int, mine: _Atom, other: _Atom) -> str:
    if not other:
        return _past_the_end(channel, _written(ours[at:]))
    if isinstance(mine, str) and isinstance(other, str):
        return _other_words(mine, other)
    if " " in (mine, other) or "\n" in (mine, other):
        return BLANKS
    if isinstance(other, str):
        return f"Words are registered where {_written([mine])} stands: write them, or register it."
    if isinstance(mine, str):
        return f"{other.written} is registered there: write a variable in its place."
    filled = f"is filled with {braced(other.name)}" if other.name else "has no variable"
    return f"{other.written} {filled}: change the variables' order, or the text."


def _past_the_end(channel: str, rest: str) -> str:
    """For what the registered text has no more."""
    footer = FOOTERS[channel].format("{#var#}").strip()
    if rest.strip().startswith(footer.removesuffix("{#var#}").strip()):
        return f"Register the last line, too: every message ends with “{footer}”."
    return "The registered text ends there: shorten the message, or register the whole of it."


def _other_words(mine: str, other: str) -> str:
    """For two characters; the message may be at its end, where `mine` is ''."""
    if mine.isspace() or other.isspace():
        return BLANKS
    if mine and not (mine.isalnum() or other.isalnum()):
        return f"Here is “{mine}” ({_name(mine)}), there “{other}” ({_name(other)}): write that."
    return "Write it as it is registered, or register it anew."


def _near(atoms: Sequence[_Atom], at: int, *, about_blanks: bool) -> str:
    """A few words around a place, with what is hard to see made visible."""
    signs = {**_ALWAYS_VISIBLE, " ": "·"} if about_blanks else _ALWAYS_VISIBLE

    def shown(some: Iterable[_Atom]) -> Iterator[str]:
        return (signs.get(atom, atom) if isinstance(atom, str) else atom.written for atom in some)

    before = _up_to(_BEFORE, shown(reversed(atoms[:at])))[::-1]
    after = _up_to(_AFTER, shown(atoms[at:]))
    begins = "…" if len(before) < at else ""
    ends = "…" if at + len(after) < len(atoms) else "" if after else " (the end)"
    return f"{begins}{''.join([*before, *after])}{ends}"


def _up_to(length: int, words: Iterable[str]) -> list[str]:
    """The first of the words, until they have so many characters together."""
    some: list[str] = []
    for word in words:
        if length <= 0:
            break
        some.append(word)
        length -= len(word)
    return some


def _written(atoms: Sequence[_Atom]) -> str:
    return "".join(atom if isinstance(atom, str) else atom.written for atom in atoms)


def _name(char: str) -> str:
    return unicodedata.name(char, "sign without a name").lower()
