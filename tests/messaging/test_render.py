"""Rendering: exact outputs, and what is missing."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging import catalogue, layout, render
from messaging.render import Links, Rendered, missing, needed

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


def email(content: str, subject: str = "Hi", **values: Any) -> Rendered:
    return render.render_message("email", content, subject, values, LINKS)


def body(html: str) -> str:
    """What stands between the head of the page and its footer, without styles."""
    _, _, rest = re.sub(r' style="[^"]*"', "", html).partition('<td class="body">\n')
    return rest.partition('\n</td></tr>\n<tr><td class="footer">')[0]


# --- exact outputs -----------------------------------------------------------------------


def test_links_are_built_on_the_public_address() -> None:
    assert render.links("T0k") == LINKS._replace(hidden="https://go.example/h/T0k")


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


def test_email_text_part_is_the_author_s_lines_filled_in() -> None:
    message = email(CONTENT, first_name="Asha", course_name="A & B", remaining_modules=MODULES)
    assert message.text == (
        "Dear Dr. Asha,\n\nOnly 2 left in A & B:\n"
        "• Doses - 12 min\n• Cases & <b>more</b> - 20 min\n\n"
        "Go on & learn: https://go.example/r/T0k\n1. One\n   indented\n"
        "See https://go.example/r/T0k or help@clirnet.example, +91 22 1111 2222.\n\n-- \n"
        "You get this e-mail because you are registered as a doctor with CLIRNET.\n"
        "CLIRNET <Pune> & Co\n"
        "Unsubscribe, or choose what you get: https://go.example/u/T0k"
    )


def test_email_html_part_is_laid_out_and_escaped() -> None:
    message = email(CONTENT, first_name="Asha", course_name="A & B", remaining_modules=MODULES)
    assert body(message.html) == (
        "<p>Dear Dr. Asha,</p>\n"
        '<p class="lead"><strong>Only 2 left</strong> in <em>A &amp; B</em>:</p>\n'
        "<ul>\n<li>Doses - 12 min</li>\n"
        "<li>Cases &amp; &lt;b&gt;more&lt;/b&gt; - 20 min</li>\n</ul>\n"
        '<table class="button" role="presentation" border="0" cellpadding="0" cellspacing="0">'
        '<tbody><tr><td class="button" align="center">\n'
        '<a class="button" href="https://go.example/r/T0k">Go on &amp; learn '
        '<span aria-hidden="true">→</span></a>\n</td></tr></tbody></table>\n'
        "<ol>\n<li>One<br>\nindented</li>\n</ol>\n"
        '<p>See <a href="https://go.example/r/T0k">https://go.example/r/T0k</a> or '
        "help@clirnet.example, +91 22 1111 2222.</p>"
    )


def test_email_html_footer_says_who_why_and_the_way_out() -> None:
    page = re.sub(r' (?:style|class)="[^"]*"', "", email("Hi {{shortlink}}").html)
    assert page[page.index("<p>You get") : page.index("</td></tr>\n</tbody>")] == (
        "<p>You get this e-mail because you are registered as a doctor with CLIRNET.</p>\n"
        "<p>CLIRNET &lt;Pune&gt; &amp; Co</p>\n"
        '<p><a href="https://go.example/u/T0k">Unsubscribe</a> &nbsp;·&nbsp;\n'
        '<a href="https://go.example/u/T0k">Choose what you get</a></p>\n'
    )
    assert '<img src="https://go.example/o/T0k.gif" width="1" height="1" alt=""' in page


def test_email_html_is_titled_and_labelled_with_its_subject() -> None:
    page = email("Hi {{shortlink}}", subject="5 < 6 & {{n}}", n='"7"').html
    assert "<title>5 &lt; 6 &amp; &quot;7&quot;</title>" in page
    assert 'aria-label="5 &lt; 6 &amp; &quot;7&quot;"' in page


def test_email_shows_its_own_preview_and_needs_its_values() -> None:
    message = render.compile_message("email", "Hi {{shortlink}}", "S", "For {{first_name}} & you")
    texts = render.texts_of({"first_name": "A <b>"}, LINKS)
    assert "\nFor A &lt;b&gt; &amp; you\n" in message.fill(texts, LINKS).html
    assert message.missing(render.texts_of({}, LINKS)) == ["first_name"]
    with pytest.raises(render.TemplateError):
        render.compile_message("email", "Hi {{shortlink}}", "S", "{{{first_name}}}")


def test_email_is_laid_out_once_for_all_doctors(monkeypatch: pytest.MonkeyPatch) -> None:
    content = "Once {{first_name}} {{shortlink}}"
    before = email(content, first_name="Asha")
    monkeypatch.setattr(layout, "page", None)
    monkeypatch.setattr(layout, "plain", None)
    after = email(content, first_name="Meera")
    assert after.html == before.html.replace("Asha", "Meera")


def test_empty_list_at_the_end_leaves_no_blank_lines_before_the_footer() -> None:
    text = "Hi {{shortlink}}\n{{#remaining_modules}}\n- {{module_name}}\n{{/remaining_modules}}"
    assert "T0k\n\n-- \n" in email(text, remaining_modules=[]).text


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
    assert list(needed(content, subject)) == template["variables"]
    assert missing(content, catalogue.examples(template["segment_type"]), subject) == []
    message = rendered(key)
    for part in (message.text, message.subject, message.html):
        assert "{{" not in part
        assert "}}" not in part
    assert message.text.count("https://go.example/r/T0k") == 1
    if template["channel"] == "email":
        assert f'<a class="button" href="{LINKS.shortlink}"' in message.html
        assert "*" not in message.text + body(message.html)
        assert layout.page_size(message.html) < layout.LARGEST_PAGE


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
