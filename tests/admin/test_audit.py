"""Promises kept: the panel on the dashboard, the button, and each check's own page."""

import json
import re
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from redis import Redis

from messaging import tasks
from messaging.admin import audit as pages
from messaging.models import AuditRun, MessageDelivery
from reengage import health, promises
from tests import engine
from tests.admin.world import make, make_audit, messages_of, page, staff
from tests.engine import NOW
from tests.messaging.history import HOUR, sent, went_out

pytestmark = pytest.mark.django_db

HOME = reverse("admin:index")
CHECK = reverse("admin:messaging_auditrun_check")
DASHBOARD = "campaigns.view_campaignanalytics"


def panel(client: Client) -> Any:
    return client.get(HOME).context["dashboard"]["promises"]


def test_panel_says_that_nothing_was_checked_yet(admin_client: Client) -> None:
    assert panel(admin_client).promises == []
    html = admin_client.get(HOME).content.decode()
    assert "Nothing has been checked yet" in html
    assert "Check now" in html


def test_button_checks_and_the_panel_shows_each_promise(admin_client: Client) -> None:
    sent()
    done = admin_client.post(CHECK, follow=True)
    assert messages_of(done) == ["Checked: every promise is kept."]
    shown = panel(admin_client)
    assert len(shown.promises) == 8
    assert {promise.broken for promise in shown.promises} == {0}
    assert shown.promises[0].words == "Every message was accepted once at most"
    assert (shown.checked_at, shown.may_check) == (NOW, True)
    assert admin_client.get(shown.link).status_code == 200


def test_what_was_found_stands_on_top_and_in_the_panel(admin_client: Client) -> None:
    for _ in range(2):
        went_out(engine.doctor(), "sms", NOW - 8 * HOUR)
    done = admin_client.post(CHECK, follow=True)
    assert messages_of(done) == ["Checked: 2 rows break a promise."]
    broken = [promise for promise in panel(admin_client).promises if promise.broken]
    assert [(one.words, one.broken_words) for one in broken] == [
        ("Nothing went out outside sending hours", "2 found")
    ]
    (problem,) = [one for one in health.problems(NOW) if "check" in one.text]
    assert problem.text == "The last check found what must not be: outside sending hours (2)."
    assert admin_client.get(problem.link).status_code == 200
    assert problem.text in admin_client.get(HOME).content.decode()


def test_only_the_last_check_is_shown(admin_client: Client) -> None:
    make(1)
    assert [one for one in health.problems(NOW) if "check" in one.text]
    MessageDelivery.objects.all().delete()
    admin_client.post(CHECK)
    assert not [one for one in health.problems(NOW) if "check" in one.text]
    assert AuditRun.objects.count() == 2


def test_many_deliveries_are_checked_by_a_worker(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent()
    monkeypatch.setattr(pages, "AT_ONCE", 0)
    broker = Redis.from_url(settings.REDIS_URL)
    waiting = broker.llen("default")
    done = admin_client.post(CHECK, follow=True)
    assert messages_of(done) == ["The check has begun. It is shown here when it is done."]
    assert not AuditRun.objects.exists()
    assert broker.llen("default") == waiting + 1
    rung = json.loads(broker.lpop("default"))
    broker.close()
    assert rung["headers"]["task"] == tasks.audit_deliveries.name


def test_worker_that_can_not_be_reached_is_told(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent()
    monkeypatch.setattr(pages, "AT_ONCE", 0)

    def away() -> None:
        raise ConnectionError

    monkeypatch.setattr(tasks.audit_deliveries, "delay", away)
    done = admin_client.post(CHECK, follow=True)
    assert messages_of(done) == [
        "Nothing was checked: a part of the system is down. Try again in a minute."
    ]


def test_checking_is_a_post_with_a_token() -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(User.objects.create_superuser("boss"))
    assert client.get(CHECK).status_code == 405
    assert client.post(CHECK).status_code == 403
    token = client.get(HOME).context["csrf_token"]
    assert client.post(CHECK, {"csrfmiddlewaretoken": str(token)}).status_code == 302
    assert AuditRun.objects.count() == 1


def test_checking_needs_its_permission() -> None:
    client = staff(DASHBOARD, "messaging.view_auditrun")
    assert panel(client).may_check is False
    assert "Check now" not in client.get(HOME).content.decode()
    assert client.post(CHECK).status_code == 403
    assert not AuditRun.objects.exists()


def test_panel_is_hidden_from_those_who_may_not_see_checks() -> None:
    client = staff(DASHBOARD)
    assert panel(client) is None
    assert "Promises kept" not in client.get(HOME).content.decode()


def test_page_of_a_check_lists_examples_with_links(admin_client: Client) -> None:
    make(1)
    run, delivery = AuditRun.objects.get(), MessageDelivery.objects.get()
    html = admin_client.get(promises.page(run)).content.decode()
    assert "Went out twice: 1" in html
    assert "It went out twice." in html
    assert f'href="{page(MessageDelivery, "change", delivery.pk)}"' in html


@pytest.mark.parametrize("kind", ["delivery", "enrolment", "event", "optout", "window", "schema"])
def test_page_of_a_check_knows_every_kind_of_row(kind: str, admin_client: Client) -> None:
    make(1)
    run = make_audit(MessageDelivery.objects.get())
    run.result["I1"]["examples"][0].update(kind=kind, key="<b>x</b>")
    run.save()
    html = admin_client.get(promises.page(run)).content.decode()
    link = re.search(f">{kind} &lt;b&gt;x&lt;/b&gt;</a>", html)
    assert bool(link) == (kind not in {"window", "schema"})
    assert f"{kind} &lt;b&gt;x&lt;/b&gt;" in html
