"""What can rightly happen to messages in a few days, and ways to make happen what can not."""

import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage
from campaigns.schedule import schedule_due
from messaging import again, reap, reconcile
from messaging.audit.run import audit
from messaging.authorize import authorize_one, hand_over
from messaging.models import (
    Channel,
    DeliveryAttempt,
    EventKind,
    MessageDelivery,
    ProviderAccount,
    SandboxMessage,
)
from messaging.optout import opt_in, opt_out
from messaging.providers.base import HandOff, Outgoing, Receipt, Refused, Unknown
from messaging.providers.sandbox import SandboxProvider
from messaging.retry import JITTER, LADDER
from messaging.track import Event, apply_events, store
from segments.models import Doctor
from tests.engine import DAY, NOW, campaign, enroll, member, send_all

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)

RESET = Unknown("read timeout")
BUSY = Refused("429", "too many", permanent=False)
WRONG = Refused("21211", "no such number", permanent=True)


@dataclass
class Moody:
    """The sandbox, but chosen addresses get other answers first."""

    answers: dict[str, list[Receipt]] = field(default_factory=dict)
    name: str = "sandbox"

    def send(self, messages: Sequence[Outgoing], hand_off: HandOff) -> list[Receipt]:
        receipts = []
        for message in messages:
            waiting = self.answers.get(message.recipient)
            if waiting:
                receipts.append(hand_off.note(waiting.pop(0)))
            else:
                receipts += SandboxProvider().send([message], hand_off)
        return receipts


