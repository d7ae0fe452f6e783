"""What an attentive colleague sees of a campaign: texts twice, odd numbers, dates, stages, ties."""

import pytest
import time_machine
from django.db.models import F

from campaigns.models import Campaign, CampaignEnrollment
from campaigns.preflight import aims, findings, static
from segments.models import Doctor
from tests import engine
from tests.engine import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def draft() -> Campaign:
    """Two days of three messages, and two doctors who wait for them."""
    engine.member(), engine.member()
    return engine.campaign(days=(0, 7), status="draft", start_date=None)


def campaign_of(made: Campaign, **fields):
    Campaign.objects.filter(pk=made.pk).update(**fields)


def texts(made: Campaign, key: str) -> list[str]:
    return [one.text for one in findings(Campaign.objects.get(pk=made.pk), NOW) if one.key == key]


def test_text_that_comes_twice_names_the_steps_and_links_to_them(draft):
    for number, step in enumerate(draft.steps.select_related("template")):
        step.template.template_content += f" {number}"
        step.template.save()
    assert texts(draft, "text_twice") == []
    shared = draft.steps.get(sequence_order=2).template_id
    draft.steps.filter(sequence_order=5).update(template_id=shared, delay_days=0)
    (said,) = texts(draft, "text_twice")
    assert said == (
        f"Step 2 (Day 0, SMS) and Step 5 (Day 0, SMS) have one text, the template “{shared}”: a "
        "doctor would get it twice by SMS. Choose another text for one of them, or leave it out."
    )
    (found,) = [one for one in static(draft, NOW) if one.key == "text_twice"]
    assert found.link.endswith("/change/#sequence-section")


def test_numbers_against_days_names_the_first_pair_and_counts_the_rest(draft):
    draft.steps.update(sequence_order=7 - F("sequence_order"))
    (said,) = texts(draft, "numbers_against_days")
    assert said.startswith(
        "Step 4 (Day 0, E-mail) goes out before Step 3 (Day 7, WhatsApp), although it is numbered"
    )
    assert "other pair" not in said


def test_start_in_another_century_says_how_far_it_is(draft):
    campaign_of(draft, start_date=NOW.replace(year=2199))
    (said,) = texts(draft, "start_far")
    assert said == (
        "It starts on 04 Mar 2199, 12:00, 173 years from now, and nobody is enrolled before. "
        "Is that meant?"
    )


def test_stages_that_never_come_are_told_where_many_wait(draft, monkeypatch):
    campaign_of(draft, rollout_days=3)
    assert texts(draft, "rollout_at_once") == []
    monkeypatch.setattr(aims, "MANY_AT_ONCE", 2)
    (said,) = texts(draft, "rollout_at_once")
    assert said == (
        "Its rollout is to advance by itself after 3 days, but begins with 100 %: all 2 doctors "
        "who wait are enrolled within the hour. Begin with a smaller share, or leave the days "
        "empty."
    )
    campaign_of(draft, rollout_days=None)
    assert texts(draft, "rollout_at_once") == []


def test_same_priority_is_told_where_doctors_are_shared(draft):
    other = engine.campaign(days=(0,), segment_type="no_show", name="No show")
    enroll_directly(other, Doctor.objects.order_by("pk")[0])
    (said,) = texts(draft, "same_priority")
    assert said == (
        "“No show” has the same priority, 10, and sends from the same hour; 1 doctor of this "
        "segment is under way in it. Where both want the same room, the campaign that enrolled a "
        "doctor first goes first. Give one of them another priority, if one matters more."
    )
    campaign_of(other, priority=11)
    assert texts(draft, "same_priority") == []


def enroll_directly(made: Campaign, doctor: Doctor):
    CampaignEnrollment.objects.create(campaign=made, doctor=doctor, enrolled_at=NOW)
