"""What a template says where a doctor has no value."""

from typing import Any

import pytest

from messaging import render
from messaging.catalogue import with_defaults
from messaging.validation import Draft, Finding, check_template

LINKS = render.Links("https://go.example/r/x", "https://go.example/u/x", "https://go.example/o/x")


def problems(segment_type: str = "incomplete_courses", **defaults: Any) -> list[Finding]:
    return check_template(
        Draft(
            channel="sms",
            content="{{course_name}} {{shortlink}}",
            segment_type=segment_type,
            defaults=defaults,
        )
    )


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("cours_name", "x", "There is no variable {{cours_name}}. Did you mean {{course_name}}?"),
        ("topic", "x",
         ("{{topic}} is for “No-show registrants”; “Incomplete courses” does not have it. "
          "Choose one from the list.")),
        ("module_name", "x",
         "There is no variable {{module_name}}. Did you mean {{course_name}}?"),
        ("remaining_modules", "3",
         ("{{remaining_modules}} is a list, which has no default. Write what stands in its place "
          "between {{^remaining_modules}} … {{/remaining_modules}}.")),
        ("shortlink", "https://x.example",
         "{{shortlink}} is filled in for every message. Leave its default out."),
        ("support_phone", "1",
         "{{support_phone}} is filled in for every message. Leave its default out."),
        ("course_name", 3,
         "The default of {{course_name}} is no text. Write it in quotation marks."),
        ("course_name", None,
         "The default of {{course_name}} is no text. Write it in quotation marks."),
        ("course_name", "\u200b ",
         ("The default of {{course_name}} is empty. Write what should stand there, "
          "or leave it out.")),
        ("course_name", "{{first_name}}'s",
         ("The default of {{course_name}} has {{ or }} in it. "
          "It stands in the message as it is: write words.")),
        ("course_name", "a\nb",
         ("The default of {{course_name}} has a line break or a character that cannot be seen. "
          "Write one line.")),
        ("course_name", "a\u202eb",
         ("The default of {{course_name}} has a line break or a character that cannot be seen. "
          "Write one line.")),
    ],
)  # fmt: skip
def test_default_that_cannot_be_is_told(name: str, text: Any, problem: str) -> None:
    assert [(f.level, f.field, f.line, str(f)) for f in problems(**{name: text})] == [
        ("error", "defaults", None, problem)
    ]


def test_default_of_plain_words_passes() -> None:
    assert problems(course_name="your course – “new”", first_name="नमस्ते") == []


def test_defaults_are_pairs() -> None:
    draft = Draft(channel="sms", content="{{shortlink}}", defaults=["x"])  # type: ignore[arg-type]
    assert [str(finding) for finding in check_template(draft)] == [
        'Defaults are pairs of a variable\'s name and a text. Such as {"specialty": "your field"}.'
    ]


@pytest.mark.parametrize("value", [None, "", " ", "\u200b", ...])
def test_default_stands_where_there_is_no_value(value: Any) -> None:
    variables = {"last_name": "Rao"} if value is ... else {"last_name": "Rao", "topic": value}
    defaults = {"topic": "your field", "last_name": "colleague"}
    given = with_defaults(variables, defaults)
    assert given == {"last_name": "Rao", "topic": "your field"}
    rendered = render.render_message("sms", "{{last_name}}: {{topic}}", None, given, LINKS)
    assert rendered.text.startswith("Rao: your field\n")


def test_default_yields_to_a_value() -> None:
    variables = {"topic": "0", "remaining_modules": [{}]}
    assert with_defaults(variables, {"topic": "your field"}) is variables
    assert with_defaults(variables, {}) is variables


def test_default_is_data_and_not_read_again() -> None:
    given = with_defaults({}, {"topic": "**b** <i> {{last_name}}"})
    message = render.render_message("email", "{{topic}} {{shortlink}}", "Hi", given, LINKS)
    assert "**b** <i> {{last_name}}" in message.text
    assert "**b** &lt;i&gt; {{last_name}}" in message.html


def test_value_without_default_is_missing_by_name() -> None:
    message = render.compile_message("sms", "{{topic}} {{topic_area}} {{shortlink}}", None)
    given = with_defaults({}, {"topic": "your field"})
    assert message.missing(render.texts_of(given, LINKS)) == ["topic_area"]
