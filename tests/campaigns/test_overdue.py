"""What a pause has held up, and the three things that can be done with it."""

from datetime import time, timedelta

import pytest
from django.utils import timezone

from campaigns.experiments.assign import variant_of
from campaigns.launch import NotReady, pause, resume
from campaigns.models import CampaignEnrollment, Experiment, Variant
from campaigns.overdue import Choice, Outcome, overdue
from campaigns.resumption import figures
from campaigns.room import Room
from campaigns.schedule import schedule_due
from messaging.models import MessageDelivery
from messaging.plan import load_steps, moment
from messaging.send import send_due
from tests.engine import DAY, NOW, campaign, doctor, enrolled, member, send_all, statuses

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
BACK = NOW + 5 * DAY  # resumed then


def sent_days():
    """Local day, counted from NOW, on which each message went out."""
    rows = MessageDelivery.objects.exclude(sent_at=None).order_by("sent_at")
    first = timezone.localdate(NOW)
    return [(timezone.localdate(row.sent_at) - first).days for row in rows]


def run(days, start=NOW):
    for day in range(days):
        for hour in (0, 4):
            send_all(start + day * DAY + hour * HOUR)


@pytest.fixture
def paused():
    """Paused on day 0, after its message: day 2 and 4 pass in the pause, 8 is to come."""
    (enrollment,) = enrolled(days=(0, 2, 4, 8), channels=("sms",))
    send_all(NOW)
    pause(enrollment.campaign, NOW + HOUR)
    run(5, NOW + DAY - HOUR)
    assert statuses() == {"sms 0": "sent"}
    return enrollment.campaign


def test_overdue_says_what_each_choice_would_do(paused):
    held = overdue(paused, BACK)
    assert (held.messages, held.people, held.to_come, held.people_to_come) == (2, 1, 3, 1)
    assert held.days == 5
    first = timezone.localdate(NOW)
    assert (held.last_day_skipped, held.last_day_shifted) == (
        first + timedelta(8),
        first + timedelta(13),
    )


def test_nothing_overdue_is_released_without_a_choice(paused):
    with pytest.raises(NotReady, match="The day of 2 messages passed in the pause"):
        resume(paused, BACK)
    paused.refresh_from_db()
    assert paused.status == "paused"


def test_skip_skips_them_with_a_reason_and_leaves_the_rest(paused):
    assert resume(paused, BACK, Choice.SKIP) == Outcome(skipped=2)
    run(8, BACK)
    assert statuses() == {
        "sms 0": "sent",
        "sms 2": "campaign_paused",
        "sms 4": "campaign_paused",
        "sms 8": "sent",
    }
    assert sent_days() == [0, 8]
    detail = MessageDelivery.objects.filter(status="skipped").values_list("skip_detail", flat=True)
    assert set(detail) == {"the campaign was paused from 04 Mar 2026 to 09 Mar 2026"}


def test_shift_moves_everything_by_the_days_of_the_pause(paused):
    assert resume(paused, BACK, Choice.SHIFT) == Outcome(moved=3)
    assert CampaignEnrollment.objects.get().shifted_days == 5
    run(12, BACK)
    assert sent_days() == [0, 7, 9, 13]


def test_spread_sends_them_from_tomorrow_in_order_and_leaves_the_rest(paused):
    assert resume(paused, BACK, Choice.SPREAD, 2) == Outcome(moved=2)
    send_all(BACK)
    assert sent_days() == [0]
    run(8, BACK)
    assert sent_days() == [0, 6, 7, 8]


@pytest.mark.parametrize("days", [0, -1, 31])
def test_spread_over_too_few_or_too_many_days_is_refused(paused, days):
    with pytest.raises(NotReady, match="Spread over 1 to 30 days"):
        resume(paused, BACK, Choice.SPREAD, days)


@pytest.mark.parametrize(
    ("choice", "became"),
    [(Choice.SKIP, "campaign_paused"), (Choice.SHIFT, "sent"), (Choice.SPREAD, "sent")],
)
def test_what_was_scheduled_when_the_pause_began_is_part_of_the_choice(choice, became):
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    pause(enrollment.campaign, NOW)
    run(5)
    assert statuses() == {}  # taken back, so that it does not expire
    assert overdue(enrollment.campaign, BACK).messages == 1
    resume(enrollment.campaign, BACK, choice, 1)
    run(2, BACK)
    assert statuses() == {"sms 0": became}


def test_what_expired_before_the_pause_stays_as_it_ended():
    (enrollment,) = enrolled(days=(0, 9), channels=("sms",))
    send_all(NOW + 3 * DAY)
    assert statuses() == {"sms 0": "too_late"}
    pause(enrollment.campaign, NOW + 3 * DAY)
    assert overdue(enrollment.campaign, NOW + 4 * DAY).messages == 0
    resume(enrollment.campaign, NOW + 4 * DAY, Choice.SHIFT)
    assert statuses() == {"sms 0": "too_late"}


