"""Links lead somewhere while PostgreSQL is away, nobody waits long, and no hit is lost."""

import threading
import time
from contextlib import contextmanager

import pytest
from django.core.cache import cache, caches
from django.db import connection, connections, transaction
from django.test import Client
from django.utils import timezone

from messaging import patience, reports, spool, track
from messaging.links import hits, remember, timing
from messaging.models import MessageDelivery, ProviderEvent, UnsubscribeRecord
from tests.engine import NOW, enrolled, send_all
from tests.messaging.together import Worker, at_once

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"User-Agent": "Mozilla/5.0 (Linux; Android 14) Chrome/130"}
SHORT = 10  # seconds, a slow disk included; nothing in here is answered before thirty


@pytest.fixture(autouse=True)
def quiet_world(settings, tmp_path, monkeypatch):
    cache.clear()
    settings.SPOOL_DIR = tmp_path / "spool"
    monkeypatch.setattr(patience._Away, "until", 0.0)


@pytest.fixture
def delivery():
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    return MessageDelivery.objects.get()


@pytest.fixture
def asked(monkeypatch):
    """The tokens that the database was asked for, one for each time."""
    tokens = []
    store = hits.store

    def noted(token, hit):
        tokens.append(token)
        return store(token, hit)

    monkeypatch.setattr(hits, "store", noted)
    return tokens


@contextmanager
def frozen(table="provider_events"):
    """Whoever asks this table of PostgreSQL gets no answer."""
    holds, done = threading.Event(), threading.Event()

    def hold():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            holds.set()
            done.wait(30)

    holder = Worker(hold)
    assert holds.wait(10)
    try:
        yield
    finally:
        done.set()
        holder.result()


@contextmanager
def refusing():
    """PostgreSQL ends every connection to this database and takes no new one."""
    name = connection.settings_dict["NAME"]
    owner = connections.create_connection("default")
    owner.settings_dict = {**connection.settings_dict, "NAME": "postgres"}
    with owner.cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        try:
            yield
        finally:
            cursor.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
            owner.close()
            connection.close()
            patience._Away.until = 0.0


def visit(path, method="get", **data):
    """The response, and how long it took."""
    began = time.monotonic()
    response = getattr(Client(headers=PHONE), method)(path, **data)
    return response, time.monotonic() - began


@pytest.mark.parametrize("outage", [frozen, refusing])
def test_links_lead_on_and_the_hit_is_counted_once_later(delivery, outage, asked):
    with outage():
        response, seconds = visit(f"/r/{delivery.token}")
        assert (response.status_code, response["Location"]) == (302, delivery.target_url)
        assert seconds < SHORT
        asked.clear()
        pixel, _ = visit(f"/o/{delivery.token}.gif")
        assert (pixel.status_code, pixel["Content-Type"]) == (200, "image/gif")
        assert not asked  # it was found out a moment ago
        assert spool.is_waiting()
    reports.take(timezone.now())
    reports.take(timezone.now() + timing.SETTLES)
    assert not spool.is_waiting()
    kinds = ProviderEvent.objects.order_by("occurred_at").values_list("kind", flat=True)
    assert list(kinds) == ["clicked", "opened"]
    delivery.refresh_from_db()
    assert delivery.status == "clicked"
    assert delivery.clicked_at == ProviderEvent.objects.get(kind="clicked").occurred_at


def test_a_hit_that_was_stored_after_all_is_one_event(delivery, monkeypatch):
    """The answer got lost, not the statement: the spool has the same key."""
    store = hits.store

    def stored_without_answer(token, hit):
        store(token, hit)
        raise patience.DatabaseAwayError

    monkeypatch.setattr(hits, "store", stored_without_answer)
    response, _ = visit(f"/r/{delivery.token}")
    assert response.status_code == 302
    assert spool.is_waiting()
    reports.take(timezone.now())
    assert ProviderEvent.objects.count() == 1


def test_two_readers_of_the_spool_keep_each_hit_once(delivery):
    patience._Away.until = time.monotonic() + 60
    for _ in range(20):
        visit(f"/r/{delivery.token}")
    patience._Away.until = 0.0
    at_once(*[lambda: reports.take(timezone.now())] * 3)
    reports.take(timezone.now())
    assert ProviderEvent.objects.count() == 20


