"""Rendering: exact outputs, hostile values, and what is missing."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from messaging import catalogue, layout, render
from messaging.render import Links, Rendered, missing, needed, template_problems

FIXTURES = Path(__file__).parents[2] / "fixtures" / "templates"
TEMPLATES: dict[str, dict[str, Any]] = {
    row["template_key"]: row
    for path in sorted(FIXTURES.glob("*.yaml"))
    for row in yaml.safe_load(path.read_text())
}
LINKS = Links(
    "https://go.example/r/T0k", "https://go.example/u/T0k", "https://go.example/o/T0k.gif"
)
MODULES = [
    {"module_number": 7, "module_name": "Doses", "duration": 12},
    {"module_number": 8, "module_name": "Cases & <b>more</b>", "duration": 20},
]
HOSTILE = [
    "[x](http://evil.example)",
    "[Click →] {{shortlink}}",
    "**bold** *em* _u_",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' & <!-- -->",
    "{{shortlink}} {{{first_name}}} {{&x}} {{#a}}{{/a}} {{=<% %>=}}",
    "{{! } }} }}",
    "&lt;b&gt; &amp;amp; &#x27;",
    "one\r\ntwo\n\nthree\x85\u2028four",
    "\u202egnirts",
    "%s {} {0} $1 \\1 \\g<0>",
]


class Tags(HTMLParser):
    """Every tag with its attributes' names, and all text outside of tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(autouse=True)
