"""The cases of the mustache specification: each renders as it says, or is refused on purpose."""

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from messaging.mustache import Template, Texts
from messaging.render import TemplateError, compile_template
from messaging.syntax import syntax_problems

SPEC = Path(__file__).with_name("mustache_spec")
Case = dict[str, Any]

# Why a case is refused: what a marketer is told.
UNESCAPED_BRACES = "Three braces put a value in unchecked."  # a value would be read as HTML
UNESCAPED_AMPERSAND = "{{&name}} puts a value in unchecked."  # the same
# Names are those of the catalogue, which has no objects within objects and no lists of words.
DOTTED = "is not a variable's name"
IMPLICIT = "“.” is not a variable's name"
PARTIAL = "{{>name}} (a text within a text) cannot be used."  # a version would not be one text
DELIMITERS = "{{=…=}} (other signs for braces) cannot be used."  # nobody could read it
PARENT, BLOCK = "“<", "“$"  # texts within texts, too

REFUSED: dict[str, dict[str, str]] = {
    "comments": {},
    "inverted": dict.fromkeys(
        ["Dotted Names - Truthy", "Dotted Names - Falsey", "Dotted Names - Broken Chains"], DOTTED
    ),
    "interpolation": {
        "Triple Mustache": UNESCAPED_BRACES,
        "Triple Mustache Integer Interpolation": UNESCAPED_BRACES,
        "Triple Mustache Decimal Interpolation": UNESCAPED_BRACES,
        "Triple Mustache Null Interpolation": UNESCAPED_BRACES,
        "Triple Mustache Context Miss Interpolation": UNESCAPED_BRACES,
        "Triple Mustache - Surrounding Whitespace": UNESCAPED_BRACES,
        "Triple Mustache - Standalone": UNESCAPED_BRACES,
        "Triple Mustache With Padding": UNESCAPED_BRACES,
        "Ampersand": UNESCAPED_AMPERSAND,
        "Ampersand Integer Interpolation": UNESCAPED_AMPERSAND,
        "Ampersand Decimal Interpolation": UNESCAPED_AMPERSAND,
        "Ampersand Null Interpolation": UNESCAPED_AMPERSAND,
        "Ampersand Context Miss Interpolation": UNESCAPED_AMPERSAND,
        "Ampersand - Surrounding Whitespace": UNESCAPED_AMPERSAND,
        "Ampersand - Standalone": UNESCAPED_AMPERSAND,
        "Ampersand With Padding": UNESCAPED_AMPERSAND,
        "Dotted Names - Basic Interpolation": DOTTED,
        "Dotted Names - Triple Mustache Interpolation": UNESCAPED_BRACES,
        "Dotted Names - Ampersand Interpolation": UNESCAPED_AMPERSAND,
        "Dotted Names - Arbitrary Depth": DOTTED,
        "Dotted Names - Broken Chains": DOTTED,
        "Dotted Names - Broken Chain Resolution": DOTTED,
        "Dotted Names - Initial Resolution": DOTTED,
        "Dotted Names - Context Precedence": DOTTED,
        "Implicit Iterators - Basic Interpolation": IMPLICIT,
        "Implicit Iterators - HTML Escaping": IMPLICIT,
        "Implicit Iterators - Triple Mustache": UNESCAPED_BRACES,
        "Implicit Iterators - Ampersand": UNESCAPED_AMPERSAND,
        "Implicit Iterators - Basic Integer Interpolation": IMPLICIT,
    },
    "sections": {
        "Parent contexts": DOTTED,
        "Variable test": IMPLICIT,
        "List Contexts": DOTTED,
        "Deeply Nested Contexts": IMPLICIT,
        "Implicit Iterator - String": IMPLICIT,
        "Implicit Iterator - Integer": IMPLICIT,
        "Implicit Iterator - Decimal": IMPLICIT,
        "Implicit Iterator - Array": IMPLICIT,
        "Implicit Iterator - HTML Escaping": IMPLICIT,
        "Implicit Iterator - Triple mustache": UNESCAPED_BRACES,
        "Implicit Iterator - Ampersand": UNESCAPED_AMPERSAND,
        "Implicit Iterator - Root-level": IMPLICIT,
        "Dotted Names - Truthy": DOTTED,
        "Dotted Names - Falsey": DOTTED,
        "Dotted Names - Broken Chains": DOTTED,
    },
    "partials": dict.fromkeys(
        [
            "Basic Behavior",
            "Failed Lookup",
            "Context",
            "Recursion",
            "Nested",
            "Surrounding Whitespace",
            "Inline Indentation",
            "Standalone Line Endings",
            "Standalone Without Previous Line",
            "Standalone Without Newline",
            "Standalone Indentation",
            "Padding Whitespace",
        ],
        PARTIAL,
    ),
    "delimiters": {
        "Pair Behavior": DELIMITERS,
        "Special Characters": DELIMITERS,
        "Sections": DELIMITERS,
        "Inverted Sections": DELIMITERS,
        "Partial Inheritence": DELIMITERS,
        # Its own template changes nothing; its partial does.
        "Post-Partial Behavior": PARTIAL,
        "Surrounding Whitespace": DELIMITERS,
        "Outlying Whitespace (Inline)": DELIMITERS,
        "Standalone Tag": DELIMITERS,
        "Indented Standalone Tag": DELIMITERS,
        "Standalone Line Endings": DELIMITERS,
        "Standalone Without Previous Line": DELIMITERS,
        "Standalone Without Newline": DELIMITERS,
        "Pair with Padding": DELIMITERS,
    },
}
# Optional parts of the specification. All of dynamic names are partials; a function among the
# values is never called, whether or not the template around it is refused.
LAMBDAS = {
    "Interpolation - Alternate Delimiters": DELIMITERS,
    "Interpolation - Multiple Calls": UNESCAPED_BRACES,
    "Escaping": UNESCAPED_BRACES,
    "Section - Alternate Delimiters": DELIMITERS,
}


