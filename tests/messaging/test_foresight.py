"""Caps are spent with foresight: the engine sends what the policy promises, day by day."""

from datetime import timedelta

import pytest

from campaigns.enroll import enroll_running
from campaigns.schedule import schedule_due
from messaging.models import DeliveryAttempt, MessageDelivery
from messaging.plan import load_steps, moment
from tests.engine import DAY, NOW, campaign, enrolled, member, send_all, statuses

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def run_until(days: int) -> None:
    """Let every hour from now on come, as the hourly schedule and the lanes would."""
    for hour in range(days * 24 + 1):
        send_all(NOW + hour * HOUR)


def test_the_no_show_sequence_keeps_room_for_its_third_day():
    enrolled(days=(0, 2, 5, 9))
    run_until(12)
    assert statuses() == {
        "whatsapp 0": "sent", "sms 0": "sent", "email 0": "sent",
        "whatsapp 2": "sent", "sms 2": "frequency_cap", "email 2": "frequency_cap",
        "whatsapp 5": "sent", "sms 5": "frequency_cap", "email 5": "frequency_cap",
        "whatsapp 9": "sent", "sms 9": "sent", "email 9": "sent",
    }  # fmt: skip
    kept = MessageDelivery.objects.get(channel="sms", campaign_message__delay_days=2)
    assert kept.skip_detail == "2 messages in 24 hours; kept for WhatsApp of day 5"


def test_the_plan_knows_when_a_step_that_is_not_scheduled_yet_will_expire():
    (enrollment,) = enrolled(days=(0, 1, 5, 6), channels=("whatsapp", "sms"))
    planned = {
        (row.day, row.channel): (moment(row.due), moment(row.expires))
        for row in load_steps([enrollment.doctor_id], NOW)
    }
    schedule_due(NOW, 7 * DAY)
    assert planned == {
        (row.campaign_message.delay_days, row.channel): (row.due_at, row.expires_at)
        for row in MessageDelivery.objects.select_related("campaign_message")
    }
    due, expires = planned[0, "sms"]
    assert expires - due == 24 * HOUR  # the next SMS comes then


def test_two_campaigns_on_one_doctor_keep_the_caps_and_the_better_one_goes_first():
    member()
    campaign(days=(0, 3, 7), priority=5)
    enrolled(0, days=(0, 3, 7), priority=1)
    enroll_running(NOW)
    run_until(10)
    times = list(DeliveryAttempt.objects.order_by("authorised_at").values_list("authorised_at"))
    for (at,) in times:
        assert sum(at - DAY < other <= at for (other,) in times) <= 2
        assert sum(at - 7 * DAY < other <= at for (other,) in times) <= 5
    sent = MessageDelivery.objects.filter(sent_at__isnull=False)
    better = sent.filter(enrollment__campaign__priority=1).count()
    assert better > sent.filter(enrollment__campaign__priority=5).count()
    assert not MessageDelivery.objects.filter(status__in=["scheduled", "sending"]).exists()
