"""Reports that come while PostgreSQL is away are on disk before they are acknowledged."""

import pytest
from django.db import OperationalError, connection

from messaging import reports, spool, tasks
from messaging.models import InboundMessage, MessageDelivery, ProviderEvent, UnsubscribeRecord
from messaging.webhooks import intake
from tests.engine import NOW, doctor, enrolled, send_all
from tests.messaging.together import Worker
from tests.webhook_calls import says, status

pytestmark = pytest.mark.django_db


class Away:
    """The database does not answer."""

    def __init__(self, monkeypatch):
        self.asked = 0
        monkeypatch.setattr(intake, "_store", self.refuse)

    def refuse(self, events, now):
        self.asked += 1
        raise OperationalError("server closed the connection")


@pytest.fixture
def away(monkeypatch):
    return Away(monkeypatch)


def test_a_report_is_kept_on_disk_and_counted_once_when_the_database_is_back(monkeypatch):
    enrolled(days=(0,), channels=("sms",))
    send_all(NOW)
    delivery = MessageDelivery.objects.get()
    with monkeypatch.context() as patch:
        away = Away(patch)
        for _ in range(3):
            assert status("SM1", "delivered", delivery.pk).status_code == 200
        assert away.asked == 1  # the others did not wait for it
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


def test_nothing_is_acknowledged_that_neither_took(away, settings, tmp_path):
    (tmp_path / "file").touch()
    settings.SPOOL_DIR = tmp_path / "file" / "spool"
    assert status("SM1", "delivered").status_code == 503


def test_a_report_that_the_database_took_and_the_disk_as_well_counts_once(monkeypatch):
    """The connection broke after the commit and before its answer."""
    real = intake._store

    def lost_answer(events, now):
        real(events, now)
        raise OperationalError

    with monkeypatch.context() as patch:
        patch.setattr(intake, "_store", lost_answer)
        assert status("SM1", "delivered").status_code == 200
    assert ProviderEvent.objects.count() == 1
    reports.take(NOW)
    assert ProviderEvent.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_table_that_somebody_holds_makes_nobody_wait(monkeypatch):
    monkeypatch.setattr(intake, "PATIENCE", "200ms")
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; LOCK TABLE provider_events")
        answer = Worker(lambda: status("SM1", "delivered")).result()
        cursor.execute("COMMIT")
    assert answer.status_code == 200
    reports.take(NOW)
    assert ProviderEvent.objects.count() == 1


# --- The doorbell ----------------------------------------------------------------------------


@pytest.fixture
def rung(monkeypatch):
    """How often a worker was called."""
    intake.heard()
    calls = []
    monkeypatch.setattr(tasks.take_reports, "delay", lambda: calls.append(1))
    yield calls
    intake.heard()


def test_many_reports_ring_once_until_the_worker_begins(rung):
    for number in range(5):
        status(f"SM{number}", "sent")
    assert len(rung) == 1
    intake.heard()
    status("SM9", "sent")
    assert len(rung) == 2


def test_a_doorbell_that_fails_loses_no_report(rung, monkeypatch):
    def broken():
        raise ConnectionError

    monkeypatch.setattr(tasks.take_reports, "delay", broken)
    assert status("SM1", "sent").status_code == 200
    assert ProviderEvent.objects.count() == 1
