"""Cells of every type: what they become, and what is refused in which words."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segments.imports.names import complete_names, shape_names, split_name
from segments.imports.timestamps import TIMESTAMP, parse_timestamp
from segments.imports.values import (
    TIMEZONE,
    YES_NO,
    BadValueError,
    EveryCell,
    choice,
    decimal,
    escape_formula,
    integer,
    text,
    text_list,
)

IST = timezone(timedelta(hours=5, minutes=30))


# --- Text


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-2", "@SUM(A1)", "=HYPERLINK(1)"])
def test_formula_is_refused(cell):
    with pytest.raises(BadValueError, match="Looks like a formula"):
        text(100).parse(cell)


@pytest.mark.parametrize("cell", ["#N/A", "#REF!", "#DIV/0!"])
def test_error_of_a_spreadsheet_is_refused(cell):
    with pytest.raises(BadValueError, match="error of the spreadsheet"):
        text(100).parse(cell)


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("a\0b", r"control character \(code 0\)"),
        ("a\x07b", r"control character \(code 7\)"),
        ("a\tb", r"control character \(code 9\)"),
        ("a\x85b", r"control character \(code 133\)"),
        ("a\nb", "line break"),
        ("Jos\ufffd", "character was lost"),
        ("x" * 11, "Has 11 characters: at most 10 fit"),
    ],
)
def test_text_that_cannot_be_stored_is_refused(cell, words):
    with pytest.raises(BadValueError, match=words):
        text(10).parse(cell)


def test_text_with_lines_keeps_them():
    assert text(100, lines=True).parse("one\r\ntwo\nthree") == "one\ntwo\nthree"


@pytest.mark.parametrize("cell", ["अनिता", "José", "O'Neil", "#1 course", "క్రొత్త", "a\\b", "👩‍⚕️"])
def test_text_of_any_script_is_kept(cell):
    assert text(100).parse(cell) == cell


@settings(max_examples=500, deadline=None)
@given(st.text(min_size=1, max_size=12))
def test_plain_text_is_stored_as_it_stands(cell):
    value = text(10)
    if EveryCell(value.plain).matches([cell]):
        assert value.stored(value.parse(cell.strip())) == cell


def test_cell_with_a_line_break_does_not_pass_for_two():
    assert not EveryCell("[a-z]+").matches(["one\ntwo"])
    assert EveryCell("[a-z]+").matches(["one", "", "two"])


def test_list_is_split_and_stored_as_an_array():
    value = text_list(20)
    items = value.parse('one | tw"o|  th\\ree |')
    assert items == ["one", 'tw"o', "th\\ree"]
    # Escaped for the array, and again for COPY.
    assert value.stored(items) == r'{"one","tw\\"o","th\\\\ree"}'
    assert value.shown(items) == 'one | tw"o | th\\ree'


def test_list_with_a_long_item_is_refused():
    with pytest.raises(BadValueError, match="at most 5 fit"):
        text_list(5).parse("one | toolong")


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3+cmd", "'-2+3+cmd"),
        ("\t=1", "'\t=1"),
        ("+919876543210", "+919876543210"),
        ("-4.5", "-4.5"),
        ("Anita", "Anita"),
    ],
)
def test_export_escapes_formulas_and_keeps_numbers(cell, shown):
    assert escape_formula(cell) == shown


# --- Numbers and words


@pytest.mark.parametrize(("cell", "number"), [("12", 12), ("12.0", 12), ("0", 0), ("007", 7)])
def test_integer(cell, number):
    assert integer().parse(cell) == number


@pytest.mark.parametrize("cell", ["1.5", "1,200", "twelve", "1e3", "١٢", "3000000000", "-1"])
def test_integer_that_is_none_is_refused(cell):
    with pytest.raises(BadValueError):
        integer().parse(cell)


def test_decimal():
    assert decimal(5, 1).parse("4.5") == Decimal("4.5")
    assert decimal(5, 1).parse("4.50") == Decimal("4.5")
    assert decimal(5, 1).parse("9999.9") == Decimal("9999.9")


@pytest.mark.parametrize("cell", ["4,5", "4.25", "10000", "NaN", "Infinity", "1e2", "-1"])
def test_decimal_that_does_not_fit_is_refused(cell):
    with pytest.raises(BadValueError):
        decimal(5, 1).parse(cell)


@pytest.mark.parametrize(
    ("cell", "is_yes"),
    [("yes", True), ("Y", True), ("TRUE", True), ("1", True), ("No", False), ("0.0", False)],
)
def test_yes_and_no(cell, is_yes):
    assert YES_NO.parse(cell) is is_yes


def test_yes_or_no_that_is_neither_is_refused():
    with pytest.raises(BadValueError, match="write yes or no"):
        YES_NO.parse("maybe")


def test_choice_names_what_is_known():
    assert choice(["sms", "email"]).parse("SMS") == "sms"
    with pytest.raises(BadValueError, match="write one of sms, email"):
        choice(["sms", "email"]).parse("fax")


def test_timezone():
    assert TIMEZONE.parse("asia/kolkata") == "Asia/Kolkata"
    for cell in ("IST", "India", "localtime", "../etc/passwd"):
        with pytest.raises(BadValueError, match="use a name such as Asia/Kolkata"):
            TIMEZONE.parse(cell)


# --- Dates and times


@pytest.mark.parametrize(
    ("cell", "moment"),
    [
        ("2026-01-31 10:30", datetime(2026, 1, 31, 10, 30, tzinfo=IST)),
        ("2026-01-31T10:30:15", datetime(2026, 1, 31, 10, 30, 15, tzinfo=IST)),
        ("2026-01-31T05:00:00Z", datetime(2026, 1, 31, 5, tzinfo=UTC)),
        ("2026-01-31 10:30:00+05:30", datetime(2026, 1, 31, 10, 30, tzinfo=IST)),
        ("2026-01-31 10:30:00 +0530", datetime(2026, 1, 31, 10, 30, tzinfo=IST)),
        ("2026-01-31 10:30:00.25", datetime(2026, 1, 31, 10, 30, 0, 250_000, tzinfo=IST)),
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=IST)),
        ("05/01/2026 10:30", datetime(2026, 1, 5, 10, 30, tzinfo=IST)),
        ("5/1/2026", datetime(2026, 1, 5, tzinfo=IST)),
        ("31-01-2026", datetime(2026, 1, 31, tzinfo=IST)),
        ("31-01-2026 22:05:09", datetime(2026, 1, 31, 22, 5, 9, tzinfo=IST)),
        ("05/01/2026 12:30 AM", datetime(2026, 1, 5, 0, 30, tzinfo=IST)),
        ("05/01/2026, 1:30 pm", datetime(2026, 1, 5, 13, 30, tzinfo=IST)),
    ],
)
def test_timestamp(cell, moment):
    assert parse_timestamp(cell) == moment


@pytest.mark.parametrize(
    "cell",
    [
        "2026-13-01",
        "2026-02-30 10:00",
        "30/02/2026",
        "01/31/2026",
        "2026-01-31 25:00",
        "05/01/26",
        "05/01-2026",
        "31 Jan 2026",
        "46027.4375",
        "0026-01-01",
        "13:30 pm",
        "05/01/2026 13:30 pm",
        "2026-W01-1",
        "yesterday",
    ],
)
def test_timestamp_that_is_none_is_refused(cell):
    with pytest.raises(BadValueError):
        parse_timestamp(cell)


@settings(max_examples=500, deadline=None)
@given(st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31)))  # noqa: DTZ001  as cells are
def test_plain_timestamp_is_read_the_same_way(moment):
    cell = moment.replace(microsecond=0).isoformat(" ")
    assert EveryCell(TIMESTAMP.plain).matches([cell])
    assert parse_timestamp(cell) == moment.replace(microsecond=0, tzinfo=IST)


# --- Names


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("Dr. Anita Rao", "Anita", "Rao"),
        ("Dr Anita Rao", "Anita", "Rao"),
        ("dr.Anita Rao", "Anita", "Rao"),
        ("Prof. Dr. Anita Devi Rao", "Anita Devi", "Rao"),
        ("PROFESSOR Anita Rao", "Anita", "Rao"),
        ("Doctor Rao", "Rao", "Rao"),
        ("Dr. Rao", "Rao", "Rao"),
        ("Rao", "Rao", "Rao"),
        ("  Anita   Rao ", "Anita", "Rao"),
        ("Anita\u00a0Rao", "Anita", "Rao"),
        ("Drew Profitt", "Drew", "Profitt"),
        ("Dr.", "", ""),
        ("", "", ""),
    ],
)
def test_name_is_split(name, first, last):
    assert split_name(name) == (first, last)


@pytest.mark.parametrize(
    ("given_names", "complete"),
    [
        (("Dr. Anita", "Rao"), ("Anita", "Rao")),
        (("", "Dr. Rao"), ("Rao", "Rao")),
        (("Anita", ""), ("Anita", "Anita")),
        (("Dr.", "Rao"), ("Rao", "Rao")),
        (("", ""), ("", "")),
    ],
)
def test_missing_part_of_a_name_is_the_other(given_names, complete):
    assert complete_names(*given_names) == complete


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(*[st.text("drprofesDR. ao", max_size=9)] * 2), min_size=1, max_size=4))
def test_names_of_a_block_are_shaped_as_one_by_one(pairs):
    columns = {"first_name": [f for f, _ in pairs], "last_name": [n for _, n in pairs]}
    shape_names(columns)
    shaped = list(zip(columns["first_name"], columns["last_name"], strict=True))
    stripped = [(first.strip(), last.strip()) for first, last in shaped]
    assert stripped == [tuple(map(str.strip, complete_names(*pair))) for pair in pairs]
