"""Schedules in the admin: marketers set when the known work runs, and nothing else."""

from datetime import time
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask, PeriodicTasks

from reengage.initial import create_missing
from reengage.models import Change
from reengage.schedules import Timing, timing_of, warnings, words
from tests.admin.world import messages_of, page, seen
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def marketer() -> Client:
    create_missing()
    user = User.objects.create_user("marketer", is_staff=True)
    user.groups.add(Group.objects.get(name="Marketer"))
    client = Client()
    client.force_login(user)
    return client


def task(name: str) -> PeriodicTask:
    return PeriodicTask.objects.select_related("crontab").get(name=name)


def save(client: Client, schedule: str, **values: Any) -> Any:
    one = task(schedule)
    form = {"enabled": "on", **seen(one), **values}
    return client.post(page(PeriodicTask, "change", one.pk), form)


WORDS = {
    "identify-aida-users": "Every day at 02:00 India time",
    "enroll-doctors": "Every hour, 50 minutes past",
    "dispatch-messages": "Every minute",
    "identify-no-shows": "Every 10 minutes",
    "weekly-review": "Every Monday at 08:00 India time",
}


def test_every_known_schedule_is_told_in_words_and_can_be_set(marketer: Client) -> None:
    for one in PeriodicTask.objects.select_related("crontab"):
        timing = timing_of(one.crontab)
        assert timing.rhythm != "other", one.name
        assert {k: getattr(one.crontab, k) for k in timing.fields()} == timing.fields()
        assert not warnings(one), one.name
    assert {name: words(task(name)) for name in WORDS} == WORDS


@pytest.mark.parametrize(
    ("name", "values", "cron"),
    [
        ("identify-aida-users", {"at": "23:45"}, ("45", "23", "*")),
        ("weekly-review", {"at": "09:30", "weekday": "3"}, ("30", "9-13", "3")),
        ("enroll-doctors", {"minute": "35"}, ("35", "*", "*")),
        ("identify-no-shows", {"every": "15"}, ("*/15", "*", "*")),
        ("identify-no-shows", {"every": "1"}, ("*", "*", "*")),
    ],
)
def test_marketer_moves_a_schedule(
    marketer: Client, name: str, values: dict[str, str], cron: tuple[str, ...]
) -> None:
    rows = CrontabSchedule.objects.count()
    PeriodicTasks.objects.update(last_update=NOW - DAY)
    assert save(marketer, name, **values).status_code == 302
    moved = task(name).crontab
    assert (moved.minute, moved.hour, moved.day_of_week) == cron
    assert CrontabSchedule.objects.count() == rows
    assert PeriodicTasks.last_change() == NOW  # which the clock looks at
    change = Change.objects.filter(root=f"django_celery_beat.periodictask:{task(name).pk}").get()
    assert (change.actor_name, change.name) == ("marketer", name)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("identify-aida-users", {"at": "25:00"}),
        ("identify-aida-users", {"at": ""}),
        ("enroll-doctors", {"minute": "60"}),
        ("identify-no-shows", {"every": "7"}),
        ("weekly-review", {"at": "09:00", "weekday": "1,2"}),
    ],
)
def test_time_that_is_none_is_refused(marketer: Client, name: str, values: dict[str, str]) -> None:
    before = CrontabSchedule.objects.values().get(pk=task(name).crontab_id)
    assert save(marketer, name, **values).status_code == 200
    assert CrontabSchedule.objects.values().get(pk=task(name).crontab_id) == before


def test_time_that_two_schedules_share_moves_for_one_only(marketer: Client) -> None:
    shared = task("identify-aida-users").crontab
    PeriodicTask.objects.filter(name="daily-analytics").update(crontab=shared)
    save(marketer, "identify-aida-users", at="01:00")
    assert words(task("identify-aida-users")) == "Every day at 01:00 India time"
    assert words(task("daily-analytics")) == "Every day at 02:00 India time"


