"""How a text goes out as SMS: encoding, units and segments, which are what an SMS costs.

GSM 03.38 (3GPP TS 23.038): 160 seven-bit units in one message, 153 in each part of several;
extension characters take two units. One character outside the alphabet turns the whole text
to UCS-2: 70 sixteen-bit units in one message, 67 in each part; an emoji takes two.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Encoding = Literal["GSM-7", "UCS-2"]

GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
GSM = GSM_BASIC | GSM_EXTENSION

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
    forcing = tuple(dict.fromkeys(char for char in text if char not in GSM))
    encoding: Encoding = "UCS-2" if forcing else "GSM-7"
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
