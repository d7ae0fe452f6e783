"""Addresses, stand-ins and unseen characters that are typed into a text."""

import unicodedata

import pytest

from messaging.validation import Draft, check_template

CHANNELS = ["sms", "whatsapp", "email"]
BESIDE = " {{shortlink}}"


def found(content: str, channel: str = "sms", **fields: str) -> list[tuple[str, str]]:
    """Level and words of what is wrong with a text that has its link."""
    subject = {"subject": "Hi"} if channel == "email" else {}
    draft = Draft(channel=channel, content=content, **{**subject, **fields})  # type: ignore[arg-type]
    return [(finding.level, str(finding)) for finding in check_template(draft)]


def told(words: str, place: str = "text") -> tuple[str, str]:
    only = "only {{shortlink}} is tracked and can be stopped. Remove it."
    return "error", f"Line 1: “{words}” is typed into the {place}: {only}"


# --- addresses ----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("https://evil.example/buy", "https://evil.example/buy"),
        ("HTTP://evil.example.", "HTTP://evil.example"),
        ("see:http://10.0.0.1/x", "http://10.0.0.1/x"),
        ("www.evil.example, now", "www.evil.example"),
        ("ftp://evil.example", "ftp://evil.example"),
        ("clirnet.com", "clirnet.com"),
        ("bit.ly/abc", "bit.ly/abc"),
        ("https://x.example/{{first_name}}", "https://x.example/{{first_name}}"),
        ("htt{{! a note }}ps://evil.example", "https://evil.example"),
        ("[Other](http://evil.example)", "[Other](http://evil.example)"),
        ("[Other](mailto:a@b.example)", "[Other](mailto:a@b.example)"),
        ("[Other]({{first_name}})", "[Other]({{first_name}})"),
        ("![t](http://e/x.png)", "![t](http://e/x.png)"),
        ("[a [b]](tel:1)", "](tel:1)"),
    ],
)
def test_typed_address_is_an_error(channel: str, text: str, words: str) -> None:
    assert found(text + BESIDE, channel) == [told(words)]


def test_second_call_to_action_is_an_error() -> None:
    text = "[Go →] {{shortlink}}\n\n[Other](http://e.example)\nhttps://e.example/buy"
    errors = [words.partition(" is typed")[0] for _, words in found(text, "email")]
    assert errors == ["Line 3: “[Other](http://e.example)”", "Line 4: “https://e.example/buy”"]


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize(
    "text",
    [
        "[Go]({{shortlink}})",
        "[Write to us](mailto:{{support_email}}), [ring us](tel:{{support_phone}})" + BESIDE,
        "{{support_email}} or help@clirnet.com" + BESIDE,
        "Dr.Rao/Dr.Sen, and/or 10.5mg/day, e.g. this.In all 24/7" + BESIDE,
        "{{! see https://wiki.example }}x" + BESIDE,
    ],
)
def test_text_without_a_typed_address_passes(channel: str, text: str) -> None:
    assert found(text, channel) == []


def test_subject_and_preview_line_have_no_address() -> None:
    text = "x" + BESIDE
    assert found(text, "email", subject="www.a.example") == [told("www.a.example", "subject")]
    assert found(text, "email", preheader="www.a.example") == [
        told("www.a.example", "preview line")
    ]


def test_default_has_no_address() -> None:
    draft = Draft(channel="sms", content="{{shortlink}}", defaults={"location": "www.a.example"})
    (told_of,) = check_template(draft)
    assert str(told_of) == (
        "The default of {{location}} has an address in it, “www.a.example”: "
        "only {{shortlink}} is tracked and can be stopped. Remove it."
    )


# --- what stands for a value --------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("{first_name}", "first_name"),
        ("{ first_name }", "first_name"),
        ("{First Name}", "first_name"),
        ("${last_name}", "last_name"),
    ],
)
def test_known_variable_in_single_braces_is_an_error(text: str, name: str) -> None:
    words = f"goes out as it stands. Write {{{{{name}}}}} with two braces."
    assert found(text + BESIDE) == [("error", f"Line 1: “{text.removeprefix('$')}” {words}")]


@pytest.mark.parametrize(
    "text",
    ["{foo}", "{#var#}", "[Name]", "[your name]", "[Doctor's Name]", "[insert date]", "[[name]]",
     "<name>", "<<name>>", "<b>", "XXX", "xxx", "%name%", "*|FNAME|*"],
)  # fmt: skip
def test_stand_in_is_a_warning(text: str) -> None:
    choose = "goes out as it stands. Choose a variable from the list, or leave it out."
    assert found(f"Hi {text}{BESIDE}") == [("warning", f"Line 1: “{text}” {choose}")]


@pytest.mark.parametrize("text", ["[First Name]", "%first_name%", "[[first_name]]", "<first_name>"])
def test_stand_in_for_a_known_variable_is_a_warning_that_names_it(text: str) -> None:
    write = "goes out as it stands. Write {{first_name}}."
    assert found(f"Hi {text}{BESIDE}") == [("warning", f"Line 1: “{text}” {write}")]


@pytest.mark.parametrize(
    "text",
    ["[Soon]", "[Final Notice]", "[Action Required]", "50% off, 20% more", "BP <140, HR >60",
     "{ }", "{{! [Name] }}", "[Certificate] {{shortlink}}", "{{first_name}}", "XX and XY"],
)  # fmt: skip
def test_words_that_are_meant_pass(text: str) -> None:
    content = text if "shortlink" in text else f"{text}{BESIDE}"
    assert found(content, "whatsapp") == []


def test_stand_ins_are_told_in_every_field() -> None:
    assert len(found("Hi [Name]" + BESIDE, "email", subject="Hi [Name]", preheader="<name>")) == 3


# --- characters that cannot be seen -------------------------------------------------------


@pytest.mark.parametrize(
    "char", ["\u202e", "\u200f", "\u2066", "\u200b", "\ufeff", "\u2060", "\u00ad"]
)
def test_unseen_character_is_an_error_by_name(char: str) -> None:
    name = f"{unicodedata.name(char)} (U+{ord(char):04X})"
    says = f"There is a character that cannot be seen: {name}. Delete it."
    assert found(f"a\nb{char}c{char}{BESIDE}") == [("error", f"Line 2: {says}")]
    assert found("x" + BESIDE, "email", subject=f"a{char}") == [("error", f"Line 1: {says}")]
    assert found("x" + BESIDE, "email", preheader=f"a{char}") == [("error", f"Line 1: {says}")]


def test_joiner_belongs_to_emoji_and_indian_scripts_only() -> None:
    assert found("👩\u200d⚕️ क्\u200dष क्\u200cष" + BESIDE) == []
    assert [level for level, _ in found("a\u200db" + BESIDE)] == ["error"]
    assert [level for level, _ in found("\u200cb" + BESIDE)] == ["error"]
