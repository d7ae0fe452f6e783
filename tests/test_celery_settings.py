"""Celery's settings: each one is known to Celery, and with them nobody waits for Redis."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from celery.app.defaults import NAMESPACES, flatten
from celery.exceptions import OperationalError
from django.conf import settings
from kombu.exceptions import EncodeError

from messaging import tasks
from reengage.celery import app
from tests.servers import Valkey, own_valkey

KNOWN = dict(flatten(NAMESPACES))
LONGEST = 5.0  # seconds that anybody waits for Redis, on a busy machine


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    with own_valkey(tmp_path) as server:
        yield server


@pytest.fixture
def client(valkey: Valkey) -> Iterator[Celery]:
    """Our settings, with a Redis that may be killed."""
    client = Celery("tests", set_as_current=False)
    client.config_from_object("django.conf:settings", namespace="CELERY")
    client.conf.update(broker_url=valkey.url, result_backend=valkey.url)
    yield client
    client.close()


def ours() -> dict[str, Any]:
    names = [name for name in dir(settings) if name.startswith("CELERY_")]
    return {name.removeprefix("CELERY_").lower(): getattr(settings, name) for name in names}


def test_every_setting_is_one_that_celery_knows_and_follows() -> None:
    assert len(ours()) > 30
    assert ours().keys() - KNOWN.keys() == set()
    assert {name: app.conf[name] for name in ours()} == ours()


def test_transport_options_are_ones_that_kombu_reads() -> None:
    with app.connection_for_write() as broker:
        channel = broker.get_transport_cls().Channel.from_transport_options
    options = set(settings.CELERY_BROKER_TRANSPORT_OPTIONS)
    assert options - set(channel) == {"max_retries"}  # Connection._extract_failover_opts
    with app.connection_for_write() as broker:
        assert broker._extract_failover_opts()["max_retries"] == 0


def test_sending_tasks_are_cut_before_their_lease_ends() -> None:
    senders = [
        tasks.send_lane,
        tasks.send_whatsapp_message,
        tasks.send_sms_message,
        tasks.send_email_message,
    ]
    for task in senders:
        assert task.time_limit == settings.LANE_TIME_LIMIT.total_seconds()
        assert task.soft_time_limit < task.time_limit < settings.SEND_LEASE.total_seconds()
        assert (task.acks_late, task.ignore_result) == (False, True)
    for task in (tasks.dispatch_due, tasks.send_lane, tasks.reap_expired_leases):
        assert task.expires == 60


def test_payload_is_json_and_nothing_else(client: Celery) -> None:
    assert client.conf.accept_content == ["json"]
    with pytest.raises(EncodeError):
        client.send_task("any", [object()], ignore_result=True)


def publish(client: Celery, **options: Any) -> None:
    """As `apply_async` of any of our tasks does."""
    client.send_task("any", **{"ignore_result": True, **options})


def how_long(client: Celery, **options: Any) -> float:
    """Seconds until publishing fails."""
    began = time.monotonic()
    with pytest.raises((OperationalError, RuntimeError)):  # the latter where a result is asked for
        publish(client, **options)
    return time.monotonic() - began


@pytest.mark.parametrize("has_connection", [True, False], ids=["connected", "unconnected"])
def test_publishing_fails_soon_while_redis_is_away_and_works_again_at_once(
    client: Celery, valkey: Valkey, has_connection: bool
) -> None:
    if has_connection:
        publish(client)
    valkey.kill()
    assert how_long(client) < LONGEST
    assert how_long(client, ignore_result=False) < LONGEST
    assert how_long(client, retry=True) < LONGEST
    valkey.start()
    publish(client)


@pytest.mark.parametrize("has_connection", [True, False], ids=["connected", "unconnected"])
def test_publishing_fails_soon_while_redis_is_frozen_and_works_again_at_once(
    client: Celery, valkey: Valkey, has_connection: bool
) -> None:
    if has_connection:
        publish(client)
    valkey.freeze()
    assert how_long(client) < LONGEST
    assert how_long(client, ignore_result=False) < LONGEST
    assert how_long(client, retry=True) < LONGEST
    valkey.thaw()
    publish(client)
