"""Audience checks: the button, the progress, cancel and again, the result, and who may do what."""

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from redis import Redis

from campaigns.models import Campaign
from messaging import tasks
from messaging.audience.run import run_check
from messaging.models import AudienceCheck, CheckState
from reengage.initial import create_missing
from tests import engine
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db

VIEW = ("campaigns.view_campaign", "messaging.view_messagetemplate", "messaging.view_audiencecheck")
START = (*VIEW, "messaging.add_audiencecheck")


def button(target: Any) -> str:
    return page(type(target), "check_audience", target.pk)


def of(check: AudienceCheck, name: str = "change") -> str:
    return reverse(f"admin:messaging_audiencecheck_{name}", args=[check.pk])


def press(client: Client, target: Any) -> Any:
    return client.post(button(target), {"confirmed": "yes"}, follow=True)


@pytest.fixture
def broker() -> Iterator[Redis]:
    """The queue of the tests, emptied of what they ring."""
    broker = Redis.from_url(settings.REDIS_URL)
    broker.delete("default")
    yield broker
    broker.delete("default")
    broker.close()


def rung(broker: Redis) -> list[tuple[str, list[str]]]:
    """Tasks that wait for a worker, and what they were told."""
    found = [json.loads(one) for one in broker.lrange("default", 0, -1)]
    return [
        (one["headers"]["task"], re.findall(r"'([^']*)'", one["headers"]["argsrepr"]))
        for one in found
    ]


def make(state: str = CheckState.QUEUED, **fields: Any) -> AudienceCheck:
    if not fields.keys() & {"campaign", "template"}:
        fields["campaign"] = engine.campaign(days=(0,))
    return AudienceCheck.objects.create(requested_at=NOW, state=state, **fields)


