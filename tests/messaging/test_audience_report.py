"""An audience check's result in words: the headline, what to look at, and every count of a step."""

from typing import Any

import pytest

from messaging.audience import report
from messaging.audience.report import Finding
from messaging.audience.run import run_check
from messaging.models import AudienceCheck, CheckState, MessageTemplate
from segments.models import Session
from tests import engine
from tests.engine import NOW


def missing(**counts: int) -> list[dict[str, Any]]:
    return [{"name": name, "count": count, "examples": [1]} for name, count in counts.items()]


def checked(complete: int, lacking: list[dict[str, Any]] | None = None, steps: int = 2,
            skipped: int = 0) -> AudienceCheck:  # fmt: skip
    """A check that is done, of sound steps in which nothing is wrong."""
    one: dict[str, Any] = {
        "template_key": "k",
        "channel": "email",
        "place": 1,
        "day": 0,
        "rendered": complete,
        "skipped": skipped,
        "missing": lacking or [],
        "length": None,
        "subject": None,
        "long_subject": {"allowed": 150, "count": 0, "examples": []},
    }
    people = {"complete": complete, "skipped": skipped, "missing": lacking or []}
    return AudienceCheck(
        state=CheckState.DONE,
        total=complete + skipped,
        done=complete + skipped,
        result={"people": people, "steps": [{**one, "place": n} for n in range(1, steps + 1)]},
    )


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (
            checked(1180, missing(specialty=24), skipped=24),
            (
                "1,204 doctors: 1,180 would get every message, 24 would be skipped at least once "
                "because specialty is missing."
            ),
        ),
        (
            checked(5, missing(a=2, b=1), skipped=3, steps=1),
            "8 doctors: 5 would get it, 3 would be skipped because a (2) or b (1) is missing.",
        ),
        (
            checked(1, missing(a=1_000, b=3, c=2, d=1, e=1), skipped=1_000),
            (
                "1,001 doctors: 1 would get every message, 1,000 would be skipped at least once "
                "because a (1,000), b (3), c (2) or one of 2 other values is missing."
            ),
        ),
        (
            checked(0, missing(a=9), skipped=9),
            "9 doctors: all would be skipped at least once because a is missing.",
        ),
        (
            checked(0, missing(a=1), skipped=1, steps=1),
            "1 doctor: would be skipped because a is missing.",
        ),
        (checked(1_204), "1,204 doctors: all would get every message."),
        (checked(1, steps=1), "1 doctor: would get it."),
    ],
)
def test_headline_says_who_gets_what_and_who_lacks_what(check: AudienceCheck, words: str) -> None:
    said = report.report(check)
    assert (said.title, said.lines) == (words, [])
    assert said.level == ("warning" if "skipped" in words else "success")


@pytest.mark.parametrize(
    ("check", "level", "words"),
    [
        (AudienceCheck(), "info", "Waiting for a worker."),
        (
            AudienceCheck(state="running"),
            "info",
            "Running: nobody was looked at yet.",
        ),
        (
            AudienceCheck(state="running", done=1_500, total=2_000),
            "info",
            "Running: 1,500 of 2,000 doctors looked at.",
        ),
        (
            AudienceCheck(state="cancelled", done=500, total=2_000),
            "info",
            "Cancelled: 500 of 2,000 doctors looked at. There is no result.",
        ),
        (
            AudienceCheck(state="failed", error="The worker was lost."),
            "error",
            "Failed. The worker was lost.",
        ),
        (checked(0, steps=0), "warning", "The campaign has no steps: there was nothing to check."),
        (
            checked(0),
            "warning",
            (
                "There is nobody to write to: no doctor in the segment now has been quiet for long "
                "enough and still takes these messages."
            ),
        ),
    ],
)
def test_check_without_a_result_says_so(check: AudienceCheck, level: str, words: str) -> None:
    assert report.report(check) == report.Report(level, words)


def test_template_that_nobody_would_get_does_not_ask_for_quiet() -> None:
    check = checked(0, steps=1)
    check.template = MessageTemplate()
    assert report.report(check).title == (
        "There is nobody to write to: no doctor in the segment now still takes these messages."
    )


def run(made: Any) -> AudienceCheck:
    check = AudienceCheck.objects.create(campaign=made, requested_at=NOW)
    run_check(check.pk, lambda: NOW)
    check.refresh_from_db()
    return check


@pytest.mark.django_db
def test_broken_step_is_told_before_all_else() -> None:
    made = engine.campaign(days=(0,), channels=("sms", "email"))
    engine.member()
    second = made.steps.get(channel="email").template
    MessageTemplate.objects.filter(pk=second.pk).update(template_content="{{#a}}")
    said = report.report(run(made))
    assert said.level == "error"
    assert said.title == "1 doctor: would get every message but the 1 whose text is broken."
    assert said.lines == [
        (
            "Step 2: E-mail on day 0: the text is broken and goes to nobody. "
            "Line 1: {{#a}} is never closed. Write {{/a}} where it ends."
        )
    ]
    MessageTemplate.objects.update(template_content="{{#a}}")
    assert report.report(run(made)).title == "1 doctor: none would get anything."


@pytest.mark.django_db
def test_every_count_of_an_sms_is_put_in_words() -> None:
    made = engine.campaign(days=(0,), channels=("sms",))
    doctor, nameless = engine.member(), engine.member()
    nameless.first_name = nameless.last_name = " "
    nameless.save()
    Session.objects.update(title="–" + "x" * 150)
    check = run(made)
    assert report.report(check).lines == [
        "Step 1: SMS on day 0: Takes more than the 2 SMS allowed: 1 doctor."
    ]
    (step,) = report.steps(check)
    (segments,) = step["sms"]["segments"]
    length = step["length"]["longest"]["characters"]
    assert report.findings(step) == [
        Finding(
            "warning",
            "Skipped: {{last_name}} is missing (Last name)",
            1,
            [nameless.pk],
        ),
        Finding("warning", "Takes more than the 2 SMS allowed", 1, [doctor.pk]),
        Finding("info", f"Goes out as {segments} SMS", 1),
        Finding("info", "Encoded as UCS-2: 70 characters in one SMS, 67 in each of several", 1),
        Finding("info", "“–” (en dash) makes it UCS-2", 1, [doctor.pk]),
        Finding("info", f"The shortest text has {length} characters", None, [doctor.pk]),
        Finding("info", f"The longest text has {length} characters", None, [doctor.pk]),
    ]
    assert report.examples(check) == {doctor.pk, nameless.pk}


@pytest.mark.django_db
def test_what_providers_refuse_is_put_in_words() -> None:
    made = engine.campaign(days=(0,), channels=("whatsapp", "email"))
    doctor = engine.member()
    Session.objects.update(title="x" + " " * 5 + "y" * 190)
    made.steps.filter(channel="email").update(subject_line="{{session_name}}")
    long = MessageTemplate.objects.get(pk=made.steps.get(channel="whatsapp").template.pk)
    long.template_content += "z" * 900
    long.save()
    whatsapp, email = report.steps(run(made))
    assert report.worth_a_look(whatsapp) == [
        Finding("warning", "The text is longer than 1,024 characters", 1, [doctor.pk]),
        Finding(
            "warning",
            "{{session_name}} has five spaces in a row, which WhatsApp refuses",
            1,
            [doctor.pk],
        ),
    ]
    assert report.worth_a_look(email) == [
        Finding("warning", "The subject is longer than 150 characters", 1, [doctor.pk])
    ]
