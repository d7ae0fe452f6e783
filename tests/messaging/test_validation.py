"""What keeps a template from being saved, told in the marketer's words."""

import time
from typing import Any

import pytest

from messaging.render import TemplateError, compile_html
from messaging.validation import Draft, Finding, check_template


def errors(content: str, channel: str = "sms", **fields: Any) -> list[str]:
    """What is wrong with a text that is otherwise in order."""
    subject = "Hi" if channel == "email" else ""
    draft = Draft(channel=channel, content=content, **{"subject": subject, **fields})
    return [str(finding) for finding in check_template(draft) if finding.level == "error"]


# --- variables and sections ---------------------------------------------------------------


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
    assert errors(f"ok\n{content} {{{{shortlink}}}}") == [f"Line 2: {problem}"]


@pytest.mark.parametrize(
    ("segment_type", "content", "problem"),
    [
        ("no_show", "{{course_name}}",
         ("{{course_name}} is for “Incomplete courses”; “No-show registrants” does not have it. "
         "Choose one from the list.")),
        ("unclaimed_certificates", "{{session_title}}",
         ("{{session_title}} is for “No-show registrants”; “Unclaimed certificates” does not have "
         "it. Choose one from the list.")),
        ("unclaimed_certificates", "{{completed_count}}",
         ("{{completed_count}} is for “AiDA users without agents” and “Incomplete courses”; "
         "“Unclaimed certificates” does not have it. Choose one from the list.")),
        # the closest of those that the segment has
        ("aida_users", "{{peer_nam}}",
         "There is no variable {{peer_nam}}. Did you mean {{peer_name_3}}?"),
        ("incomplete_courses", "{{peer_nam}}",
         "There is no variable {{peer_nam}}. Did you mean {{peer_name}}?"),
        ("no_show", "{{module_name}}",
         ("{{module_name}} has a value only between {{#remaining_modules}} and "
         "{{/remaining_modules}}. Only “Incomplete courses” has that list.")),
        ("no_show", "{{#remaining_modules}}{{module_name}}{{/remaining_modules}}",
         ("{{remaining_modules}} is for “Incomplete courses”; “No-show registrants” does not have "
         "it. Choose one from the list.")),
    ],
)  # fmt: skip
def test_variable_of_another_segment_is_told(segment_type: str, content: str, problem: str) -> None:
    found = errors(f"{content} {{{{shortlink}}}}", segment_type=segment_type)
    assert found == [f"Line 1: {problem}"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{{#first_name}}x{{/first_name}}",
         ("{{#first_name}} … {{/first_name}} goes through a list, and first_name is a text. "
         "Write {{first_name}}; for doctors without one, give it a default.")),
        ("{{^cpd_points}}x{{/cpd_points}}",
         ("{{^cpd_points}} … {{/cpd_points}} goes through a list, and cpd_points is a number. "
         "Write {{cpd_points}}; for doctors without one, give it a default.")),
        ("{{#expiry_date}}x{{/expiry_date}}",
         ("{{#expiry_date}} … {{/expiry_date}} goes through a list, and expiry_date is a date. "
         "Write {{expiry_date}}; for doctors without one, give it a default.")),
        ("{{#remaining_modules}}{{#duration}}x{{/duration}}{{/remaining_modules}}",
         ("{{#duration}} … {{/duration}} goes through a list, and duration is a number. "
         "Write {{duration}}; for doctors without one, give it a default.")),
        ("{{upcoming_content}} modules",
         ("{{upcoming_content}} is a list. Go through it with "
         "{{#upcoming_content}} … {{/upcoming_content}}.")),
    ],
)  # fmt: skip
def test_variable_stands_as_what_it_is(content: str, problem: str) -> None:
    found = errors(f"{content} {{{{shortlink}}}}", segment_type="incomplete_courses")
    assert found == [f"Line 1: {problem}"]


@pytest.mark.parametrize(
    "content",
    [
        "{{remaining_modules}} modules",  # its text is its length
        "{{#remaining_modules}}{{module_name}} {{first_name}}{{/remaining_modules}}",
        "{{^remaining_modules}}none{{/remaining_modules}}",
        "{{! {{nothing}} is not read",
    ],
)
def test_variable_as_what_it_is_passes(content: str) -> None:
    content = content.replace("{{nothing}} is not read", "not read }}")
    assert errors(f"{content} {{{{shortlink}}}}", segment_type="incomplete_courses") == []


# --- the call to action -------------------------------------------------------------------

NO_LINK = "There is no {{shortlink}}. Write it where the doctor should tap."
TWICE = (
    "{{shortlink}} stands a second time (first in line 1). "
    "Ask for one thing: keep the link that matters."
)