def made(**fields: Any) -> AudienceCheck:
    """A check that was run."""
    check = make(**fields)
    tasks.check_audience(str(check.pk))
    check.refresh_from_db()
    assert check.state == CheckState.DONE
    return check


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Redis can not be reached."""

    def refuse(*_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(tasks.check_audience, "delay", refuse)


# --- the button ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["campaign", "template"])
def test_button_asks_first_and_then_a_worker_is_rung(
    kind: str, admin_client: Client, broker: Redis
) -> None:
    target: Any = engine.campaign(days=(0,))
    if kind == "template":
        target = target.steps.get(channel="sms").template
    engine.member()
    shown = admin_client.get(page(type(target), "change", target.pk)).content.decode()
    assert f'href="{button(target)}"' in shown
    asked = admin_client.get(button(target)).content.decode()
    texts = "3 texts" if kind == "campaign" else "1 text"
    assert f"Doctors to look at: 1, {texts} each." in asked
    assert not AudienceCheck.objects.exists()

    done = press(admin_client, target)
    check = AudienceCheck.objects.get()
    assert done.redirect_chain == [(of(check), 302)]
    assert (check.state, getattr(check, kind), check.requested_at) == ("queued", target, NOW)
    assert check.requested_by.username == "admin"
    assert rung(broker) == [(tasks.check_audience.name, [str(check.pk)])]
    assert "Waiting for a worker: nobody was looked at yet." in done.content.decode()


def test_second_click_leads_to_the_same_check(admin_client: Client, broker: Redis) -> None:
    target = engine.campaign()
    press(admin_client, target)
    again = press(admin_client, target)
    check = AudienceCheck.objects.get()
    assert again.redirect_chain == [(of(check), 302)]
    assert messages_of(again) == ["It is being checked already: this is that check."]
    assert len(rung(broker)) == 2  # the first ring may have been lost; the check is done once
    AudienceCheck.objects.filter(pk=check.pk).claim(NOW)
    press(admin_client, target)
    assert len(rung(broker)) == 2  # it runs
    assert AudienceCheck.objects.count() == 1


@pytest.mark.usefixtures("away")
def test_redis_away_leaves_nothing_behind(admin_client: Client) -> None:
    target = engine.campaign()
    done = press(admin_client, target)
    assert done.redirect_chain == [(page(Campaign, "change", target.pk), 302)]
    assert messages_of(done) == [
        "Nothing was checked: a part of the system is down. Try again in a minute."
    ]
    assert not AudienceCheck.objects.exists()


@pytest.mark.usefixtures("away")
def test_redis_away_leaves_a_check_that_waits_and_an_old_result(admin_client: Client) -> None:
    waiting = make()
    press(admin_client, waiting.campaign)
    assert AudienceCheck.objects.get().state == CheckState.QUEUED
    old = made()
    done = admin_client.post(of(old, "again"), follow=True)
    assert done.redirect_chain == [(of(old), 302)]
    assert messages_of(done)[0].startswith("Nothing was checked: a part of")
    assert set(AudienceCheck.objects.all()) == {old, waiting}
    assert AudienceCheck.objects.get(pk=old.pk).result == old.result


def test_worker_that_heard_in_spite_of_the_failure_keeps_the_check(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def heard(check_id: str) -> None:
        AudienceCheck.objects.filter(pk=check_id).claim(NOW)
        raise TimeoutError

    monkeypatch.setattr(tasks.check_audience, "delay", heard)
    press(admin_client, engine.campaign())
    assert AudienceCheck.objects.get().state == CheckState.RUNNING


def test_again_makes_a_new_check_and_keeps_the_old(admin_client: Client, broker: Redis) -> None:
    old = made()
    done = admin_client.post(of(old, "again"), follow=True)
    new = AudienceCheck.objects.exclude(pk=old.pk).get()
    assert done.redirect_chain == [(of(new), 302)]
    assert (new.state, new.campaign) == ("queued", old.campaign)
    assert rung(broker) == [(tasks.check_audience.name, [str(new.pk)])]
    assert AudienceCheck.objects.get(pk=old.pk).result == old.result


# --- who may --------------------------------------------------------------------------------


def test_button_needs_its_permission_and_that_of_the_page() -> None:
    target = engine.campaign()
    client = staff(*VIEW)
    assert button(target) not in client.get(page(Campaign, "change", target.pk)).content.decode()
    assert client.get(button(target)).status_code == 403
    assert press(client, target).status_code == 403
    assert not AudienceCheck.objects.exists()


def test_button_of_a_page_that_may_not_be_seen_is_refused() -> None:
    client = staff("messaging.add_audiencecheck", "messaging.view_audiencecheck")
    assert press(client, engine.campaign()).status_code == 403
    assert not AudienceCheck.objects.exists()


def test_viewer_sees_checks_and_can_not_touch_them() -> None:
    client, check, ended = staff(*VIEW), make(), made()
    for one in (check, ended):
        html = client.get(of(one)).content.decode()
        assert ">Cancel</button>" not in html
        assert ">Run again</button>" not in html
        assert client.post(of(one, "cancel")).status_code == 403
        assert client.post(of(one, "again")).status_code == 403
        assert (
            client.post(page(AudienceCheck, "delete", one.pk), {"post": "yes"}).status_code == 403
        )
    assert client.get(of(check, "progress")).status_code == 200
    assert set(AudienceCheck.objects.values_list("state", flat=True)) == {"queued", "done"}
    assert AudienceCheck.objects.count() == 2


def test_stranger_sees_nothing() -> None:
    client, check = staff("campaigns.view_campaign"), made()
    assert client.get(of(check)).status_code == 403
    assert client.get(of(check, "progress")).status_code == 403
    shown = client.get(page(Campaign, "change", check.campaign_id)).content.decode()
    assert "Last audience check" not in shown
    assert Client().get(of(check, "progress")).status_code == 302


def test_groups_marketer_starts_and_analyst_looks() -> None:
    create_missing()
    checks = {
        name: set(
            Group.objects.get(name=name)
            .permissions.filter(content_type__model="audiencecheck")
            .values_list("codename", flat=True)
        )
        for name in ("Marketer", "Analyst", "Support")
    }
    looks = {"view_audiencecheck"}
    assert checks == {
        "Marketer": looks | {"add_audiencecheck"},
        "Analyst": looks,
        "Support": looks,
    }


def test_buttons_are_posts_with_a_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("boss"))
    check = make()
    assert client.get(of(check, "cancel")).status_code == 405
    assert client.get(of(check, "again")).status_code == 405
    assert client.post(of(check, "cancel")).status_code == 403
    assert client.post(button(check.campaign), {"confirmed": "yes"}).status_code == 403
    token = str(client.get(of(check)).context["csrf_token"])
    client.post(of(check, "cancel"), {"csrfmiddlewaretoken": token})
    assert AudienceCheck.objects.get().state == CheckState.CANCELLED


def test_check_can_not_be_written_by_hand(admin_client: Client) -> None:
    check = make()
    assert admin_client.get(page(AudienceCheck, "add")).status_code == 403
    assert admin_client.post(page(AudienceCheck, "add"), {"state": "done"}).status_code == 403
    assert admin_client.post(of(check), {"state": "done"}).status_code == 403
    assert AudienceCheck.objects.get().state == CheckState.QUEUED


def test_draft_is_deleted_together_with_its_checks(admin_client: Client) -> None:
    check = make(campaign=engine.campaign(status="draft"))
    admin_client.post(page(Campaign, "delete", check.campaign_id), {"post": "yes"})
    assert not Campaign.objects.exists()
    assert not AudienceCheck.objects.exists()


# --- while it runs --------------------------------------------------------------------------


def test_progress_is_told_as_json(admin_client: Client) -> None:
    check = make(CheckState.RUNNING, total=2_000, done=500)

    def told() -> Any:
        return admin_client.get(of(check, "progress")).json()

    words = "Running: 500 of 2,000 doctors looked at."
    assert told() == {"live": True, "done": 500, "total": 2_000, "words": words}
    html = admin_client.get(of(check)).content.decode()
    assert f'data-audience-progress="{of(check, "progress")}"' in html
    assert 'max="2000" value="500"' in html
    assert words in html
    assert re.search(r'<script[^>]*messaging/audience\.js[^>]*type="module"', html)
    AudienceCheck.objects.update(state=CheckState.DONE)
    assert told()["live"] is False
    AudienceCheck.objects.all().delete()
    assert admin_client.get(of(check, "progress")).status_code == 404


def test_cancel_stops_a_check_that_runs(admin_client: Client) -> None:
    check = make()
    engine.member()
    readings = []

    def clock() -> Any:
        readings.append(1)
        if len(readings) == 2:  # after the claim, before the first batch
            assert messages_of(admin_client.post(of(check, "cancel"), follow=True)) == [
                "Cancelled."
            ]
        return NOW

    run_check(check.pk, clock)
    check.refresh_from_db()
    assert (check.state, check.result) == (CheckState.CANCELLED, {})
    html = admin_client.get(of(check)).content.decode()
    assert "Cancelled: nobody was looked at yet" not in html
    assert "Cancelled: 0 of 1 doctors looked at. There is no result." in html
    assert "data-audience-progress" not in html
    late = admin_client.post(of(check, "cancel"), follow=True)
    assert messages_of(late) == ["It had ended already."]


def test_lost_worker_is_noticed_by_the_minutes_task(admin_client: Client) -> None:
    long_ago = NOW - timedelta(days=400)  # by the database's clock, too
    check = make(CheckState.RUNNING, total=9, done=4, heartbeat_at=long_ago)
    tasks.reap_expired_leases()
    check.refresh_from_db()
    assert check.state == CheckState.FAILED
    html = admin_client.get(of(check)).content.decode()
    assert "Failed. The worker was lost after 4 of 9 doctors." in html


# --- the task -------------------------------------------------------------------------------


def test_task_is_heard_once_and_fits_its_limits() -> None:
    task = tasks.check_audience
    assert not task.acks_late
    assert task.app.conf.task_default_queue == "default"
    # 100,000 doctors and 13 steps took 94 s in one process.
    assert (task.soft_time_limit or task.app.conf.task_soft_time_limit) >= 4 * 94
    check = make()
    task(str(check.pk))
    task(str(check.pk))
    check.refresh_from_db()
    assert (check.state, check.runs) == (CheckState.DONE, 1)
