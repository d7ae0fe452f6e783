"""Encoding, units and segments of SMS."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.sms import (
    GSM,
    GSM_BASIC,
    GSM_EXTENSION,
    Replacement,
    SmsSize,
    measure,
    plain,
    replacements,
)


def test_alphabet_has_the_standards_characters() -> None:
    assert len(GSM_BASIC) == 127  # 128 places, one is the escape
    assert set("\f^{}\\[~]|€") == GSM_EXTENSION
    assert not GSM_BASIC & GSM_EXTENSION
    ascii_outside = {chr(code) for code in range(32, 127)} - GSM
    assert ascii_outside == {"`"}
    assert {char for char in GSM_BASIC if not char.isascii()} == set(
        "£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà"
    )


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("", SmsSize("GSM-7", 0, 0, ())),
        ("a" * 160, SmsSize("GSM-7", 160, 1, ())),
        ("a" * 161, SmsSize("GSM-7", 161, 2, ())),
        ("a" * 306, SmsSize("GSM-7", 306, 2, ())),
        ("a" * 307, SmsSize("GSM-7", 307, 3, ())),
        ("€" * 80, SmsSize("GSM-7", 160, 1, ())),
        ("€" * 81, SmsSize("GSM-7", 162, 2, ())),
        # 306 units would fill two segments, but an escape and its character stay together.
        ("a" * 152 + "€" + "a" * 152, SmsSize("GSM-7", 306, 3, ())),
        ("–" * 70, SmsSize("UCS-2", 70, 1, ("–",))),
        ("–" * 71, SmsSize("UCS-2", 71, 2, ("–",))),
        ("–" * 134, SmsSize("UCS-2", 134, 2, ("–",))),
        ("–" * 135, SmsSize("UCS-2", 135, 3, ("–",))),
        ("😀" * 35, SmsSize("UCS-2", 70, 1, ("😀",))),
        # 134 units would fill two segments of 67, but each holds 33 pairs.
        ("😀" * 67, SmsSize("UCS-2", 134, 3, ("😀",))),
        ("Dr. Rao, ₹500 → “now” ₹", SmsSize("UCS-2", 23, 1, ("₹", "→", "“", "”"))),
        ("नमस्ते", SmsSize("UCS-2", 6, 1, ("न", "म", "स", "्", "त", "े"))),
        ("a\x1bb", SmsSize("UCS-2", 3, 1, ("\x1b",))),
        # An extension character costs one unit where UCS-2 is used anyway.
        ("[é]–", SmsSize("UCS-2", 4, 1, ("–",))),
    ],
)
def test_measure_counts_units_and_segments(text: str, size: SmsSize) -> None:
    assert measure(text) == size


@given(st.integers(1, 2000))
def test_measure_of_plain_text_is_simple_division(length: int) -> None:
    expected = 1 if length <= 160 else math.ceil(length / 153)
    assert measure("x" * length).segments == expected


@given(st.text())
def test_measure_agrees_with_utf16_where_the_alphabet_is_left(text: str) -> None:
    size = measure(text)
    assert (size.encoding == "UCS-2") == bool(set(text) - GSM) == bool(size.forcing)
    if size.encoding == "UCS-2":
        assert size.units == len(text.encode("utf-16-le", "surrogatepass")) // 2
    alone, each = (70, 67) if size.encoding == "UCS-2" else (160, 153)
    if size.units > alone:
        assert math.ceil(size.units / each) <= size.segments <= math.ceil(size.units / (each - 1))
    else:
        assert size.segments == bool(text)


# --- plain replacements -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("char", "name", "replaced"),
    [
        ("₹", "indian rupee sign", "Rs."),
        ("–", "en dash", "-"),
        ("—", "em dash", "-"),
        ("“", "left double quotation mark", '"'),
        ("”", "right double quotation mark", '"'),
        ("‘", "left single quotation mark", "'"),
        ("’", "right single quotation mark", "'"),
        ("`", "grave accent", "'"),
        ("…", "horizontal ellipsis", "..."),
        ("\u00a0", "no-break space", " "),
        ("\t", "U+0009", " "),
        ("\u200b", "zero width space", ""),
        ("\u0301", "combining acute accent", ""),
        ("\u2028", "line separator", "\n"),
        ("•", "bullet", "-"),
        ("→", "rightwards arrow", "->"),
        ("✓", "check mark", "-"),
        ("ā", "latin small letter a with macron", "a"),
        ("ç", "latin small letter c with cedilla", "c"),
        ("½", "vulgar fraction one half", "1/2"),
        ("ﬁ", "latin small ligature fi", "fi"),
        ("™", "trade mark sign", "TM"),
        ("°", "degree sign", None),
        ("न", "devanagari letter na", None),
        ("्", "devanagari sign virama", None),
        ("\u0958", "devanagari letter qa", None),
        ("😀", "grinning face", None),
    ],
)
def test_replacement_says_what_can_stand_in_its_place(
    char: str, name: str, replaced: str | None
) -> None:
    assert replacements(f"a{char}b{char}") == [Replacement(char, name, replaced)]
    assert plain(f"a{char}b") == f"a{char if replaced is None else replaced}b"


def test_replacements_come_once_in_the_order_of_the_text() -> None:
    found = replacements("Dr. Rao, ₹500 – “now” – न ₹")
    assert [replacement.char for replacement in found] == ["₹", "–", "“", "”", "न"]
    assert replacements("Plain text, é and €.") == []


@given(st.text())
def test_plain_text_keeps_only_what_nothing_can_replace(text: str) -> None:
    once = plain(text)
    assert plain(once) == once
    assert {char for char in once if char not in GSM} == {
        found.char for found in replacements(text) if found.plain is None
    }