def test_marketer_chooses_not_what_runs(marketer: Client) -> None:
    other = IntervalSchedule.objects.create(every=1, period="seconds")
    before = PeriodicTask.objects.values("name", "task", "args", "kwargs", "queue", "interval")
    was = before.get(name="daily-analytics")
    forged = {
        "name": "daily-analytics",
        "task": "os.system",
        "regtask": "messaging.tasks.dispatch_due",
        "args": '["x"]',
        "kwargs": '{"x": 1}',
        "queue": "elsewhere",
        "interval": str(other.pk),
        "crontab": "",
        "at": "22:00",
    }
    save(marketer, "daily-analytics", **forged)
    assert before.get(name="daily-analytics") == was
    assert task("daily-analytics").crontab.hour == "22"


def test_marketer_neither_adds_nor_deletes(marketer: Client) -> None:
    first = PeriodicTask.objects.earliest("pk")
    assert marketer.post(page(PeriodicTask, "add"), {"name": "x"}).status_code == 403
    delete = page(PeriodicTask, "delete", first.pk)
    assert marketer.post(delete, {"post": "yes"}).status_code == 403
    timing = page(CrontabSchedule, "change", first.crontab_id)
    assert marketer.post(timing, {"hour": "1"}).status_code == 403
    assert PeriodicTask.objects.filter(pk=first.pk).exists()


@pytest.mark.parametrize("action", ["enable_tasks", "disable_tasks", "run_tasks"])
def test_who_may_only_look_switches_nothing(action: str) -> None:
    create_missing()
    user = User.objects.create_user("analyst", is_staff=True)
    user.groups.add(Group.objects.get(name="Analyst"))
    client = Client()
    client.force_login(user)
    PeriodicTask.objects.filter(name="daily-analytics").update(enabled=False)
    was = list(PeriodicTask.objects.order_by("pk").values())
    keys = list(PeriodicTask.objects.values_list("pk", flat=True))
    client.post(page(PeriodicTask), {"action": action, "_selected_action": keys})
    assert list(PeriodicTask.objects.order_by("pk").values()) == was


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("dispatch-messages", {"enabled": "", "every": "1"}, "no message is sent, on any channel"),
        ("identify-aida-users", {"enabled": "", "at": "02:00"}, "no new doctors are found"),
        ("dispatch-messages", {"every": "30"}, "runs less than every 5 minutes"),
        ("identify-aida-users", {"at": "12:00"}, "Choose an hour of the night"),
        ("daily-analytics", {"at": "18:00"}, "misses messages of the evening"),
    ],
)
def test_time_that_makes_no_sense_is_warned_of(
    marketer: Client, name: str, values: dict[str, str], said: str
) -> None:
    values = {key: value for key, value in values.items() if value}
    address = page(PeriodicTask, "change", task(name).pk)
    enabled = {} if "off" in said or "no " in said else {"enabled": "on"}
    shown = marketer.post(address, {**enabled, **seen(task(name)), **values}, follow=True)
    assert any(said in message for message in messages_of(shown))
    assert said in marketer.get(address).content.decode()


def test_disabling_from_the_list_warns_as_well(marketer: Client) -> None:
    action = {"action": "disable_tasks", "_selected_action": [task("dispatch-messages").pk]}
    shown = marketer.post(page(PeriodicTask), action, follow=True)
    assert any("no message is sent" in message for message in messages_of(shown))


def test_superuser_still_edits_the_whole_row(admin_client: Client) -> None:
    create_missing()
    one = task("daily-analytics")
    html = admin_client.get(page(PeriodicTask, "change", one.pk)).content.decode()
    assert 'name="kwargs"' in html
    assert 'name="at"' in html
    assert admin_client.get(page(PeriodicTask, "add")).status_code == 200


@pytest.mark.parametrize(
    ("fields", "timing"),
    [
        ({"minute": "0", "hour": "2"}, Timing("daily", time(2))),
        ({"minute": "5", "hour": "*"}, Timing("hourly", minute=5)),
        ({"minute": "*/7", "hour": "*"}, Timing("minutes", every=7)),
        ({"minute": "0", "hour": "8-12", "day_of_week": "1"}, Timing("weekly", time(8), again=4)),
        ({"minute": "0,30", "hour": "2"}, Timing("other")),
        ({"minute": "0", "hour": "2", "day_of_month": "1"}, Timing("other")),
        ({"minute": "0", "hour": "2", "day_of_week": "1-5"}, Timing("other")),
    ],
)
def test_rhythm_is_read_from_a_crontab(fields: dict[str, str], timing: Timing) -> None:
    assert timing_of(CrontabSchedule(**fields)) == timing
