"""Caps are spent with foresight: the engine sends what the policy promises, day by day."""

from datetime import UTC, datetime, time, timedelta

import pytest

from campaigns.enroll import enroll_running
from campaigns.models import Experiment, Variant
from campaigns.schedule import schedule_due
from messaging.facts import sending_hours
from messaging.models import DeliveryAttempt, MessageDelivery
from messaging.plan import StepRow, load_steps, moment, plan
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
    assert kept.skip_detail == (
        "2 messages in 24 hours; kept for WhatsApp of day 5; no other room before it expires on "
        "08 Mar 2026, 10:00 IST"
    )


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


def of_day_3(doctor_id: int) -> StepRow:
    (found,) = [row for row in load_steps([doctor_id], NOW) if row.day == 3]
    return found


@pytest.mark.parametrize(
    ("own", "hour"), [(None, 10), (time(17), 17), (time(9), 10), (time(22), 10)]
)
def test_the_plan_knows_a_steps_own_hour_before_it_is_scheduled(own, hour):
    (enrollment,) = enrolled(channels=("sms",))
    enrollment.campaign.steps.filter(delay_days=3).update(send_from=own)
    row = of_day_3(enrollment.doctor_id)
    assert row.send_from == time(hour)
    schedule_due(NOW, 7 * DAY)
    assert moment(row.due) == MessageDelivery.objects.get(campaign_message__delay_days=3).due_at
    assert moment(row.due).hour * 60 + moment(row.due).minute == hour * 60 - 330  # in UTC


def test_the_plan_keeps_the_hour_of_the_variant_that_a_message_is_of():
    (enrollment,) = enrolled(channels=("sms",))
    step = enrollment.campaign.steps.get(delay_days=3)
    test = Experiment.objects.create(
        campaign=enrollment.campaign, step=step, name="Hour", kind="send_time"
    )
    for letter in "AB":
        Variant.objects.create(experiment=test, letter=letter, send_from=time(18))
    Experiment.objects.update(status="running")
    assert of_day_3(enrollment.doctor_id).send_from == time(10)  # nobody was given one yet
    schedule_due(NOW, 7 * DAY)
    assert of_day_3(enrollment.doctor_id).send_from == time(18)


def test_room_that_is_kept_for_another_campaign_names_it(settings):
    settings.CAP_PER_WEEK = 2
    doctor = member()
    ours = campaign(days=(0,), channels=("whatsapp", "sms"), name="Ours")
    campaign(days=(3,), channels=("whatsapp",), name="No show")
    enroll_running(NOW)
    schedule_due(NOW)
    waits = MessageDelivery.objects.get(channel="sms", enrollment__campaign=ours)
    planned = plan(load_steps([doctor.pk], NOW), NOW, lambda _row: True, sending_hours)
    labels = {str(one.label) for one in planned.ahead_of(doctor.pk, waits.pk)}
    assert labels == {"WhatsApp of day 0", "WhatsApp of day 3 of “No show”"}
    send_all(NOW)
    waits.refresh_from_db()
    assert waits.skip_detail.startswith("kept for WhatsApp of day 3 of “No show”; no other room")


def test_of_two_campaigns_that_are_alike_the_older_enrolment_goes_first():
    doctor = member()
    newer, older = (campaign(days=(0,), channels=("sms",), name=name) for name in ("B", "A"))
    for made, days in ((newer, 0), (older, 1)):
        made.enrollments.create(doctor=doctor, subject="", enrolled_at=NOW - days * DAY)
    made_at = datetime(2026, 3, 4, 4, 30, tzinfo=UTC)
    rows = load_steps([doctor.pk], NOW)
    assert [row.campaign for row in rows] == ["A", "B"]
    alike = [row._replace(due=made_at.timestamp()) for row in rows]
    planned = plan(alike, NOW, lambda _row: True, sending_hours)
    first, second = planned.steps[doctor.pk]
    assert first.rank < second.rank
    assert (first.row.campaign, second.row.campaign) == ("A", "B")
