"""Two of everything in a campaign's life at once: one does it, the others are told, nothing slips.

Who waits for whom is brought about by holding a transaction open, not by luck: `held` lets one side
do its work and keeps its locks until the other side waits for them.
"""

import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction

from campaigns import rollout
from campaigns.convert import end_finished
from campaigns.enroll import enroll
from campaigns.launch import NotReady, complete, launch, pause, resume
from campaigns.models import Campaign, CampaignEnrollment
from campaigns.overdue import Choice, take_back
from campaigns.revise import Proposed, apply_revision, as_it_is, plan_revision
from campaigns.schedule import schedule_campaign, schedule_due
from messaging.authorize import authorize_due
from messaging.models import DeliveryAttempt, MessageDelivery
from messaging.send import send_due
from tests.engine import DAY, NOW, campaign, enrolled, member, send_all
from tests.messaging.together import PATIENCE, Worker, at_once, waits_for_a_lock

pytestmark = pytest.mark.django_db(transaction=True)
BACK = NOW + 5 * DAY
HOUR = timedelta(hours=1)


@contextmanager
def held(call):
    """Within, `call` has done its work in a transaction that is not over; then it commits."""
    is_done, may_end = threading.Event(), threading.Event()

    def work():
        with transaction.atomic():
            result = call()
            is_done.set()
            assert may_end.wait(PATIENCE)
        return result

    worker = Worker(work)
    try:
        assert is_done.wait(PATIENCE)
        yield worker
    finally:
        may_end.set()
        worker.result()


def fresh(made):
    return Campaign.objects.get(pk=made.pk)


def told(call):
    """What the call did, or why it did not."""

    def tried():
        try:
            return call()
        except NotReady as refusal:
            return str(refusal)

    return tried


def counts():
    rows = MessageDelivery.objects.values_list("status", flat=True)
    return {status: list(rows).count(status) for status in set(rows)}


# --- The same button at once ---------------------------------------------------------------


def test_resume_pressed_by_several_at_once_is_one_resumption():
    made = enrolled(3, days=(1, 9), channels=("sms",))[0].campaign
    pause(made, NOW)
    press = told(lambda: resume(fresh(made), BACK, Choice.SKIP).skipped)
    refused = "The campaign is active and can't be resumed."
    assert sorted(map(str, at_once(press, press, press))) == ["3", refused, refused]
    assert MessageDelivery.objects.filter(skip_reason="campaign_paused").count() == 3


def test_shift_pressed_by_several_at_once_shifts_once():
    made = enrolled(3, days=(1, 9), channels=("sms",))[0].campaign
    pause(made, NOW)
    press = told(lambda: resume(fresh(made), BACK, Choice.SHIFT).moved)
    at_once(press, press)
    assert set(CampaignEnrollment.objects.values_list("shifted_days", flat=True)) == {5}


def test_complete_pressed_by_several_at_once_is_one_end():
    made = enrolled(3, days=(0,), channels=("sms",))[0].campaign
    schedule_due(NOW)
    press = told(lambda: complete(fresh(made), NOW).people)
    refused = "The campaign is completed and can't be ended."
    assert sorted(map(str, at_once(press, press, press))) == ["3", refused, refused]


def test_launch_and_complete_at_once_never_leave_a_half_ended_campaign():
    made = campaign(days=(0,), channels=("sms",), status="draft")
    member()
    at_once(
        told(lambda: launch(fresh(made), NOW)),
        told(lambda: complete(fresh(made), NOW)),
        lambda: enroll(made, NOW),
    )
    if fresh(made).status == "completed":
        assert not CampaignEnrollment.objects.filter(status="active").exists()
    else:
        assert fresh(made).status == "active"


# --- Resume --------------------------------------------------------------------------------


