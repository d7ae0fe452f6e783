"""Everybody in a segment, and what would be said to each."""

from datetime import timedelta
from typing import Any

import pytest

from campaigns.enroll import enroll
from campaigns.models import CampaignEnrollment
from messaging import render
from messaging.audience.members import Audience, Member, sample_variables, truth
from messaging.audience.tally import LINKS_TOKEN, People, Step, Tally, value_rule
from messaging.models import UnsubscribeRecord
from messaging.render import TemplateError
from segments.models import Session, UserSegment
from tests import engine
from tests.engine import DAY, NOW

SEGMENT = "unclaimed_certificates"
ALL = ("whatsapp", "sms", "email")
LINKS = render.links(LINKS_TOKEN)


# --- members ------------------------------------------------------------------------------


def audience(channels: tuple[str, ...] = ALL, **fields: Any) -> Audience:
    return Audience(SEGMENT, channels, NOW, **fields)


@pytest.mark.django_db
def test_audience_is_whom_enrolment_would_take() -> None:
    made = engine.campaign(inactivity_days=3)
    quiet, active, gone, other, left, partly, of_another = (engine.member() for _ in range(7))
    held = UserSegment.objects
    held.update(inactive_since=NOW - 3 * DAY)
    held.filter(doctor=active).update(inactive_since=NOW - 3 * DAY + timedelta(seconds=1))
    held.filter(doctor=gone).update(expires_at=NOW)
    held.filter(doctor=other).update(segment_type="no_show")
    UnsubscribeRecord.objects.create(doctor=left, segment_type=SEGMENT)
    for channel in ("sms", "email"):
        UnsubscribeRecord.objects.create(doctor=partly, channel=channel)
    UnsubscribeRecord.objects.create(doctor=of_another, segment_type="no_show")
    everybody = audience(quiet_since=NOW - 3 * DAY)
    before = everybody.after(0, 100)
    enroll(made, NOW)
    enrolled = CampaignEnrollment.objects.order_by("doctor_id").values_list("doctor_id", "subject")
    assert before == [Member(*row) for row in enrolled]
    assert [member.doctor_id for member in before] == [quiet.pk, partly.pk, of_another.pk]
    assert everybody.count() == 3
    assert everybody.after(0, 100) == before  # whoever is enrolled counts, too


@pytest.mark.django_db
def test_audience_of_one_channel_leaves_out_who_has_left_that() -> None:
    stays, left, back = (engine.member() for _ in range(3))
    UnsubscribeRecord.objects.create(doctor=left, channel="sms")
    UnsubscribeRecord.objects.create(doctor=back, channel="sms", revoked_at=NOW)
    assert [m.doctor_id for m in audience(("sms",)).after(0, 9)] == [stays.pk, back.pk]
    assert audience(("sms",)).count() == 2
    assert audience(("email",)).count() == 3


@pytest.mark.django_db
def test_audience_comes_in_parts() -> None:
    people = [engine.member().pk for _ in range(5)]
    found, last = [], 0
    while part := audience().after(last, 2):
        found.append([member.doctor_id for member in part])
        last = part[-1].doctor_id
    assert found == [people[:2], people[2:4], people[4:]]


@pytest.mark.django_db
def test_audience_has_the_variables_of_an_enrolment_now() -> None:
    engine.member(engine.doctor(last_name="Rao"))
    (values,) = audience().variables(audience().after(0, 9))
    assert (values["last_name"], values["days_remaining"]) == ("Rao", "60")


@pytest.mark.django_db
def test_sample_is_of_the_first_doctors() -> None:
    people = [engine.member() for _ in range(3)]
    sample = sample_variables(SEGMENT, NOW, 2)
    assert [values["user_id"] for values in sample] == [p.external_id for p in people[:2]]
    assert sample_variables("no_show", NOW, 2) == sample_variables("", NOW, 2) == []


