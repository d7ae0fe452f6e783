"""The daily roll-up counts each fact on its own local day; the KPIs are read from it."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from campaigns import analytics
from campaigns.analytics import Figures, Rate, count_everything, kpis, roll_up
from campaigns.models import Campaign, CampaignAnalytics
from messaging.models import MessageDelivery, UnsubscribeRecord
from tests import engine
from tests.campaigns.facts import FIRST, TODAY, YESTERDAY, at, deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def running() -> Campaign:
    return engine.campaign(days=(0,))


def table() -> dict[tuple[date, str], tuple[int, ...]]:
    """Day and channel: sent, delivered, opened, clicked, failed, opted out."""
    fields = ("sent", "delivered", "opened", "clicked", "failed", "unsubscribed")
    rows = CampaignAnalytics.objects.values_list(
        "date", "channel", *(f"total_{field}" for field in fields)
    )
    return {(row[0], row[1]): row[2:] for row in rows}


def test_each_fact_counts_on_its_own_day(running: Campaign) -> None:
    deliver(
        running,
        "email",
        sent_at=at(YESTERDAY),
        delivered_at=at(YESTERDAY, 12, 1),
        opened_at=at(TODAY, 9),
        clicked_at=at(TODAY, 9, 1),
    )
    deliver(running, "email", sent_at=at(YESTERDAY), failed_at=at(TODAY))
    deliver(running, "sms", sent_at=at(TODAY))
    assert roll_up(YESTERDAY, TODAY) == 3
    assert table() == {
        (YESTERDAY, "email"): (2, 1, 0, 0, 0, 0),
        (TODAY, "email"): (0, 0, 1, 1, 1, 0),
        (TODAY, "sms"): (1, 0, 0, 0, 0, 0),
    }


def test_day_begins_at_local_midnight(running: Campaign) -> None:
    deliver(running, sent_at=at(YESTERDAY, 23, 59))  # 18:29 UTC of the same day
    deliver(running, sent_at=at(TODAY, 0, 0))  # 18:30 UTC of the day before
    roll_up(YESTERDAY, TODAY)
    assert table() == {
        (YESTERDAY, "sms"): (1, 0, 0, 0, 0, 0),
        (TODAY, "sms"): (1, 0, 0, 0, 0, 0),
    }


def test_days_outside_are_not_touched(running: Campaign) -> None:
    deliver(running, sent_at=at(YESTERDAY), delivered_at=at(TODAY))
    roll_up(TODAY, TODAY)
    assert table() == {(TODAY, "sms"): (0, 1, 0, 0, 0, 0)}


def test_opt_out_counts_for_the_message_whose_link_was_used(running: Campaign) -> None:
    delivery = deliver(running, sent_at=at(YESTERDAY))
    UnsubscribeRecord.objects.create(
        doctor=delivery.doctor, delivery=delivery, unsubscribed_at=at(TODAY)
    )
    UnsubscribeRecord.objects.create(doctor=engine.doctor(), unsubscribed_at=at(TODAY))
    roll_up(YESTERDAY, TODAY)
    assert table()[TODAY, "sms"] == (0, 0, 0, 0, 0, 1)


def test_scheduled_and_skipped_messages_count_nowhere(running: Campaign) -> None:
    deliver(running)
    deliver(running, status="skipped", skip_reason="frequency_cap")
    assert roll_up(FIRST, TODAY) == 0
    assert table() == {}


def test_counting_again_changes_nothing(running: Campaign) -> None:
    deliver(running, sent_at=at(TODAY), delivered_at=at(TODAY))
    assert roll_up(TODAY, TODAY) == 1
    before = CampaignAnalytics.objects.values().get()
    assert roll_up(TODAY, TODAY) == 0
    assert CampaignAnalytics.objects.values().get() == before


def test_late_report_changes_its_own_day(running: Campaign) -> None:
    delivery = deliver(running, sent_at=at(YESTERDAY))
    roll_up(YESTERDAY, TODAY)
    MessageDelivery.objects.filter(pk=delivery.pk).update(opened_at=at(YESTERDAY, 20))
    assert roll_up(YESTERDAY, TODAY) == 1
    assert table() == {(YESTERDAY, "sms"): (1, 0, 1, 0, 0, 0)}


def test_day_that_lost_its_facts_goes_to_zero(running: Campaign) -> None:
    delivery = deliver(running, sent_at=at(YESTERDAY), failed_at=at(TODAY))
    roll_up(YESTERDAY, TODAY)
    MessageDelivery.objects.filter(pk=delivery.pk).update(failed_at=None)
    assert roll_up(YESTERDAY, TODAY) == 1
    assert table()[TODAY, "sms"] == (0, 0, 0, 0, 0, 0)
    assert roll_up(YESTERDAY, TODAY) == 0


def test_campaigns_and_channels_are_kept_apart(running: Campaign) -> None:
    other = engine.campaign(days=(0,))
    for campaign, channel in ((running, "sms"), (running, "email"), (other, "sms")):
        deliver(campaign, channel, sent_at=at(TODAY))
    roll_up(TODAY, TODAY)
    counted = CampaignAnalytics.objects.values_list("campaign", "channel", "total_sent")
    assert sorted(counted) == sorted(
        [(running.pk, "sms", 1), (running.pk, "email", 1), (other.pk, "sms", 1)]
    )


@pytest.mark.django_db(transaction=True)
def test_two_counts_at_once_give_the_same_as_one() -> None:
    campaign = engine.campaign(days=(0,))
    for _ in range(20):
        deliver(campaign, sent_at=at(TODAY))
    changed: list[int] = []

    def count() -> None:
        try:
            changed.append(roll_up(FIRST, TODAY))
        finally:
            connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [0, 0, 0, 1]
    assert table() == {(TODAY, "sms"): (20, 0, 0, 0, 0, 0)}


def test_engine_and_roll_up_agree(running: Campaign) -> None:
    for _ in range(3):
        engine.member()
    analytics_before = roll_up(FIRST, TODAY)
    engine.enroll(running, NOW)
    engine.send_all(NOW)
    roll_up(FIRST, TODAY)
    sent = MessageDelivery.objects.filter(sent_at__isnull=False)
    assert analytics_before == 0
    assert sent.exists()
    assert sum(row[0] for row in table().values()) == sent.count()


# --- key figures ----------------------------------------------------------------------------


def total(day_from: date = FIRST, day_to: date = TODAY, **options: Any) -> Figures:
    channels = kpis(day_from, day_to, now=NOW, **options).channels
    return sum((one.figures for one in channels), Figures())


def test_rates_name_their_denominator() -> None:
    figures = Figures(sent=10, delivered=8, opened=4, clicked=2, failed=1, unsubscribed=1)
    assert figures.delivery_rate == Rate(8, 10)
    assert figures.open_rate == Rate(4, 8)
    assert figures.click_rate == Rate(2, 8)
    assert figures.unsubscribe_rate == Rate(1, 8)
    assert (Rate(4, 8).percent, Rate(0, 0).percent) == (50.0, None)


def test_channels_add_up_their_days(running: Campaign) -> None:
    for day in (YESTERDAY, TODAY):
        deliver(running, "email", sent_at=at(day), delivered_at=at(day))
    deliver(running, "sms", sent_at=at(TODAY))
    roll_up(FIRST, TODAY)
    assert [
        (one.campaign, one.channel, one.figures) for one in kpis(FIRST, TODAY, now=NOW).channels
    ] == [
        (running, "sms", Figures(sent=1)),
        (running, "email", Figures(sent=2, delivered=2)),
    ]
    assert total(TODAY, TODAY) == Figures(sent=2, delivered=1)


def test_one_campaign_is_told_apart_and_drafts_are_left_out(running: Campaign) -> None:
    other = engine.campaign(days=(0,))
    engine.campaign(days=(0,), status="draft")
    for campaign in (running, other, other):
        deliver(campaign, sent_at=at(TODAY))
    roll_up(FIRST, TODAY)
    assert total(campaign=other).sent == 2
    assert total().sent == 3
    assert {one.campaign for one in kpis(FIRST, TODAY, now=NOW).enrollments} == {running, other}


def test_enrolments_are_counted_by_their_day_and_the_goal_by_its_days() -> None:
    campaign = engine.campaign(days=(0,), goal_rate=60, goal_days=14)
    for _ in range(4):
        engine.member()
    enrolled(campaign, days_ago=20, came_back_after=3)  # in time
    enrolled(campaign, days_ago=20, came_back_after=16)  # too late for the goal
    enrolled(campaign, days_ago=20)
    enrolled(campaign, days_ago=5, came_back_after=1)  # its 14 days are not over
    enrolled(campaign, days_ago=5)
    enrolled(campaign, days_ago=60)  # before the period
    enrolled(campaign, days_ago=20, is_holdout=True)  # compared with, not counted
    count_everything(NOW)
    (figures,) = kpis(FIRST, TODAY, now=NOW).enrollments
    assert (figures.enrolled, figures.converted) == (5, 3)
    assert figures.goal == Rate(1, 3)
    assert figures.conversion_rate == Rate(3, 5)
    assert (figures.eligible, figures.under_way) == (4, 3)
    assert figures.enrollment_rate == Rate(3, 4)


def test_expired_members_are_not_eligible() -> None:
    engine.campaign(days=(0,))
    engine.member()
    (figures,) = kpis(FIRST, TODAY, now=NOW + 500 * DAY).enrollments
    assert figures.eligible == 0


def test_campaign_without_days_has_no_goal_to_measure() -> None:
    campaign = engine.campaign(days=(0,), goal_days=None)
    enrolled(campaign, days_ago=20, came_back_after=1)
    count_everything(NOW)
    (figures,) = kpis(FIRST, TODAY, now=NOW).enrollments
    assert figures.goal == Rate(0, 0)


def test_key_figures_ask_as_often_for_three_campaigns_as_for_one(running: Campaign) -> None:
    def queries(ask: Callable[[], object]) -> int:
        with CaptureQueriesContext(connection) as captured:
            ask()
        return len(captured)

    one = queries(lambda: kpis(FIRST, TODAY, now=NOW))
    for _ in range(2):
        enrolled(engine.campaign(days=(0,)), days_ago=3)
    assert queries(lambda: kpis(FIRST, TODAY, now=NOW)) == one


def test_days_are_given_for_the_chart(running: Campaign) -> None:
    deliver(running, "sms", sent_at=at(YESTERDAY))
    deliver(running, "email", sent_at=at(YESTERDAY), opened_at=at(TODAY))
    roll_up(FIRST, TODAY)
    assert analytics.by_day(FIRST, TODAY) == {
        YESTERDAY: Figures(sent=2),
        TODAY: Figures(opened=1),
    }


def test_roll_up_reads_days_by_an_index(running: Campaign) -> None:
    """Over many rows the few of a day are found by idx_message_deliveries_facts."""
    start, end = analytics.local_span(TODAY, TODAY)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT FROM message_deliveries d WHERE (d.sent_at >= %s AND d.sent_at < %s)"
            " OR (d.opened_at >= %s AND d.opened_at < %s)",
            [start, end, start, end],
        )
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert plan.count("Bitmap Index Scan on idx_message_deliveries_facts") == 2


def test_local_span_covers_the_last_day() -> None:
    start, end = analytics.local_span(YESTERDAY, TODAY)
    assert (start, end) == (at(YESTERDAY, 0), at(TODAY, 0) + timedelta(days=1))
