"""After the faults: wait until nothing is under way, audit, and what the run itself knows."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone

from campaigns.models import CampaignEnrollment
from messaging import reap, reconcile, reports
from messaging.links import timing
from messaging.models import (
    Channel,
    DeliveryAttempt,
    MessageDelivery,
    ProviderEvent,
    SendWindow,
    UnsubscribeRecord,
)
from tests.chaos.crowd import CAMPAIGNS, PER_DOCTOR, Crowd
from tests.chaos.public import OptOut
from tests.chaos.world import CHECKOUT, World

QUIET_WITHIN = 30.0  # seconds without anything getting less
WENT_OUT = ("accepted", "unknown", "written_off")
# What the database refuses must have been tried: the engine may not rely on it.
REFUSALS = ("UniqueViolation", "CheckViolation")


def busy() -> dict[str, int]:
    """What is still under way, or due."""
    now = timezone.now()
    # The lease of a window that was taken by a clock an hour fast runs out in an hour.
    soon = SendWindow.objects.filter(lease_expires_at__lte=now + settings.SEND_LEASE)
    late = SendWindow.objects.filter(lease_expires_at__gt=now + settings.SEND_LEASE)
    held = {pk for ids in late.values_list("delivery_ids", flat=True) for pk in ids}
    sending = MessageDelivery.objects.filter(status="sending").exclude(pk__in=held)
    # A hit on a link waits a while by itself: settle() counts what is left of those.
    waiting = ProviderEvent.objects.filter(processed_at=None, parked_at=None)
    waiting = waiting.exclude(provider="link")
    counts = {
        "due": MessageDelivery.objects.filter(status="scheduled", scheduled_at__lte=now).count(),
        "sending": sending.count(),
        "windows": soon.count(),
        "reports": waiting.count(),
    }
    return {what: number for what, number in counts.items() if number}


def await_quiet(turn: Callable[[], None]) -> dict[str, int]:
    """Wait until nothing is under way; returns what is when it gets no less any more.

    `turn`: what has to be done all the time meanwhile.
    """
    least = sum(busy().values())
    deadline = time.monotonic() + QUIET_WITHIN
    while (left := busy()) and time.monotonic() < deadline:
        if sum(left.values()) < least:
            least = sum(left.values())
            deadline = time.monotonic() + QUIET_WITHIN
        turn()
        time.sleep(0.2)
    return left


def an_hour_later() -> int:
    """Reap what a clock an hour fast holds, which is done in an hour; returns how many windows."""
    held = SendWindow.objects.count()
    reap.reap(timezone.now() + timedelta(hours=1) + settings.SEND_LEASE)
    return held


def settle() -> None:
    """What is done every few minutes, once more at the end, when the last hits can be judged."""
    settled = timezone.now() + timing.SETTLES
    reports.take(settled)
    reports.retry(settled)
    reconcile.reconcile(timezone.now())


def audit(world: World) -> tuple[int, str]:
    """Exit code and lines of `manage.py audit_deliveries` over all ledgers."""
    arguments = []
    for channel in Channel.values:
        arguments += ["--ledger", str(world.ledger(channel)), "--covers", channel]
    lines = StringIO()
    try:
        call_command("audit_deliveries", *arguments, stdout=lines)
    except SystemExit as end:
        return int(end.code or 0), lines.getvalue()
    return 0, lines.getvalue()


# --- The run's own checks --------------------------------------------------------------------


def problems(
    world: World, crowd: Crowd, opted_out: list[OptOut], followed: Counter[uuid.UUID]
) -> Iterator[str]:
    """What should not be, in words; each is found in another way than the audit's."""
    yield from _lost(crowd)
    yield from _accepted_twice(world)
    yield from _after_opt_out(opted_out)
    yield from _lost_visits(followed)
    for channel in Channel.values:
        if not world.ledger(channel).read_bytes():
            yield f"Nothing went out by {channel}: the run says nothing about it."
    for name, number in errors(world).items():
        if name in REFUSALS:
            yield f"The database had to refuse what the engine tried: {name}, {number} times."


def _lost(crowd: Crowd) -> Iterator[str]:
    now = timezone.now()
    enrolled = CampaignEnrollment.objects.count()
    if enrolled != CAMPAIGNS * crowd.entered:
        yield f"{crowd.entered} doctors entered, but there are {enrolled} enrolments."
    deliveries = MessageDelivery.objects.count()
    ended = CampaignEnrollment.objects.filter(status="unsubscribed", deliveries=None).count()
    missing = PER_DOCTOR * crowd.entered - deliveries - ended * PER_DOCTOR // CAMPAIGNS
    if missing:
        yield f"{missing} deliveries were never scheduled."
    stuck = MessageDelivery.objects.filter(status="scheduled", scheduled_at__lte=now)
    stuck = stuck | MessageDelivery.objects.filter(status="sending")
    for delivery in stuck[:5]:
        yield f"Delivery {delivery.pk} is {delivery.status} and nobody takes it."
    open_ones = DeliveryAttempt.objects.filter(outcome="pending").count()
    if open_ones:
        yield f"{open_ones} attempts have no end."