@pytest.mark.django_db
def test_truth_is_what_numbers_say_of_a_sample() -> None:
    assert truth([]) == {}
    people = [
        {"download_count": "1,204", "days_remaining": "9", "first_name": "A", "cpd_points": "2.5"},
        {"download_count": "87", "days_remaining": "9", "first_name": "B", "cpd_points": "10"},
        {"download_count": "312"},
    ]
    assert truth(people) == {
        "download_count": "87 to 1,204",
        "days_remaining": "9",
        "cpd_points": "2.5 to 10",
    }
    engine.member()
    assert truth(sample_variables(SEGMENT, NOW, 5))["days_remaining"] == "60"


# --- one step -----------------------------------------------------------------------------


def tally(content: str, people: list[dict[str, Any]], channel: str = "sms", **fields: Any) -> Any:
    """The result of one step for doctors numbered from 1."""
    step = Step("key", channel, content, **{"subject": None, "defaults": {}, **fields})
    counted = Tally(step)
    for number, variables in enumerate(people, 1):
        counted.add(number, variables, render.texts_of(variables, LINKS))
    return counted.as_json()


def test_tally_says_who_would_be_skipped_for_what() -> None:
    people = [{"a": "x", "b": "x"}, {"a": "x"}, {}, {"a": " ", "b": "x"}, {"b": None}]
    found = tally("{{a}} {{b}} {{shortlink}}", people, max_sms_segments=2)
    assert (found["rendered"], found["skipped"]) == (1, 4)
    assert found["missing"] == [
        {"name": "b", "count": 3, "examples": [2, 3, 5]},
        {"name": "a", "count": 3, "examples": [3, 4, 5]},
    ]


def test_tally_names_at_most_five_doctors() -> None:
    found = tally("{{a}} {{shortlink}}", [{}] * 7, max_sms_segments=2)
    assert found["missing"] == [{"name": "a", "count": 7, "examples": [1, 2, 3, 4, 5]}]
    assert found["length"] is None


def test_tally_takes_defaults_for_missing_values() -> None:
    people = [{"a": "xx"}, {}]
    found = tally("{{a}}{{shortlink}}", people, defaults={"a": "x"}, max_sms_segments=2)
    assert (found["rendered"], found["skipped"]) == (2, 0)
    lengths = found["length"]
    assert (lengths["shortest"]["doctor"], lengths["longest"]["doctor"]) == (2, 1)
    assert lengths["longest"]["characters"] == lengths["shortest"]["characters"] + 1


def test_tally_counts_sms_by_segments_and_encoding() -> None:
    rest = len(render.render_message("sms", "{{shortlink}}", None, {}, LINKS).text)
    sizes = [160 - rest, 161 - rest, 307 - rest, 500 - rest]
    people = [{"a": "x" * size} for size in sizes] + [{"a": "–₹"}, {"a": "–" + "x" * (135 - rest)}]
    found = tally("{{a}}{{shortlink}}", people, max_sms_segments=2)
    assert found["sms"] == {
        "segments": {"1": 1, "2": 2, "3": 2, "4": 1},
        "encodings": {"GSM-7": 4, "UCS-2": 2},
        "over": {"allowed": 2, "count": 3, "examples": [3, 4, 6]},
        "forcing": [
            {"char": "–", "count": 2, "examples": [5, 6]},
            {"char": "₹", "count": 1, "examples": [5]},
        ],
    }
    assert found["length"] == {
        "shortest": {"characters": rest + 2, "doctor": 5},
        "longest": {"characters": 500, "doctor": 4},
    }


def test_tally_with_no_limit_has_none_over_it() -> None:
    found = tally("{{a}}{{shortlink}}", [{"a": "x" * 900}], max_sms_segments=0)
    assert found["sms"]["over"] == {"allowed": 0, "count": 0, "examples": []}