def test_nothing_overdue_goes_out_while_it_is_being_resumed():
    """Lanes and scheduler run meanwhile, before the resumption is committed and after it."""
    made = enrolled(6, days=(0, 1, 9), channels=("sms",))[0].campaign
    schedule_due(NOW)
    pause(made, NOW)
    with held(lambda: resume(fresh(made), BACK, Choice.SKIP)):
        at_once(lambda: send_due("sms", BACK), lambda: schedule_due(BACK))
        assert not DeliveryAttempt.objects.exists()
    at_once(
        lambda: send_due("sms", BACK), lambda: schedule_due(BACK), lambda: send_due("sms", BACK)
    )
    assert not DeliveryAttempt.objects.exists()
    assert counts() == {"skipped": 12}


def test_what_was_put_off_before_the_pause_is_not_released_by_a_lane_that_looks_first():
    """It has a delivery, due long ago: the resumption waits for the lane, or the lane for it."""
    made = enrolled(6, days=(0, 9), channels=("sms",))[0].campaign
    schedule_due(NOW)
    MessageDelivery.objects.update(token=None, expires_at=BACK + 30 * DAY)
    rows = list(MessageDelivery.objects.values_list("pk", flat=True))
    for number, pk in enumerate(rows):
        MessageDelivery.objects.filter(pk=pk).update(token=f"token{number}")
    pause(made, NOW)
    assert counts() == {"scheduled": 6}
    with held(lambda: authorize_due("sms", BACK)):  # put off: the campaign is paused
        worker = Worker(lambda: resume(fresh(made), BACK, Choice.SKIP))
        assert waits_for_a_lock()
    assert worker.result().skipped == 6
    with transaction.atomic():
        assert not authorize_due("sms", BACK + HOUR).claims
    assert counts() == {"skipped": 6}


def test_a_lane_that_read_the_campaign_before_the_pause_skips_nothing_of_the_resumption():
    made = enrolled(6, days=(0, 9), channels=("sms",))[0].campaign
    schedule_due(NOW)
    pause(made, NOW)
    results = at_once(
        told(lambda: resume(fresh(made), BACK, Choice.SPREAD, 2).moved),
        lambda: send_due("sms", BACK),
        lambda: enroll(made, BACK),
        lambda: schedule_due(BACK),
    )
    assert results[0] == 6
    assert not DeliveryAttempt.objects.exists()
    due = MessageDelivery.objects.values_list("due_at", flat=True)
    assert all(at > BACK for at in due)


def test_who_is_enrolled_while_it_is_resumed_is_not_shifted():
    made = enrolled(2, days=(1, 9), channels=("sms",))[0].campaign
    pause(made, NOW)
    late = member()
    with held(lambda: resume(fresh(made), BACK, Choice.SHIFT)):
        assert enroll(made, BACK) == 0  # paused, as far as others see
    assert enroll(made, BACK) == 1
    assert CampaignEnrollment.objects.get(doctor=late).shifted_days == 0
    others = CampaignEnrollment.objects.exclude(doctor=late)
    assert set(others.values_list("shifted_days", flat=True)) == {5}


# --- Pause, complete -----------------------------------------------------------------------


def test_nothing_is_scheduled_by_a_run_that_began_before_the_pause():
    made = enrolled(4, days=(0,), channels=("sms",))[0].campaign
    with held(lambda: schedule_due(NOW)):
        pausing = Worker(lambda: pause(fresh(made), NOW))
        assert waits_for_a_lock()
    pausing.result()
    assert counts() == {}  # taken back: else it would expire in the pause
    with held(lambda: pause_again(made)):
        scheduling = Worker(lambda: schedule_campaign(made.pk, NOW + HOUR))
    assert scheduling.result() == 0
    assert counts() == {}


def pause_again(made):
    Campaign.objects.filter(pk=made.pk).update(status="active")
    pause(fresh(made), NOW)


