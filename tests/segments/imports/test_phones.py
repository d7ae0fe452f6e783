"""Phone numbers as spreadsheets write them, and the short way against libphonenumber."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.imports.phones import PHONE, parse_phone, parse_with_library
from segments.imports.values import BadValueError, EveryCell

ANITA = "+919876543210"
_all_plain = EveryCell(PHONE.plain)


def answer(parse, cell):
    """The number, or the words of the refusal."""
    try:
        return parse(cell)
    except BadValueError as error:
        return str(error)


@pytest.mark.parametrize(
    "cell",
    [
        "9876543210",
        "98765 43210",
        "98765-43210",
        "09876543210",
        "+91-98765-43210",
        "+91 98765 43210",
        "919876543210",
        "0091 98765 43210",
        "9876543210.0",
        "+91 (0) 98765 43210",
        "९८७६५४३२१०",
        "tel:+919876543210".removeprefix("tel:"),
    ],
)
def test_phone_in_a_usual_form_is_e164(cell):
    assert parse_phone(cell) == ANITA


def test_phone_of_another_country_keeps_its_code():
    assert parse_phone("+44 7400 123456") == "+447400123456"


def test_phone_that_may_be_either_kind_is_taken():
    # Numbers of North America do not tell mobile from landline.
    assert parse_phone("+1 201 555 0123") == "+12015550123"


@pytest.mark.parametrize("cell", ["9.88E+09", "9,88E+09", "9.8765E9", "1e10"])
def test_phone_rounded_by_a_spreadsheet_is_refused(cell):
    with pytest.raises(BadValueError, match=r"spreadsheet has spoiled this number.*as text"):
        parse_phone(cell)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("011 2345 6789", "not a mobile number"),
        ("1800 123 4567", "not a mobile number"),
        ("12345", "not a valid phone number"),
        ("98765", "not a valid phone number"),
        ("9876543210 / 9876543211", "not a phone number"),
        ("+999 12345678", "not a phone number"),
        ("call her", "letters"),
        ("98765ABCDE", "letters"),
        ("9876543210 ext 5", "letters"),
        ("=1+1", "not a phone number"),
        ("98765\x0043210", "control character"),
    ],
)
def test_phone_that_is_none_is_refused_in_words(cell, words):
    with pytest.raises(BadValueError, match=words):
        parse_phone(cell)


def test_short_way_gives_the_library_s_answer_for_every_series():
    """Numbers of every fifth series of mobile numbers, in forms drawn for each."""
    chance = random.Random(5)
    forms = ("{}", "+91{}", "0{}", "91{}", "+91 {}", "+91-{}", "91 {}", "{}.0")
    for series in range(60_000 + chance.randrange(5), 100_000, 5):
        number = f"{series}{chance.randrange(100_000):05}"
        spaced = f"{number[:5]}{chance.choice(['', ' ', '-'])}{number[5:]}"
        cell = chance.choice(forms).format(spaced)
        expected = answer(parse_with_library, cell)
        assert answer(parse_phone, cell) == expected, cell
        assert _all_plain.matches([f"+91{number}"]) == (expected == f"+91{number}"), cell


@settings(max_examples=400, deadline=None)
@given(st.from_regex(r"(\+?91|0|00|)[ -]?[0-9]{4,6}[ -]?[0-9]{4,6}(\.0)?", fullmatch=True))
def test_short_way_gives_the_library_s_answer(cell):
    assert answer(parse_phone, cell) == answer(parse_with_library, cell)


def test_digits_of_another_script_are_not_plain():
    assert not _all_plain.matches(["+91९८७६५४३२१०"])
    assert _all_plain.matches([ANITA, "", ANITA])