@pytest.mark.parametrize("outage", [frozen, refusing])
def test_preferences_ask_to_come_back_and_change_nothing(delivery, outage):
    kwargs = {"table": "unsubscribe_records"} if outage is frozen else {}
    with outage(**kwargs):
        for method, data in (("get", {}), ("post", {"data": {"scope": "all"}})):
            patience._Away.until = 0.0
            response, seconds = visit(f"/u/{delivery.token}", method, **data)
            assert response.status_code == 503
            assert int(response["Retry-After"]) > 0
            assert seconds < SHORT
    assert not UnsubscribeRecord.objects.exists()


def test_link_that_the_cache_does_not_know_is_not_called_unknown(delivery):
    caches["default"].clear()
    with refusing():
        response, _ = visit(f"/r/{delivery.token}")
        assert response.status_code == 503
        assert visit(f"/r/{'x' * 9}")[0].status_code == 404  # no token of ours looks so


def test_a_connection_that_was_cut_is_made_anew(delivery, monkeypatch):
    monkeypatch.setattr(patience, "AGAIN_WITHIN", 60)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (pid,) = cursor.fetchone()

    def end_it():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", [pid])

    Worker(end_it).result()
    response, _ = visit(f"/r/{delivery.token}")
    assert response.status_code == 302
    assert ProviderEvent.objects.count() == 1
    assert not spool.is_waiting()


def test_without_redis_too_links_wait_for_the_database(delivery, monkeypatch):
    monkeypatch.setattr(remember, "recall", lambda token: None)
    with frozen():
        assert visit(f"/r/{delivery.token}")[0].status_code == 503


def test_disk_that_takes_nothing_loses_the_hit_and_not_the_doctor(delivery, monkeypatch, caplog):
    def full(kind, payloads):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool, "extend", full)
    patience._Away.until = time.monotonic() + 60
    response, _ = visit(f"/r/{delivery.token}")
    assert response["Location"] == delivery.target_url
    assert "a hit is lost: No space left on device" in caplog.text
    assert delivery.token not in caplog.text


def test_hits_that_come_at_once_share_the_disk_and_none_is_lost(delivery, monkeypatch):
    written = []
    extend = spool.extend

    def counted(kind, payloads):
        written.append(len(payloads))
        if len(written) == 1:
            first_writes.set()
            assert others_wait.wait(10)
        extend(kind, payloads)

    first_writes, others_wait = threading.Event(), threading.Event()
    monkeypatch.setattr(spool, "extend", counted)
    patience._Away.until = time.monotonic() + 60
    first = Worker(lambda: visit(f"/r/{delivery.token}"))
    assert first_writes.wait(10)
    others = [Worker(lambda: visit(f"/r/{delivery.token}")) for _ in range(5)]
    while len(hits._disk._waiting) < 5:
        assert not any(other.is_done for other in others)
    others_wait.set()
    assert {worker.result()[0].status_code for worker in (first, *others)} == {302}
    assert written == [1, 5]
    patience._Away.until = 0.0
    reports.take(timezone.now())
    assert ProviderEvent.objects.count() == 6


def test_hits_wait_on_disk_without_the_token(delivery, settings):
    patience._Away.until = time.monotonic() + 60
    visit(f"/r/{delivery.token}")
    (path,) = settings.SPOOL_DIR.iterdir()
    assert str(delivery.pk) in path.read_text()
    assert delivery.token not in path.read_text()
    assert path.stat().st_mode & 0o77 == 0
    assert track.find_by_token(delivery.token)


def test_one_request_finds_out_whether_the_database_is_back_and_the_others_go_on(delivery, asked):
    with frozen():
        visit(f"/r/{delivery.token}")
        asked.clear()
        patience._Away.until = time.monotonic() - 0.1  # it is time to ask again
        visits = at_once(*[lambda: visit(f"/r/{delivery.token}")] * 4)
        assert {response.status_code for response, _ in visits} == {302}
        assert len(asked) == 1
    patience._Away.until = time.monotonic() - 0.1
    visit(f"/r/{delivery.token}")
    assert patience._Away.until == 0.0
    reports.take(timezone.now())
    assert ProviderEvent.objects.count() == 6