@pytest.mark.parametrize("stop", [pause, complete])
def test_nothing_is_authorised_after_the_stop_has_returned(stop):
    made = enrolled(30, days=(0,), channels=("sms",))[0].campaign
    schedule_due(NOW)
    stopped = threading.Event()
    after = []

    def stop_it():
        stop(fresh(made), NOW)
        after.append(set(DeliveryAttempt.objects.values_list("pk", flat=True)))
        stopped.set()

    def lane():
        while not stopped.is_set():
            authorize_due("sms", NOW, 3)
        for _ in range(3):
            authorize_due("sms", NOW, 30)

    at_once(stop_it, lane, lane)
    assert set(DeliveryAttempt.objects.values_list("pk", flat=True)) == after[0]


@pytest.mark.parametrize("stop", [pause, complete])
def test_a_stop_waits_for_the_lane_that_is_authorising(stop):
    """What the lane has decided to send is in its hands; all else is stopped."""
    made = enrolled(6, days=(0,), channels=("sms",))[0].campaign
    schedule_due(NOW)
    with held(lambda: authorize_due("sms", NOW, 2)):
        stopping = Worker(lambda: stop(fresh(made), NOW))
        assert waits_for_a_lock()
    stopped = stopping.result()
    assert not authorize_due("sms", NOW).claims
    assert DeliveryAttempt.objects.count() == 2
    if stop is complete:
        assert (stopped.people, stopped.skipped, stopped.sending) == (6, 4, 2)


def test_nobody_is_enrolled_after_the_end():
    made = campaign(days=(0,), channels=("sms",))
    for _ in range(3):
        member()
    with held(lambda: enroll(made, NOW)):
        ending = Worker(lambda: complete(fresh(made), NOW))
        assert waits_for_a_lock()
    assert ending.result().people == 3
    member()
    made = campaign(days=(0,), channels=("sms",))
    with held(lambda: complete(fresh(made), NOW)):
        enrolling = Worker(lambda: enroll(made, NOW))
        assert waits_for_a_lock()
    assert enrolling.result() == 0
    assert not CampaignEnrollment.objects.filter(status="active").exists()


def test_nothing_stays_scheduled_by_a_run_that_overlaps_the_end():
    made = enrolled(4, days=(0,), channels=("sms",))[0].campaign
    with held(lambda: schedule_due(NOW)):
        ending = Worker(lambda: complete(fresh(made), NOW))
        assert waits_for_a_lock()
    assert ending.result().skipped == 4
    made = enrolled(4, days=(0,), channels=("sms",))[0].campaign
    with held(lambda: complete(fresh(made), NOW)):
        scheduling = Worker(lambda: schedule_campaign(made.pk, NOW + HOUR))
        assert waits_for_a_lock()
    assert scheduling.result() == 0
    assert set(counts()) == {"skipped"}


# --- Revise, rollout -----------------------------------------------------------------------


def revise(made, change):
    current = fresh(made)
    proposed = change(as_it_is(current))
    token = plan_revision(current, proposed, NOW).token
    return apply_revision(current, proposed, token, NOW)


def test_a_step_removed_while_it_is_scheduled_is_not_sent():
    made = enrolled(4, days=(0, 3), channels=("sms",))[0].campaign
    with held(lambda: schedule_due(NOW)):
        revising = Worker(lambda: revise(made, lambda steps: Proposed({}, steps[1:])))
        assert waits_for_a_lock()
    revising.result()
    send_due("sms", NOW)
    assert not DeliveryAttempt.objects.exists()


def test_a_step_that_is_being_removed_is_not_scheduled_by_a_run_that_began_before():
    made = enrolled(4, days=(0, 3), channels=("sms",))[0].campaign
    with held(lambda: revise(made, lambda steps: Proposed({}, steps[1:]))):
        scheduling = Worker(lambda: schedule_due(NOW))
        assert waits_for_a_lock()
    scheduling.result()
    send_due("sms", NOW)
    assert not DeliveryAttempt.objects.exists()


