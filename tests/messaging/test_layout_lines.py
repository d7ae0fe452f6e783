"""The text part's template: the author's lines without marks, for a person to read."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from messaging import layout
from messaging.layout.lines import first_sentence
from messaging.layout.markup import Markup

FIXTURES = Path(__file__).parents[2] / "fixtures" / "templates"
EMAILS: dict[str, dict[str, Any]] = {
    row["template_key"]: row
    for path in sorted(FIXTURES.glob("*.yaml"))
    for row in yaml.safe_load(path.read_text())
    if row["channel"] == "email"
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("**Only {{n}} left** in *{{x}}*:", "Only {{n}} left in {{x}}:"),
        ("2 * 3 * 4 **open <b>&amp;", "2 * 3 * 4 **open <b>&amp;"),
        ("# Title\n## **Part**\nwords", "Title\nPart\nwords"),
        ("• a\n- b\n* c\n1. d\n2) e", "• a\n- b\n- c\n1. d\n2) e"),
        ("1. **{{a}}**\n   {{b}}\n\n2. c\n   - d", "1. {{a}}\n   {{b}}\n\n2. c\n   - d"),
        ("[Start Your Trial →] {{shortlink}}", "Start Your Trial: {{shortlink}}"),
        ("[**Ready?** →]{{shortlink}}", "Ready? {{shortlink}}"),
        ("See [our *terms*](https://x.example/a) now",
         "See our terms <https://x.example/a> now"),
        ("[https://x.example](https://x.example)", "https://x.example"),
        ("[Us](mailto:{{support_email}}), [{{support_phone}}](tel:{{support_phone}})",
         "Us <{{support_email}}>, {{support_phone}} <{{support_phone}}>"),
        ("[Go]({{shortlink}}) or {{shortlink}}", "Go <{{shortlink}}> or {{shortlink}}"),
        ("\n\none\r\n\n\n\ntwo  \n   three\n\n", "one\n\n\n\ntwo\nthree"),
        ("a\n{{! note }}\nb {{! x }}c", "a\nb c"),
        ("{{#x}}\n• {{n}} **b**\n{{/x}}{{^x}}\nnone\n{{/x}}",
         "{{#x}}\n• {{n}} b\n{{/x}}\n{{^x}}\nnone\n{{/x}}"),
        ("a {{#x}}**{{n}}**, {{/x}}b", "a {{#x}}{{n}}, {{/x}}b"),
        # What is no tag where it was typed is none without the stars either.
        ("{*{n}*} {**{#x}**}", "{ {n}} { {#x}}"),
    ],
)  # fmt: skip
def test_text_is_what_was_typed_without_marks(text: str, expected: str) -> None:
    assert layout.plain(text) == expected


@pytest.mark.parametrize("key", sorted(EMAILS))
def test_text_of_a_strategy_email_has_its_lines_and_no_marks(key: str) -> None:
    content = EMAILS[key]["template_content"]
    typed, plain = content.split("\n"), layout.plain(content).split("\n")
    assert len(plain) == len(typed)
    for before, after in zip(typed, plain, strict=True):
        button = re.fullmatch(r"\[(.*) →\] (\{\{shortlink\}\})", before)
        expected = f"{button[1]}: {button[2]}" if button else before.replace("*", "")
        assert after == expected


@pytest.mark.parametrize(
    ("text", "preheader"),
    [
        ("Dear Dr. {{first_name}},\n\nFirst is long enough to be read. Second.",
         "First is long enough to be read. Second."),
        ("Dear Dr. {{first_name}},\n\nThe first one is long enough to be read alone. Second.",
         "The first one is long enough to be read alone."),
        ("# A\n- a\n\nYou met Dr. {{name}} at *{{session_title}}*\nabout two weeks ago! More.",
         "You met Dr. {{name}} at {{session_title}} about two weeks ago!"),
        ("Great. **{{n}}** left", "Great. {{n}} left"),
        ("See [our terms](https://x.example), which say what you can expect of us? Yes.",
         "See our terms, which say what you can expect of us?"),
        ("A section may end a sentence {{#x}}in the midst. Like {{/x}}this. And more",
         "A section may end a sentence {{#x}}in the midst. Like {{/x}}this. And more"),
        ("{{#x}}\nOnly here.\n{{/x}}\n[Go →] {{shortlink}}", ""),
    ],
)  # fmt: skip
def test_first_sentence_is_what_a_list_of_mails_shows(text: str, preheader: str) -> None:
    markup = Markup(text)
    assert markup.restored(first_sentence(markup)) == preheader
