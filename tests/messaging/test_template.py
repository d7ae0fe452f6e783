"""The template as a row: what it refuses, what it measures, what it notes on saving."""

from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError

from messaging.models import MessageTemplate
from messaging.render import TemplateError
from messaging.validation import Draft, check_template
from segments.models import Session
from tests import engine
from tests.engine import NOW


def template(**fields: Any) -> MessageTemplate:
    defaults: dict[str, Any] = {
        "template_key": "x.email.1",
        "channel": "email",
        "segment_type": "no_show",
        "sequence_order": 1,
        "template_content": "{{first_name}} {{shortlink}}",
        "subject_line": "{{session_title}}",
    }
    return MessageTemplate(**{**defaults, **fields})


@pytest.mark.django_db
def test_template_clean_tells_problems_by_field() -> None:
    with pytest.raises(ValidationError) as raised:
        template(
            template_content="{{frist_name}} {{shortlink}}",
            subject_line="",
            defaults={"shortlink": "x"},
        ).clean()
    assert raised.value.message_dict == {
        "template_content": [
            "Line 1: There is no variable {{frist_name}}. Did you mean {{first_name}}?"
        ],
        "subject_line": ["An e-mail needs a subject."],
        "defaults": ["{{shortlink}} is filled in for every message. Leave its default out."],
    }


@pytest.mark.django_db
def test_template_clean_lets_warnings_pass() -> None:
    warned = template(template_content="5 days left: {{shortlink}}")
    warned.clean()
    assert [f.level for f in check_template(warned.draft())] == ["warning"]


@pytest.mark.django_db
def test_template_clean_ends_lines_with_lf() -> None:
    sms = template(
        channel="sms",
        template_content="a\r\nb {{shortlink}}",
        subject_line="",
        defaults=None,
    )
    sms.clean()
    assert (sms.template_content, sms.subject_line) == ("a\nb {{shortlink}}", None)
    assert sms.defaults == {}


@pytest.mark.django_db
def test_template_clean_measures_sms_of_doctors_in_the_segment() -> None:
    sms = template(
        channel="sms",
        segment_type="unclaimed_certificates",
        template_content="{{session_name}} {{session_name}} {{shortlink}}",
        subject_line=None,
    )
    doctor = engine.member()
    with time_machine.travel(NOW, tick=False):
        sms.clean()
        Session.objects.update(title="x" * 110)
        with pytest.raises(ValidationError) as raised:
            sms.clean()
    assert raised.value.message_dict == {
        "template_content": [
            (
                f"It takes 3 SMS with the data of doctor {doctor.external_id}; 2 are allowed. "
                "Shorten it, or allow more."
            )
        ]
    }


def test_template_draft_is_what_is_sent_on_its_days() -> None:
    made = template(defaults={"topic": "your field"}, max_sms_segments=3)
    assert made.draft((3, 7), subject="Hi") == Draft(
        channel="email",
        content="{{first_name}} {{shortlink}}",
        subject="Hi",
        segment_type="no_show",
        defaults={"topic": "your field"},
        max_sms_segments=3,
        days=(3, 7),
    )
    assert made.draft().subject == "{{session_title}}"


@pytest.mark.django_db
def test_template_save_keeps_variables_as_the_text_has_them() -> None:
    saved = template()
    saved.save()
    saved.refresh_from_db()
    assert saved.variables == ["session_title", "first_name", "shortlink"]
    assert (saved.defaults, saved.max_sms_segments) == ({}, 2)
    saved.template_content = "{{last_name}} {{shortlink}}"
    saved.save(update_fields=["template_content"])
    saved.refresh_from_db()
    assert saved.variables == ["session_title", "last_name", "shortlink"]


@pytest.mark.django_db
def test_template_save_refuses_a_broken_text() -> None:
    with pytest.raises(TemplateError):
        template(template_content="{{#a}}").save()
    assert not MessageTemplate.objects.exists()


# --- what a row is called, and where it stands --------------------------------------------


def refused(**fields: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as raised:
        template(**fields).full_clean()
    return raised.value.message_dict


@pytest.mark.django_db
@pytest.mark.parametrize("key", ["X.email.1", "a b", "a..b", ".a", "a.", "a-b", "a/b", "é", "a\n"])
def test_template_key_of_a_new_template_is_plain(key: str) -> None:
    words = "Small letters, digits and _, parts separated by dots, such as aida_users.whatsapp.1."
    assert refused(template_key=key) == {"template_key": [words]}


@pytest.mark.django_db
def test_template_key_of_an_old_template_stays() -> None:
    template(template_key="Old key").save()
    MessageTemplate.objects.get().full_clean()


@pytest.mark.django_db
@pytest.mark.parametrize("place", [0, -1])
def test_template_sequence_starts_with_1(place: int) -> None:
    assert refused(sequence_order=place) == {
        "sequence_order": ["The first message of the channel is 1."]
    }


@pytest.mark.django_db
def test_template_place_is_given_once() -> None:
    template().save()
    assert refused(template_key="y.email.1") == {
        "sequence_order": [
            "“x.email.1” has this place in the segment and channel already. Choose another number."
        ]
    }
    template(template_key="y.email.1", sequence_order=2).full_clean()
    template(template_key="y.email.1", segment_type="aida_users",
             subject_line="Hi").full_clean()  # fmt: skip
    MessageTemplate.objects.get().full_clean()  # is not in its own way


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["English", "EN", "en_us", "en-US", "e", "en\n"])
def test_template_language_is_as_whatsapp_writes_it(language: str) -> None:
    assert refused(whatsapp_language=language) == {
        "whatsapp_language": ["It is such as en, hi or en_US."]
    }


@pytest.mark.django_db
@pytest.mark.parametrize("language", ["", "en", "hi", "fil", "en_US"])
def test_template_language_of_whatsapp_passes(language: str) -> None:
    template(whatsapp_language=language).full_clean()


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name", ["title", "template_content", "subject_line", "preheader", "registered_text"]
)
@pytest.mark.parametrize("char", ["\x00", "\ud800"])
def test_template_that_cannot_be_stored_is_told(name: str, char: str) -> None:
    assert refused(**{name: f"{{{{shortlink}}}}{char}"}) == {
        name: ["There is a character in it that cannot be stored. Delete it."]
    }


@pytest.mark.django_db
def test_template_parameters_that_cannot_be_stored_are_told() -> None:
    assert refused(parameters=["a\x00"]).keys() == {"parameters"}
    assert refused(defaults={"a\x00": "x"}).keys() == {"defaults"}


@pytest.mark.django_db
def test_template_title_has_no_marks_of_direction() -> None:
    assert refused(title="a\u202eb") == {
        "title": [
            (
                "Line 1: There is a character that cannot be seen: "
                "RIGHT-TO-LEFT OVERRIDE (U+202E). Delete it."
            )
        ]
    }
