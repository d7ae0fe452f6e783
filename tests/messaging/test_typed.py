"""What is typed where a variable should stand, and the strategy's own contradictions."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from messaging.validation import Draft, Finding, check_template
from messaging.validation.claims import Claim, claims

FIXTURES = Path(__file__).parents[2] / "fixtures"
TEMPLATES: list[dict[str, Any]] = [
    row
    for path in sorted((FIXTURES / "templates").glob("*.yaml"))
    for row in yaml.safe_load(path.read_text())
]
DAYS = {
    step["template_id"]: step["delay_days"]
    for campaign in yaml.safe_load((FIXTURES / "campaigns.yaml").read_text())
    for step in campaign["steps"]
}


# --- finding claims -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words", "days"),
    [
        ("Your trial expires in 4 days.", "expires in 4 days", 4),
        ("**Your trial status:** 11 days remaining", "11 days remaining", 11),
        ("only 3 days left", "only 3 days left", 3),
        ("5 DAYS LEFT for the trial", "5 DAYS LEFT", 5),
        ("access for the next 14 days", "for the next 14 days", 14),
        ("*48 hours*", "48 hours", 2),
        ("Offer: 48 hours!", "48 hours", 2),
        ("You have 48 hours to claim it", "48 hours", 2),
        ("Valid for two more weeks", "Valid for two more weeks", 14),
        ("It closes in 30 hours", "closes in 30 hours", 2),
        ("One day left", "One day left", 1),
        ("Access ends tomorrow", "ends tomorrow", 1),
        ("Recording will be removed tomorrow at midnight", "removed tomorrow at midnight", 1),
        ("Tomorrow at midnight, we close registrations", "Tomorrow at midnight", 1),
        ("After tomorrow:", "After tomorrow", 1),
        ("FINAL DAY to watch", "FINAL DAY", 1),
        ("Expires today", "Expires today", 1),
        ("Your 4-day trial left", "4-day trial left", 4),
        ("in 48 hours", "in 48 hours", 2),
        ("It is gone in 48 hours", "in 48 hours", 2),
        ("4 din baaki", "4 din baaki", 4),
        ("sirf 30 ghante bache hain", "30 ghante bache", 2),
        ("4 दिन बाकी", "4 दिन बाकी", 4),
    ],
)
def test_countdown_is_found_in_its_words(text: str, words: str, days: int) -> None:
    assert claims(f"Dear\n{text}") == [Claim("countdown", 2, words, days)]


@pytest.mark.parametrize(
    "text",
    [
        "Expires in {{days_remaining}} days",
        "{{days_remaining}} days left until {{expiry_date}}",
        "Patient was diagnosed with Still's Disease within 48 hours.",
        "Three days ago, we invited you",
        "Intermittent fever (3 weeks)",
        "Average time saved per case: 28 minutes",
        "we'll send you a 3-minute video walkthrough",
        "Access as in the last 30 days",
        "We missed you at today's session",
        "{{recording_expiry_days}} days from today",
        "Download your certificate today",
        "See you tomorrow",
        "If you don't act today, you'll lose access",
        "{{! ends in 4 days }}",
        "Start your 14-day trial",
        "Fever settled in 48 hours",
        "a 2-day conference",
    ],
)
def test_time_that_does_not_run_out_is_no_countdown(text: str) -> None:
    assert [claim for claim in claims(text) if claim.kind == "countdown"] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("*Over 2,500 doctors* have upgraded", "Over 2,500 doctors"),
        ("2,847 doctors activated", "2,847 doctors"),
        ("2500+ doctors now", "2500+ doctors"),
        ("over 500 colleagues", "over 500 colleagues"),
        ("Join 300 of your colleagues", "300 of your colleagues"),
        ("12 other specialists", "12 other specialists"),
        ("Thousands of doctors", "Thousands of doctors"),
        ("2 lakh doctors", "2 lakh doctors"),
        ("{{download_count}} of 2,847 doctors", "2,847 doctors"),
        ("10K+ doctors", "10K+ doctors"),
        ("2.8k doctors", "2.8k doctors"),
        ("1.5 lakh+ doctors", "1.5 lakh+ doctors"),
        ("two thousand doctors", "two thousand doctors"),
        ("over five thousand doctors", "over five thousand doctors"),
        ("twenty-five thousand of your peers", "twenty-five thousand of your peers"),
    ],
)
def test_count_of_people_is_found_in_its_words(text: str, words: str) -> None:
    assert [(c.kind, c.words) for c in claims(text)] == [("people", words)]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It ends on 7 December", "ends on 7 December"),
        ("expires on 30 Nov 2026", "expires on 30 Nov 2026"),
        ("Valid till 30/11/2026", "Valid till 30/11/2026"),
        ("Your trial closes at midnight on Dec 7th", "closes at midnight on Dec 7th"),
        ("Deadline: 2026-12-07", "Deadline: 2026-12-07"),
    ],
)
def test_last_day_is_found_in_its_words(text: str, words: str) -> None:
    assert claims(text) == [Claim("date", 1, words)]


@pytest.mark.parametrize(
    "text",
    [
        "The session was on 7 December",
        "It ends. On 7 December, we meet",
        "Expires on {{expiry_date}}",
        "Access ends for those who may 4 times a day",
    ],
)
def test_other_days_are_no_last_ones(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize("words", ["95% of doctors", "67 percent of your peers"])
def test_share_of_people_is_found_in_its_words(words: str) -> None:
    assert claims(f"Now {words} use it") == [Claim("share", 1, words)]


@pytest.mark.parametrize(
    "text",
    [
        "{{peer_count}} doctors from your network",
        "4 out of 5 doctors",
        "for the top 3 probabilities",
        "67% of patients",
        "two doctors",
        "67% usage",
        "Dr. Sharma and your peers",
    ],
)
def test_other_numbers_count_nobody(text: str) -> None:
    assert claims(text) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{x}} did so this week", [("this week", 7)]),
        ("{{x}} did so this month. Last week, {{y}} did", [("this month", 30), ("Last week", 7)]),
        ("{{x}} in the last 30 days", [("last 30 days", 30)]),
        ("Since yesterday, {{x}}", [("Since yesterday", 1)]),
        ("this week", []),
        ("{{x}} did. This week is new", []),
        ("{{x}} came to today's session", []),
    ],
)
def test_period_is_found_beside_a_variable(text: str, found: list[tuple[str, int]]) -> None:
    assert [(claim.words, claim.days) for claim in claims(text)] == found


@given(st.text(alphabet="123 ,.daysleftonlymorhurTw{}#\n!?'", max_size=200))
def test_words_of_a_claim_stand_in_its_line(text: str) -> None:
    lines = text.split("\n")
    for claim in claims(text):
        assert claim.words in lines[claim.line - 1]


# --- what is true -------------------------------------------------------------------------


def warned(segment_type: str, content: str, days: tuple[int, ...] = (), **truth: str) -> list[str]:
    draft = Draft(
        channel="whatsapp",
        segment_type=segment_type,
        content=f"{content}\n{{{{shortlink}}}}",
        days=days,
    )
    found = check_template(draft, truth=truth)
    assert {finding.level for finding in found} <= {"warning"}
    return [str(finding) for finding in found]


@pytest.mark.parametrize(
    ("days", "sentence"),
    [
        ((), "typed, and the same on every day. {{days_remaining}} would be 14 on day 0."),
        ((3,), "typed, and wrong. {{days_remaining}} would be 11 on day 3."),
        ((7, 10), "typed, and wrong. {{days_remaining}} would be 7 on day 7 and 4 on day 10."),
        ((10,), ("typed, and right only as long as no day is moved. "
                 "{{days_remaining}} would be 4 on day 10.")),
        ((20,), "typed, and wrong. {{days_remaining}} would be 0 on day 20."),
    ],
)  # fmt: skip
def test_trial_says_what_would_be_true_on_its_days(days: tuple[int, ...], sentence: str) -> None:
    assert warned("aida_users", "Ends in 4 days", days) == [
        f"Line 1: “Ends in 4 days” is {sentence}"
    ]


@pytest.mark.parametrize(
    "segment_type", ["incomplete_courses", "no_show", "unclaimed_certificates"]
)
def test_other_ends_are_each_doctors_own(segment_type: str) -> None:
    text = "Line 1: “Ends in 4 days” is typed, and true for few."
    only = "Only {{days_remaining}} knows each doctor's own last day"
    assert warned(segment_type, "Ends in 4 days", (3,)) == [f"{text} {only}."]
    assert warned(segment_type, "Ends in 4 days", (3,), days_remaining="2 to 27") == [
        f"{text} {only}; now it is 2 to 27."
    ]


@pytest.mark.parametrize(
    ("segment_type", "counted"),
    [
        ("aida_users", "{{completed_count}} (now 312), {{peer_count}}"),
        ("incomplete_courses", "{{completed_count}} (now 312)"),
        ("no_show", "{{view_count}} (now 3 to 90), {{rating_count}}, {{certificate_issued_count}}"),
        ("unclaimed_certificates", "{{download_count}}, {{total_participants}}"),
    ],
)
def test_typed_count_is_told_with_what_is_counted(segment_type: str, counted: str) -> None:
    truth = {"completed_count": "312", "view_count": "3 to 90"}
    assert warned(segment_type, "2,847 doctors", **truth) == [
        f"Line 1: “2,847 doctors” is typed, not counted. Counted are {counted}."
    ]


@pytest.mark.parametrize(
    ("segment_type", "suggestion"),
    [
        ("incomplete_courses", "Write {{expiry_date}}."),
        ("no_show", "Only {{days_remaining}} knows each doctor's own last day."),
    ],
)
def test_typed_last_day_is_told_with_each_doctors_own(segment_type: str, suggestion: str) -> None:
    assert warned(segment_type, "Ends on 7 December") == [
        f"Line 1: “Ends on 7 December” is typed, and the same for every doctor. {suggestion}"
    ]


def test_typed_share_is_told() -> None:
    assert warned("no_show", "95% of doctors") == [
        "Line 1: “95% of doctors” is typed, not counted. Leave it out, or be sure of it."
    ]


def test_preview_line_is_looked_at_too() -> None:
    draft = Draft(channel="email", subject="Hi", preheader="4 days left", content="{{shortlink}}")
    assert [(found.level, found.field) for found in check_template(draft)] == [
        ("warning", "preheader")
    ]


def test_typed_count_without_a_segment_is_better_left_out() -> None:
    assert warned("", "2,847 doctors") == [
        "Line 1: “2,847 doctors” is typed, not counted. Leave the number out."
    ]


@pytest.mark.parametrize(
    ("segment_type", "content", "counts"),
    [
        ("incomplete_courses", "{{completed_count}} did it this week", None),
        ("incomplete_courses", "{{completed_count}} did it this month", "the last 7 days"),
        ("aida_users", "{{completed_count}} did it this month", None),
        ("aida_users", "{{completed_count}} did it this week", "the last 30 days"),
        ("aida_users", "{{peer_count}} did it this week", "everybody so far"),
        ("aida_users", "Dear {{first_name}}, this week", None),
    ],
)
def test_period_is_that_of_the_count(segment_type: str, content: str, counts: str | None) -> None:
    found = warned(segment_type, content)
    assert bool(found) == bool(counts)
    assert all(line.endswith(f"counts {counts}. Leave it out.") for line in found)


# --- the strategy -------------------------------------------------------------------------

COUNTED = "Counted are {{completed_count}}, {{peer_count}}."
OWN_DAY = "Only {{days_remaining}} knows each doctor's own last day."
# template, field, line, words, what is wrong, what would be true
CONTRADICTIONS = [
    ("aida_users.whatsapp.2", "template_content", 3, "Over 2,500 doctors", "not counted", COUNTED),
    ("aida_users.whatsapp.2", "template_content", 8, "expires in 4 days", "wrong", "11 on day 3"),
    ("aida_users.whatsapp.3", "template_content", 3, "5 days left", "wrong", "7 on day 7"),
    ("aida_users.whatsapp.4", "template_content", 3, "ends tomorrow", "wrong", "2 on day 12"),
    ("aida_users.sms.2", "template_content", 1, "2500+ doctors", "not counted", COUNTED),
    ("aida_users.sms.2", "template_content", 1, "ends in 4 days", "wrong", "11 on day 3"),
    ("aida_users.sms.3", "template_content", 1, "5 DAYS LEFT", "wrong", "7 on day 7"),
    ("aida_users.sms.4", "template_content", 1, "FINAL DAY", "wrong", "2 on day 12"),
    ("aida_users.email.1", "template_content", 19, "for the next 14 days", "right", "14 on day 0"),
    ("aida_users.email.2", "template_content", 20, "11 days remaining", "right", "11 on day 3"),
    ("aida_users.email.2", "template_content", 24, "Over 2,500 doctors", "not counted", COUNTED),
    ("aida_users.email.3", "subject_line", 1, "5 Days Left", "wrong", "7 on day 7"),
    ("aida_users.email.3", "template_content", 3, "expires in 5 days", "wrong", "7 on day 7"),
    ("aida_users.email.3", "template_content", 11, "2,847 doctors", "not counted", COUNTED),
    ("aida_users.email.4", "subject_line", 1, "closes tomorrow", "wrong", "2 on day 12"),
    ("aida_users.email.4", "template_content", 5, "Tomorrow at midnight", "wrong", "2 on day 12"),
    ("incomplete_courses.email.4", "template_content", 17, "last 30 days",
     "{{completed_count}} counts the last 7 days", "Leave it out."),
    ("no_show.whatsapp.4", "template_content", 3, "FINAL DAY", "true for few", OWN_DAY),
    ("no_show.whatsapp.4", "template_content", 5, "expires tomorrow", "true for few", OWN_DAY),
    ("no_show.sms.4", "template_content", 1, "LAST DAY", "true for few", OWN_DAY),
    ("no_show.sms.4", "template_content", 1, "expires tomorrow", "true for few", OWN_DAY),
    ("no_show.email.2", "template_content", 3, "Since yesterday",
     "{{view_count}} counts everybody so far", "Leave it out."),
    ("no_show.email.4", "subject_line", 1, "EXPIRES TOMORROW", "true for few", OWN_DAY),
    ("no_show.email.4", "template_content", 3, "removed tomorrow", "true for few", OWN_DAY),
    ("no_show.email.4", "template_content", 20, "After tomorrow", "true for few", OWN_DAY),
    ("unclaimed_certificates.whatsapp.3", "template_content", 3, "this week",
     "{{download_count}} counts everybody so far", "Leave it out."),
]  # fmt: skip
WRONG = {
    "not counted": "not counted.",
    "wrong": "and wrong.",
    "right": "and right only as long as no day is moved.",
    "true for few": "and true for few.",
}


def findings_of(template: dict[str, Any]) -> list[Finding]:
    key = template["template_key"]
    return check_template(
        Draft(
            channel=template["channel"],
            content=template["template_content"],
            subject=template.get("subject_line", ""),
            segment_type=template["segment_type"],
            days=(DAYS[key],),
        )
    )


def test_strategy_has_exactly_these_contradictions() -> None:
    found = [
        (template["template_key"], *finding)
        for template in TEMPLATES
        for finding in findings_of(template)
    ]
    assert len(TEMPLATES) == 51
    order = {template["template_key"]: place for place, template in enumerate(TEMPLATES)}
    assert found == sorted(
        (
            (key, "warning", field, line, _text(words, wrong), _suggestion(truth))
            for key, field, line, words, wrong, truth in CONTRADICTIONS
        ),
        key=lambda row: order[row[0]],
    )


def _text(words: str, wrong: str) -> str:
    return f"“{words}” is typed, {WRONG.get(wrong, f'and {wrong}.')}"


def _suggestion(truth: str) -> str:
    return f"{{{{days_remaining}}}} would be {truth}." if " on day " in truth else truth