@pytest.mark.parametrize(
    ("content", "problems"),
    [
        (" \n\u200b", ["The text is empty. Write the message."]),
        ("Dear {{first_name}}", [NO_LINK]),
        # A list can be empty, and {{! a note }} is not sent.
        ("{{#remaining_modules}}{{shortlink}}{{/remaining_modules}}", [NO_LINK]),
        ("{{^remaining_modules}}{{shortlink}}{{/remaining_modules}}", [NO_LINK]),
        ("{{! shortlink }}", [NO_LINK]),
        ("{{shortlink}}\nor {{shortlink}}", [f"Line 2: {TWICE}"]),
        ("[Start →] {{shortlink}}\n\n[Or this →] {{shortlink}}", [f"Line 3: {TWICE}"]),
        ("{{shortlink}}\n{{#remaining_modules}}\n{{shortlink}}\n{{/remaining_modules}}",
         [f"Line 3: {TWICE}"]),
        ("{{shortlink}} {{shortlink}}\n{{shortlink}}", [f"Line 1: {TWICE}", f"Line 2: {TWICE}"]),
        ("{{shortlink}}\n [Start →]",
         ["Line 2: “[Start →]” has no link. Write {{shortlink}} behind it."]),
        ("{{shortlink}}\n[Start] https://elsewhere.example",
         ["Line 2: “[Start]” has no link. Write {{shortlink}} behind it.",
          ("Line 2: “https://elsewhere.example” is typed into the text: only {{shortlink}} is "
           "tracked and can be stopped. Remove it.")]),
        ("[Start →]\n", ["Line 1: “[Start →]” has no link. Write {{shortlink}} behind it.",
                         NO_LINK]),
        ("[5 Days Left] of {{shortlink}}", []),
        ("[Start →]{{ shortlink }}", []),
    ],
)  # fmt: skip
@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_message_asks_for_one_thing(channel: str, content: str, problems: list[str]) -> None:
    found = check_template(
        Draft(channel=channel, content=content, subject="Hi" if channel == "email" else "")
    )
    assert sorted(str(f) for f in found if f.level == "error") == sorted(problems)


def test_button_without_a_link_is_not_a_second_one() -> None:
    assert errors("[Start →]\n{{shortlink}}", "email") == [
        "Line 1: “[Start →]” has no link. Write {{shortlink}} behind it."
    ]


def test_comment_braces_stand_alone() -> None:
    assert errors("{{! {{shortlink}} }}")[0].endswith("A variable is written {{name}}.")


# --- subjects -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("channel", "subject", "problems"),
    [
        ("sms", "Hi", ["An SMS has no subject: leave this empty."]),
        ("whatsapp", "Hi", ["A WhatsApp message has no subject: leave this empty."]),
        ("sms", "", []),
        ("whatsapp", " ", []),
        ("email", "Hi {{first_name}}", []),
        ("email", "", ["An e-mail needs a subject."]),
        ("email", " ", ["An e-mail needs a subject."]),
        ("email", "a\nb", ["The subject has a line break. Write it in one line."]),
        ("email", "{{rate}}", ["Line 1: There is no variable {{rate}}. Did you mean {{rating}}?"]),
        ("email", "{{shortlink}}",
         ["Line 1: {{shortlink}} cannot be tapped in a subject. Write it in the text."]),
        ("email", "x" * 150, []),
        ("email", "x" * 151,
         [("The subject is 151 characters long with what is typed alone; 150 are allowed. "
          "Shorten it.")]),
        ("email", "{{first_name}}" + "x" * 147,
         ["The subject is 151 characters long with example data; 150 are allowed. Shorten it."]),
        # not with example data, which leave the words out
        ("email", "{{^remaining_modules}}" + "x" * 151 + "{{/remaining_modules}}",
         [("The subject is 151 characters long with what is typed alone; 150 are allowed. "
          "Shorten it.")]),
        ("", "Hi", []),
    ],
)  # fmt: skip
def test_subject_belongs_to_email(channel: str, subject: str, problems: list[str]) -> None:
    found = check_template(Draft(channel=channel, content="{{shortlink}}", subject=subject))
    assert [(f.field, str(f)) for f in found] == [("subject_line", text) for text in problems]


def test_preview_line_has_no_link() -> None:
    assert errors("{{shortlink}}", "email", preheader="Now: {{shortlink}}") == [
        "Line 1: {{shortlink}} cannot be tapped in a preview line. Write it in the text."
    ]


def test_subject_is_measured_with_real_data_and_defaults() -> None:
    draft = Draft(channel="email", content="{{shortlink}}", subject="{{first_name}}" + "x" * 140)
    (found,) = check_template(draft, [{"user_id": "D1", "first_name": "y" * 11}])
    assert found.text == (
        "The subject is 151 characters long with the data of doctor D1; 150 are allowed."
    )
    assert check_template(draft, [{"user_id": "D1", "first_name": "y" * 10}]) == []
    with_default = Draft(
        channel="email",
        content="{{shortlink}}",
        subject=draft.subject,
        defaults={"first_name": "y" * 12},
    )
    (found,) = check_template(with_default, [{"user_id": "D1"}])
    assert found.text.startswith("The subject is 152 characters long with the defaults;")


def test_section_that_would_tear_the_html_is_refused_in_email_only() -> None:
    torn = "{{shortlink}} {{#remaining_modules}}a\nb{{/remaining_modules}}"
    rule = (
        "A section opens and closes on the same line, "
        "or has both of its tags on lines of their own."
    )
    assert errors(torn, "email") == [f"Line 1: {rule}", f"Line 2: {rule}"]
    assert errors(torn, "sms") == []


