"""What becomes of a template's marks in the HTML, before styles and values."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from messaging import layout
from messaging.layout.elements import elements
from messaging.layout.markup import Markup
from messaging.syntax import syntax_problems

BUTTON = (
    '<table role="presentation" class="button" cellpadding="0" cellspacing="0" border="0"><tbody>'
    '<tr><td class="button" align="center">\n<a class="button" href="{{shortlink}}">%s</a>\n'
    "</td></tr></tbody></table>"
)
ARROW = ' <span aria-hidden="true">→</span>'


def html(text: str) -> str:
    assert not syntax_problems(text)
    assert not layout.problems(text)
    markup = Markup(text)
    return markup.restored(elements(markup))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("**bold** and *emphasis*", "<strong>bold</strong> and <em>emphasis</em>"),
        ("*a **b** c*", "<em>a <strong>b</strong> c</em>"),
        ("**{{a}}**: *{{b}}*!", "<strong>{{a}}</strong>: <em>{{b}}</em>!"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("**open", "**open"),
        ("_no_ __no__ snake_case", "_no_ __no__ snake_case"),
        ("<b>x</b> & &amp; \"y\" 'z'", "&lt;b&gt;x&lt;/b&gt; &amp; &amp;amp; \"y\" 'z'"),
        (r"`code` \* ~~x~~", r"`code` \* ~~x~~"),
        ("https://x.example <https://x.example> www.x.example",
         "https://x.example &lt;https://x.example&gt; www.x.example"),
        ("a {{! not **sent }} b** c", "a  b** c"),
        ("$1 \\1 %s %% {0} {x}", "$1 \\1 %s %% {0} {x}"),
        ("\ue000\U000f0000{{a}}\ue005", "\ufffd\ufffd{{a}}\ufffd"),
    ],
)  # fmt: skip
def test_words_of_a_paragraph(line: str, words: str) -> None:
    assert html(line) == f"<p>{words}</p>"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{{shortlink}}.", '<a href="{{shortlink}}">{{shortlink}}</a>.'),
        ("[Terms](https://x.example/?a=1&b=2)",
         '<a href="https://x.example/?a=1&amp;b=2">Terms</a>'),
        ("[**Go** {{a}}]({{ shortlink }})",
         '<a href="{{shortlink}}"><strong>Go</strong> {{a}}</a>'),
        ("[Write](mailto:{{support_email}})", '<a href="mailto:{{support_email}}">Write</a>'),
        ("[Call](tel:{{support_phone}})", '<a href="tel:{{support_phone}}">Call</a>'),
        ("[Call](tel:+912200000000)", '<a href="tel:+912200000000">Call</a>'),
        ("[see {{shortlink}}](https://x.example)",
         '<a href="https://x.example">see {{shortlink}}</a>'),
        # An address is never made from data, and has to be one for a browser to follow.
        ("[x]({{first_name}})", "[x]({{first_name}})"),
        ("[x](https://{{first_name}})", "[x](https://{{first_name}})"),
        ("[x](https://x.example/{{first_name}})", "[x](https://x.example/{{first_name}})"),
        ("[x](mailto:{{first_name}})", "[x](mailto:{{first_name}})"),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("[x](data:text/html,x)", "[x](data:text/html,x)"),
        ("[x](/page)", "[x](/page)"),
        ("![x](https://x.example/i.png)", '!<a href="https://x.example/i.png">x</a>'),
    ],
)  # fmt: skip
def test_links_are_typed_or_the_short_link(line: str, words: str) -> None:
    assert html(line) == f"<p>{words}</p>"


def test_lines_stay_lines_and_blank_lines_part_paragraphs() -> None:
    assert html("one\n  two\r\nthree\n\n\nfour\n") == "<p>one<br>\ntwo<br>\nthree</p>\n<p>four</p>"


@pytest.mark.parametrize("mark", ["•", "-", "*", "‣", "+"])
def test_bulleted_lines_are_a_list(mark: str) -> None:
    text = f"Lead:\n{mark} one\n{mark} two\n  more\nAfter it"
    assert html(text) == (
        '<p class="lead">Lead:</p>\n<ul>\n<li>one</li>\n<li>two<br>\nmore</li>\n</ul>\n'
        "<p>After it</p>"
    )


def test_dash_without_a_blank_is_no_bullet_but_a_dot_is() -> None:
    assert html("-5 degrees\n—Dr. Rao") == "<p>-5 degrees<br>\n—Dr. Rao</p>"
    assert html("•one") == "<ul>\n<li>one</li>\n</ul>"


def test_bullets_of_two_kinds_are_one_list() -> None:
    assert html("• one\n- two") == "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"


def test_numbered_lines_are_a_list_from_their_number_on() -> None:
    assert html("3. three\n4. four") == '<ol start="3">\n<li>three</li>\n<li>four</li>\n</ol>'


def test_items_with_blank_lines_between_are_paragraphs() -> None:
    assert html("1. **{{a}}**\n   {{b}}\n\n2. c") == (
        "<ol>\n<li><p><strong>{{a}}</strong><br>\n{{b}}</p></li>\n<li><p>c</p></li>\n</ol>"
    )


def test_list_within_a_list() -> None:
    assert html("- a\n  - b\n- c") == (
        "<ul>\n<li>a\n<ul>\n<li>b</li>\n</ul></li>\n<li>c</li>\n</ul>"
    )


def test_headings_begin_at_one_and_leave_no_level_out() -> None:
    text = "## a\n#### b *c*\n### d\n# e\n###### f"
    assert html(text) == ("<h1>a</h1>\n<h2>b <em>c</em></h2>\n<h2>d</h2>\n<h1>e</h1>\n<h2>f</h2>")


@pytest.mark.parametrize(
    ("line", "label"),
    [
        ("[Start →] {{shortlink}}", f"Start{ARROW}"),
        ("  [Start {{a}}]  {{ shortlink }}  ", "Start {{a}}"),
        ("[R&D **now**→]{{shortlink}}", f"R&amp;D <strong>now</strong>{ARROW}"),
        ("[{{#x}}{{n}}, {{/x}}go →] {{shortlink}}", f"{{{{#x}}}}{{{{n}}}}, {{{{/x}}}}go{ARROW}"),
    ],
)
def test_call_to_action_is_a_button(line: str, label: str) -> None:
    assert html(line) == BUTTON % label
    assert html(f"a\n{line}\nb") == f'<p class="lead">a</p>\n{BUTTON % label}\n<p>b</p>'


def test_other_marks_of_markdown_are_words() -> None:
    for text in (
        "> quoted",
        "---",
        "***",
        "```",
        "    code",
        "| a | b |",
        "[a]: https://x.example",
    ):
        assert re.fullmatch(r"<p>[^<>]*</p>", html(text)), text
    assert html("Title\n=====\nMore\n---") == "<p>Title<br>\n=====<br>\nMore<br>\n---</p>"


# --- sections ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{#x}}\n• {{n}}\n{{/x}}", "<ul>\n{{#x}}<li>{{n}}</li>\n{{/x}}</ul>"),
        ("{{#x}}\n1. {{n}}\n{{/x}}", "<ol>\n{{#x}}<li>{{n}}</li>\n{{/x}}</ol>"),
        ("- a\n{{#x}}\n- {{n}}\n- b\n{{/x}}\n- c",
         "<ul>\n<li>a</li>\n{{#x}}<li>{{n}}</li>\n<li>b</li>\n{{/x}}<li>c</li>\n</ul>"),
        ("a\n{{#x}}\nb {{n}}\n{{/x}}\nc", "<p>a<br>\n{{#x}}b {{n}}<br>\n{{/x}}c</p>"),
        ("a\n\n{{#x}}\nb\n{{/x}}\n\nc", "<p>a</p>\n<p>{{#x}}b<br>\n{{/x}}</p>\n<p>c</p>"),
        ("{{#x}}\n\nb\n\n{{/x}}", "{{#x}}\n<p>b</p>\n{{/x}}"),
        ("{{#x}}\nb\n- {{n}}\n{{/x}}",
         '{{#x}}\n<p class="lead">b</p>\n<ul>\n<li>{{n}}</li>\n</ul>\n{{/x}}'),
        ("Lead:\n{{#x}}\n- {{n}}\n{{/x}}",
         '<p class="lead">Lead:</p>\n<ul>\n{{#x}}<li>{{n}}</li>\n{{/x}}</ul>'),
        ("1. a\n   {{#x}}\n   - {{n}}\n   {{/x}}\n2. b",
         "<ol>\n<li>a\n<ul>\n{{#x}}<li>{{n}}</li>\n{{/x}}</ul></li>\n<li>b</li>\n</ol>"),
        ("{{#x}}{{#y}}\n- {{n}}\n{{/y}}\n{{/x}}",
         "<ul>\n{{#x}}{{#y}}<li>{{n}}</li>\n{{/y}}{{/x}}</ul>"),
        ("{{^x}}\n- none\n{{/x}}", "{{^x}}\n<ul>\n<li>none</li>\n</ul>\n{{/x}}"),
        ("{{#x}}\na\n{{/x}}{{^x}}\nb\n{{/x}}", "<p>{{#x}}a<br>\n{{/x}}{{^x}}b<br>\n{{/x}}</p>"),
        ("{{#x}}\n[{{n}} →] {{shortlink}}\n{{/x}}",
         "{{#x}}\n" + BUTTON % f"{{{{n}}}}{ARROW}" + "\n{{/x}}"),
        ("{{#x}}\n{{/x}}", ""),
        ("a {{#x}}{{n}}, {{/x}}b", "<p>a {{#x}}{{n}}, {{/x}}b</p>"),
        ("**a {{#x}}*b* {{/x}} c**",
         "<p><strong>a {{#x}}<em>b</em> {{/x}} c</strong></p>"),
        # Marks are paired within a section, not across its tags.
        ("**{{#x}}y** {{/x}}", "<p>**{{#x}}y** {{/x}}</p>"),
        ("{{#x}}**{{n}}** {{/x}}", "<p>{{#x}}<strong>{{n}}</strong> {{/x}}</p>"),
        ("[a {{#x}}b]{{/x}} c](https://x.example)",
         '<p><a href="https://x.example">a {{#x}}b]{{/x}} c</a></p>'),
    ],
)  # fmt: skip
def test_section_repeats_whole_elements(text: str, expected: str) -> None:
    assert html(text) == expected


def test_comments_on_their_own_line_leave_nothing() -> None:
    assert html("one\n  {{! **note\n to self }}  \ntwo{{! x }}") == "<p>one<br>\ntwo</p>"


RULE = "A section opens and closes on the same line, or has both of its tags on lines of their own."


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("{{#x}}a\nb{{/x}}", [1, 2]),
        ("{{! one\ntwo }}\nthree\n{{#x}}a\n{{/x}}", [4]),
        ("a {{! one\ntwo }} b\n- {{#x}}\n{{/x}}", [3]),
        ("{{#x}}{{! one\n}}words\n{{/x}}", [1]),
        ("a\n{{/\nx}} b {{#\nx}}", [2]),
        ("{{#x}} a {{/x}}\n{{#\nx}}\na\n{{/x}} {{^x}}\nb\n{{/x}}\n", []),
        ("\u00a0{{#x}}\na\n{{/x}}", [1]),
    ],
)
def test_section_that_would_tear_the_html_is_refused_with_its_line(
    text: str, lines: list[int]
) -> None:
    assert layout.problems(text) == [f"Line {line}: {RULE}" for line in lines]


# --- any template ------------------------------------------------------------------------


class Nested(HTMLParser):
    """Raises where a tag closes what is not open, also when a section is left out or repeated."""

    VOID = ("br",)

    def __init__(self, html: str) -> None:
        super().__init__()
        self.stack: list[str] = []
        self.feed(html)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.stack.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        for sign, name in re.findall(r"\{\{([#^/])(\w+)\}\}", data):
            if sign == "/":
                assert self.stack.pop() == f"{{{name}}}"
            else:
                self.stack.append(f"{{{name}}}")


pieces = st.sampled_from(
    [
        *("{{#x}}", "{{/x}}", "{{^x}}", "{{#y}}", "{{/y}}", "{{a}}", "{{! note }}", "{{!\n}}"),
        *("\n", "\n\n", "\n{{#x}}\n", "\n{{/x}}\n", "\n{{^y}}\n", "\n{{/y}}\n", "  ", "\t", "\r\n"),
        *("x", "**", "*", "- ", "• ", "1. ", "# ", "> ", "---", "`", "_", "&", "<b>", "\\", "\x00"),
        *("[", "](https://x.example)", "]({{shortlink}})", "{{shortlink}}", "[Go →] {{shortlink}}"),
    ]
)


@settings(deadline=None)
@given(st.lists(pieces, max_size=30).map("".join))
def test_html_is_nested_for_any_template_that_is_not_refused(text: str) -> None:
    if syntax_problems(text) or layout.problems(text):
        return
    Nested(html(text))
    # All tags are there, in their order, once in each part.
    written = re.findall(r"\{\{[#^/]?\w+\}\}", layout.plain(text))
    assert written == re.findall(
        r"\{\{[#^/]?\w+\}\}", re.sub(r"\{\{!.*?\}\}", "", text, flags=re.S)
    )


@settings(deadline=None)
@given(st.text())
def test_any_words_become_words(text: str) -> None:
    if not (syntax_problems(text) or layout.problems(text)):
        Nested(html(text))
