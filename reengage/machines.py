"""Whether everything runs that has to: scheduler, workers, lanes, database and Redis.

One set of checks answers /healthz, fills “Needs attention” and the panel of the dashboard.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from queue import Empty, SimpleQueue

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from django.utils import timezone
from redis import Redis
from redis.exceptions import RedisError

from messaging import accounts, heartbeat
from messaging.heartbeat import Lane
from messaging.models import Channel, EventKind, Heartbeat, HeartbeatKind, ProviderEvent

SCHEDULER_SILENT = timedelta(minutes=2)
WORKER_SILENT = timedelta(minutes=1)
LANE_SILENT = timedelta(minutes=3)  # rung every minute, or looked after by polling
RUN_TOO_LONG = timedelta(minutes=2)  # twice what Celery lets it run
LAG_TOO_LONG = timedelta(minutes=10)
LAG_GROWS_FROM = timedelta(minutes=3)
REPORTS_WAIT = timedelta(minutes=5)  # they are taken within a minute
# /healthz answers within two seconds, whatever hangs.
ANSWER_SECONDS = 1.5
REDIS_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that has to run, and in words how it does."""

    name: str
    is_ok: bool
    why: str
    is_warning: bool = False  # not as it should be, and messages go out all the same
    channel: str = ""  # where it is about one


def checks(now: datetime) -> list[Check]:
    """What the heartbeats say. django.db.Error: the database is away."""
    lanes = {lane.channel: lane for lane in heartbeat.lanes()}
    return [
        _scheduler(now),
        _workers(now),
        *(_lane(Channel(channel), lanes.get(channel), now) for channel in Channel.values),
        _reports(now),
    ]


def _scheduler(now: datetime) -> Check:
    last = Heartbeat.objects.filter(kind=HeartbeatKind.BEAT).order_by("-at").first()
    if last is None:
        why = "No scheduler runs: nobody is enrolled and no message is planned."
        return Check("scheduler", is_ok=False, why=why)
    if not is_recent(last.at, SCHEDULER_SILENT, now):
        why = f"The scheduler was last heard of {ago(last.at, now)}: no message is planned."
        return Check("scheduler", is_ok=False, why=why)
    return Check("scheduler", is_ok=True, why=f"Heard of {ago(last.at, now)}.")


def _workers(now: datetime) -> Check:
    heard = heartbeat.heard_within(WORKER_SILENT, now)
    alive = Heartbeat.objects.filter(heard, kind=HeartbeatKind.WORKER).count()
    if not alive:
        return Check("workers", is_ok=False, why="No worker runs: nothing is sent.")
    return Check("workers", is_ok=True, why=f"Running: {alive}.")


def _lane(channel: Channel, lane: Lane | None, now: datetime) -> Check:
    lag = heartbeat.lag_of(channel, now)
    problem = next(_lane_problems(channel, lane, lag, now), "")
    why = problem or (f"The oldest message waits for {span(lag)}." if lag else "Nothing waits.")
    return Check(f"{channel} lane", is_ok=not problem, why=why, channel=channel)


def _lane_problems(
    channel: Channel, lane: Lane | None, lag: timedelta, now: datetime
) -> Iterator[str]:
    if lane is None:
        yield f"Nobody sends on {channel.label}."
        return
    if not is_recent(lane.at, LANE_SILENT, now):
        yield f"Nobody has sent on {channel.label} since {ago(lane.at, now)}."
    if lane.running_since and not is_recent(lane.running_since, RUN_TOO_LONG, now):
        began = ago(lane.running_since, now)
        yield f"Sending on {channel.label} began {began} and has not ended since."
    if lag < LAG_GROWS_FROM:
        return
    account = accounts.account_for(channel)
    if account and account.is_paused:  # somebody wants it so
        return
    words = f"The oldest {channel.label} message has been due for {span(lag)}"
    # Not in the account's own words: they may quote a message, and /healthz asks for no login.
    waits = account and accounts.why_waiting(account, now)
    because = ": its provider is waited for." if waits else "."
    if lag > LAG_TOO_LONG:
        yield words + because
    elif _grows(lane.lags):
        yield f"{words}, and it gets longer{because}"


