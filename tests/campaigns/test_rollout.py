"""Stages of a rollout, its health, and the holdout."""

import threading
from decimal import Decimal
from itertools import pairwise

import pytest
from django.db import connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from campaigns.buckets import BUCKETS, bucket
from campaigns.convert import end_finished
from campaigns.enroll import enroll, waiting
from campaigns.launch import NotReady
from campaigns.models import ROLLOUT_STAGES, Campaign, CampaignEnrollment
from campaigns.rollout import advance, health, resume_rollout, step_all
from campaigns.schedule import replan, schedule_due
from messaging.audit.finding import Scope
from messaging.audit.lost import lost
from messaging.models import MessageDelivery, ProviderEvent, UnsubscribeRecord
from segments.models import Certificate, Doctor
from tests.engine import DAY, NOW, campaign, enrolled, member

pytestmark = pytest.mark.django_db


def in_it(made):
    return set(made.enrollments.values_list("doctor_id", flat=True))


@settings(max_examples=100)
@given(
    salt=st.uuids().map(lambda key: f"rollout:{key}"),
    doctors=st.sets(st.integers(1, 10**9), max_size=50),
)
def test_each_stage_contains_the_one_before(salt, doctors):
    stages = [
        {one for one in doctors if bucket(salt, one) < percent * BUCKETS // 100}
        for percent in ROLLOUT_STAGES
    ]
    assert all(small <= large for small, large in pairwise(stages))
    assert stages[-1] == doctors


def test_enroll_takes_the_share_of_its_stage_and_keeps_who_is_in():
    made = campaign(rollout_percent=10)
    doctors = [member() for _ in range(80)]
    before: set[int] = set()
    for percent in ROLLOUT_STAGES:
        if percent > 10:
            assert waiting(made, NOW, percent).total == len(
                {d.pk for d in doctors if bucket(f"rollout:{made.pk}", d.pk) < percent * 100}
            ) - len(before)
            advance(made, NOW, percent)
        enroll(made, NOW)
        now_in = in_it(made)
        of_stage = {d.pk for d in doctors if bucket(f"rollout:{made.pk}", d.pk) < percent * 100}
        assert before <= now_in == of_stage
        before = now_in
    assert len(before) == 80


def test_two_clicks_are_one_step_and_there_is_no_way_back():
    made = campaign(rollout_percent=10)
    other = Campaign.objects.get(pk=made.pk)
    advance(made, NOW, 25)
    with pytest.raises(NotReady, match="at 25 % already"):
        advance(other, NOW, 25)
    with pytest.raises(NotReady, match="never goes back"):
        advance(other, NOW, 10)
    with pytest.raises(NotReady, match="The stage after 25 % is 50 %"):
        advance(other, NOW, 100)
    assert (other.rollout_percent, other.rollout_since) == (25, NOW)


def sent(made, count, channel="sms", **facts):
    """So many messages that went out two days ago; `facts` of the first so many of them."""
    step = made.steps.filter(channel=channel).first()
    rows = []
    for number in range(count):
        enrollment = CampaignEnrollment.objects.create(
            campaign=made, doctor=member(), enrolled_at=NOW - 3 * DAY
        )
        row = {
            "enrollment": enrollment,
            "campaign_message": step,
            "doctor": enrollment.doctor,
            "channel": channel,
            "due_at": NOW - 2 * DAY,
            "scheduled_at": NOW - 2 * DAY,
            "expires_at": NOW,
            "sent_at": NOW - 2 * DAY,
            "status": "sent",
        }
        row |= {name: NOW - 2 * DAY for name, first in facts.items() if number < first}
        if number < facts.get("failed_at", 0):
            row |= {"status": "failed", "error_message": "refused"}
        rows.append(MessageDelivery(**row))
    return MessageDelivery.objects.bulk_create(rows)


def rolling(**fields):
    defaults = {"rollout_percent": 10, "rollout_days": 2, "rollout_since": NOW - 3 * DAY}
    return campaign(days=(0,), **{**defaults, **fields})


def test_a_healthy_rollout_advances_after_its_days_and_not_before():
    made = rolling()
    sent(made, 40, delivered_at=38)
    Campaign.objects.update(rollout_since=NOW - 2 * DAY)
    assert [step.what for step in step_all(NOW - DAY)] == ["waits"]
    assert [step.what for step in step_all(NOW)] == ["advanced"]
    made.refresh_from_db()
    assert (made.rollout_percent, made.rollout_since) == (25, NOW)
    assert [step.what for step in step_all(NOW)] == ["waits"]


def test_too_few_messages_tell_nothing_and_no_step_is_made():
    made = rolling()
    sent(made, 29, delivered_at=29)
    assert health(made, NOW).state == "too few"
    assert [step.what for step in step_all(NOW)] == ["too few"]
    made.refresh_from_db()
    assert made.rollout_percent == 10


def test_by_hand_only_where_no_days_are_set():
    made = rolling(rollout_days=None)
    sent(made, 30, delivered_at=30)
    assert [step.what for step in step_all(NOW)] == ["waits"]


def test_too_few_delivered_halt_the_rollout_and_say_why():
    made = rolling()
    sent(made, 30, delivered_at=26)
    assert [step.what for step in step_all(NOW)] == ["halted"]
    made.refresh_from_db()
    assert (made.status, made.rollout_percent) == ("active", 10)
    assert made.rollout_halted == (
        "Delivered: 86.67 % (26 of 30 sent more than 24 hours ago), at least 90.00 % is the limit."
    )
    with pytest.raises(NotReady, match="The rollout was stopped"):
        advance(made, NOW, 25)
    assert step_all(NOW) == []
    resume_rollout(made, NOW)
    assert (made.rollout_halted, made.rollout_since) == ("", NOW)


def test_failures_beyond_the_limit_pause_the_campaign_as_well():
    made = rolling()
    sent(made, 40, delivered_at=40, failed_at=3)
    step_all(NOW)
    made.refresh_from_db()
    assert (made.status, made.paused_at) == ("paused", NOW)
    assert made.rollout_halted.startswith("Failed: 7.50 % (3 of 40 sent or failed)")


def test_complaints_pause_and_one_alone_is_chance():
    made = rolling()
    rows = sent(made, 40, delivered_at=40)
    for number, row in enumerate(rows[:2]):
        ProviderEvent.objects.create(
            provider="x", event_key=str(number), kind="complained", delivery=row, occurred_at=NOW
        )
        step_all(NOW)
        made.refresh_from_db()
        assert made.status == ("paused" if number else "active")
        Campaign.objects.filter(rollout_percent=25).update(
            rollout_percent=10, rollout_since=NOW - 3 * DAY
        )


def test_opt_outs_beyond_the_limit_halt_and_a_doctors_pause_is_none():
    made = rolling(rollout_days=30)
    rows = sent(made, 40, delivered_at=40)
    for row in rows[:2]:
        UnsubscribeRecord.objects.create(
            doctor=row.doctor, channel="sms", delivery=row, paused_until=NOW + DAY
        )
    assert health(made, NOW).state == "good"
    UnsubscribeRecord.objects.update(paused_until=None)
    step_all(NOW)
    made.refresh_from_db()
    assert (made.status, made.rollout_halted[:20]) == ("active", "Opted out: 5.00 % (2")


def test_a_channel_without_reports_is_left_out_of_what_is_delivered():
    made = rolling()
    sent(made, 40, delivered_at=40)
    sent(made, 40, channel="email")
    found = health(made, NOW)
    assert (found.state, found.unreported) == ("good", ("E-mail",))
    assert (found.measures[0].whole, found.measures[3].whole) == (40, 80)


def test_a_channel_whose_messages_are_too_new_is_waited_for_though_another_reports_nothing():
    made = rolling()
    sent(made, 40, channel="email")
    for row in sent(made, 40, delivered_at=40):
        row.sent_at = NOW - DAY / 2
        row.save(update_fields=["sent_at"])
    found = health(made, NOW)
    assert (found.measures[0].whole, found.unreported) == (0, ("E-mail",))
    assert [step.what for step in step_all(NOW)] == ["too few"]
    MessageDelivery.objects.filter(channel="sms").delete()
    assert [step.what for step in step_all(NOW)] == ["advanced"]  # nobody will ever tell


def test_limits_are_the_campaigns_own():
    made = rolling(min_delivery_rate=Decimal(50))
    sent(made, 60, delivered_at=40)
    assert health(made, NOW).state == "good"


# --- Holdout --------------------------------------------------------------------------------


def test_the_holdout_is_a_stable_share_that_is_never_written_to():
    made = campaign(days=(0, 1), channels=("sms",), holdout_percent=50)
    doctors = [member() for _ in range(40)]
    found = waiting(made, NOW)
    enroll(made, NOW)
    held = {d.pk for d in doctors if bucket(f"holdout:{made.pk}", d.pk) < 5_000}
    out = made.enrollments.filter(is_holdout=True)
    assert set(out.values_list("doctor_id", flat=True)) == held
    assert (found.holdout, found.written_to) == (len(held), 40 - len(held))
    assert set(out.values_list("next_due_at", flat=True)) == {None}
    replan(made.pk)
    schedule_due(NOW + DAY)
    assert MessageDelivery.objects.count() == 2 * (40 - len(held))
    assert not MessageDelivery.objects.filter(enrollment__is_holdout=True).exists()


def test_another_share_later_changes_nobody_who_is_enrolled():
    made = campaign(days=(0,), holdout_percent=0)
    early = {member().pk for _ in range(20)}
    enroll(made, NOW)
    Campaign.objects.update(holdout_percent=50)
    made.refresh_from_db()
    for _ in range(20):
        member()
    enroll(made, NOW)
    held = set(made.enrollments.filter(is_holdout=True).values_list("doctor_id", flat=True))
    assert held
    assert not held & early


def test_who_was_written_to_is_not_held_out_about_another_subject():
    made = campaign(days=(0,), holdout_percent=0)
    person = member()
    while bucket(f"holdout:{made.pk}", person.pk) >= 5_000:
        person = member()
    enroll(made, NOW)
    CampaignEnrollment.objects.update(status="completed")
    Certificate.objects.filter(doctor=person).update(external_id="another")
    member(person, "another")
    Campaign.objects.update(holdout_percent=50)
    enroll(Campaign.objects.get(), NOW + DAY)
    assert CampaignEnrollment.objects.get(status="active").is_holdout is False


def test_the_holdout_is_watched_as_long_as_the_others_and_then_ends():
    enrolled(days=(0, 20), channels=("sms",), goal_days=14)
    CampaignEnrollment.objects.update(is_holdout=True, next_due_at=None)
    assert end_finished(NOW + 21 * DAY) == 0
    assert end_finished(NOW + 22 * DAY) == 1


def test_the_audit_misses_no_message_of_a_holdout():
    enrolled(days=(0,), channels=("sms",))
    Campaign.objects.update(updated_at=NOW - DAY)
    scope = Scope(NOW + 10 * DAY, NOW - 30 * DAY)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE campaign_messages SET created_at = %s", [NOW - DAY])
    assert lost(scope).count == 1
    CampaignEnrollment.objects.update(is_holdout=True)
    assert lost(scope).count == 0


@pytest.mark.django_db(transaction=True)
def test_enrolling_while_the_stage_is_widened_waits_and_takes_the_whole_stage():
    made = campaign(rollout_percent=10)
    for _ in range(30):
        member()
    started, result = threading.Event(), []

    def enrol_meanwhile():
        started.set()
        try:
            result.append(enroll(Campaign.objects.get(pk=made.pk), NOW))
        finally:
            connection.close()

    thread = threading.Thread(target=enrol_meanwhile)
    with transaction.atomic():
        advance(made, NOW, 25)
        thread.start()
        started.wait(10)
    thread.join(10)
    share = sum(
        bucket(f"rollout:{made.pk}", pk) < 2_500
        for pk in Doctor.objects.values_list("pk", flat=True)
    )
    assert result[0] <= share
    enroll(made, NOW)
    assert made.enrollments.count() == share