def _settings(settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://go.example"
    settings.SENDER_ADDRESS = "CLIRNET <Pune> & Co"
    settings.SUPPORT_EMAIL = "help@clirnet.example"
    settings.SUPPORT_PHONE = "+91 22 1111 2222"


def rendered(key: str, **values: Any) -> Rendered:
    template = TEMPLATES[key]
    variables = {**catalogue.examples(template["segment_type"]), **values}
    return render.render_message(
        template["channel"],
        template["template_content"],
        template.get("subject_line"),
        variables,
        LINKS,
    )


def email(content: str, **values: Any) -> Rendered:
    return render.render_message("email", content, "Hi", values, LINKS)


def body(html: str) -> str:
    """What stands between the opening of the page and its footer."""
    _, _, rest = html.partition('line-height:1.5">\n')
    return rest.partition('\n<p style="margin:24px 0 0;')[0]


# --- exact outputs -----------------------------------------------------------------------


def test_links_are_built_on_the_public_address() -> None:
    assert render.links("T0k") == LINKS


def test_sms_is_plain_text_with_its_way_out() -> None:
    assert rendered("incomplete_courses.sms.1", last_name="D'Souza & <Rao>") == Rendered(
        "Dr. D'Souza & <Rao>, you're 75% through Hypertension in Practice. 2 modules to earn "
        "4 CPD points. Resume: https://go.example/r/T0k -CLIRNET\nStop: https://go.example/u/T0k"
    )


def test_whatsapp_is_plain_text_with_its_way_out() -> None:
    assert rendered("no_show.whatsapp.1") == Rendered(
        "Dear Dr. Asha,\n\nWe missed you at today's session:\n*Heart Failure Update*\n\n"
        "Good news - the recording is now available!\n\nWatch now: https://go.example/r/T0k\n\n"
        "*Available for 10 days only*\n\n- Team CLIRNET\n\nReply STOP to opt out"
    )


CONTENT = """\
Dear Dr. {{first_name}},

**Only {{remaining_modules}} left** in *{{course_name}}*:
{{#remaining_modules}}
• {{module_name}} - {{duration}} min
{{/remaining_modules}}

[Go on & learn →] {{shortlink}}
1. One
   indented
See {{ shortlink }} or {{support_email}}, {{support_phone}}."""


def test_email_text_part_is_the_template_filled_in() -> None:
    message = email(CONTENT, first_name="Asha", course_name="A & B", remaining_modules=MODULES)
    assert message.text == (
        "Dear Dr. Asha,\n\n**Only 2 left** in *A & B*:\n"
        "• Doses - 12 min\n• Cases & <b>more</b> - 20 min\n\n"
        "[Go on & learn →] https://go.example/r/T0k\n1. One\n   indented\n"
        "See https://go.example/r/T0k or help@clirnet.example, +91 22 1111 2222.\n\n---\n"
        "You get this e-mail because you are registered as a doctor with CLIRNET.\n"
        "CLIRNET <Pune> & Co\nUnsubscribe: https://go.example/u/T0k"
    )


def test_email_html_part_is_laid_out_and_escaped() -> None:
    message = email(CONTENT, first_name="Asha", course_name="A & B", remaining_modules=MODULES)
    assert body(message.html) == (
        '<p style="margin:0 0 16px">Dear Dr. Asha,</p>\n'
        '<p style="margin:0"><strong>Only 2 left</strong> in <em>A &amp; B</em>:</p>\n'
        '<div style="margin:0 0 16px">\n'
        '<p style="margin:0">• Doses - 12 min</p>\n\n'
        '<p style="margin:0">• Cases &amp; &lt;b&gt;more&lt;/b&gt; - 20 min</p>\n'
        "</div>\n"
        f'<p style="margin:24px 0"><a href="https://go.example/r/T0k" '
        f'style="{layout.BUTTON_STYLE}">Go on &amp; learn →</a></p>\n'
        '<p style="margin:0 0 16px">1. One<br>\n&nbsp;&nbsp;&nbsp;indented<br>\n'
        'See <a href="https://go.example/r/T0k">https://go.example/r/T0k</a> or '
        "help@clirnet.example, +91 22 1111 2222.</p>"
    )


def test_email_html_footer_says_who_why_and_the_way_out() -> None:
    page = email("Hi {{shortlink}}").html
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert page.split('color:#52606d">', 1)[1] == (
        "You get this e-mail because you are registered as a doctor with CLIRNET.<br>\n"
        "CLIRNET &lt;Pune&gt; &amp; Co<br>\n"
        '<a href="https://go.example/u/T0k" style="color:#52606d">Unsubscribe</a></p>\n'
        '<img src="https://go.example/o/T0k.gif" width="1" height="1" alt="" '
        'style="display:block;border:0">\n</div>\n</body>\n</html>\n'
    )


@pytest.mark.parametrize(
    ("line", "html"),
    [
        ("2 * 3 * 4 and 2*3*4", "2 * 3 * 4 and 2*3*4"),
        ("**a** and **b**", "<strong>a</strong> and <strong>b</strong>"),
        ("**open", "**open"),
        ("*a **b** c*", "*a <strong>b</strong> c*"),
        ("**a *b** c*", "**a *b** c*"),
        ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("a {{! not **sent }} b** c", "a  b** c"),
        ("**{{#remaining_modules}}x** {{/remaining_modules}}", "**x** x** "),
        ("{{#remaining_modules}}**{{module_number}}** {{/remaining_modules}}",
         "<strong>7</strong> <strong>8</strong> "),
        ("[Not a button] {{shortlink}} yet",
         '[Not a button] <a href="https://go.example/r/T0k">https://go.example/r/T0k</a> yet'),
        ("{{^remaining_modules}}none{{/remaining_modules}}done", "done"),
    ],
)  # fmt: skip
def test_email_html_of_one_line(line: str, html: str) -> None:
    message = email(line, remaining_modules=MODULES)
    assert body(message.html) == f'<p style="margin:0 0 16px">{html}</p>'


def test_comments_on_their_own_line_leave_nothing() -> None:
    message = email("one\n{{! **note\n to self }}\ntwo")
    assert message.text.startswith("one\ntwo\n\n---")
    assert body(message.html) == '<p style="margin:0 0 16px">one<br>\ntwo</p>'


def test_list_as_a_number_is_its_length_in_every_part() -> None:
    message = render.render_message(
        "email", "{{remaining_modules}} left", "{{remaining_modules}} left",
        {"remaining_modules": MODULES}, LINKS,
    )  # fmt: skip
    assert message.subject == "2 left"
    assert message.text.startswith("2 left\n")
    assert ">2 left</p>" in message.html


@pytest.mark.parametrize("key", sorted(TEMPLATES))
def test_strategy_template_renders_completely(key: str) -> None:
    template = TEMPLATES[key]
    content, subject = template["template_content"], template.get("subject_line")
    assert template_problems(template["channel"], content, subject) == {}
    assert list(needed(content, subject)) == template["variables"]
    assert missing(content, catalogue.examples(template["segment_type"]), subject) == []
    message = rendered(key)
    for part in (message.text, message.subject, message.html):
        assert "{{" not in part
        assert "}}" not in part
    assert message.text.count("https://go.example/r/T0k") == 1
    if template["channel"] == "email":
        assert f'<a href="{LINKS.shortlink}" style="{layout.BUTTON_STYLE}">' in message.html
        assert "**" not in message.html
        assert len(message.html.encode()) < 102_000
        assert_nested(message.html)


def assert_nested(html: str) -> None:
    """Every tag that opens closes in its place."""
    stack: list[str] = []
    for tag in Tags(html).tags:
        if isinstance(tag, str):
            assert stack.pop() == tag[1:]
        elif isinstance(tag, tuple) and tag[0] not in ("br", "img", "meta"):
            stack.append(tag[0])
    assert not stack


SECTIONS = ["{{#remaining_modules}}", "{{/remaining_modules}}", "{{^a}}", "{{/a}}", "{{#a}}"]


@given(st.lists(st.sampled_from([*SECTIONS, "x", "**", "*", "\n", "\n\n", "[x →] {{shortlink}}"])))
def test_html_is_nested_for_any_template_that_is_not_refused(pieces: list[str]) -> None:
    text = "".join(pieces)
    if not (render.syntax_problems(text) or layout.problems(text)):
        assert_nested(email(text, remaining_modules=MODULES, a="yes").html)


# --- values are data ---------------------------------------------------------------------


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_hostile_value_stays_as_it_is_in_text(channel: str, value: str) -> None:
    text = render.render_message(
        channel, "A{{first_name}}Z {{shortlink}}", "S", {"first_name": value}, LINKS
    ).text
    assert text.startswith(f"A{value}Z https://go.example/r/T0k\n")


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_value_is_words_in_html(value: str) -> None:
    plain, hostile = (
        Tags(email(CONTENT, first_name=name, course_name=name, remaining_modules=MODULES).html)
        for name in ("Asha", value)
    )
    assert hostile.tags == plain.tags
    assert hostile.text == plain.text.replace("Asha", value)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(), st.text(), st.text())
