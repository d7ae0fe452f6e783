"""Who came back leaves at once; who is done leaves when the goal's days are over."""

from datetime import timedelta

import pytest

from campaigns.convert import end_converted, end_finished
from campaigns.models import CampaignEnrollment
from campaigns.schedule import schedule_due
from segments.models import Certificate
from tests.engine import DAY, NOW, enrolled, send_all, statuses

pytestmark = pytest.mark.django_db


def test_end_converted_ends_the_enrolment_and_skips_what_was_to_come():
    first, second = enrolled(2, days=(0,), channels=("sms",))
    schedule_due(NOW)
    at = NOW + timedelta(hours=1)
    Certificate.objects.filter(doctor_id=first.doctor_id).update(downloaded_at=at)
    assert end_converted(NOW) == 0  # not yet: it happens in an hour
    assert end_converted(at) == 1
    assert end_converted(at) == 0
    first.refresh_from_db()
    assert (first.status, first.converted_at, first.completed_at) == ("converted", at, at)
    assert first.next_due_at is None
    assert statuses(doctor=first.doctor_id) == {"sms 0": "converted"}
    assert statuses(doctor=second.doctor_id) == {"sms 0": "scheduled"}


def test_end_converted_counts_nothing_from_before_the_enrolment():
    enrolled()
    Certificate.objects.update(viewed_at=NOW - timedelta(minutes=1))
    assert end_converted(NOW + DAY) == 0


def test_end_finished_waits_for_the_last_message_and_the_goals_days():
    enrolled(days=(0,), channels=("sms",), goal_days=14)
    assert end_finished(NOW + 20 * DAY) == 0  # its step is not scheduled yet
    schedule_due(NOW)
    assert end_finished(NOW + 20 * DAY) == 0  # and not sent yet
    send_all(NOW)
    assert end_finished(NOW + 14 * DAY - timedelta(seconds=1)) == 0
    assert end_finished(NOW + 14 * DAY) == 1
    assert CampaignEnrollment.objects.get().status == "completed"


def test_end_finished_gives_the_holdout_as_long_as_those_written_to():
    _, held_out = enrolled(2, days=(0,), channels=("sms",), goal_days=1)
    CampaignEnrollment.objects.filter(pk=held_out.pk).update(is_holdout=True, next_due_at=None)
    send_all(NOW)
    over = NOW + 2 * DAY  # when the message of day 0 would be too late
    assert end_finished(over - timedelta(seconds=1)) == 0
    assert end_finished(over) == 2


def test_end_finished_keeps_the_holdout_while_others_get_what_was_spread():
    *written_to, held_out = enrolled(3, days=(0,), channels=("sms",), goal_days=1)
    CampaignEnrollment.objects.filter(pk=held_out.pk).update(is_holdout=True, next_due_at=None)
    CampaignEnrollment.objects.filter(pk=written_to[0].pk).update(is_spread=True)
    over = NOW + 2 * DAY
    assert end_finished(over) == 0  # its message waits
    send_all(NOW)
    end_finished(over)
    assert end_finished(over) == 1
    assert set(CampaignEnrollment.objects.values_list("status", flat=True)) == {"completed"}


def test_end_finished_ends_the_holdout_of_a_campaign_whose_steps_were_all_removed():
    (one,) = enrolled(days=(0,), channels=("sms",))
    CampaignEnrollment.objects.update(is_holdout=True, next_due_at=None)
    one.campaign.steps.update(removed_at=NOW)
    assert end_finished(NOW + 20 * DAY) == 1


def test_end_finished_ends_what_a_campaigns_end_left_under_way():
    enrolled(days=(0, 3), channels=("sms",), goal_days=2, end_date=NOW + DAY)
    send_all(NOW)
    assert end_finished(NOW + 2 * DAY) == 1
    assert CampaignEnrollment.objects.get().next_due_at is None


def test_coming_back_within_the_goals_days_counts_after_the_last_message():
    enrolled(days=(0,), channels=("sms",), goal_days=14)
    send_all(NOW)
    Certificate.objects.update(downloaded_at=NOW + 13 * DAY)
    assert end_converted(NOW + 13 * DAY) == 1
    assert CampaignEnrollment.objects.get().status == "converted"