def test_tally_finds_values_that_whatsapp_refuses() -> None:
    people = [
        {"a": "fine", "b": "a    b"},  # four blanks are allowed
        {"a": "x" * 1601, "b": "a     b"},
        {"a": "x" * 1600, "b": "a      b"},
        {"b": "\u200b"},
        {"a": "fine", "b": "x", "c": "x     y"},  # c is not in the text
    ]
    found = tally("{{a}} {{b}} {{shortlink}}", people, "whatsapp", max_sms_segments=2)
    assert found["values"] == [
        {"name": "b", "rule": "spaces", "count": 2, "examples": [2, 3]},
        {"name": "a", "rule": "too_long", "count": 1, "examples": [2]},
        {"name": "a", "rule": "empty", "count": 1, "examples": [4]},
        {"name": "b", "rule": "empty", "count": 1, "examples": [4]},
    ]
    assert found["too_long"] == {"allowed": 1024, "count": 2, "examples": [2, 3]}
    assert "sms" not in found


@pytest.mark.parametrize(
    ("value", "rule"),
    [
        ("x" * 1600, None),
        ("x" * 1601, "too_long"),
        ("a    b", None),
        ("a     b", "spaces"),
        ("a\nb", "line_break"),
        ("a\rb", "line_break"),
        ("a\tb", "line_break"),
        ("नमस्ते – 😀", None),
    ],
)
def test_value_rule_is_the_providers(value: str, rule: str | None) -> None:
    assert value_rule(value) == rule


def test_tally_measures_email_and_its_subject() -> None:
    people = [{"a": "x"}, {"a": "x" * 150}]
    found = tally("Dear {{a}}\n\n[Go →] {{shortlink}}", people, "email", subject="Hi {{a}}",
                  max_sms_segments=2)  # fmt: skip
    assert found["subject"] == {
        "shortest": {"characters": 4, "doctor": 1},
        "longest": {"characters": 153, "doctor": 2},
    }
    assert found["long_subject"] == {"allowed": 150, "count": 1, "examples": [2]}
    assert found["length"]["longest"]["doctor"] == 2
    assert "sms" not in found
    assert "values" not in found


def test_tally_skips_an_email_whose_preview_line_lacks_a_value() -> None:
    found = tally("[Go →] {{shortlink}}", [{}, {"a": "x"}], "email", subject="Hi",
                  preheader="{{a}}", max_sms_segments=2)  # fmt: skip
    assert found["missing"] == [{"name": "a", "count": 1, "examples": [1]}]
    assert found["rendered"] == 1


def test_people_are_counted_once_over_all_steps() -> None:
    people = People()
    people.add(1, [])
    people.add(2, ["a", "b", "a"])
    people.add(3, ["b"])
    assert people.as_json() == {
        "complete": 1,
        "skipped": 2,
        "missing": [
            {"name": "b", "count": 2, "examples": [2, 3]},
            {"name": "a", "count": 1, "examples": [2]},
        ],
    }


def test_tally_agrees_with_what_would_be_sent() -> None:
    text = "{{#l}}{{n}}, {{/l}}{{a}} {{shortlink}}"
    for people in ([{"a": "x", "l": [{"n": "1"}]}], [{"a": "–", "l": [{"n": "1"}, {"n": "22"}]}]):
        found = tally(text, people, "whatsapp", max_sms_segments=2)
        sent = render.render_message("whatsapp", text, None, people[0], LINKS).text
        assert found["length"]["longest"]["characters"] == len(sent)
    found = tally(text, [{"a": "x", "l": [{}]}], "whatsapp", max_sms_segments=2)
    assert [missing["name"] for missing in found["missing"]] == ["l.n"]


def test_tally_refuses_a_broken_text() -> None:
    with pytest.raises(TemplateError):
        tally("{{#a}}", [], max_sms_segments=2)


@pytest.mark.django_db
def test_long_session_is_found_by_its_doctor() -> None:
    doctor = engine.member()
    Session.objects.update(title="x" * 200)
    (values,) = audience().variables(audience().after(0, 1))
    counted = Tally(Step("k", "sms", "{{session_name}} {{session_name}}", None, {}, 2))
    counted.add(doctor.pk, values, render.texts_of(values, LINKS))
    assert counted.as_json()["sms"]["over"]["examples"] == [doctor.pk]
