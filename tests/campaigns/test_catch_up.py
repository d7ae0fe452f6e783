"""Whatever comes late, the day and the cohort that it belongs to are counted again."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from campaigns.analytics import catch_up, count_everything
from campaigns.analytics.people import PEOPLE
from campaigns.models import (
    Campaign,
    CampaignAnalytics,
    CampaignEnrollment,
    CohortAnalytics,
    RollUpMark,
    StepAnalytics,
)
from messaging.models import MessageDelivery, ProviderEvent, UnsubscribeRecord
from messaging.track import Event, apply_events, retry_parked, store
from tests import engine
from tests.campaigns.facts import TODAY, at, deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
LONG_AGO = TODAY - 40 * DAY


@pytest.fixture
def running() -> Campaign:
    return engine.campaign(days=(0,))


def figures() -> dict[str, Any]:
    """Everything that is counted, without keys and times of writing."""
    return {
        "days": rows(CampaignAnalytics, "updated_at"),
        "steps": rows(StepAnalytics),
        "cohorts": rows(CohortAnalytics),
    }


def rows(model: Any, *without: str) -> list[Any]:
    """Rows in which anything was counted."""
    found = model.objects.values()
    counts = ("total_", *PEOPLE)
    return sorted(
        tuple((k, str(v)) for k, v in row.items() if k not in ("id", *without))
        for row in found
        if any(v for k, v in row.items() if k.startswith(counts))
    )


def report(
    delivery: MessageDelivery, kind: str, occurred_at: datetime, received_at: datetime
) -> None:
    event = Event("fake", f"{delivery.pk}{kind}{occurred_at}", kind, occurred_at, delivery.pk)
    store([event], received_at)


def day(date: Any) -> tuple[int, ...]:
    """Sent, delivered, opened, clicked of the day."""
    fields = ("total_sent", "total_delivered", "total_opened", "total_clicked")
    return CampaignAnalytics.objects.filter(date=date).values_list(*fields).get()


def sent_long_ago(campaign: Campaign, **facts: Any) -> MessageDelivery:
    enrollment = enrolled(campaign, days_ago=41)
    return deliver(campaign, "email", enrollment, status="sent", sent_at=at(LONG_AGO), **facts)


def test_first_run_counts_everything(running: Campaign) -> None:
    sent_long_ago(running)
    deliver(running, sent_at=at(TODAY, 11))
    catch_up(NOW)
    assert day(LONG_AGO) == (1, 0, 0, 0)
    assert day(TODAY) == (1, 0, 0, 0)
    assert CohortAnalytics.objects.filter(sent=1).count() == 2


def test_report_of_40_days_ago_updates_its_day_and_cohort(running: Campaign) -> None:
    delivery = sent_long_ago(running)
    catch_up(NOW)
    report(delivery, "opened", at(LONG_AGO, 20), NOW)
    apply_events(NOW + HOUR)
    assert catch_up(NOW + HOUR) == 2
    assert day(LONG_AGO) == (1, 1, 1, 0)
    assert CohortAnalytics.objects.get().opened == 1


def test_report_of_an_earlier_open_moves_it_to_its_day(running: Campaign) -> None:
    delivery = sent_long_ago(running)
    report(delivery, "opened", at(LONG_AGO + 5 * DAY), NOW - 30 * DAY)
    apply_events(NOW - 30 * DAY)
    catch_up(NOW - 29 * DAY)
    report(delivery, "opened", at(LONG_AGO + 2 * DAY), NOW)
    apply_events(NOW)
    catch_up(NOW)
    assert day(LONG_AGO + 5 * DAY) == (0, 0, 0, 0)
    assert day(LONG_AGO + 2 * DAY) == (0, 1, 1, 0)


def test_report_that_waited_since_before_the_last_runs_is_counted(running: Campaign) -> None:
    """It came while nobody applied reports: its key is older than the last run."""
    delivery = sent_long_ago(running)
    report(delivery, "clicked", at(LONG_AGO, 20), NOW)
    old_key = "00000000-0000-7000-8000-000000000001"
    ProviderEvent.objects.update(id=old_key)
    catch_up(NOW)
    catch_up(NOW + 5 * DAY)
    apply_events(NOW + 6 * DAY)
    catch_up(NOW + 6 * DAY)
    assert day(LONG_AGO) == (1, 1, 1, 1)


def test_report_that_was_put_aside_is_counted_once_it_is_applied(running: Campaign) -> None:
    delivery = sent_long_ago(running)
    store([Event("fake", "1", "delivered", at(LONG_AGO, 13), external_id="x")], NOW)
    apply_events(NOW)
    catch_up(NOW)
    MessageDelivery.objects.filter(pk=delivery.pk).update(external_id="x")
    retry_parked(NOW + 3 * HOUR)
    catch_up(NOW + 3 * HOUR)
    assert day(LONG_AGO) == (1, 1, 0, 0)


def test_return_and_end_of_an_old_enrolment_update_its_cohort(running: Campaign) -> None:
    enrollment = enrolled(running, days_ago=40)
    catch_up(NOW)
    CampaignEnrollment.objects.filter(pk=enrollment.pk).update(
        status="converted", converted_at=NOW - 38 * DAY, completed_at=NOW + 3 * HOUR
    )
    assert catch_up(NOW + 4 * HOUR) == 1
    cohort = CohortAnalytics.objects.get()
    assert (cohort.returned, cohort.under_way, cohort.returned_after) == (1, 0, {"2": 1})


def test_opt_out_by_an_old_message_counts_today(running: Campaign) -> None:
    delivery = sent_long_ago(running)
    catch_up(NOW)
    UnsubscribeRecord.objects.create(
        doctor=delivery.doctor, delivery=delivery, unsubscribed_at=at(LONG_AGO)
    )
    catch_up(NOW)
    assert CampaignAnalytics.objects.get(date=LONG_AGO).total_unsubscribed == 1


def test_message_by_which_a_doctor_opted_out_twice_counts_once_on_the_first_day(
    running: Campaign,
) -> None:
    delivery = sent_long_ago(running)
    told: dict[str, Any] = {"doctor": delivery.doctor, "delivery": delivery}
    UnsubscribeRecord.objects.create(**told, channel="sms", unsubscribed_at=at(LONG_AGO + 5 * DAY))
    catch_up(NOW)
    UnsubscribeRecord.objects.create(**told, unsubscribed_at=at(LONG_AGO + 9 * DAY))
    catch_up(NOW)
    days = CampaignAnalytics.objects.filter(total_unsubscribed__gt=0)
    assert list(days.values_list("date", "total_unsubscribed")) == [(LONG_AGO + 5 * DAY, 1)]
    earlier = at(LONG_AGO + 2 * DAY)  # a reply that was read late
    UnsubscribeRecord.objects.create(**told, channel="email", unsubscribed_at=earlier)
    catch_up(NOW)
    assert list(days.values_list("date", "total_unsubscribed")) == [(LONG_AGO + 2 * DAY, 1)]
    assert count_everything(NOW) == 0


def test_running_again_changes_nothing(running: Campaign) -> None:
    deliver(running, sent_at=at(TODAY, 11))
    sent_long_ago(running)
    assert catch_up(NOW) > 0
    before = figures()
    assert (catch_up(NOW), catch_up(NOW, look_back_days=60), count_everything(NOW)) == (0, 0, 0)
    assert figures() == before


def test_days_without_a_run_are_made_up_for(running: Campaign) -> None:
    catch_up(NOW - 20 * DAY)
    deliver(running, enrollment=enrolled(running, days_ago=12), sent_at=NOW - 12 * DAY)
    catch_up(NOW)
    assert day(TODAY - 12 * DAY) == (1, 0, 0, 0)


def test_look_back_counts_days_that_nothing_speaks_of(running: Campaign) -> None:
    delivery = deliver(running, enrollment=enrolled(running, 5), sent_at=NOW - 5 * DAY)
    catch_up(NOW)
    MessageDelivery.objects.filter(pk=delivery.pk).update(sent_at=None)  # by hand, in the database
    assert catch_up(NOW) == 0
    assert catch_up(NOW, look_back_days=7) == 1
    assert day(TODAY - 5 * DAY) == (0, 0, 0, 0)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_give_the_same_as_one() -> None:
    campaign = engine.campaign(days=(0,))
    for _ in range(20):
        deliver(campaign, sent_at=at(TODAY))
    changed: list[int] = []

    def count() -> None:
        try:
            changed.append(catch_up(NOW))
        finally:
            connection.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(changed) == [0, 0, 0, 2]
    assert day(TODAY) == (20, 0, 0, 0)
    assert RollUpMark.objects.get().counted_at == NOW
