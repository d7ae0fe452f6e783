"""How a doctor gets into a campaign, and who does not."""

from datetime import datetime, timedelta

import pytest

from campaigns.enroll import enroll, enroll_running
from campaigns.models import CampaignEnrollment, CampaignStatus
from messaging.optout import opt_out
from segments.models import UserSegment
from tests.engine import DAY, NOW, campaign, certificate, doctor, member

pytestmark = pytest.mark.django_db


def enrolled_ids(**filters):
    rows = CampaignEnrollment.objects.filter(**filters)
    return set(rows.values_list("doctor_id", "subject"))


def test_enroll_takes_every_member_once():
    made, first, second = campaign(), member(), member()
    assert enroll(made, NOW) == 2
    assert enroll(made, NOW) == 0
    assert {pk for pk, _ in enrolled_ids(campaign=made)} == {first.pk, second.pk}


def test_enroll_with_ids_takes_only_these():
    made, first, _ = campaign(), member(), member()
    assert enroll(made, NOW, [first.pk]) == 1
    assert {pk for pk, _ in enrolled_ids()} == {first.pk}


def test_enroll_waits_for_the_days_of_inactivity():
    made = campaign(inactivity_days=30)
    quiet, lively = member(), member()
    UserSegment.objects.filter(doctor=quiet).update(inactive_since=NOW - 30 * DAY)
    UserSegment.objects.filter(doctor=lively).update(
        inactive_since=NOW - 30 * DAY + timedelta(seconds=1)
    )
    enroll(made, NOW)
    assert {pk for pk, _ in enrolled_ids()} == {quiet.pk}


def test_enroll_leaves_out_an_expired_membership():
    made, gone = campaign(), member()
    UserSegment.objects.filter(doctor=gone).update(expires_at=NOW)
    assert enroll(made, NOW) == 0


@pytest.mark.parametrize("status", [s for s in CampaignStatus if s != CampaignStatus.ACTIVE])
def test_enroll_in_a_campaign_that_is_not_running_takes_nobody(status):
    member()
    assert enroll(campaign(status=status), NOW) == 0


@pytest.mark.parametrize("dates", [{"start_date": NOW + DAY}, {"end_date": NOW}])
def test_enroll_outside_the_campaigns_dates_takes_nobody(dates):
    member()
    assert enroll(campaign(**dates), NOW) == 0


def test_enroll_in_a_campaign_without_steps_takes_nobody():
    member()
    assert enroll(campaign(days=()), NOW) == 0


@pytest.mark.parametrize("segment_type", [None, "unclaimed_certificates"])
def test_enroll_never_takes_who_opted_out(segment_type):
    made, out = campaign(), member()
    opt_out(out.pk, None, segment_type, source="test", now=NOW)
    assert enroll(made, NOW) == 0


@pytest.mark.parametrize(
    ("channel", "segment_type"), [("sms", None), (None, "aida_users"), ("sms", "no_show")]
)
def test_enroll_takes_who_opted_out_of_something_else(channel, segment_type):
    made, partly_out = campaign(), member()
    opt_out(partly_out.pk, channel, segment_type, source="test", now=NOW)
    assert enroll(made, NOW) == 1


def test_enroll_again_about_another_subject_only_after_the_first_ended():
    made, person = campaign(), member()
    enroll(made, NOW)
    member(person, certificate(person).external_id)
    assert enroll(made, NOW) == 0
    CampaignEnrollment.objects.update(status="completed")
    assert enroll(made, NOW + DAY) == 1
    assert enroll(made, NOW + DAY) == 0


def test_a_doctor_whose_first_subject_had_its_turn_comes_back_with_the_next():
    made, person = campaign(), member()  # the segment keeps naming the first certificate
    second = certificate(person, expires_at=NOW + 300 * DAY).external_id
    enroll(made, NOW)
    assert enroll(made, NOW) == 0
    CampaignEnrollment.objects.update(status="completed")
    assert enroll(made, NOW + DAY) == 1
    assert CampaignEnrollment.objects.get(status="active").subject == second
    CampaignEnrollment.objects.update(status="completed")
    assert enroll(made, NOW + 2 * DAY) == 0


def test_enroll_leaves_out_who_opted_out_channel_by_channel():
    made, person = campaign(), member()
    for channel in ("whatsapp", "sms", "email"):
        opt_out(person.pk, channel, None, source="test", now=NOW)
    assert enroll(made, NOW) == 0


def test_enroll_never_about_the_same_subject_twice():
    made = campaign()
    member()
    enroll(made, NOW)
    CampaignEnrollment.objects.update(status="completed")
    assert enroll(made, NOW + DAY) == 0


def test_enroll_never_again_after_an_opt_out_even_when_it_was_taken_back():
    made, person = campaign(), member()
    enroll(made, NOW)
    CampaignEnrollment.objects.update(status="unsubscribed")
    member(person, certificate(person).external_id)
    assert enroll(made, NOW + DAY) == 0


@pytest.mark.parametrize(
    ("enrolled_at", "timezone", "due"),
    [
        ("2026-03-03T20:32Z", "Asia/Kolkata", "2026-03-04T04:30Z"),  # 02:02: the same morning
        ("2026-03-04T06:30Z", "Asia/Kolkata", "2026-03-04T06:30Z"),  # 12:00: at once
        ("2026-03-04T15:29Z", "Asia/Kolkata", "2026-03-04T15:29Z"),  # 20:59: at once
        ("2026-03-04T15:30Z", "Asia/Kolkata", "2026-03-05T04:30Z"),  # 21:00: next morning
        ("2026-03-04T06:30Z", "America/New_York", "2026-03-04T15:00Z"),  # 01:30 there
        ("2026-03-28T12:00Z", "Europe/London", "2026-03-28T12:00Z"),
        ("2026-03-29T00:10Z", "Europe/London", "2026-03-29T09:00Z"),  # summer time has begun
    ],
)
def test_enroll_says_when_the_first_step_is_due(enrolled_at, timezone, due):
    made, at = campaign(), datetime.fromisoformat(enrolled_at)
    person = member(doctor(timezone=timezone))
    UserSegment.objects.filter(doctor=person).update(inactive_since=at - DAY)
    enroll(made, at)
    assert CampaignEnrollment.objects.get().next_due_at == datetime.fromisoformat(due)


def test_enroll_running_takes_campaigns_by_priority():
    late, soon = campaign(priority=9), campaign(priority=1)
    member()
    assert list(enroll_running(NOW).items()) == [(soon.pk, 1), (late.pk, 1)]


def test_enroll_costs_the_same_queries_for_one_and_three(django_assert_num_queries):
    made = campaign()
    member()
    with django_assert_num_queries(5):
        enroll(made, NOW)
    for _ in range(3):
        member()
    with django_assert_num_queries(5):
        assert enroll(made, NOW) == 3
