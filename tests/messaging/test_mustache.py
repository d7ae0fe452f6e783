"""Our filling in writes what mystace itself writes, whatever the template and the values."""

import html
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from mystace import render_from_template

from messaging.mustache import VISIBLE, Template, Texts, as_text, escaped

NAMES = ("a", "b", "c")
names = st.sampled_from(NAMES)
words = st.sampled_from(["x", " ", "\n", "  \n", "%", "%s", "%(a)s", "<b>", "é", "\r\n", "{ ", "}"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 2),
    st.floats(allow_nan=False),
    st.text(max_size=4),
    st.sampled_from(["", "<&>", "\"'", "%s", "{{a}}", "one\r\ntwo", "\u202ex"]),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)),
    max_leaves=12,
)
tags = st.tuples(st.sampled_from(["#", "^"]), names)


def section(parts: tuple[tuple[str, str], str]) -> str:
    (sign, name), inner = parts
    return f"{{{{{sign}{name}}}}}{inner}{{{{/{name}}}}}"


templates = st.recursive(
    st.one_of(words, names.map("{{{{{}}}}}".format), st.just("{{! a note }}")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map("".join), st.tuples(tags, inner).map(section)
    ),
    max_leaves=20,
)


def by_mystace(template: str, data: dict[str, Any], escape: Any) -> str:
    return render_from_template(template, data, stringify=as_text, html_escape_fn=escape)


@settings(deadline=None)
@given(templates, st.dictionaries(names, values, max_size=3))
@example("{{#a}}{{b}}{{/a}}", {"a": [None, {}, {"b": None}, 1], "b": "outside"})
@example("{{#a}}{{#b}}{{c}}{{a}}{{/b}}{{^b}}no{{/b}}{{/a}}", {"a": [{"b": [{"c": 1}]}, {"b": 0}]})
@example("a\n{{#a}}\n- {{b}} 100%\n{{/a}}\nz", {"a": [{"b": "<1>"}, {"b": 2}]})
def test_filled_in_as_by_mystace(template: str, data: dict[str, Any]) -> None:
    compiled, texts = Template(template), Texts(data)
    assert compiled.fill(texts) == by_mystace(template, data, str)
    assert compiled.fill(texts.as_html()) == by_mystace(template, data, html.escape)


@given(st.text())
def test_escaped_as_by_the_standard_library(text: str) -> None:
    assert escaped(text) == html.escape(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("one\r\ntwo", "one two"),
        ("\r\n one \n\n\t two \u2028three\x85four\x0bfive\x0csix\n", "one two three four five six"),
        ("a\tb", "a b"),
        ("nul\x00 bell\x07 escape\x1b[0m del\x7f c1\x9b", "nul bell escape[0m del c1"),
        ("\u202egnirts\u202c", "gnirts"),
        ("\u2067isolated\u2069 \u200fmark\u200e \u061cletter", "isolated mark letter"),
        ("\n", ""),
        # What a name needs stays: joiners of Indian scripts and emoji, right-to-left letters.
        ("क्\u200dष 👩\u200d⚕️ שלום", "क्\u200dष 👩\u200d⚕️ שלום"),
        ("  as\u00a0typed  ", "as\u00a0typed"),
        ("  as typed  ", "  as typed  "),
        ([{}, {}], "2"),
        (12.5, "12.5"),
    ],
)  # fmt: skip
def test_value_is_written_on_one_line_and_in_one_direction(value: object, text: str) -> None:
    assert as_text(value) == text


@given(st.text())
def test_no_value_breaks_a_line_or_turns_the_text_around_it(value: str) -> None:
    text = as_text(value)
    assert len(text.splitlines()) <= 1
    assert not any(
        ord(letter) < 0x20 or 0x7F <= ord(letter) < 0xA0 or letter in "\u061c\u200e\u200f"
        for letter in text
    )
    assert not any(0x202A <= ord(c) <= 0x202E or 0x2066 <= ord(c) <= 0x2069 for c in text)
    # Nothing that can be seen is lost.
    assert VISIBLE.findall(text) == VISIBLE.findall(value)


def test_flat_template_needs_no_look_at_its_tags() -> None:
    template = Template("{{a}} of 100% for {{b}}{{a}}")
    assert template._is_flat
    assert template.fill(Texts({"a": 5, "b": "<b>"}).as_html()) == "5 of 100% for &lt;b&gt;5"
