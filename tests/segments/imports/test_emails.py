"""E-mail addresses, and the short way against email-validator."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.imports.emails import EMAIL, parse_email, parse_with_library
from segments.imports.values import BadValueError


def answer(parse, cell):
    """The address, or the words of the refusal."""
    try:
        return parse(cell)
    except BadValueError as error:
        return str(error)


@pytest.mark.parametrize(
    ("cell", "stored"),
    [
        ("anita.rao@example.com", "anita.rao@example.com"),
        ("Anita.Rao@Example.COM", "anita.rao@example.com"),
        ("anita+clirnet@mail.example.co.in", "anita+clirnet@mail.example.co.in"),
        ("o'neil@example.com", "o'neil@example.com"),
        ("anita@müller.example.com", "anita@xn--mller-kva.example.com"),
    ],
)
def test_address_is_stored_in_lower_case(cell, stored):
    assert parse_email(cell) == stored


@pytest.mark.parametrize(
    "cell",
    [
        "anita",
        "anita@",
        "@example.com",
        "anita@example",
        "anita..rao@example.com",
        "anita rao@example.com",
        "Anita Rao <anita@example.com>",
        "anita@example.com, rao@example.com",
        "anita@localhost",
        "anita@mail.test",
        "anita@mail.invalid",
        "अनिता@example.com",
        "anita@example.com\x00",
        "=anita@example.com@",
        f"{'a' * 65}@example.com",
    ],
)
def test_what_is_no_address_is_refused(cell):
    with pytest.raises(BadValueError):
        parse_email(cell)


def test_letter_that_is_ascii_only_in_lower_case_goes_the_long_way():
    # KELVIN SIGN lower-cases to k.
    assert answer(parse_email, "mar\u212a@example.com") == answer(
        parse_with_library, "mar\u212a@example.com"
    )


parts = st.text("abcxyz019._+-AZ'", min_size=1, max_size=25)
domains = st.sampled_from(
    ["example.com", "x--y.com", "localhost", "a.test", "test.in", "xn--a.in", "-a.in", "a-.in"]
)


@settings(max_examples=400, deadline=None)
@given(st.builds("{}@{}".format, parts, st.one_of(domains, parts)))
def test_short_way_gives_the_library_s_answer(cell):
    assert answer(parse_email, cell) == answer(parse_with_library, cell)


@settings(max_examples=400, deadline=None)
@given(st.from_regex(re.compile(EMAIL.plain, re.ASCII), fullmatch=True))
def test_plain_address_is_stored_as_it_stands(cell):
    assert parse_with_library(cell) == cell