def calls(world: World) -> dict[uuid.UUID, int]:
    """How often each delivery was accepted, as the ledgers say."""
    accepted: Counter[uuid.UUID] = Counter()
    for channel in Channel.values:
        for line in world.ledger(channel).read_text().splitlines():
            accepted[uuid.UUID(json.loads(line)["delivery_id"])] += 1
    return accepted


def _accepted_twice(world: World) -> Iterator[str]:
    attempts: dict[uuid.UUID, Counter[str]] = defaultdict(Counter)
    for delivery_id, outcome in DeliveryAttempt.objects.values_list("delivery_id", "outcome"):
        attempts[delivery_id][outcome] += 1
    for delivery_id, number in calls(world).items():
        may_be = sum(attempts[delivery_id][outcome] for outcome in WENT_OUT)
        if number > may_be:
            yield f"Delivery {delivery_id} was accepted {number} times in {may_be} attempts."


def _after_opt_out(opted_out: list[OptOut]) -> Iterator[str]:
    """By the times in the attempts' keys, which are the database's, and not by any worker's."""
    came_back = set(
        UnsubscribeRecord.objects.exclude(revoked_at=None).values_list("doctor_id", flat=True)
    )
    for out in opted_out:
        if out.doctor_id in came_back:
            continue
        attempts = DeliveryAttempt.objects.filter(doctor_id=out.doctor_id)
        if out.channel:
            attempts = attempts.filter(channel=out.channel)
        for attempt in attempts:
            if written_at(attempt.pk) > out.known_at + timedelta(milliseconds=2):
                yield (
                    f"Doctor {out.doctor_id} opted out of {out.channel or 'everything'} at "
                    f"{out.known_at}; delivery {attempt.delivery_id} was authorised at "
                    f"{written_at(attempt.pk)} ({attempt.authorised_at} by the worker's clock)."
                )


def _lost_visits(followed: Counter[uuid.UUID]) -> Iterator[str]:
    """A link that led on is on record, also where the database was away just then."""
    clicks = ProviderEvent.objects.filter(provider="link", kind="clicked")
    kept = Counter(clicks.values_list("delivery_id", flat=True))
    for delivery_id, number in (followed - kept).items():
        yield f"{number} visits of the link of delivery {delivery_id} are not on record."
    waiting = ProviderEvent.objects.filter(provider="link", processed_at=None, parked_at=None)
    if waiting:
        yield f"{waiting.count()} visits were never counted."


def written_at(key: uuid.UUID) -> datetime:
    """When the row with this key of version 7 was written."""
    return datetime.fromtimestamp((key.int >> 80) / 1000, UTC)


def errors(world: World) -> Counter[str]:
    """Errors of the database that processes met, by class."""
    found: Counter[str] = Counter()
    for log in world.logs.glob("*.log"):
        found.update(re.findall(r"^psycopg\.errors\.(\w+)", log.read_text(), re.MULTILINE))
    return found


# --- What to read ----------------------------------------------------------------------------


def history(world: World, delivery_id: str) -> str:
    """All that is known of one delivery, for whoever looks for the cause."""
    lines = [str(MessageDelivery.objects.filter(pk=delivery_id).values().first())]
    rows = DeliveryAttempt.objects.filter(delivery_id=delivery_id).order_by("id")
    lines += [str(row) for row in rows.values()]
    events = ProviderEvent.objects.filter(delivery_id=delivery_id).order_by("id")
    lines += [str(row) for row in events.values()]
    for channel in Channel.values:
        with world.ledger(channel).open() as ledger:
            lines += [f"{channel}: {line.strip()}" for line in ledger if delivery_id in line]
    return "\n    ".join(lines)


def named(text: str) -> list[str]:
    """The keys that the lines of an audit name."""
    return list(dict.fromkeys(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)))


def states() -> dict[str, int]:
    """Deliveries by state; skipped ones by their reason, waiting ones for themselves."""
    rows = MessageDelivery.objects.values_list("status", "skip_reason").annotate(Count("id"))
    return {f"{status} {reason or ''}".strip(): n for status, reason, n in rows.order_by()}


@contextmanager
def logs_kept_on_failure(world: World, name: str) -> Iterator[None]:
    """Where the run itself breaks off, the logs are all there is."""
    try:
        yield
    except BaseException:
        print(f"logs: {keep_logs(world, name)}")
        raise


def why_unknown() -> dict[str, int]:
    """What the attempts of unknown deliveries say."""
    attempts = DeliveryAttempt.objects.filter(outcome="unknown", delivery__status="unknown")
    rows = attempts.values_list("error_message").annotate(Count("id")).order_by()
    return dict(rows)


def keep_logs(world: World, name: str) -> Path:
    """Copy the logs out of the directory that goes away."""
    place = CHECKOUT / ".data" / "chaos" / name
    place.mkdir(parents=True, exist_ok=True)
    for log in world.logs.iterdir():
        (place / log.name).write_bytes(log.read_bytes())
    return place