def test_a_pause_within_the_day_holds_up_nothing():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    pause(enrollment.campaign, NOW)
    assert overdue(enrollment.campaign, NOW + 3 * HOUR).messages == 0
    resume(enrollment.campaign, NOW + 3 * HOUR)
    send_all(NOW + 3 * HOUR)
    assert statuses() == {"sms 0": "sent"}


def test_each_doctor_has_a_day_of_their_own():
    made = enrolled(days=(0, 1), channels=("sms",))[0].campaign
    member(doctor(timezone="Pacific/Auckland"))
    pause(made, NOW)  # 19:30 there; at 23:30 in India the next day has begun there
    later = NOW + timedelta(hours=11, minutes=30)
    assert timezone.localdate(later) == timezone.localdate(NOW)
    held = overdue(made, later)
    assert (held.messages, held.days) == (0, 0)


def test_the_holdout_is_never_overdue_and_is_shifted_with_the_others():
    (enrollment,) = enrolled(days=(0, 2), channels=("sms",), holdout_percent=0)
    CampaignEnrollment.objects.update(is_holdout=True, next_due_at=None)
    pause(enrollment.campaign, NOW)
    assert overdue(enrollment.campaign, BACK).to_come == 0
    resume(enrollment.campaign, BACK, Choice.SHIFT)
    run(9, BACK)
    enrollment.refresh_from_db()
    assert (enrollment.shifted_days, enrollment.next_due_at) == (5, None)
    assert MessageDelivery.objects.count() == 0


def test_spreading_shares_the_doctors_out_over_the_days():
    made = enrolled(60, days=(1,), channels=("sms",))[0].campaign
    pause(made, NOW)
    assert resume(made, BACK, Choice.SPREAD, 3) == Outcome(moved=60)
    counted = [0, 0, 0]
    for due in MessageDelivery.objects.values_list("due_at", flat=True):
        counted[(timezone.localdate(due) - timezone.localdate(BACK)).days - 1] += 1
    assert sum(counted) == 60
    assert min(counted) > 5


def test_machines_that_stood_still_release_nothing_past_its_time():
    enrolled(days=(0, 1, 5), channels=("sms",))
    send_all(NOW + 4 * DAY)
    assert statuses() == {"sms 0": "too_late", "sms 1": "too_late"}


def test_what_is_spread_has_first_call_as_its_priority_says_and_room_tells_it(settings):
    """Six days late: it was to go long before the days that the plan looks at for others."""
    settings.CAP_PER_DAY = 1
    (enrollment,) = enrolled(days=(1,), channels=("whatsapp", "sms"), priority=1)
    other = campaign(days=(7,), channels=("sms",), priority=5)
    ten = NOW + 7 * DAY - 2 * HOUR
    other.enrollments.create(
        doctor=enrollment.doctor, subject=enrollment.subject, enrolled_at=NOW, next_due_at=ten
    )
    pause(enrollment.campaign, NOW)
    found = figures(enrollment.campaign, NOW + 6 * DAY, Choice.SPREAD, 1)
    resume(enrollment.campaign, NOW + 6 * DAY, Choice.SPREAD, 1, seen=found.token)
    schedule_due(ten)
    rows = load_steps([enrollment.doctor_id], ten)
    ours = enrollment.campaign.name
    assert [(row.campaign, row.channel) for row in rows] == [
        (ours, "whatsapp"),
        (ours, "sms"),
        (other.name, "sms"),
    ]
    while send_due("sms", ten):  # looked at first, it leaves the WhatsApp message its room
        pass
    assert not MessageDelivery.objects.exclude(sent_at=None).exists()
    run(3, ten)
    assert statuses(enrollment__campaign=other) == {"sms 7": "sent"}
    assert statuses(enrollment=enrollment) == {"whatsapp 1": "sent", "sms 1": "frequency_cap"}
    assert sent_days() == [7, 8]
    assert found.room == Room(1, 1, 1)


@pytest.mark.parametrize("by", ["step", "variant"])
def test_what_is_spread_goes_at_the_hour_of_its_step(by):
    made = enrolled(6, days=(1,), channels=("sms",))[0].campaign
    if by == "step":
        made.steps.update(send_from=time(17))
        late = set(made.enrollments.values_list("doctor_id", flat=True))
    else:
        test = Experiment.objects.create(
            campaign=made, step=made.steps.get(), name="Hour", kind="send_time"
        )
        Variant.objects.create(experiment=test, letter="A")
        second = Variant.objects.create(experiment=test, letter="B", send_from=time(17))
        Experiment.objects.update(status="running")
        people = made.enrollments.values_list("doctor_id", flat=True)
        late = {doctor_id for doctor_id in people if variant_of(test, doctor_id) == second}
    pause(made, NOW)
    resume(made, BACK, Choice.SPREAD, 1)
    day = timezone.localdate(BACK) + timedelta(1)
    for row in load_steps(list(made.enrollments.values_list("doctor_id", flat=True)), BACK):
        hour = time(17) if row.doctor_id in late else time(10)
        due = timezone.localtime(moment(row.due))
        assert (row.send_from, due.date(), due.time()) == (hour, day, hour)
    assert MessageDelivery.objects.count() == 6
