"""What is wrong with a template, told in the marketer's words; and the model that asks."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from messaging import render
from messaging.models import MessageTemplate
from messaging.mustache import Texts
from messaging.render import TemplateError, template_problems


def content_problems(content: str, channel: str = "sms") -> list[str]:
    return template_problems(channel, content, "Hi" if channel == "email" else None).get(
        "template_content", []
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("\n{{{first_name}}}", "Line 2: Three braces put a value in unchecked. Use two: {{name}}."),
        ("{{&first_name}}", "Line 1: {{&name}} puts a value in unchecked. Write {{name}}."),
        ("{{>x}}",
         "Line 1: {{>name}} (a text within a text) cannot be used. Write its words here."),
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
    ],
)  # fmt: skip
def test_wrong_tag_is_refused_with_its_line(content: str, problem: str) -> None:
    assert content_problems(content) == [problem]
    for function in (render.compile_template, render.compile_html):
        with pytest.raises(TemplateError) as raised:
            function(content)
        assert raised.value.problems == [problem]


@given(st.text(alphabet="{}#^/!&>=a \n"))
def test_any_text_is_refused_or_renders(text: str) -> None:
    if render.syntax_problems(text):
        with pytest.raises(TemplateError):
            render.compile_template(text)
    else:
        assert "{{" not in render.compile_template(text).fill(Texts({"a": "A"}))


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{{frist_name}}", "There is no variable {{frist_name}}. Did you mean {{first_name}}?"),
        ("{{qqqq}}", "There is no variable {{qqqq}}. Choose one from the list."),
        ("{{module_name}}",
         ("{{module_name}} has a value only between "
          "{{#remaining_modules}} and {{/remaining_modules}}.")),
        ("{{#remaining_modules}}{{duraton}}{{/remaining_modules}}",
         "There is no variable {{duraton}}. Did you mean {{duration}}?"),
        ("{{#remaining_modules}}{{key_learning_1}}{{/remaining_modules}}",
         ("{{key_learning_1}} has a value only between "
          "{{#upcoming_content}} and {{/upcoming_content}}.")),
        ("{{#remaining_modulse}}{{first_name}}{{/remaining_modulse}}",
         "There is no variable {{remaining_modulse}}. Did you mean {{remaining_modules}}?"),
    ],
)  # fmt: skip
def test_unknown_name_is_told_with_the_closest(content: str, problem: str) -> None:
    assert content_problems(f"ok\n{content} {{{{shortlink}}}}") == [f"Line 2: {problem}"]


def test_text_needs_words_and_a_link() -> None:
    assert content_problems(" \n\u200b") == ["The text is empty. Write the message."]
    no_link = ["There is no {{shortlink}}. Write it where the doctor should tap."]
    assert content_problems("Dear {{first_name}}") == no_link
    # A list can be empty, and {{! a note }} is not sent.
    assert content_problems("{{#remaining_modules}}{{shortlink}}{{/remaining_modules}}") == no_link
    assert content_problems("{{! {{shortlink}} }}")[0].endswith("A variable is written {{name}}.")


@pytest.mark.parametrize(
    ("channel", "subject", "problems"),
    [
        ("sms", "Hi", ["An SMS has no subject: leave this empty."]),
        ("whatsapp", "Hi", ["A WhatsApp message has no subject: leave this empty."]),
        ("sms", "", []),
        ("whatsapp", None, []),
        ("email", "Hi {{first_name}}", []),
        ("email", None, ["An e-mail needs a subject."]),
        ("email", " ", ["An e-mail needs a subject."]),
        ("email", "a\nb", ["The subject has a line break. Write it in one line."]),
        ("email", "{{{a}}}", ["Line 1: Three braces put a value in unchecked. Use two: {{name}}."]),
        ("email", "{{rate}}", ["Line 1: There is no variable {{rate}}. Did you mean {{rating}}?"]),
        ("", "Hi", []),
    ],
)
def test_subject_belongs_to_email(channel: str, subject: str | None, problems: list[str]) -> None:
    found = template_problems(channel, "{{shortlink}}", subject)
    assert found == ({"subject_line": problems} if problems else {})


def test_section_that_would_tear_the_html_is_refused_in_email_only() -> None:
    torn = "{{shortlink}} {{#remaining_modules}}a\nb{{/remaining_modules}}"
    rule = (
        "A section opens and closes on the same line, "
        "or has both of its tags on lines of their own."
    )
    assert content_problems(torn, "email") == [f"Line 1: {rule}", f"Line 2: {rule}"]
    assert content_problems(torn, "sms") == []
    with pytest.raises(TemplateError):
        render.compile_html(torn)


# --- the model ---------------------------------------------------------------------------


def template(**fields: Any) -> MessageTemplate:
    defaults: dict[str, Any] = {
        "template_key": "x.email.1",
        "channel": "email",
        "segment_type": "no_show",
        "sequence_order": 1,
        "template_content": "{{first_name}} {{shortlink}}",
        "subject_line": "{{session_title}}",
    }
    return MessageTemplate(**{**defaults, **fields})


def test_template_clean_tells_problems_by_field() -> None:
    with pytest.raises(ValidationError) as raised:
        template(template_content="{{frist_name}} {{shortlink}}", subject_line="").clean()
    assert raised.value.message_dict == {
        "template_content": [
            "Line 1: There is no variable {{frist_name}}. Did you mean {{first_name}}?"
        ],
        "subject_line": ["An e-mail needs a subject."],
    }


def test_template_clean_ends_lines_with_lf() -> None:
    sms = template(channel="sms", template_content="a\r\nb {{shortlink}}", subject_line="")
    sms.clean()
    assert (sms.template_content, sms.subject_line) == ("a\nb {{shortlink}}", None)


@pytest.mark.django_db
def test_template_save_keeps_variables_as_the_text_has_them() -> None:
    saved = template()
    saved.save()
    saved.refresh_from_db()
    assert saved.variables == ["session_title", "first_name", "shortlink"]
    saved.template_content = "{{last_name}} {{shortlink}}"
    saved.save(update_fields=["template_content"])
    saved.refresh_from_db()
    assert saved.variables == ["session_title", "last_name", "shortlink"]


@pytest.mark.django_db
def test_template_save_refuses_a_broken_text() -> None:
    with pytest.raises(TemplateError):
        template(template_content="{{#a}}").save()
    assert not MessageTemplate.objects.exists()
