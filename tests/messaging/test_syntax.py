"""Tags that are refused, unclosed or mismatched, each with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging import render, syntax
from messaging.mustache import Texts
from messaging.render import TemplateError
from messaging.syntax import Finding, Tag
from messaging.validation import Draft, check_template

WRONG = [
    ("\n{{{first_name}}}", "Line 2: Three braces put a value in unchecked. Use two: {{name}}."),
    ("{{&first_name}}", "Line 1: {{&name}} puts a value in unchecked. Write {{name}}."),
    ("{{>x}}", "Line 1: {{>name}} (a text within a text) cannot be used. Write its words here."),
    ("{{=<% %>=}}", "Line 1: {{=…=}} (other signs for braces) cannot be used. Write {{name}}."),
    ("{{first name}}",
     "Line 1: “first name” is not a variable's name. Use letters, digits and _."),
    ("{{a.b}}", "Line 1: “a.b” is not a variable's name. Use letters, digits and _."),
    ("{{.}}", "Line 1: “.” is not a variable's name. Use letters, digits and _."),
    ("{{}}", "Line 1: “” is not a variable's name. Use letters, digits and _."),
    ("{{/}}", "Line 1: “” is not a variable's name. Use letters, digits and _."),
    ("{{@pixel}}", "Line 1: “@pixel” is not a variable's name. Use letters, digits and _."),
    ("a\nb {{first_name\nc", "Line 2: {{ stands alone. A variable is written {{name}}."),
    ("first_name}}", "Line 1: }} stands alone. A variable is written {{name}}."),
    ("{{#remaining_modules}}\nx",
     ("Line 1: {{#remaining_modules}} is never closed. "
      "Write {{/remaining_modules}} where it ends.")),
    ("x {{/remaining_modules}}",
     "Line 1: {{/remaining_modules}} closes what {{#remaining_modules}} never opened."),
    ("{{#remaining_modules}}\n{{/upcoming_content}}",
     "Line 2: {{/upcoming_content}} stands where {{/remaining_modules}} is due."),
]  # fmt: skip


@pytest.mark.parametrize(("content", "problem"), WRONG)
def test_wrong_tag_is_refused_with_its_line(content: str, problem: str) -> None:
    findings = check_template(Draft(channel="sms", content=content))
    assert [str(finding) for finding in findings] == [problem]
    assert {(f.level, f.field) for f in findings} == {("error", "template_content")}
    for function in (render.compile_template, render.compile_html):
        with pytest.raises(TemplateError) as raised:
            function(content)
        assert raised.value.problems == [problem]


@pytest.mark.parametrize(("subject", "problem"), [row for row in WRONG if "\n" not in row[0]])
def test_wrong_tag_is_refused_in_a_subject(subject: str, problem: str) -> None:
    draft = Draft(channel="email", content="{{shortlink}}", subject=subject)
    assert [(f.field, str(f)) for f in check_template(draft)] == [("subject_line", problem)]


@given(st.text(alphabet="{}#^/!&>=a \n"))
def test_any_text_is_refused_or_renders(text: str) -> None:
    if syntax.syntax_problems(text):
        with pytest.raises(TemplateError):
            render.compile_template(text)
    else:
        assert "{{" not in render.compile_template(text).fill(Texts({"a": "A"}))


def test_tags_are_told_with_their_lines() -> None:
    text = "{{a}}\n{{! two\nlines }}{{ #b}}\n\n{{/b}}{{&c}}"
    assert list(syntax.tags(text)) == [
        Tag("", "a", 1),
        Tag("!", "two\nlines", 2),
        Tag("", "#b", 3),
        Tag("/", "b", 5),
        Tag("&", "c", 5),
    ]


def test_words_stay_on_their_lines() -> None:
    assert syntax.without_tags("a {{b}} c\n{{! x\ny }}d\ne") == "a  c\n\nd\ne"


def test_finding_is_a_sentence() -> None:
    assert str(Finding("error", "f", 3, "It is wrong.", "Do so.")) == "Line 3: It is wrong. Do so."
    assert str(Finding("warning", "f", None, "It is wrong.")) == "It is wrong."
