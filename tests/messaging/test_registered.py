"""Our text beside the registered one: where they differ, and what is said of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messaging.registered import difference, parameter_problems, sections

SMS = "Dr. {{last_name}}, {{session_name}}: {{shortlink}} -CLIRNET"
WHATSAPP = "Dear Dr. {{first_name}},\n\n{{session_name}}: {{shortlink}}"
STOP = "\n\nReply STOP to opt out"
NAMES = ("first_name", "session_name", "shortlink")


@pytest.mark.parametrize(
    "registered",
    [
        "Dr. {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}",
        "Dr. {#alphanumeric#}, {#var#}: {#url#} -CLIRNET\nStop: {#url#}",
        "Dr. {#var#}, {#var#}: {#var#} -CLIRNET\r\nStop: {#var#}",
        # What is the same in every link may be words; a long value may have several slots.
        "Dr. {#var#}, {#var#}{#var#}: {#var#} -CLIRNET\nStop: {#var#}{#var#}",
        "Dr. {#var#}, {#var#}: https://c.in/r/{#var#} -CLIRNET\nStop: https://c.in/u/{#var#}",
        "Dr. {#var#}, {#var#}: https://c.in/{#url#} -CLIRNET\nStop: https://{#url#}",
    ],
)
def test_sms_fits_what_is_registered(registered: str, settings) -> None:
    settings.PUBLIC_BASE_URL = "https://c.in"
    assert difference("sms", SMS, registered) is None


def told(channel: str, ours: str, theirs: str, *names: str) -> tuple[int, int, str]:
    found = difference(channel, ours, theirs, names)
    assert found is not None
    return found.line, found.column, found.what_to_do


def test_sms_whose_last_line_is_not_registered_says_so() -> None:
    registered = "Dr. {#var#}, {#var#}: {#var#} -CLIRNET"
    assert str(difference("sms", SMS, registered)) == (
        "line 1, column 60: the message has "
        "“…{{shortlink}}·-CLIRNET↵Stop:·[link to opt out]”, "
        "the registered text “…{#var#}·-CLIRNET (the end)”. "
        "Register the last line, too: every message ends with “Stop: {#var#}”."
    )


def test_blanks_that_differ_are_made_visible() -> None:
    registered = "Dr.  {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}"
    found = difference("sms", SMS, registered)
    assert found is not None
    assert (found.line, found.column) == (1, 5)
    assert found.ours.startswith("Dr.·{{last_name}},·")
    assert found.theirs.startswith("Dr.··{#var#},·")
    assert found.what_to_do == "Blanks (·) and line ends (↵) must be as registered."


def test_no_break_space_is_visible_where_a_blank_is_registered() -> None:
    ours = SMS.replace(", ", ",\u00a0", 1)
    found = difference("sms", ours, "Dr. {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}")
    assert found is not None
    assert "{{last_name}},⍽{{" in found.ours
    assert "{#var#},·{#var#}" in found.theirs


def test_signs_that_look_alike_are_named() -> None:
    registered = "Dr. {#var#}, {#var#}: {#var#} –CLIRNET\nStop: {#var#}"
    assert told("sms", SMS, registered) == (
        1,
        52,
        "Here is “-” (hyphen-minus), there “–” (en dash): write that.",
    )


@pytest.mark.parametrize(
    ("registered", "place", "words"),
    [
        ("Dr. {#var#}, Heart: {#var#}", (1, 20), "Words are registered where {{session_name}}"),
        ("{#var#}, {#var#}: {#var#}", (1, 1), "{#var#} is registered there: write a variable"),
        ("Dear {#var#}", (1, 2), "Write it as it is registered, or register it anew."),
        ("Dr. {#Var#}", (1, 5), "Words are registered where {{last_name}} stands"),
        ("", (1, 1), "The registered text ends there"),
        ("Dr. {#var#}, {#var#}: http://x.in/{#var#}", (1, 38), "Words are registered where"),
    ],
)
def test_sms_tells_what_to_do(registered: str, place: tuple[int, int], words: str) -> None:
    line, column, what_to_do = told("sms", SMS, registered)
    assert (line, column) == place
    assert what_to_do.startswith(words)


def test_registered_text_that_goes_on_is_told() -> None:
    registered = "Dr. {#var#}, {#var#}: {#var#} -CLIRNET\nStop: {#var#}!"
    found = difference("sms", SMS, registered)
    assert found is not None
    assert found.line == 2
    assert found.ours.endswith("[link to opt out] (the end)")
    assert found.theirs.endswith("{#var#}!")


def test_whatsapp_fits_by_the_order_of_its_variables() -> None:
    registered = f"Dear Dr. {{{{1}}}},\n\n{{{{2}}}}: {{{{3}}}}{STOP}"
    assert difference("whatsapp", WHATSAPP, registered, NAMES) is None
    assert parameter_problems(WHATSAPP, registered, NAMES) == []


def test_whatsapp_numbers_in_any_order_and_twice_fit() -> None:
    ours = "{{first_name}}, {{first_name}}: {{shortlink}}"
    registered = f"{{{{2}}}}, {{{{2}}}}: {{{{1}}}}{STOP}"
    names = ("shortlink", "first_name")
    assert difference("whatsapp", ours, registered, names) is None
    assert parameter_problems(ours, registered, names) == []


def test_whatsapp_filled_with_another_variable_is_told() -> None:
    registered = f"Dear Dr. {{{{1}}}},\n\n{{{{2}}}}: {{{{3}}}}{STOP}"
    names = ("session_name", "first_name", "shortlink")
    assert told("whatsapp", WHATSAPP, registered, *names) == (
        1,
        10,
        "{{1}} is filled with {{session_name}}: change the variables' order, or the text.",
    )


def test_whatsapp_difference_is_placed_by_line_and_column() -> None:
    registered = f"Dear Dr. {{{{1}}}},\n\n{{{{2}}}} – {{{{3}}}}{STOP}"
    line, column, _ = told("whatsapp", WHATSAPP, registered, *NAMES)
    assert (line, column) == (3, 17)


def test_whatsapp_without_the_way_out_is_told() -> None:
    registered = "Dear Dr. {{1}},\n\n{{2}}: {{3}}"
    _, _, what_to_do = told("whatsapp", WHATSAPP, registered, *NAMES)
    assert what_to_do == (
        "Register the last line, too: every message ends with “Reply STOP to opt out”."
    )


def test_link_of_whatsapp_is_filled_in_whole(settings) -> None:
    settings.PUBLIC_BASE_URL = "https://c.in"
    registered = f"Dear Dr. {{{{1}}}},\n\n{{{{2}}}}: https://c.in/r/{{{{3}}}}{STOP}"
    line, column, what_to_do = told("whatsapp", WHATSAPP, registered, *NAMES)
    assert (line, column) == (3, 19)
    assert "{{shortlink}}" in what_to_do


@pytest.mark.parametrize(
    ("registered", "names", "problems"),
    [
        (
            "{{1}} {{2}} {{3}} {{4}}",
            NAMES,
            ["{{4}} of the registered text has no variable."],
        ),
        ("{{1}} {{3}}", NAMES, ["The registered text has no {{2}} for {{session_name}}."]),
        ("{{1}} {{2}}", NAMES, ["The registered text has no {{3}} for {{shortlink}}."]),
        (
            "{{1}} {{2}} {{3}} {{4}}",
            (*NAMES, "specialty"),
            ["The text does not use {{specialty}}."],
        ),
        ("", NAMES[:2], ["{{shortlink}} of the text has no number."]),
        ("", (*NAMES, "specialty"), ["The text does not use {{specialty}}."]),
    ],
)
def test_numbers_and_variables_that_do_not_fit_are_told(
    registered: str, names: tuple[str, ...], problems: list[str]
) -> None:
    found = parameter_problems(WHATSAPP, registered, names)
    assert [text for text, _ in found] == problems
    assert all(what_to_do for _, what_to_do in found)


def test_sections_are_named() -> None:
    text = "{{first_name}} {{#modules}}{{name}}{{/modules}}{{^modules}}none{{/modules}}"
    assert sections(text) == ["{{#modules}}", "{{^modules}}"]
    assert sections(SMS) == []


TEXTS = st.text("ab ,.\n", max_size=8)


@given(st.lists(TEXTS, min_size=1, max_size=5))
def test_text_registered_as_it_is_never_differs(words: list[str]) -> None:
    ours = "{{first_name}}".join(words)
    theirs = "{#var#}".join(words) + "\nStop: {#var#}"
    assert difference("sms", ours, theirs) is None


@given(st.lists(TEXTS, min_size=1, max_size=5), st.data())
def test_one_character_more_in_the_registered_words_is_found(
    words: list[str], data: st.DataObject
) -> None:
    theirs = "{#var#}".join(words) + "\nStop: {#var#}"
    at = data.draw(st.sampled_from([n for n in range(len(theirs) + 1) if not _inside(theirs, n)]))
    changed = f"{theirs[:at]}#{theirs[at:]}"
    found = difference("sms", "{{first_name}}".join(words), changed)
    assert found is not None
    assert "#" in found.theirs.replace("{#var#}", "")


def _inside(text: str, at: int) -> bool:
    """Whether a place is within a slot."""
    return any(text[max(0, at - back) :].startswith("{#var#}") for back in range(1, min(7, at + 1)))