def _reports(now: datetime) -> Check:
    """Whether what comes in is taken: a STOP that waits is worse than a figure that does."""
    open_ = ProviderEvent.objects.filter(processed_at=None)
    waits = open_.filter(parked_at=None, received_at__lt=now - REPORTS_WAIT)
    if waits.exists():  # by idx_provider_events_open
        why = f"Reports and answers have waited for over {span(REPORTS_WAIT)}: nobody takes them."
        return Check("reports", is_ok=False, why=why)
    if open_.filter(parked_at__isnull=False, kind=EventKind.INBOUND).exists():
        why = "A doctor's message could not be taken. It may be a STOP: look at it."
        return Check("reports", is_ok=False, why=why)
    return Check("reports", is_ok=True, why="Nothing waits.")


def _grows(lags: Sequence[float]) -> bool:
    """Whether each reading of many was longer than the one before."""
    grows = all(one < other for one, other in pairwise(lags))
    return grows and len(lags) == heartbeat.LAGS_KEPT


def redis_check() -> Check:
    """Whether Redis answers, within half a second. Without it sending goes on, by polling."""
    client = Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=REDIS_SECONDS,
        socket_connect_timeout=REDIS_SECONDS,
    )
    try:
        client.ping()
    except (RedisError, OSError):
        after = span(settings.POLL_AFTER)
        why = (
            f"Redis does not answer: messages leave up to {after} late, and nightly work waits "
            "until it is back."
        )
        return Check("redis", is_ok=False, why=why, is_warning=True)
    finally:
        client.close()
    return Check("redis", is_ok=True, why="It answers.")


# --- For /healthz: an answer in time, even where the database hangs -------------------------

_asking = threading.BoundedSemaphore()  # one at a time: those that hang do not pile up


def report() -> list[Check]:
    """Every check, within two seconds whatever hangs."""
    deadline = time.monotonic() + ANSWER_SECONDS
    answers: SimpleQueue[list[Check]] = SimpleQueue()
    _ask(lambda: answers.put(_database_checks()), deadline)
    redis = redis_check()
    try:
        found = answers.get(timeout=max(0.0, deadline - time.monotonic()))
    except Empty:
        found = [_database_away("It does not answer in time.")]
    return [*found, redis]


def _ask(ask: Callable[[], None], deadline: float) -> None:
    """Start asking in a thread; not where an earlier one still waits for its answer."""
    if not _asking.acquire(timeout=max(0.0, deadline - REDIS_SECONDS - time.monotonic())):
        return

    def run() -> None:
        try:
            ask()
        finally:
            connection.close()
            _asking.release()

    threading.Thread(target=run, name="healthz", daemon=True).start()


def _database_checks() -> list[Check]:
    try:
        found = checks(timezone.now())
    except DatabaseError:
        return [_database_away("It does not answer.")]
    return [Check("database", is_ok=True, why="It answers."), *found]


def _database_away(why: str) -> Check:
    return Check("database", is_ok=False, why=why)


# --- Words ----------------------------------------------------------------------------------


def is_recent(at: datetime, limit: timedelta, now: datetime) -> bool:
    """Whether `at` lies within `limit` of now; what lies ahead was written before a clock jump."""
    return abs(now - at) <= limit


def span(length: timedelta) -> str:
    """A length of time in the largest unit that says enough: “90 seconds”, “12 minutes”."""
    seconds = round(length.total_seconds())
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size:,} {unit}s"
    return "1 second" if seconds == 1 else f"{seconds} seconds"


def ago(at: datetime, now: datetime) -> str:
    """How long ago, in words."""
    if now - at < timedelta(seconds=-1):
        return f"in {span(at - now)}, by a clock that goes wrong"
    return "just now" if now - at < timedelta(seconds=1) else f"{span(now - at)} ago"
