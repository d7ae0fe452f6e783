"""Connections cut and PostgreSQL restarted under a real worker, clock and web server."""

import http.client
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import environ
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils import timezone

from messaging import reap
from messaging.models import Heartbeat, MessageDelivery
from tests.office import (
    Office,
    await_that,
    certificate_campaign,
    schedule_here,
    statuses,
)
from tests.providers.slow import PORT, Desk
from tests.servers import Postgres, free_port, own_postgres


@pytest.fixture
def postgres(django_db_setup: None, django_db_blocker: Any) -> Iterator[Postgres]:
    """A server of the test's own, which this process uses too, with our tables."""
    was = dict(connection.settings_dict)
    with own_postgres() as server, django_db_blocker.unblock():
        connection.close()
        connection.settings_dict.update(environ.Env.db_url_config(server.url))
        try:
            call_command("migrate", verbosity=0)
            yield server
        finally:
            connection.close()
            connection.settings_dict.update(was)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.close()


@pytest.fixture
def office(postgres: Postgres, tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path / "log")
    office.database_url = postgres.url
    yield office
    office.close()
    print(office.log.read_text())  # pytest shows it with a test that failed


def cut_all_connections() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
        assert cursor.rowcount > 0


def is_web_well(port: int) -> bool:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        client.request("GET", "/u/0123456789012345678901")  # asks the database, and finds nothing
        return client.getresponse().status == http.HTTPStatus.NOT_FOUND
    except OSError:
        return False
    finally:
        client.close()


def signs() -> dict[str, Any]:
    """When each process was last heard of."""
    processes = Heartbeat.objects.exclude(kind__in=["lane", "web"])
    return dict(processes.values_list("kind", "at"))


def test_nothing_is_lost_and_everybody_comes_back_alone(
    postgres: Postgres, office: Office, desk: Desk
) -> None:
    port = free_port()
    often = {"HEARTBEAT_SECONDS": "1", "POLL_AFTER_SECONDS": "600"}
    office.start_worker(WHATSAPP_PROVIDER="slow", **{PORT: str(desk.port)}, **often)
    office.start("celery", "-A", "reengage", "beat", "--pidfile=", **often)
    office.start("gunicorn", "reengage.wsgi", "--bind", f"127.0.0.1:{port}", "--no-control-socket")
    campaign = certificate_campaign()
    await_that(lambda: len(signs()) == 2, "worker and clock run")
    await_that(lambda: is_web_well(port), "the web server answers")
    outages: dict[str, Callable[[], None]] = {"Cut": cut_all_connections, "New": postgres.restart}
    for name, break_down in outages.items():
        schedule_here(campaign, {name: "whatsapp"})
        office.client.send_task(
            "messaging.tasks.send_lane", ["whatsapp"], queue="whatsapp", ignore_result=True
        )
        call = desk.call()  # the window is authorised, and not yet recorded
        before = signs()

        break_down()
        connection.close()
        call.answer()
        assert is_web_well(port) or is_web_well(port)  # one that was cut may answer with an error
        schedule_here(campaign, {f"{name}Later": "sms"})
        office.run("messaging.tasks.send_lane", "sms", queue="sms")
        await_that(lambda: "scheduled" not in statuses().values(), "what came later has left")
        office.run("messaging.tasks.send_lane", "whatsapp", queue="whatsapp")
        assert desk.is_empty()  # what was being sent is not sent again
        reap.reap(timezone.now() + 2 * settings.SEND_LEASE)
        found = statuses()
        assert set(found) == {(name, "whatsapp"), (f"{name}Later", "sms")}
        assert found[name, "whatsapp"] in ("sent", "unknown")
        assert found[f"{name}Later", "sms"] == "sent"
        await_that(
            lambda then=before: all(signs()[kind] > at for kind, at in then.items()),
            "worker and clock give signs of life again",
        )
        assert all(process.poll() is None for process in office.processes)
        MessageDelivery.objects.all().delete()