def test_any_value_leaves_the_structure_alone(first: str, course: str, module: str) -> None:
    def parsed(first: str, course: str, module: str) -> Tags:
        items = [{"module_name": module, "duration": course}]
        return Tags(
            email(CONTENT, first_name=first, course_name=course, remaining_modules=items).html
        )

    plain, filled = parsed("\x00F", "\x00C", "\x00M"), parsed(first, course, module)
    values = {"\x00F": first, "\x00C": course, "\x00M": module}
    assert filled.tags == plain.tags
    assert filled.text == re.sub("\x00[FCM]", lambda name: values[name[0]], plain.text)


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_value_is_sent_as_it_is(value: str) -> None:
    text = render.render_message(
        "sms", "<{{x}}>{{x}} {{shortlink}}", None, {"x": value}, LINKS
    ).text
    assert text == f"<{value}>{value} https://go.example/r/T0k\nStop: https://go.example/u/T0k"


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text())
def test_any_value_leaves_the_subject_one_line(value: str) -> None:
    message = render.render_message("email", "x", "a {{x}} z", {"x": value}, LINKS)
    assert len(message.subject.splitlines()) == 1
    assert message.subject.split() == f"a {value} z".split()


def test_line_breaks_in_a_subject_become_spaces() -> None:
    message = render.render_message(
        "email", "x", "Hi {{n}}!", {"n": "A\r\nBcc: evil@example.com\x85B\u2028C"}, LINKS
    )
    assert message.subject == "Hi A Bcc: evil@example.com B C!"
    assert "<title>Hi A Bcc: evil@example.com B C!</title>" in message.html


