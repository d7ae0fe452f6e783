"""Steps become deliveries when they fall due: once, on their day, in the doctor's zone."""

from datetime import timedelta

import pytest

from campaigns.models import CampaignEnrollment, CampaignMessage
from campaigns.schedule import HORIZON, replan, schedule_due
from messaging.models import MessageDelivery
from tests.engine import DAY, NOW, enrolled

pytestmark = pytest.mark.django_db

MORNING = NOW - timedelta(hours=2)  # 10:00 in Kolkata


def due_days():
    rows = MessageDelivery.objects.order_by("due_at", "campaign_message__sequence_order")
    return [(row.channel, row.due_at) for row in rows]


def test_schedule_due_inserts_the_steps_of_the_day_only():
    enrolled(days=(0, 3))
    assert schedule_due(NOW) == 3
    assert due_days() == [("whatsapp", NOW), ("sms", NOW), ("email", NOW)]
    assert CampaignEnrollment.objects.get().next_due_at == MORNING + 3 * DAY


def test_schedule_due_again_changes_nothing():
    enrolled()
    schedule_due(NOW)
    before = list(MessageDelivery.objects.order_by("pk").values())
    assert schedule_due(NOW) == 0
    assert list(MessageDelivery.objects.order_by("pk").values()) == before


def test_schedule_due_reaches_to_the_next_run_and_no_further():
    enrolled(days=(3,))
    assert schedule_due(MORNING + 3 * DAY - HORIZON) == 0
    assert schedule_due(MORNING + 3 * DAY - HORIZON + timedelta(seconds=1)) == 3


def test_schedule_due_after_the_last_step_leaves_nothing_to_come():
    enrolled(days=(0, 3))
    schedule_due(NOW + 3 * DAY)
    assert MessageDelivery.objects.count() == 6
    assert CampaignEnrollment.objects.get().next_due_at is None


def test_delivery_expires_after_48_hours_or_with_the_channels_next_step():
    enrolled(days=(0, 1, 5), channels=("sms",))
    schedule_due(NOW + 5 * DAY)
    first, second, third = MessageDelivery.objects.order_by("due_at")
    assert first.expires_at == first.due_at + DAY
    assert second.expires_at == second.due_at + 2 * DAY
    assert third.expires_at == third.due_at + 2 * DAY


@pytest.mark.parametrize(
    "change", [{"status": "paused"}, {"status": "completed"}, {"end_date": NOW}]
)
def test_schedule_due_leaves_campaigns_that_are_not_running(change):
    (enrollment,) = enrolled()
    type(enrollment.campaign).objects.update(**change)
    assert schedule_due(NOW) == 0


def test_schedule_due_leaves_enrolments_that_ended():
    enrolled()
    CampaignEnrollment.objects.update(status="converted")
    assert schedule_due(NOW) == 0


def test_what_fell_due_during_a_pause_is_still_to_come_after_an_edit():
    (enrollment,) = enrolled(days=(3,), channels=("sms",))
    replan(enrollment.campaign_id)
    assert schedule_due(MORNING + 3 * DAY + timedelta(hours=1)) == 1


def test_two_steps_of_a_channel_on_one_day_expire_with_the_next_day():
    enrolled(days=(0, 0, 1), channels=("sms",))
    schedule_due(NOW)
    assert {row.expires_at - row.due_at for row in MessageDelivery.objects.all()} == {DAY}


def test_replan_finds_an_added_step():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    step = CampaignMessage.objects.get()
    CampaignMessage.objects.create(
        campaign=enrollment.campaign,
        sequence_order=2,
        channel="sms",
        delay_days=4000,
        template_id=step.template_id,
    )
    assert replan(enrollment.campaign_id) == 1
    enrollment.refresh_from_db()
    assert enrollment.next_due_at == MORNING + 4000 * DAY
    assert replan(enrollment.campaign_id) == 0


def test_schedule_due_costs_the_same_queries_for_one_and_three(django_assert_num_queries):
    enrolled(1)
    with django_assert_num_queries(5):  # with those that hold the campaign
        schedule_due(NOW)
    enrolled(3)  # and the first doctor, in a second campaign
    with django_assert_num_queries(9):  # one more campaign
        assert schedule_due(NOW) == 12
