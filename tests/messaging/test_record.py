"""Answers are known nowhere else: written although the database was away, or they hold garbage."""

from contextlib import closing
from datetime import timedelta

import psycopg
import pytest
from django.conf import settings
from django.db import OperationalError, connection, connections

from campaigns.schedule import schedule_due
from messaging import record as record_module
from messaging.authorize import authorize_due, hand_over
from messaging.models import DeliveryAttempt, MessageDelivery, SendWindow
from messaging.providers.base import Accepted, Refused, Unknown
from messaging.reap import reap
from messaging.record import PATIENCE, Tally
from messaging.send import send_due
from tests.engine import NOW, answer, enrolled
from tests.messaging.scripted import BUSY, SILENT, TAKEN
from tests.messaging.together import Worker

pytestmark = pytest.mark.django_db(transaction=True)
SECOND = timedelta(seconds=1)


def due(count):
    enrolled(count, days=(0,), channels=("sms",))
    schedule_due(NOW)


def backend():
    """The server's process of this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return cursor.fetchone()[0]


def cut(pid):
    """End the connection from outside, as a restart of the server or a firewall does."""
    with closing(connections["default"].copy()) as other, other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
        assert cursor.fetchone() == (True,)


def statuses():
    return list(MessageDelivery.objects.order_by("pk").values_list("status", flat=True))


@pytest.fixture(autouse=True)
def _whole_again(transactional_db):
    """A test that failed with its connection cut leaves a new one to the next."""
    yield
    connection.close()


@pytest.fixture
def naps(monkeypatch):
    """Waits of the recording, which take no time."""
    waited = []
    monkeypatch.setattr(record_module.time, "sleep", waited.append)
    return waited


@pytest.mark.parametrize("answered", [TAKEN, BUSY, SILENT], ids=["sent", "refused", "unknown"])
def test_a_connection_cut_in_the_middle_of_the_call_loses_no_answer(provider, naps, answered):
    """A refusal for now looks up the earlier tries first: that is retried as well."""
    due(2)
    scripted = provider(answered)
    scripted.during = lambda: len(scripted.ledger) == 1 and cut(backend())
    send_due("sms", NOW)
    status = {TAKEN: "sent", BUSY: "scheduled", SILENT: "unknown"}[answered]
    assert statuses() == [status] * 2
    assert not DeliveryAttempt.objects.filter(outcome="pending").exists()
    assert not SendWindow.objects.exists()
    assert naps == [PATIENCE[0]]


def test_a_database_that_is_away_for_a_while_is_waited_for(provider, naps, monkeypatch):
    due(2)
    provider(TAKEN)
    write, tries = record_module._write, []

    def away(values):
        tries.append(values)
        if len(tries) <= 5:
            raise OperationalError("the database system is starting up")
        return write(values)

    monkeypatch.setattr(record_module, "_write", away)
    assert send_due("sms", NOW) == Tally(sent=2)
    assert naps == list(PATIENCE[:5])


def test_a_database_that_stays_away_is_an_error_and_the_reaper_makes_them_unknown(
    provider, naps, monkeypatch
):
    due(2)
    provider(TAKEN)

    def away(values):
        raise OperationalError("the database system is shutting down")

    with monkeypatch.context() as patch:
        patch.setattr(record_module, "_write", away)
        with pytest.raises(OperationalError):
            send_due("sms", NOW)
    assert naps == list(PATIENCE)
    assert statuses() == ["sending"] * 2
    assert reap(NOW + settings.SEND_LEASE + SECOND) == 2
    assert statuses() == ["unknown"] * 2


def test_patience_and_the_call_fit_into_the_lease():
    waited = timedelta(seconds=sum(PATIENCE))
    assert settings.CALL_DEADLINE + waited < settings.SEND_LEASE
    assert settings.HAND_OFF_WITHIN < settings.CALL_DEADLINE < settings.LANE_TIME_LIMIT
    assert settings.LANE_TIME_LIMIT < settings.SEND_LEASE


def test_a_commit_that_nobody_heard_of_is_written_again_and_changes_nothing(
    provider, naps, monkeypatch
):
    due(4)
    provider(TAKEN, BUSY, SILENT, Refused("400", "no such number", permanent=True))
    write, tries = record_module._write, []

    def unheard(values):
        tries.append(write(values))
        if len(tries) == 1:
            raise OperationalError("server closed the connection unexpectedly")
        return tries[-1]

    monkeypatch.setattr(record_module, "_write", unheard)
    send_due("sms", NOW)
    assert len(tries) == 2
    assert sorted(statuses()) == ["failed", "scheduled", "sent", "unknown"]
    outcomes = DeliveryAttempt.objects.values_list("outcome", flat=True)
    assert sorted(outcomes) == ["accepted", "refused", "refused", "unknown"]
    refused = MessageDelivery.objects.get(status="scheduled")
    assert refused.scheduled_at > NOW


def test_a_connection_cut_while_authorising_sends_nothing_and_keeps_everything(
    provider, monkeypatch
):
    due(2)
    scripted = provider()

    def cut_off(*args, **how):
        cut(backend())
        return authorize_due(*args, **how)

    with monkeypatch.context() as patch:
        patch.setattr("messaging.send.authorize_due", cut_off)
        with pytest.raises(OperationalError):
            send_due("sms", NOW)
    connection.close()
    assert scripted.ledger == []
    assert statuses() == ["scheduled"] * 2
    assert send_due("sms", NOW) == Tally(sent=2)


def test_a_connection_cut_before_the_hand_over_sends_nothing_and_gives_back(provider, monkeypatch):
    due(2)
    scripted = provider()

    def cut_off(*args):
        cut(backend())
        return hand_over(*args)

    with monkeypatch.context() as patch:
        patch.setattr("messaging.send.hand_over", cut_off)
        with pytest.raises(OperationalError):
            send_due("sms", NOW)
    connection.close()
    assert scripted.ledger == []
    later = NOW + settings.SEND_LEASE + SECOND
    assert reap(later) == 0
    assert statuses() == ["scheduled"] * 2


def test_a_hand_over_that_nobody_heard_of_sends_nothing_and_ends_as_unknown(provider, monkeypatch):
    """Nobody can know better: it is not sent a second time."""
    due(2)
    scripted = provider()

    def unheard(*args):
        assert hand_over(*args)
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as patch:
        patch.setattr("messaging.send.hand_over", unheard)
        with pytest.raises(OperationalError):
            send_due("sms", NOW)
    assert scripted.ledger == []
    assert reap(NOW + settings.SEND_LEASE + SECOND) == 2
    assert statuses() == ["unknown"] * 2


def test_garbage_in_one_answer_costs_no_other(provider):
    due(6)
    script = [
        Accepted("a\0b"),
        Accepted("x" * 300),
        Accepted("\ud800"),
        Refused("\0" * 60, "no\0such \udfff number", permanent=True),
        Unknown("\0"),
        TAKEN,
    ]
    scripted = provider(*script)
    assert send_due("sms", NOW) == Tally(sent=4, failed=1, unknown=1)
    rows = {row.pk: row for row in MessageDelivery.objects.all()}
    taken = [rows[pk] for pk in scripted.ledger]
    assert [row.external_id for row in taken[:3]] == ["ab", "x" * 255, "?"]
    assert taken[3].error_message.startswith("nosuch ? number")
    assert taken[4].error_message
    assert taken[5].external_id == f"x-{taken[5].pk}"  # its own, and nobody else's


def test_an_answer_without_an_id_of_the_providers_has_none(provider):
    due(1)
    provider(Accepted(""))
    assert send_due("sms", NOW) == Tally(sent=1)
    assert MessageDelivery.objects.get().external_id is None


def test_a_recording_within_somebodys_transaction_is_not_tried_again(naps):
    due(1)
    claims = authorize_due("sms", NOW, 500).claims

    def in_a_transaction():
        with record_module.transaction.atomic():
            cut(backend())
            answer(claims, [Accepted("x")], NOW)

    with pytest.raises((OperationalError, psycopg.OperationalError)):
        Worker(in_a_transaction).result()
    assert naps == []
    assert statuses() == ["sending"]
