"""Lets the last days go by: the real engine, told a `now` that moves, and doctors who react.

Every step is one of the engine's own functions, called as often as it can find something new: what
fixtures/schedules.yaml has every hour or minute is done before and while the day's messages go
out. All that was replayed is in the database, and doing it again changes nothing, so an
interrupted replay goes on at the last moment that left a trace.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import yaml
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from campaigns import analytics, convert, enroll, launch, review, schedule
from campaigns.experiments import lifecycle
from campaigns.models import Campaign, CampaignStatus
from messaging import reap, send
from messaging.models import Channel, DeliveryAttempt
from reengage import initial, supervise
from reengage.demo import inbox, money, trials
from reengage.demo.audience import Audience
from reengage.demo.generate import DAYS
from segments.identify import cleanup_expired, identify
from segments.models import SegmentType, Session

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SCHEDULE_ZONE = ZoneInfo("Asia/Kolkata")  # of fixtures/schedules.yaml
AFTER_SESSION = timedelta(hours=2)  # strategy, Celery Task Structure
NO_SHOW_TICK = timedelta(minutes=10)
# Hours at which messages go out: a step is due at 10:00 of the doctor's zone, and at one of the
# two it is day in each zone of the sample.
SENDING = (10, 16)
REPORTED_DAYS = 5
ANALYZED = {0, 1, 3, 8, 16}  # days after which the tables have changed much
GROWING = (
    "message_deliveries, delivery_attempts, campaign_enrollments, user_segments, provider_events, "
    "sandbox_messages, unsubscribe_records"
)

Say = Callable[[str], None]
Task = Callable[[datetime], object]


class Abandoned(Exception):  # noqa: N818  reads as a sentence where it is raised
    """Nobody waits for the end any more."""


def begin(start: datetime) -> None:
    """Launch the campaigns of fixtures/ that nobody has launched yet, as of `start`."""
    fixture = yaml.safe_load((initial.FIXTURES / "campaigns.yaml").read_text(encoding="utf-8"))
    drafts = Campaign.objects.filter(
        name__in=[row["name"] for row in fixture], status=CampaignStatus.DRAFT, start_date=None
    )
    if drafts:
        money.set_prices()
    approver = _approver()
    for campaign in drafts:
        money.set_value(campaign)
        if approver:
            review.submit(campaign, start, None)
        launch.launch(campaign, start, approver)
        trials.begin(campaign, start, approver)


def _approver() -> User | None:
    """Under four eyes somebody who can't log in launches what nobody in particular wrote."""
    if not settings.FOUR_EYES:
        return None
    nobody = {"first_name": "Demo", "last_name": "Approver", "password": make_password(None)}
    return User.objects.get_or_create(
        username="demo.approver", defaults={**nobody, "is_active": False}
    )[0]


def position(start: datetime, now: datetime) -> datetime:
    """Where the replay goes on: `start`, or the last send, but no more than DAYS before today."""
    last = DeliveryAttempt.objects.aggregate(last=Max("authorised_at"))["last"]
    return min(max(start, last or start, now - timedelta(days=DAYS + 1)), now)


class Replay:
    """One run from `start` to `end`; `say` hears in lines how far it is."""

    def __init__(self, start: datetime, end: datetime, seed: int, say: Say) -> None:
        self.start = start
        self.end = end
        self.audience = Audience(seed)
        self._say = say
        self._sent = 0
        self._told = start

    def run(self) -> None:
        """Go through the days. Abandoned: nobody waits for the end any more."""
        with connection.cursor() as cursor:
            # A crash of the machine loses the last moments at most, and they can be replayed.
            cursor.execute("SET synchronous_commit = off")
        _analyze("")  # all tables: much was imported just now
        self.audience.remember(self.start)
        for moment, task in self._agenda():
            if supervise.UV not in (None, os.getppid()):
                raise Abandoned("The `uv run` that started the demo is gone.")
            task(moment)
        self._finish()

    def _agenda(self) -> Iterator[tuple[datetime, Task]]:
        """What is to be done from `start` to `end`, in order of time."""
        midnight = self.start.astimezone(SCHEDULE_ZONE).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        while midnight < self.end:
            for moment, task in sorted(self._day(midnight), key=lambda entry: entry[0]):
                if self.start <= moment < self.end:
                    yield moment, task
            midnight += DAY

    def _day(self, midnight: datetime) -> Iterator[tuple[datetime, Task]]:
        two = midnight + 2 * HOUR
        yield two, partial(identify, SegmentType.AIDA_USERS)
        yield two + 15 * MINUTE, partial(identify, SegmentType.INCOMPLETE_COURSES)
        yield two + 30 * MINUTE, partial(identify, SegmentType.UNCLAIMED_CERTIFICATES)
        yield two + 40 * MINUTE, partial(identify, SegmentType.NO_SHOW)
        yield two + 50 * MINUTE, self._enroll
        yield two + 60 * MINUTE, cleanup_expired
        for tick in _no_show_ticks(midnight):
            yield tick, partial(identify, SegmentType.NO_SHOW)
            yield tick.replace(minute=50), self._enroll
        for hour in SENDING:
            yield midnight + hour * HOUR, self._send
        yield midnight + 23 * HOUR, self._close_day

    def _enroll(self, now: datetime) -> None:
        self.audience.react(now)
        enroll.enroll_running(now)

    def _send(self, now: datetime) -> None:
        """Schedule and send what is due, lane by lane; who has left or come back gets nothing."""
        if (now - self.start).days in ANALYZED and now.hour == SENDING[-1]:
            _analyze()
        self.audience.react(now)
        reap.reap(now)
        schedule.schedule_due(now)
        for channel in Channel.values:
            while tally := send.send_due(channel, now):
                self._sent += tally.sent
        self.audience.notice()

    def _close_day(self, now: datetime) -> None:
        self._end_enrollments(now)
        lifecycle.review_all(now)
        today = timezone.localdate(now)
        analytics.roll_up(today - DAY, today)
        if now - self._told > (REPORTED_DAYS - 1) * DAY:
            self._tell(now)

    def _end_enrollments(self, now: datetime) -> None:
        self.audience.react(now)
        convert.end_converted(now)
        convert.end_finished(now)

    def _finish(self) -> None:
        """Bring everything to `end`, so that the worker can take over."""
        self._send(self.end)
        inbox.fill(self.end)
        self._end_enrollments(self.end)
        analytics.catch_up(self.end)
        _analyze()
        self._tell(self.end)

    def _tell(self, now: datetime) -> None:
        """Say what happened since the last line."""
        first, last = timezone.localdate(self._told), timezone.localdate(now)
        span = f"{first:%d %b}" if first == last else f"{first:%d %b} - {last:%d %b}"
        audience = self.audience
        self._say(
            f"  {span:<16}{self._sent:>8,} sent{audience.came_back:>8,} doctors back"
            f"{audience.opted_out:>6,} opted out"
        )
        self._told, self._sent, audience.came_back, audience.opted_out = now, 0, 0, 0


def _no_show_ticks(midnight: datetime) -> list[datetime]:
    """When in the day the look for no-shows, every ten minutes, first sees a session."""
    before = midnight - AFTER_SESSION
    ends = Session.objects.filter(ends_at__gt=before, ends_at__lte=before + DAY)
    found = {(ended - before) // -NO_SHOW_TICK for ended in ends.values_list("ends_at", flat=True)}
    return sorted(midnight - NO_SHOW_TICK * ticks for ticks in found)


def _analyze(tables: str = GROWING) -> None:
    """Fresh statistics: tables grow from nothing within seconds, too soon for autovacuum."""
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")
