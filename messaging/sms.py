"""How a text goes out as SMS: encoding, units and segments, which are what an SMS costs.

GSM 03.38 (3GPP TS 23.038): 160 seven-bit units in one message, 153 in each part of several;
extension characters take two units. One character outside the alphabet turns the whole text
to UCS-2: 70 sixteen-bit units in one message, 67 in each part; an emoji takes two.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

Encoding = Literal["GSM-7", "UCS-2"]

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM = GSM_BASIC | GSM_EXTENSION
_OUTSIDE = re.compile(f"[^{re.escape(''.join(sorted(GSM)))}]")
_EXTENSION = re.compile(f"[{re.escape(''.join(sorted(GSM_EXTENSION)))}]")

# Units in a message of one segment, and in each segment of a longer one.
CAPACITY: dict[Encoding, tuple[int, int]] = {"GSM-7": (160, 153), "UCS-2": (70, 67)}


@dataclass(frozen=True, slots=True)
class SmsSize:
    """Size of a text as SMS."""

    encoding: Encoding
    units: int  # septets of GSM-7, 16-bit units of UCS-2
    segments: int  # 0 for an empty text
    forcing: tuple[str, ...]  # the characters that force UCS-2, each once, in order of appearance


def measure(text: str) -> SmsSize:
    """Count the units and segments of a rendered text, footer included."""
    forcing = tuple(dict.fromkeys(_OUTSIDE.findall(text)))
    encoding: Encoding = "UCS-2" if forcing else "GSM-7"
    if not forcing and not _EXTENSION.search(text):  # nearly every text; each character is a unit
        alone, each = CAPACITY[encoding]
        length = len(text)
        return SmsSize(encoding, length, -(-length // (alone if length <= alone else each)), ())
    if forcing:
        widths = [2 if ord(char) > 0xFFFF else 1 for char in text]
    else:
        widths = [2 if char in GSM_EXTENSION else 1 for char in text]
    return SmsSize(encoding, sum(widths), _segments(widths, *CAPACITY[encoding]), forcing)


def _segments(widths: Iterable[int], alone: int, each: int) -> int:
    """Segments that hold characters of these widths; no character is split over two."""
    widths = list(widths)
    if sum(widths) <= alone:
        return 1 if widths else 0
    segments, room = 1, each
    for width in widths:
        if width > room:
            segments, room = segments + 1, each
        room -= width
    return segments


# --- plain words for what forces UCS-2 ----------------------------------------------------


class Replacement(NamedTuple):
    """A character that forces UCS-2, and what can stand in its place."""

    char: str
    name: str  # Unicode's, in small letters
    plain: str | None  # None: nothing in the alphabet says the same; '': it cannot be seen


# What cannot be seen: soft hyphen, zero width, direction marks, joiners, byte order mark.
_INVISIBLE = (
    "\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2061\u2062"
    "\u2063\u2064\u2066\u2067\u2068\u2069\ufe0f\ufeff"
)
_SPACES = "\t\u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_PLAIN: dict[str, str] = {
    char: plain
    for plain, chars in (
        ("-", "‐‑‒–—―−•‣◦▪●■✓✔"),
        ("'", "‘’‚‛′´`‹›"),
        ('"', "“”„‟″«»"),
        (" ", _SPACES),
        ("", _INVISIBLE),
        ("\n", "\x0b\x85\u2028\u2029"),
        ("Rs.", "₹"),
        ("...", "…"),
        ("->", "→➔➜⟶"),
        ("<-", "←⟵"),
        ("=>", "⇒"),
        ("x", "×✕✗✘"),
        ("/", "÷⁄"),
        ("<=", "≤"),
        (">=", "≥"),
        ("+/-", "±"),
        ("(C)", "©"),
        ("(R)", "®"),
    )
    for char in chars
}


def replacements(text: str) -> list[Replacement]:
    """Each character that forces UCS-2, once, in order of appearance, with what can replace it."""
    found = dict.fromkeys(_OUTSIDE.findall(text))
    return [Replacement(char, _name(char), _plain_char(char)) for char in found]


def plain(text: str) -> str:
    """The text with every replacement made that there is; other characters stay."""
    return _OUTSIDE.sub(lambda match: _plain_or_same(match[0]), text)


def _plain_or_same(char: str) -> str:
    replaced = _plain_char(char)
    return char if replaced is None else replaced


@cache
def _plain_char(char: str) -> str | None:
    """From the table, else the letters that it is made of: ā -> a, ½ -> 1/2, ﬁ -> fi, ™ -> TM."""
    if char in _PLAIN:
        return _PLAIN[char]
    parts = unicodedata.normalize("NFKD", char).replace("⁄", "/")
    letters = "".join(part for part in parts if not "\u0300" <= part <= "\u036f")
    if letters and letters != char and not _OUTSIDE.search(letters):
        return letters
    return "" if "\u0300" <= char <= "\u036f" else None  # an accent by itself


def _name(char: str) -> str:
    return unicodedata.name(char, "").lower() or f"U+{ord(char):04X}"