def test_a_step_moved_while_a_run_schedules_it_goes_on_its_new_day():
    made = enrolled(4, days=(0, 3), channels=("sms",))[0].campaign

    def move(steps):
        return Proposed({}, (replace(steps[0], delay_days=2), steps[1]))

    with held(lambda: schedule_due(NOW)):
        revising = Worker(lambda: revise(made, move))
        assert waits_for_a_lock()
    revising.result()
    other = enrolled(4, days=(0, 3), channels=("sms",))[0].campaign
    with held(lambda: revise(other, move)):
        scheduling = Worker(lambda: schedule_due(NOW))
        assert waits_for_a_lock()
    scheduling.result()
    send_all(NOW)
    assert not DeliveryAttempt.objects.exists()
    due = MessageDelivery.objects.values_list("due_at", flat=True)
    assert all(at > NOW + DAY for at in due)


def test_a_rollout_does_not_advance_over_a_pause_and_back():
    made = campaign(days=(0,), channels=("sms",), rollout_percent=10, rollout_days=1)
    Campaign.objects.update(rollout_since=NOW - 9 * DAY)
    with held(lambda: pause(fresh(made), NOW)):
        looking = Worker(lambda: rollout.step(fresh(made), NOW).what)
        assert waits_for_a_lock()
    assert looking.result() == "waits"
    assert (fresh(made).status, fresh(made).rollout_percent) == ("paused", 10)


def test_two_who_widen_at_once_are_one_stage_and_a_pause_between_is_kept():
    made = campaign(days=(0,), channels=("sms",), rollout_percent=10)
    widen = told(lambda: rollout.advance(fresh(made), NOW, 25))
    results = at_once(widen, widen, told(lambda: pause(fresh(made), NOW)))
    assert sorted(map(bool, results)) == [False, False, True]
    assert (fresh(made).status, fresh(made).rollout_percent) == ("paused", 25)


def test_taking_back_holds_no_lane_up():
    """Lanes wait for nobody: a pause that deletes plans meets them in no order."""
    made = enrolled(40, days=(0,), channels=("sms", "email"))[0].campaign
    schedule_due(NOW)
    at_once(
        lambda: take_back(made),
        lambda: authorize_due("sms", NOW),
        lambda: authorize_due("email", NOW),
        lambda: schedule_due(NOW),
    )
    assert DeliveryAttempt.objects.count() <= 80


def test_who_is_done_is_left_to_the_next_run_where_somebody_holds_them():
    """So a night's run never waits in a circle with a pause, which holds them one by one."""
    made = enrolled(3, days=(0,), channels=("sms",))[0].campaign
    send_all(NOW)
    with held(lambda: CampaignEnrollment.objects.select_for_update().order_by("pk").last()):
        assert Worker(lambda: end_finished(NOW + 20 * DAY)).result() == 2
    assert made.enrollments.filter(status="active").count() == 1
    assert end_finished(NOW + 20 * DAY) == 1


@pytest.mark.parametrize("act", ["pause", "revise", "resume"])
def test_people_are_held_before_their_messages(act):
    """As who ends an enrolment does: a return and a change never wait in a circle."""
    made = enrolled(3, days=(0, 3), channels=("sms",))[0].campaign
    schedule_due(NOW)
    acts = {
        "pause": lambda: pause(fresh(made), NOW),
        "revise": lambda: revise(made, lambda steps: Proposed({}, steps[1:])),
        "resume": lambda: resume(fresh(made), BACK, Choice.SKIP),
    }
    if act == "resume":
        for number, one in enumerate(MessageDelivery.objects.all()):
            MessageDelivery.objects.filter(pk=one.pk).update(token=f"token{number}")
        pause(fresh(made), NOW)
    with transaction.atomic():
        CampaignEnrollment.objects.select_for_update().order_by("pk").last()
        worker = Worker(acts[act])
        assert waits_for_a_lock()
        list(MessageDelivery.objects.select_for_update(nowait=True))
    worker.result()