def test_values_cannot_replace_links_and_support() -> None:
    values = {
        "shortlink": "http://evil",
        "support_phone": "1900",
        "@unsubscribe": "http://evil",
        "@pixel": "http://evil",
    }
    message = email("{{shortlink}} {{support_phone}}", **values)
    assert "evil" not in message.text + message.html
    assert "1900" not in message.text + message.html


# --- what is needed and missing ----------------------------------------------------------


def test_needed_names_in_order_of_first_use() -> None:
    assert needed(CONTENT, "{{ course_name }} for {{first_name}}") == (
        *("course_name", "first_name", "remaining_modules"),
        *("shortlink", "support_email", "support_phone"),
    )
    assert needed("{{^a}}{{b}}{{/a}}{{! c }}{{#d}}{{e}}{{/d}}{{b}}") == ("a", "b", "d")
    assert needed("no names") == ()


@pytest.mark.parametrize("value", [None, "", " \n\t", "\u200b\u00a0\ufeff", "\x00\u202e"])
def test_value_that_cannot_be_seen_is_missing(value: object) -> None:
    assert missing("{{a}} {{b}} {{a}}", {"a": value, "b": "B"}) == ["a"]


@pytest.mark.parametrize("value", [0, 0.0, "0", False, "-", "\u200bx", "अ", "😀"])
def test_value_that_can_be_seen_is_not_missing(value: object) -> None:
    assert missing("{{a}}", {"a": value}) == []


def test_absent_names_are_missing_subject_first() -> None:
    assert missing("{{b}} {{a}}", {}, "{{c}} {{b}}") == ["c", "b", "a"]


@pytest.mark.parametrize("value", [[], None, "", " ", 0])
def test_section_without_items_is_missing(value: object) -> None:
    assert missing("{{#a}}{{b}}{{/a}}", {"a": value}) == ["a"]
    assert missing("{{#a}}{{b}}{{/a}}", {}) == ["a"]


def test_item_without_a_name_is_missing_by_section_and_name() -> None:
    items = [{"b": 1, "c": "x"}, {"b": None, "c": " "}, {}]
    assert missing("{{#a}}{{b}}{{c}}{{/a}}", {"a": items}) == ["a.b", "a.c"]
    nested = {"a": [{"b": [{"c": 1}, {}]}]}
    assert missing("{{#a}}{{#b}}{{c}}{{/b}}{{/a}}", nested) == ["a.b.c"]


def test_names_from_outside_a_section_are_found_within() -> None:
    text = "{{#a}}{{b}} {{first_name}} {{shortlink}}{{/a}}"
    assert missing(text, {"a": [{"b": 1}], "first_name": "Asha"}) == []
    # An item's own empty value hides the one outside, as it does when it is rendered.
    assert missing(text, {"a": [{"b": 1, "first_name": ""}], "first_name": "A"}) == ["a.first_name"]


def test_section_with_a_counterpart_is_never_missing() -> None:
    text = "{{#a}}{{b}}{{/a}}{{^a}}none of {{c}}{{/a}}"
    assert missing(text, {"a": [], "c": "x"}) == []
    assert missing(text, {"a": []}) == ["c"]
    assert missing(text, {"a": [{"b": 1}]}) == []


def test_system_variables_come_from_settings(settings: Any) -> None:
    assert missing("{{shortlink}} {{support_email}} {{support_phone}}", {}) == []
    settings.SUPPORT_PHONE = ""
    assert missing("{{support_phone}}", {"support_phone": "1900"}) == ["support_phone"]