# --- lengths ------------------------------------------------------------------------------


def test_whatsapp_takes_1024_characters_with_its_footer() -> None:
    rest = len("Asha http://127.0.0.1:8000/r/" + "x" * 22 + "\n\nReply STOP to opt out")
    text = "{{first_name}} {{shortlink}}"
    assert errors("x" * (1024 - rest) + text, "whatsapp") == []
    assert errors("x" * (1025 - rest) + text, "whatsapp") == [
        "The message is 1,025 characters long with example data; WhatsApp allows 1,024. Shorten it."
    ]
    assert errors("x" * (1025 - rest) + text, "sms", max_sms_segments=0) == []


def test_sms_takes_what_the_template_allows() -> None:
    long = "x" * 300 + "{{shortlink}}"
    takes_3 = "It takes 3 SMS with example data;"
    assert errors(long) == [f"{takes_3} 2 are allowed. Shorten it, or allow more."]
    assert errors(long, max_sms_segments=1) == [
        f"{takes_3} 1 is allowed. Shorten it, or allow more."
    ]
    assert errors(long, max_sms_segments=3) == errors(long, max_sms_segments=0) == []
    assert errors(long, "email") == []


def test_sms_in_ucs2_says_what_plain_characters_would_save() -> None:
    assert errors("₹5 – “x”" + "x" * 60 + " {{shortlink}}") == [
        (
            "It takes 3 SMS with example data; 2 are allowed. "
            "With plain characters it would take 2. "
            'Write Rs. for ₹, - for –, " for “, " for ”.'
        )
    ]
    # Nothing says the same as the letters.
    assert errors("न" * 80 + "{{shortlink}}")[0].endswith("Shorten it, or allow more.")


def test_sms_is_measured_with_real_data() -> None:
    draft = Draft(channel="sms", content="{{first_name}} {{shortlink}}")
    long = {"user_id": "D7", "first_name": "x" * 300}
    assert check_template(draft) == []
    assert check_template(draft, [{"user_id": "D1", "first_name": "x"}, long]) == [
        Finding(
            "error",
            "template_content",
            None,
            "It takes 3 SMS with the data of doctor D7; 2 are allowed.",
            "Shorten it, or allow more.",
        )
    ]


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
def test_text_has_at_most_20_000_characters(channel: str) -> None:
    text = "{{shortlink}} " + "a " * 9_993
    assert len(text) == 20_000
    too_long = "The text has 20,001 characters; 20,000 are allowed. Shorten it."
    assert too_long not in errors(text, channel, max_sms_segments=0)
    assert errors(f"{text}a", channel) == [too_long]


@pytest.mark.parametrize("count", [501, 19_980, 50_000])
def test_email_with_many_brackets_is_told_at_once(count: int) -> None:
    text = "{{shortlink}} " + "[" * count
    before = time.process_time()
    (told,) = errors(text, "email")
    with pytest.raises(TemplateError):
        compile_html(text)
    assert time.process_time() - before < 0.3
    assert ("Too many brackets" in told) == (count < 20_000)


@pytest.mark.parametrize("unit", ["](", "[a](", "[→ ", "{a", "www.", "a.", "five ", "ends "])
def test_text_of_one_sign_is_looked_through_at_once(unit: str) -> None:
    text = "{{shortlink}} " + unit * (19_980 // len(unit))
    before = time.process_time()
    check_template(Draft(channel="email", content=text, subject="Hi"))
    assert time.process_time() - before < 0.6


# --- parameters -----------------------------------------------------------------------------


@pytest.mark.parametrize("channel", ["sms", "whatsapp", "email"])
@pytest.mark.parametrize(
    ("parameters", "problem"),
    [
        (["frist_name"], "There is no variable {{frist_name}}. Did you mean {{first_name}}?"),
        (["a\x00"], r"“'a\x00'” is not a variable's name. Write names, one for each number."),
        (["\ud800"], r"“'\ud800'” is not a variable's name. Write names, one for each number."),
        ([3], "“3” is not a variable's name. Write names, one for each number."),
        ({"1": "first_name"}, "The numbers are no list. Write names, one for each number."),
        ("first_name", "The numbers are no list. Write names, one for each number."),
    ],
)
def test_numbers_stand_for_variables(channel: str, parameters: Any, problem: str) -> None:
    assert errors("{{shortlink}}", channel, parameters=parameters) == [problem]


def test_errors_of_every_field_come_before_warnings() -> None:
    draft = Draft(
        channel="email",
        content="Ends in 4 days {{x}}",
        subject="5 days left {{x}}",
        defaults={"x": "y"},
    )
    assert [(f.level, f.field, f.line) for f in check_template(draft)] == [
        ("error", "template_content", None),
        ("error", "template_content", 1),
        ("error", "subject_line", 1),
        ("error", "defaults", None),
        ("warning", "subject_line", 1),
        ("warning", "template_content", 1),
    ]
