"""Reports that come while PostgreSQL is away are on disk before they are acknowledged."""

import threading
import time
from queue import SimpleQueue

import pytest
from django.db import DataError, OperationalError, connection

from campaigns.schedule import schedule_due
from messaging import lanes, patience, reports, spool, tasks, track
from messaging.models import (
    InboundMessage,
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
    UnsubscribeRecord,
)
from messaging.webhooks import intake
from tests.engine import NOW, doctor, enrolled, send_all, statuses
from tests.messaging.together import Worker
from tests.webhook_calls import says, status

pytestmark = pytest.mark.django_db


class Away:
    """The database does not answer."""

    def __init__(self, monkeypatch):
        self.asked = 0
        monkeypatch.setattr(track, "store", self.refuse)

    def refuse(self, events, now):
        self.asked += 1
        raise OperationalError("server closed the connection")


@pytest.fixture
def away(monkeypatch):
    return Away(monkeypatch)


@pytest.mark.django_db(transaction=True)
def test_a_report_is_kept_on_disk_and_counted_once_when_the_database_is_back(monkeypatch):
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    MessageDelivery.objects.update(external_id="SM1")
    delivery = MessageDelivery.objects.get()
    with monkeypatch.context() as patch:
        away = Away(patch)
        for _ in range(3):
            assert status("SM1", "delivered", delivery.pk).status_code == 200
        assert away.asked == 2  # once more on a new connection; the others did not wait for it
    assert not ProviderEvent.objects.exists()
    assert spool.is_waiting()
    reports.take(NOW)
    delivery.refresh_from_db()
    assert delivery.status == "delivered"
    assert ProviderEvent.objects.count() == 1
    assert not spool.is_waiting()


def test_a_stop_from_the_disk_opts_out(monkeypatch):
    who = doctor()
    with monkeypatch.context() as patch:
        Away(patch)
        says(f"whatsapp:{who.phone}", "रोकें \U0001f64f")
    reports.take(NOW)
    assert InboundMessage.objects.get().text == "रोकें \U0001f64f"
    assert UnsubscribeRecord.objects.get().doctor == who


def test_a_stop_on_the_disk_keeps_back_the_very_next_message(monkeypatch):
    (enrollment,) = enrolled(days=(0,), channels=("whatsapp",))
    schedule_due(NOW)
    with monkeypatch.context() as patch:
        Away(patch)
        assert says(f"whatsapp:{enrollment.doctor.phone}", "STOP").status_code == 200
    lanes.run("whatsapp", lambda: NOW)
    assert not SandboxMessage.objects.exists()
    assert statuses() == {"whatsapp 0": "unsubscribed"}


def test_nothing_is_acknowledged_that_neither_took(away, settings, tmp_path):
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file" / "spool"
    assert status("SM1", "delivered").status_code == 503


def test_a_report_that_the_database_took_and_the_disk_as_well_counts_once(monkeypatch):
    """The connection broke after the commit and before its answer."""
    real = track.store

    def lost_answer(events, now):
        real(events, now)
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(track, "store", lost_answer)
        assert status("SM1", "delivered").status_code == 200
    assert ProviderEvent.objects.count() == 1
    reports.take(NOW)
    assert ProviderEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_table_that_somebody_holds_makes_nobody_wait(monkeypatch):
    monkeypatch.setattr(patience, "PATIENCE", 0.2)
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE provider_events")
        answer = Worker(lambda: status("SM1", "delivered")).result()
        cursor.execute("COMMIT")
    assert answer.status_code == 200
    reports.take(NOW)
    assert ProviderEvent.objects.count() == 1


# --- Many at once ----------------------------------------------------------------------------


class Gate:
    """Storing waits at it, so that others come meanwhile; it notes how many came at once."""

    def __init__(self, monkeypatch):
        self.sizes, self.is_open, self.real = [], threading.Event(), track.store
        monkeypatch.setattr(track, "store", self.store)

    def store(self, events, now):
        self.sizes.append(len(events))
        assert self.is_open.wait(30)
        if any("bad" in event.key for event in events):
            raise DataError
        return self.real(events, now)

    def answers(self, *sids):
        """What reports get that came while the first was being stored."""
        workers = [Worker(lambda: status("first", "sent").status_code)]
        self._until(lambda: self.sizes)
        workers += [Worker(lambda sid=sid: status(sid, "sent").status_code) for sid in sids]
        self._until(lambda: len(intake._waiting) == len(sids))
        self.is_open.set()
        return [worker.result() for worker in workers]

    def _until(self, is_so):
        deadline = time.monotonic() + 30
        while not is_so():
            assert time.monotonic() < deadline
            time.sleep(0.005)


@pytest.mark.django_db(transaction=True)
def test_reports_that_come_together_are_stored_together(monkeypatch):
    gate = Gate(monkeypatch)
    assert gate.answers("SM1", "SM2", "SM3") == [200] * 4
    assert gate.sizes == [1, 3]
    assert ProviderEvent.objects.count() == 4


@pytest.mark.django_db(transaction=True)
def test_a_report_that_is_refused_spoils_none_that_came_with_it(monkeypatch):
    assert Gate(monkeypatch).answers("SM1", "bad", "SM3") == [200, 200, 503, 200]
    assert ProviderEvent.objects.count() == 3


def test_a_fault_that_nobody_thought_of_is_no_acknowledgement(monkeypatch):
    def broken(events, now):
        raise ZeroDivisionError

    monkeypatch.setattr(track, "store", broken)
    with pytest.raises(ZeroDivisionError):
        status("SM1", "sent")  # the server answers 500


# --- The doorbell ----------------------------------------------------------------------------


@pytest.fixture
def rung(monkeypatch):
    """The calls of a worker."""
    calls = SimpleQueue()
    monkeypatch.setattr(tasks.take_reports, "delay", lambda: calls.put(1))
    intake.heard()
    yield calls
    intake.heard()


def test_a_report_rings(rung):
    status("SM1", "sent")
    rung.get(timeout=30)


def test_many_rings_are_one_until_the_worker_begins(rung):
    for _ in range(5):
        intake.ring()
    assert rung.qsize() == 1
    intake.heard()
    intake.ring()
    assert rung.qsize() == 2


def test_a_report_that_comes_during_a_ring_has_another(monkeypatch):
    began, go_on = SimpleQueue(), threading.Event()

    def ring():
        began.put(1)
        assert go_on.wait(30)

    monkeypatch.setattr(intake, "ring", ring)
    monkeypatch.setattr(intake, "_bell", intake._Bell())
    status("SM1", "sent")
    began.get(timeout=30)
    for number in range(5):
        status(f"SM{number}", "delivered")
    go_on.set()
    began.get(timeout=30)


def test_a_doorbell_that_fails_loses_no_report_and_is_rung_again(rung, monkeypatch):
    def broken():
        raise ConnectionError

    with monkeypatch.context() as patch:
        patch.setattr(tasks.take_reports, "delay", broken)
        assert status("SM1", "sent").status_code == 200
        intake.ring()
    assert ProviderEvent.objects.count() == 1
    intake.ring()
    assert rung.qsize() == 1