def days_of_everything(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Every status, outcome and kind of report, all by the engine itself; returns when it ends."""
    moody = Moody()
    monkeypatch.setattr("messaging.send.provider_for", lambda _channel: moody)
    for channel in Channel.values:
        ProviderAccount.objects.create(channel=channel, provider="sandbox")
    made = campaign(days=(0, 1, 3))
    people = [member() for _ in range(10)]
    again_, given_up, busy, wrong, lost, dropped, leaves, wavers = people[:8]
    moody.answers = {
        str(again_.phone): [RESET],
        str(given_up.phone): [RESET],
        str(busy.phone): [BUSY, BUSY],
        str(wrong.phone): [WRONG],
    }
    enroll(made, NOW)
    schedule_due(NOW)
    opt_out(wavers.pk, "sms", None, source="link", now=NOW)
    _lose_worker(lost, handed_over=True)
    _lose_worker(dropped, handed_over=False)
    send_all(NOW)
    report_at_random(NOW + 2 * MINUTE, seed=0)
    for tries in (1, 2):
        send_all(NOW + sum(LADDER[:tries], timedelta()) * (1 + JITTER))
    unknown = MessageDelivery.objects.get(doctor=again_, status="unknown")
    again.send_again(unknown.pk, "asha", NOW + HOUR)
    opt_out(leaves.pk, None, None, source="link", now=NOW + HOUR)
    for day in range(1, 6):
        now = NOW + day * DAY
        reconcile.reconcile(now + HOUR)
        if day == 2:
            opt_in(wavers.unsubscribes.get(), now)
        send_all(now)
        report_at_random(now + 2 * MINUTE, seed=day)
    settle()
    return NOW + 5 * DAY + HOUR


def _lose_worker(whose: Doctor, *, handed_over: bool) -> None:
    """Its worker ends before or after the call; the reaper finds it."""
    delivery = MessageDelivery.objects.get(
        doctor=whose, channel="whatsapp", campaign_message__delay_days=0
    )
    (claim,) = authorize_one(delivery.pk, "whatsapp", NOW).claims
    if handed_over:
        assert hand_over(claim.claim_id, NOW)
        report = Event("test", "early", EventKind.DELIVERED, NOW, delivery_id=delivery.pk)
        store([report], NOW)
    reap.reap(NOW + 91 * SECOND)
    apply_events(NOW + 2 * MINUTE)


def report_at_random(now: datetime, seed: int) -> None:
    """What was sent is reported on: shuffled, doubled, by machines too, some names unknown."""
    rng = random.Random(seed)
    sent = MessageDelivery.objects.filter(sent_at__gte=now - HOUR).order_by("pk")
    events = [
        Event(
            "test",
            f"{delivery.pk}:{kind}:{rng.randrange(3)}",
            kind,
            now + rng.randrange(-60, 60) * SECOND,
            delivery_id=delivery.pk,
            is_machine=rng.random() < 0.2,
        )
        for delivery in sent
        for kind in rng.sample(sorted(set(EventKind) - {EventKind.INBOUND}), rng.randrange(4))
    ]
    events.append(Event("test", f"nobody:{seed}", EventKind.OPENED, now, external_id="nobody"))
    rng.shuffle(events)
    half = len(events) // 2
    store(events[: half + 5], now)
    apply_events(now)
    store(events[half - 5 :], now)
    apply_events(now)


def settle() -> None:
    """Campaigns and steps have been as they are for long: the database stamps them with today."""
    Campaign.objects.update(updated_at=NOW - 30 * DAY)
    CampaignMessage.objects.update(created_at=NOW - 30 * DAY)


# --- One message, and what can be done to it ---------------------------------------------------


def sent(channel: str = "sms", at: datetime = NOW) -> MessageDelivery:
    """A message that went out through the sandbox, of a campaign of its own."""
    made = campaign(days=(0,), channels=(channel,))
    whom = member()
    enroll(made, at, [whom.pk])
    send_all(at)
    settle()
    delivery = MessageDelivery.objects.get(doctor=whom)
    assert delivery.status == "sent"
    return delivery


def went_out(whom: Doctor, channel: str, at: datetime, **fields: Any) -> DeliveryAttempt:
    """One more accepted message to a doctor at that time, whatever the policy says to it."""
    made = campaign(days=(0,), channels=(channel,), status="paused")
    enrollment = CampaignEnrollment.objects.create(
        campaign=made, doctor=whom, enrolled_at=at, subject=str(made.pk)
    )
    delivery = MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=made.steps.get(),
        doctor=whom,
        channel=channel,
        due_at=at,
        scheduled_at=at,
        expires_at=at + 2 * DAY,
        sent_at=at,
        status="sent",
    )
    SandboxMessage.objects.create(delivery=delivery, recipient="x", text="x", accepted_at=at)
    whom.refresh_from_db()
    values: dict[str, Any] = {
        "claim_id": delivery.pk,
        "authorised_at": at,
        "finished_at": at,
        "outcome": "accepted",
        "external_id": f"sandbox-{delivery.pk}",
        "consent_version": whom.consent_version,
        "timezone": whom.timezone,
    }
    return DeliveryAttempt.objects.create(
        delivery=delivery, doctor=whom, channel=channel, **{**values, **fields}
    )


def run_sql(statement: str, *values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SET CONSTRAINTS ALL IMMEDIATE"
        )  # else a table is in use and can't be changed
        cursor.execute(statement, values or None)


@contextmanager
def unguarded() -> Iterator[None]:
    """No trigger of the database fires: what they refuse can be written."""
    run_sql("SET LOCAL session_replication_role = replica")
    yield
    run_sql("SET LOCAL session_replication_role = origin")


def found(
    now: datetime = NOW + HOUR,
    since: datetime | None = None,
    ledgers: Sequence[Path] = (),
    covers: Sequence[str] = (),
) -> dict[str, int]:
    """How many rows break each invariant that is broken."""
    outcomes = audit(now, since, ledgers, covers)
    return {one.invariant.code: one.found.count for one in outcomes if one.found.count}


def words(code: str, now: datetime = NOW + HOUR) -> list[str]:
    """What is said of the rows that break an invariant."""
    (outcome,) = (one for one in audit(now) if one.invariant.code == code)
    return [row.what for row in outcome.found.rows]


def ledger(path: Path, *calls: Any) -> Path:
    """A provider's ledger, as tests/providers write it."""
    lines = [
        {"delivery_id": str(getattr(call, "pk", call)), "recipient": "x", "at": NOW.timestamp()}
        for call in calls
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path
