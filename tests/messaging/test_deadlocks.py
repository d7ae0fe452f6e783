"""Everything at once, at random: nobody waits in a circle, and nothing is lost or sent twice.

Locks are taken in this order, and each kind in the order of its ids: send_windows, doctors,
enrolments, deliveries, attempts. The sender waits for nobody (SKIP LOCKED). An account's row, and
the rows of reports, are held by nobody who waits for one of those.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, connections

from campaigns.convert import end_converted
from campaigns.enroll import enroll
from campaigns.models import Campaign
from campaigns.schedule import schedule_due
from messaging.accounts import admit, give_back, note
from messaging.again import NotUnknownError, send_again
from messaging.authorize import authorize_due, hand_over, skip_expired
from messaging.models import (
    Channel,
    DeliveryAttempt,
    EventKind,
    MessageDelivery,
    ProviderAccount,
    SendWindow,
    UnsubscribeRecord,
)
from messaging.optout import opt_in, opt_out
from messaging.providers.base import Accepted, NotSent, Receipt, Refused, Unknown
from messaging.reap import reap
from messaging.reconcile import GIVE_UP_AFTER, reconcile
from messaging.record import Tally, answered, record
from messaging.track import Event, apply_events, retry_parked, store
from segments.imports.bulk import import_file
from segments.models import Certificate, Doctor
from tests.engine import NOW, campaign, enrolled

pytestmark = pytest.mark.django_db(transaction=True)
SECONDS = 10.0
HOUR = timedelta(hours=1)
HEADER = "doctor_id,channel,is_given,recorded_at,source\n"


class Crowd:
    """Every kind of worker, each step of which a thread may take at any time."""

    def __init__(self, seed: int, directory: Path) -> None:
        self.random = random.Random(seed)
        self.file = directory / f"consents-{seed}.csv"
        self.doctors = list(Doctor.objects.values_list("pk", "external_id"))
        self.calls: Counter[object] = Counter()  # by delivery: how often a provider took it
        self.done: Counter[str] = Counter()

    def step(self) -> None:
        """Do something."""
        steps: list[Callable[[], object]] = [
            *[self.send] * 8,
            *[self.report] * 4,
            *[self.opt] * 3,
            *[self.again] * 2,
            self.reap,
            self.settle,
            self.withdraw,
            self.import_consents,
            self.come_back,
            self.expire,
        ]
        chosen = self.random.choice(steps)
        chosen()
        self.done[chosen.__name__] += 1

    def doctor(self) -> int:
        return self.random.choice(self.doctors)[0]

    def delivery(self, **fields: object) -> MessageDelivery | None:
        return MessageDelivery.objects.filter(**fields).order_by("?").first()

    def send(self) -> None:
        """A window, whose worker may die or be late at any step."""
        channel = self.random.choice(Channel.values)
        allowance = admit(channel, self.random.choice([1, 5, 40]), NOW)
        claims = authorize_due(channel, NOW, allowance.messages or 1, allowance.account_id).claims
        time.sleep(self.random.choice([0, 0, 0.01]))
        if not claims or self.random.random() < 0.1:
            return
        if not hand_over(claims[0].claim_id, NOW):
            return
        receipts = [self.receipt(claim.delivery_id) for claim in claims]
        time.sleep(self.random.choice([0, 0, 0.02]))
        if self.random.random() < 0.1:
            return
        results = [
            answered(c.delivery_id, c.claim_id, receipt, None if receipt is GONE else NOW)
            for c, receipt in zip(claims, receipts, strict=True)
        ]
        self.random.shuffle(results)
        record(results, NOW, Tally())
        give_back(allowance, 1)
        note(allowance, receipts, NOW)

    def receipt(self, delivery_id: object) -> Receipt:
        receipt = self.random.choice(
            [Accepted(f"x-{delivery_id}"), BUSY, GONE, NotSent(), Unknown("no answer")]
        )
        if isinstance(receipt, Accepted | Unknown):
            self.calls[delivery_id] += 1
        return receipt

    def report(self) -> None:
        rows = MessageDelivery.objects.order_by("?").values_list("pk", "external_id")[:30]
        kinds = list(EventKind)
        store(
            [
                Event("test", str(self.random.random()), self.random.choice(kinds), NOW, pk)
                if self.random.random() < 0.5
                else Event("test", f"{external_id}", EventKind.SENT, NOW, None, external_id or "")
                for pk, external_id in rows
            ],
            NOW,
        )
        self.random.choice([apply_events, retry_parked])(NOW)

    def opt(self) -> None:
        segment = self.random.choice([None, "unclaimed_certificates"])
        channel = self.random.choice([None, *Channel.values])
        opt_out(self.doctor(), channel, segment, source="test", now=NOW)

    def withdraw(self) -> None:
        for one in UnsubscribeRecord.objects.standing().order_by("?")[:5]:
            opt_in(one, NOW)

    def again(self) -> None:
        if delivery := self.delivery(status="unknown"):
            try:
                send_again(delivery.pk, "Asha", NOW)
            except NotUnknownError:
                self.done["too late to send again"] += 1

    def reap(self) -> None:
        reap(NOW + HOUR)

    def settle(self) -> None:
        reconcile(NOW + self.random.choice([HOUR, GIVE_UP_AFTER]))

    def import_consents(self) -> None:
        chosen = self.random.sample(self.doctors, 10)
        lines = [
            f"{name},{self.random.choice(Channel.values)},yes,2026-01-{n + 1:02},test\n"
            for n, (_, name) in enumerate(chosen)
        ]
        self.file.write_text(HEADER + "".join(lines))
        import_file("consents", self.file, now=NOW)

    def come_back(self) -> None:
        Certificate.objects.filter(doctor_id=self.doctor()).update(downloaded_at=NOW)
        end_converted(NOW)

    def expire(self) -> None:
        if delivery := self.delivery(status="scheduled"):
            MessageDelivery.objects.filter(pk=delivery.pk, status="scheduled").update(
                expires_at=NOW
            )
            skip_expired(delivery.channel, NOW, "The account is paused by hand.")


BUSY = Refused("503", "busy", permanent=False)
GONE = Refused("400", "no such number", permanent=True)


@pytest.fixture
def world(settings):
    """Doctors with many messages due at once, and no cap that would keep them."""
    settings.CAP_PER_DAY = settings.CAP_PER_WEEK = 10_000
    settings.CAP_CHANNEL_INTERVAL = timedelta(0)
    for channel in Channel.values:
        ProviderAccount.objects.create(
            channel=channel, provider="sandbox", rate_per_second=1000, burst=500
        )
    enrolled(40, days=(0,))
    for _ in range(9):
        enroll(campaign(days=(0,)), NOW)
    schedule_due(NOW)
    assert MessageDelivery.objects.count() == 1200
    assert Campaign.objects.count() == 10


def deadlocks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot(), deadlocks "
            "FROM pg_stat_database WHERE datname = current_database()"
        )
        return cursor.fetchone()[2]


def run(crowds: list[Crowd]) -> list[BaseException]:
    """Let each work in a thread of its own for SECONDS; the errors that ended one."""
    until, errors = time.monotonic() + SECONDS, []

    def work(crowd: Crowd) -> None:
        try:
            while time.monotonic() < until and not errors:
                crowd.step()
        except BaseException as error:  # noqa: BLE001  told by the test
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[crowd]) for crowd in crowds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return errors


def test_everything_at_once_never_waits_in_a_circle_and_keeps_the_promises(world, tmp_path):
    before = deadlocks()
    crowds = [Crowd(seed, tmp_path) for seed in range(8)]
    errors = run(crowds)
    assert errors == []
    assert deadlocks() == before
    done = sum((crowd.done for crowd in crowds), Counter())
    assert min(done[name] for name in ("send", "report", "opt", "again", "reap", "settle")) > 0
    ProviderAccount.objects.update(is_paused=True)
    reap(NOW + 2 * HOUR)
    assert not SendWindow.objects.exists()
    assert not MessageDelivery.objects.filter(status="sending").exists()
    assert not DeliveryAttempt.objects.filter(outcome="pending").exists()
    # Handed over twice only where a person said so, and every call has its attempt.
    calls = sum((crowd.calls for crowd in crowds), Counter())
    by_hand = DeliveryAttempt.objects.filter(outcome="written_off")
    sent_again = Counter(by_hand.values_list("delivery_id", flat=True))
    assert all(count <= 1 + sent_again[pk] for pk, count in calls.items())
    known = set(DeliveryAttempt.objects.values_list("delivery_id", flat=True))
    assert set(calls) <= known
    silent = MessageDelivery.objects.filter(status__in=["failed", "unknown"], error_message=None)
    assert not silent.exists()
    assert_no_opt_out_was_overlooked()


def assert_no_opt_out_was_overlooked() -> None:
    """No attempt saw a counter at which an opt-out stood that covered it."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT count(*) FROM delivery_attempts a JOIN unsubscribe_records u
              ON u.user_id = a.user_id AND (u.channel IS NULL OR u.channel = a.channel)
             AND a.consent_version >= u.consent_version
             AND (u.revoked_version IS NULL OR a.consent_version < u.revoked_version)
            """
        )
        assert cursor.fetchone() == (0,)
