"""Who gets which variant: stable, as the weights say, the same in SQL and in Python."""

from datetime import time, timedelta
from itertools import pairwise

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from campaigns.buckets import BUCKETS
from campaigns.experiments.assign import ARMS, in_range, ranges, variant_of
from campaigns.experiments.lifecycle import start
from campaigns.models import CampaignEnrollment, Experiment
from campaigns.schedule import HORIZON, replan, schedule_due
from messaging.models import MessageDelivery
from tests import engine
from tests.campaigns.experiments.worlds import add_doctors, experiment, letters, running
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

MORNING = NOW - timedelta(hours=2)  # 10:00 in Kolkata
B = {"subject_line": "Another subject"}


@given(st.lists(st.integers(1, 100), min_size=2, max_size=4))
def test_ranges_cover_all_buckets_as_the_weights_say(weights):
    found = ranges(weights)
    assert found[0][0] == 0
    assert found[-1][1] == BUCKETS
    assert all(one[1] == other[0] for one, other in pairwise(found))
    for (low, high), weight in zip(found, weights, strict=True):
        assert abs(high - low - BUCKETS * weight / sum(weights)) < 1


@pytest.mark.parametrize("weights", [(1, 1), (1, 2, 1), (90, 5, 3, 2)])
def test_variant_of_is_the_same_in_sql(weights):
    step = engine.campaign(days=(0,), channels=("email",)).steps.get()
    others = [{"subject_line": f"Subject {n}"} for n in range(1, len(weights))]
    made = experiment(step, *others)
    for variant, weight in zip(made.variants.order_by("letter"), weights, strict=True):
        variant.weight = weight
        variant.save()
    start(made, NOW, None)
    doctors = [*range(1, 300), 2**31 - 1]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT d.id, a.variant_id FROM unnest(%(doctors)s::int[]) AS d(id)"
            f" JOIN ({ARMS}) a ON {in_range('a', 'd.id')} ORDER BY d.id",
            {"campaign": made.campaign_id, "doctors": doctors},
        )
        in_sql = cursor.fetchall()
    assert in_sql == [(doctor, variant_of(made, doctor).pk) for doctor in doctors]
    assert {variant for _, variant in in_sql[:-1]} >= {made.variants.get(letter="A").pk}


def test_schedule_gives_each_doctor_the_variant_of_their_bucket():
    made = running(B, {"subject_line": "A third"}, doctors=12)
    assert schedule_due(NOW) == 12
    found = letters()
    assert found == {doctor: variant_of(made, doctor).letter for doctor in found}
    assert len(set(found.values())) > 1


def test_schedule_again_changes_nothing():
    running(B)
    schedule_due(NOW)
    before = list(MessageDelivery.objects.order_by("pk").values())
    assert schedule_due(NOW) == 0
    assert list(MessageDelivery.objects.order_by("pk").values()) == before


def test_variant_is_the_same_whatever_the_order():
    made = running(B, doctors=4)
    schedule_due(NOW)
    first = letters()
    MessageDelivery.objects.all().delete()
    add_doctors(made.campaign, 4)
    CampaignEnrollment.objects.update(next_due_at=NOW)
    schedule_due(NOW)
    assert letters().items() >= first.items()


def test_what_was_scheduled_before_the_start_stays_without_a_variant():
    campaign = engine.campaign(days=(0,), channels=("email",))
    add_doctors(campaign, 3)
    schedule_due(NOW)
    start(experiment(campaign.steps.get(), B), NOW, None)
    add_doctors(campaign, 3)
    schedule_due(NOW)
    found = list(letters().values())
    assert found.count(None) == 3
    assert len(found) == 6


def test_other_steps_have_no_variant():
    campaign = engine.campaign(days=(0,))
    start(experiment(campaign.steps.get(channel="email"), B), NOW, None)
    add_doctors(campaign, 2)
    schedule_due(NOW)
    rows = MessageDelivery.objects.values_list("channel", "variant")
    assert {channel for channel, variant in rows if variant} == {"email"}
    assert len(rows) == 6


def test_filled_experiment_takes_no_more():
    made = running(B, doctors=2)
    Experiment.objects.filter(pk=made.pk).update(filled_at=NOW)
    schedule_due(NOW)
    assert set(letters().values()) == {None}


def test_holdout_gets_no_delivery_even_after_a_replan():
    made = running(B, doctors=2)
    held = CampaignEnrollment.objects.order_by("pk").last()
    CampaignEnrollment.objects.filter(pk=held.pk).update(is_holdout=True, next_due_at=None)
    replan(made.campaign_id)
    schedule_due(NOW)
    assert held.doctor_id not in letters()
    held.refresh_from_db()
    assert held.next_due_at is None


# --- Send times -----------------------------------------------------------------------------


def evening_test(**fields):
    campaign = engine.campaign(days=(3,), channels=("email",), **fields)
    made = experiment(campaign.steps.get(), {"send_from": time(17)}, kind="send_time")
    start(made, NOW, None)
    add_doctors(campaign, 12)
    return made


def test_send_time_moves_the_variant_to_its_hour_and_leaves_the_other():
    evening_test()
    schedule_due(MORNING + 3 * DAY)
    due = {
        letter: {row.due_at for row in MessageDelivery.objects.filter(variant__letter=letter)}
        for letter in "AB"
    }
    assert due == {"A": {MORNING + 3 * DAY}, "B": {MORNING + 3 * DAY + timedelta(hours=7)}}
    for row in MessageDelivery.objects.all():
        assert row.scheduled_at == row.due_at
        assert row.expires_at == row.due_at + 2 * DAY


def test_all_variants_of_a_day_are_scheduled_at_one_moment():
    evening_test()
    assert schedule_due(MORNING + 3 * DAY - HORIZON) == 0
    assert schedule_due(MORNING + 3 * DAY - HORIZON + timedelta(seconds=1)) == 12
    assert CampaignEnrollment.objects.filter(next_due_at=None).count() == 12


def test_hour_that_the_campaign_no_longer_has_counts_for_nothing():
    made = evening_test()
    type(made.campaign).objects.update(send_until=time(16))
    schedule_due(MORNING + 3 * DAY)
    assert {row.due_at for row in MessageDelivery.objects.all()} == {MORNING + 3 * DAY}


def test_step_with_an_hour_of_its_own_goes_out_then():
    (enrollment,) = engine.enrolled(days=(3,), channels=("email", "sms"))
    enrollment.campaign.steps.filter(channel="sms").update(send_from=time(18, 30))
    schedule_due(MORNING + 3 * DAY)
    due = dict(MessageDelivery.objects.values_list("channel", "due_at"))
    late = MORNING + 3 * DAY + timedelta(hours=8, minutes=30)
    assert due == {"email": MORNING + 3 * DAY, "sms": late}


def test_schedule_costs_the_same_queries_with_an_experiment(django_assert_num_queries):
    running(B)
    with django_assert_num_queries(5):
        schedule_due(NOW)
