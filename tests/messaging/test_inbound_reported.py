"""What is reported of an answer: one that did not arrive waits in the inbox, and says why."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from messaging import reports
from messaging.models import ProviderEvent, Reply, UnsubscribeRecord
from messaging.privacy import erase
from tests.admin.world import page
from tests.engine import NOW
from tests.messaging.test_inbound_reply import became, wrote
from tests.webhook_calls import BASE, KEYS, interakt, interakt_report, status

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)
SID = "SM1"
STRANGER = "01a2052f-a77d-720b-99e1-ccb3122a4455"  # another program's, of the same account


@pytest.fixture(autouse=True)
def _world(settings: Any, tmp_path: Any, time_machine: Any) -> None:
    settings.WEBHOOK_KEYS = KEYS
    settings.PUBLIC_BASE_URL = BASE
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.MEDIA_ROOT = tmp_path / "media"
    time_machine.move_to(NOW, tick=False)


def answered(state: str = "sent") -> Reply:
    reply = wrote()
    reply.status, reply.external_id = state, SID if state == "sent" else ""
    reply.sent_at = NOW if state == "sent" else None
    reply.save()
    return reply


def told(reply: Reply, *names: str, **more: str) -> tuple[str, bool]:
    """What became of the answer, after these statuses of Twilio's."""
    for name in names:
        assert status(SID, name, reply.pk, **more).status_code == 200
    reports.take(NOW + MINUTE)
    reports.retry(NOW + MINUTE)
    return became(reply)


def test_failure_that_is_reported_later_puts_the_message_back(admin_client: Client) -> None:
    reply = answered()
    assert told(reply, "sent", "undelivered", ErrorCode="30003") == ("failed", True)
    why = "Reported afterwards: 30003 The phone was switched off or out of reach."
    assert reply.error == why
    shown = admin_client.get(page(type(reply.message), "change", reply.message.pk))
    assert why in shown.content.decode()
    assert not ProviderEvent.objects.filter(processed_at=None).exists()


@pytest.mark.parametrize("state", ["sent", "unknown"])
@pytest.mark.parametrize("names", [("sent", "delivered"), ("read",), ("failed", "delivered")])
def test_what_arrived_is_sent(state: str, names: tuple[str, ...]) -> None:
    assert told(answered(state), *names)[0] == "sent"


def test_failure_is_told_of_once() -> None:
    reply = answered()
    told(reply, "failed")
    reply.message.handled_at = NOW
    reply.message.save()
    assert told(reply, "undelivered") == ("failed", False)  # somebody has seen to it


def test_report_that_comes_before_our_own_record_waits() -> None:
    reply = answered("sending")
    assert told(reply, "failed") == ("sending", False)
    Reply.objects.update(status="sent")
    assert told(reply) == ("failed", True)


def test_interakts_reports_of_answers_are_taken_too() -> None:
    reply = answered()
    failed = interakt_report("message_api_failed", reply.pk, channel_failure_reason="blocked")
    assert interakt(failed).status_code == 200
    assert told(reply) == ("failed", True)
    assert reply.error == "Reported afterwards: blocked"


def test_doctor_who_opted_out_at_the_provider_is_heeded() -> None:
    reply = answered()
    told(reply, "failed", ErrorCode="21610")
    record = UnsubscribeRecord.objects.standing().get()
    assert (record.doctor, record.channel) == (reply.message.doctor, "whatsapp")


def test_nobody_looks_at_the_message_of_somebody_who_was_erased() -> None:
    reply = answered()
    erase.erase(reply.message.doctor_id, NOW)
    assert told(reply, "failed") == ("failed", False)


def test_reports_of_nobodys_messages_stay_aside() -> None:
    reply = answered()
    assert status("SM9", "failed", STRANGER).status_code == 200
    assert told(reply) == ("sent", False)
    assert ProviderEvent.objects.filter(processed_at=None).count() == 1
