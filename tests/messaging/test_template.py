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