def spec(name: str) -> list[Case]:
    cases: list[Case] = json.loads((SPEC / f"{name}.json").read_text())["tests"]
    return cases


def named(cases: Iterator[tuple[str, Case]]) -> Any:
    return [pytest.param(*case, id=f"{case[0]}: {case[1]['name']}") for case in cases]


def accepted() -> Iterator[tuple[str, Case]]:
    for file, refused in REFUSED.items():
        yield from ((file, case) for case in spec(file) if case["name"] not in refused)


def refused() -> Iterator[tuple[str, Case]]:
    for file, names in REFUSED.items():
        yield from ((file, case) for case in spec(file) if case["name"] in names)


def test_every_case_of_every_file_is_accounted_for() -> None:
    """No file without a place here, no name in the tables that the specification does not have."""
    optional = {"~lambdas", "~dynamic-names", "~inheritance"}
    assert {path.stem for path in SPEC.glob("*.json")} == REFUSED.keys() | optional
    for file, names in (REFUSED | {"~lambdas": LAMBDAS}).items():
        assert names.keys() <= {case["name"] for case in spec(file)}, file
    assert len(list(accepted())) == 60
    assert len(list(refused())) == 73


@pytest.mark.parametrize(("file", "case"), named(accepted()))
def test_case_renders_as_the_specification_says(file: str, case: Case) -> None:
    template, texts = compile_template(case["template"]), Texts(case["data"])
    assert template.fill(texts.as_html()) == case["expected"]
    # In plain text values are not escaped.
    assert template.fill(texts) == html.unescape(case["expected"])


@pytest.mark.parametrize(("file", "case"), named(refused()))
def test_case_is_refused_on_purpose(file: str, case: Case) -> None:
    assert_refused(case, REFUSED[file][case["name"]])


@pytest.mark.parametrize("case", spec("~dynamic-names"), ids=lambda case: case["name"])
def test_dynamic_name_is_refused(case: Case) -> None:
    assert_refused(case, PARTIAL)


@pytest.mark.parametrize("case", spec("~inheritance"), ids=lambda case: case["name"])
def test_inheritance_is_refused(case: Case) -> None:
    # A block to be filled in, or a parent that brings some.
    assert_refused(case, BLOCK if "{{$" in case["template"].partition("}}")[0] else PARENT)


@pytest.mark.parametrize("case", spec("~lambdas"), ids=lambda case: case["name"])
def test_function_among_the_values_is_never_called(case: Case) -> None:
    if case["name"] in LAMBDAS:
        assert_refused(case, LAMBDAS[case["name"]])
    calls: list[Any] = []

    def function(*arguments: Any) -> str:
        calls.append(arguments)
        return "its result"

    text = case["template"].replace("{{{", "{{").replace("}}}", "}}").replace("{{= | | =}}", "")
    rendered = Template(text).fill(Texts({**case["data"], "lambda": function}))
    assert calls == []
    assert "its result" not in rendered


def assert_refused(case: Case, why: str) -> None:
    assert why in " ".join(syntax_problems(case["template"]))
    with pytest.raises(TemplateError, match=re.escape(why)):
        compile_template(case["template"])
