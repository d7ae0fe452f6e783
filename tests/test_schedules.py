"""The clock: what is created, and the real scheduler over simulated days in a half-hour zone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import CrontabSchedule, PeriodicTask
from kombu.utils import symbol_by_name
from time_machine import Traveller

from campaigns.models import Campaign
from messaging.models import KeywordReply, MessageTemplate, ProviderAccount
from reengage.beat import Scheduler
from reengage.celery import app
from reengage.initial import Created, create_missing
from tests.strategy.parse import TEMPLATES

INDIA = ZoneInfo("Asia/Kolkata")
MIDNIGHT = datetime(2026, 3, 3, 18, 30, tzinfo=UTC)  # in India
NOON = MIDNIGHT + timedelta(hours=12)
MINUTE = timedelta(minutes=1)
HOURS = range(24)

# The scheduler ends the transaction it is in, so that it sees the edits of others.
pytestmark = pytest.mark.django_db(transaction=True)


def hourly(*minutes: int) -> list[str]:
    return [f"{hour:02}:{minute:02}" for hour in HOURS for minute in minutes]


# Name -> task, and the times of a day in India at which it runs.
SCHEDULES: dict[str, tuple[str, list[str]]] = {
    "identify-aida-users": ("segments.tasks.identify_aida_users_without_agents", ["02:00"]),
    "identify-incomplete-courses": ("segments.tasks.identify_incomplete_course_users", ["02:15"]),
    "identify-unclaimed-certificates": (
        "segments.tasks.identify_unclaimed_certificates",
        ["02:30"],
    ),
    "identify-no-shows": (
        "segments.tasks.identify_no_show_registrants",
        hourly(0, 10, 20, 30, 40, 50),
    ),
    "advance-rollouts": ("campaigns.tasks.advance_rollouts", hourly(45)),
    "enroll-doctors": ("campaigns.tasks.enroll_segments", hourly(50)),
    "schedule-messages": ("campaigns.tasks.schedule_campaign_messages", hourly(0)),
    "dispatch-messages": ("messaging.tasks.dispatch_due", hourly(*range(60))),
    "reap-expired-leases": ("messaging.tasks.reap_expired_leases", hourly(*range(60))),
    "reconcile-unknown": ("messaging.tasks.reconcile_unknown", hourly(0, 10, 20, 30, 40, 50)),
    "end-finished-enrollments": ("campaigns.tasks.end_finished_enrollments", hourly(20)),
    "apply-reports": ("messaging.tasks.apply_reports", hourly(*range(60))),
    "figures-of-today": ("campaigns.tasks.count_today", hourly(40)),
    "daily-analytics": ("campaigns.tasks.calculate_daily_campaign_analytics", ["23:00"]),
    "cleanup-expired-segments": ("segments.tasks.cleanup_expired_segments", ["03:00"]),
    "review-experiments": ("campaigns.tasks.review_experiments", ["23:30"]),
    "audit-deliveries": ("messaging.tasks.audit_deliveries", ["04:10"]),
    "forget-what-is-old": ("messaging.tasks.forget_what_is_old", ["04:30"]),
    "weekly-review": ("campaigns.tasks.send_weekly_review", []),  # on Mondays; this is a Wednesday
    "check-template-approvals": ("messaging.tasks.check_template_approvals", ["05:15"]),
}


MINUTELY = {name for name, (_, times) in SCHEDULES.items() if len(times) == 24 * 60}
NIGHTLY = {name for name, (_, times) in SCHEDULES.items() if len(times) == 1}


class Clock(Scheduler):
    """The scheduler itself; what it would hand to the broker it notes, with the Indian time."""

    producer = None

    def __init__(self) -> None:
        self.fired: list[tuple[str, datetime]] = []
        super().__init__(app=app)
        self._finalize.cancel()  # at the end of the process there is no database to write to

    def apply_async(self, entry: Any, *args: Any, **kwargs: Any) -> None:
        self.fired.append((entry.name, datetime.now(INDIA)))

    def times(self, name: str) -> list[str]:
        return [f"{at:%H:%M}" for fired, at in self.fired if fired == name]


@pytest.fixture
def traveller() -> Iterator[Traveller]:
    """The clock of the machine, held still shortly before midnight in India."""
    with time_machine.travel(MIDNIGHT - timedelta(seconds=20), tick=False) as traveller:
        yield traveller


def create_without_the_minutely() -> None:
    """All schedules; those of every minute, most of what fires, are disabled to save time."""
    create_missing()
    PeriodicTask.objects.filter(name__in=MINUTELY).update(enabled=False)


def run(clock: Clock, traveller: Traveller, start: datetime, end: datetime) -> None:
    """Minute by minute from `start` up to, not including, `end`."""
    moment = start
    while moment < end:
        traveller.move_to(moment)
        while clock.tick() == 0:  # one due schedule each
            pass
        moment += MINUTE


# --- What is created ------------------------------------------------------------------------


def test_schedules_created_are_exactly_these() -> None:
    assert create_missing() == Created(51, 4, len(SCHEDULES), 3, 4, 5)
    rows = PeriodicTask.objects.select_related("crontab")
    assert {row.name: row.task for row in rows} == {
        name: task for name, (task, _) in SCHEDULES.items()
    }
    for row in rows:
        assert row.enabled
        assert row.description
        assert row.crontab.timezone == INDIA
        assert (row.args, row.kwargs, row.queue) == ("[]", "{}", None)


def test_schedule_of_the_strategy_keeps_name_task_and_time() -> None:
    create_missing()
    code: dict[str, Any] = {}
    exec(TEMPLATES.with_name("beat.py.txt").read_text(), code)
    assert len(code["CELERYBEAT_SCHEDULE"]) == 6
    for name, entry in code["CELERYBEAT_SCHEDULE"].items():
        row = PeriodicTask.objects.get(name=name)
        assert row.task.rpartition(".")[2] == entry["task"].rpartition(".")[2]
        ours, wanted = row.crontab.schedule, entry["schedule"]
        for part in ("minute", "hour", "day_of_week", "day_of_month", "month_of_year"):
            assert getattr(ours, part) == getattr(wanted, part)


def test_task_of_every_schedule_is_registered() -> None:
    create_missing()
    app.loader.import_default_modules()
    assert set(PeriodicTask.objects.values_list("task", flat=True)) - app.tasks.keys() == set()


def test_keyword_replies_are_as_messages_are_compared_and_fit_one_message() -> None:
    create_missing()
    for reply in KeywordReply.objects.all():
        before = reply.keyword
        reply.full_clean()
        assert reply.keyword == before
        assert "{" not in reply.reply


def test_created_again_changes_nothing_that_was_edited() -> None:
    create_missing()
    rare = CrontabSchedule.objects.create(minute="5", hour="4", timezone=INDIA)
    PeriodicTask.objects.filter(name="schedule-messages").update(crontab=rare)
    PeriodicTask.objects.filter(name="daily-analytics").update(enabled=False)
    PeriodicTask.objects.filter(name="cleanup-expired-segments").delete()
    MessageTemplate.objects.filter(template_key="aida_users.sms.1").update(template_content="Hi")
    Campaign.objects.filter(segment_type="no_show").update(name="Ours", priority=9)
    Campaign.objects.get(segment_type="aida_users").steps.all().delete()
    ProviderAccount.objects.filter(channel="sms").update(is_paused=True)
    Group.objects.get(name="Analyst").permissions.clear()
    KeywordReply.objects.filter(keyword="DEMO").update(reply="Ours")
    KeywordReply.objects.filter(keyword="HELP").delete()

    assert create_missing() == Created(0, 0, 1, 0, 0, 0)

    assert PeriodicTask.objects.get(name="schedule-messages").crontab == rare
    assert not PeriodicTask.objects.get(name="daily-analytics").enabled
    assert PeriodicTask.objects.get(name="cleanup-expired-segments").crontab.hour == "3"
    edited = MessageTemplate.objects.get(template_key="aida_users.sms.1")
    assert edited.template_content == "Hi"
    assert Campaign.objects.get(segment_type="no_show").name == "Ours"
    assert Campaign.objects.get(segment_type="no_show").priority == 9
    assert not Campaign.objects.get(segment_type="aida_users").steps.exists()
    assert ProviderAccount.objects.get(channel="sms").is_paused
    assert not Group.objects.get(name="Analyst").permissions.exists()
    assert KeywordReply.objects.get(keyword="DEMO").reply == "Ours"
    assert not KeywordReply.objects.filter(keyword="HELP").exists()
    assert create_missing() == Created(0, 0, 0, 0, 0, 0)


# --- When they fire -------------------------------------------------------------------------


def test_beat_runs_this_scheduler() -> None:
    assert symbol_by_name(app.conf.beat_scheduler) is Scheduler


def test_each_schedule_fires_at_its_minutes_of_a_day(traveller: Traveller) -> None:
    create_without_the_minutely()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + timedelta(days=1))
    assert {name: clock.times(name) for name, _ in clock.fired} == {
        name: times for name, (_, times) in SCHEDULES.items() if times and name not in MINUTELY
    }


def test_minutely_schedules_fire_every_minute_of_a_night(traveller: Traveller) -> None:
    create_missing()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + timedelta(minutes=150))
    assert {name: clock.times(name) for name, _ in clock.fired} == {
        name: early
        for name, (_, times) in SCHEDULES.items()
        if (early := [at for at in times if at < "02:30"])
    }


def test_schedule_fires_within_its_second_when_beat_sleeps_as_long_as_it_is_told(
    traveller: Traveller,
) -> None:
    create_missing()
    two = MIDNIGHT + timedelta(hours=2)
    traveller.move_to(two - timedelta(seconds=30))
    PeriodicTask.objects.update(last_run_at=two - MINUTE)
    clock = Clock()
    while datetime.now(INDIA) < two + timedelta(seconds=30):
        traveller.shift(max(clock.tick(), 0.002))  # a tick takes time itself
    fired = {name: at - two for name, at in clock.fired}
    assert set(fired) == {name for name, (_, times) in SCHEDULES.items() if "02:00" in times}
    assert len(fired) == len(clock.fired)
    assert all(timedelta(0) <= late < timedelta(seconds=1) for late in fired.values())


def test_every_schedule_is_held_at_every_hour(traveller: Traveller) -> None:
    create_missing()
    for hour in HOURS:
        traveller.move_to(MIDNIGHT + timedelta(hours=hour, minutes=15))
        assert Clock().all_as_schedule().keys() == SCHEDULES.keys()


def test_night_missed_while_the_clock_was_down_is_caught_up_at_once_and_once(
    traveller: Traveller,
) -> None:
    create_without_the_minutely()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + 5 * MINUTE)
    clock.sync()  # as on a stop in order

    seven = MIDNIGHT + timedelta(hours=7)
    traveller.move_to(seven)
    clock = Clock()
    run(clock, traveller, seven, seven + 5 * MINUTE)
    fired = {name for name, _ in clock.fired}
    assert fired & NIGHTLY == NIGHTLY - {"daily-analytics", "review-experiments"}
    assert len(fired) == len(clock.fired)
    next_night = MIDNIGHT + timedelta(days=1)
    run(clock, traveller, next_night, next_night + timedelta(hours=2, minutes=1))
    assert clock.times("identify-aida-users") == ["07:00", "02:00"]


def test_clock_that_is_restarted_fires_nothing_twice(traveller: Traveller) -> None:
    create_missing()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + MINUTE)
    assert clock.fired
    clock.sync()
    again = Clock()
    run(again, traveller, MIDNIGHT, MIDNIGHT + MINUTE)
    assert again.fired == []


# --- Edits while it runs --------------------------------------------------------------------


def _other_crontab(task: PeriodicTask) -> None:
    task.crontab = CrontabSchedule.objects.create(minute="7", hour="*", timezone=INDIA)
    task.save()


def _same_crontab_edited(task: PeriodicTask) -> None:
    task.crontab.minute = "7,30"
    task.crontab.save()


def _other_zone(task: PeriodicTask) -> None:
    task.crontab.hour = "7,8"
    task.crontab.timezone = ZoneInfo("UTC")  # 12:30 and 13:30 in India
    task.crontab.save()


def _disabled(task: PeriodicTask) -> None:
    task.enabled = False
    task.save()


def _deleted(task: PeriodicTask) -> None:
    task.delete()


@pytest.mark.parametrize(
    ("edit", "times"),
    [
        (_other_crontab, ["12:00", "12:07", "13:07"]),
        (_same_crontab_edited, ["12:00", "12:07", "12:30", "13:07", "13:30"]),
        (_other_zone, ["12:00", "12:30", "13:30"]),
        (_disabled, ["12:00"]),
        (_deleted, ["12:00"]),
    ],
)
def test_edit_is_followed_by_a_running_clock(
    traveller: Traveller, edit: Callable[[PeriodicTask], None], times: list[str]
) -> None:
    traveller.move_to(NOON - MINUTE)
    create_without_the_minutely()
    clock = Clock()
    run(clock, traveller, NOON, NOON + MINUTE)
    traveller.shift(30)
    edit(PeriodicTask.objects.get(name="schedule-messages"))
    run(clock, traveller, NOON + MINUTE, NOON + timedelta(hours=1, minutes=45))
    assert clock.times("schedule-messages") == times


def test_new_and_enabled_schedules_are_followed_and_catch_up_on_nothing(
    traveller: Traveller,
) -> None:
    traveller.move_to(NOON - MINUTE)
    create_without_the_minutely()
    PeriodicTask.objects.get(name="schedule-messages").delete()
    clock = Clock()
    run(clock, traveller, NOON, NOON + MINUTE)
    traveller.shift(30)
    create_missing()
    task = PeriodicTask.objects.get(name="schedule-messages")
    run(clock, traveller, NOON + MINUTE, NOON + timedelta(minutes=61))
    _disabled(task)
    run(clock, traveller, NOON + timedelta(minutes=61), NOON + timedelta(minutes=125))
    task.enabled = True
    task.save()
    run(clock, traveller, NOON + timedelta(minutes=125), NOON + timedelta(minutes=185))
    assert clock.times("schedule-messages") == ["13:00", "15:00"]


def test_clock_writes_when_it_last_ran_and_nothing_else(traveller: Traveller) -> None:
    create_missing()
    edited = MIDNIGHT - timedelta(days=3)
    PeriodicTask.objects.update(date_changed=edited)
    PeriodicTask.objects.exclude(name="schedule-messages").update(enabled=False)
    clock = Clock()
    with CaptureQueriesContext(connection) as queries:
        run(clock, traveller, MIDNIGHT, MIDNIGHT + MINUTE)
    (update,) = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
    columns = update.partition(" SET ")[2].partition(" WHERE ")[0]
    assert [part.split(" = ")[0].strip('"') for part in columns.split(", ")] == [
        "last_run_at",
        "total_run_count",
    ]
    task = PeriodicTask.objects.get(name="schedule-messages")
    assert (task.last_run_at, task.total_run_count) == (MIDNIGHT, 1)
    assert task.date_changed == edited


def test_schedule_disabled_before_its_last_run_is_written_has_none(traveller: Traveller) -> None:
    create_missing()
    clock = Clock()
    run(clock, traveller, MIDNIGHT, MIDNIGHT + MINUTE)
    _disabled(PeriodicTask.objects.get(name="schedule-messages"))
    clock.sync()
    assert PeriodicTask.objects.get(name="schedule-messages").last_run_at is None


def test_clock_adds_no_schedule_of_its_own() -> None:
    create_missing()
    Clock()
    assert set(PeriodicTask.objects.values_list("name", flat=True)) == SCHEDULES.keys()
