"""Lets the last days go by: the real engine, told a `now` that moves, and doctors who react.

Every step is one of the engine's own functions, at the hours of fixtures/schedules.yaml; hours in
which nothing can happen are passed over. All that was replayed is in the database, and doing it
again changes nothing: an interrupted replay goes on at the last moment that left a trace.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from zoneinfo import ZoneInfo

import yaml
from django.db import connection
from django.db.models import Max
from django.utils import timezone

from campaigns import analytics, convert, enroll, launch, schedule
from campaigns.models import Campaign, CampaignStatus
from messaging import record, send
from messaging.models import Channel, DeliveryAttempt
from reengage import initial, supervise
from reengage.demo.audience import Audience
from reengage.demo.generate import DAYS
from segments.identify import cleanup_expired, identify
from segments.models import SegmentType, Session

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SCHEDULE_ZONE = ZoneInfo("Asia/Kolkata")  # of fixtures/schedules.yaml
AFTER_SESSION = timedelta(hours=2)  # strategy, Celery Task Structure
NO_SHOW_TICK = timedelta(minutes=10)
# Hourly tasks that are done at these hours only: the day's messages go out from 10:00 on.
ENROLLING = (2, 8)
ENDING = (8, 20)
REPORT_DAYS = 5
# By then the tables have changed so much that the planner should look again.
ANALYZED_AFTER = {0, 1, 3, 8}  # days

Say = Callable[[str], None]
Task = Callable[[datetime], object]


class Abandoned(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The `uv run` that started us is gone, so nobody waits for the end."""


def begin(start: datetime) -> None:
    """Launch the campaigns of fixtures/ that nobody has launched yet, as of `start`."""
    fixture = yaml.safe_load((initial.FIXTURES / "campaigns.yaml").read_text(encoding="utf-8"))
    drafts = Campaign.objects.filter(
        name__in=[row["name"] for row in fixture], status=CampaignStatus.DRAFT, start_date=None
    )
    for campaign in drafts:
        launch.launch(campaign, start)


def position(start: datetime, now: datetime) -> datetime:
    """Where the replay goes on: `start`, or the last send, but no more than DAYS ago."""
    last = DeliveryAttempt.objects.aggregate(last=Max("authorised_at"))["last"]
    return min(max(start, last or start, now - timedelta(days=DAYS + 1)), now)


class Replay:
    """One run from `start` to `end`; `say` hears in lines how far it is."""

    def __init__(self, start: datetime, end: datetime, seed: int, say: Say) -> None:
        self.start = start
        self.end = end
        self.audience = Audience(seed)
        self._say = say
        self._no_show_ticks = _no_show_ticks(start, end)
        self._sent = 0
        self._told = start
        self._clock = start

    def run(self) -> None:
        """Go through the hours."""
        with connection.cursor() as cursor:
            # A crash of the machine loses the last moments at most, and they can be replayed.
            cursor.execute("SET synchronous_commit = off")
        self.audience.remember(self.start)
        hour = self.start.astimezone(SCHEDULE_ZONE).replace(minute=0, second=0, microsecond=0)
        while hour < self.end:
            if supervise.UV not in (None, os.getppid()):
                raise Abandoned
            self._hour(hour)
            hour += HOUR
        self._finish()

    def _hour(self, hour: datetime) -> None:
        """The tasks of an hour at their minutes, and in between what falls due to be sent."""
        tasks = sorted(self._tasks(hour), key=lambda entry: entry[0])
        for moment, task in tasks:
            if self.start <= moment < self.end:
                self._send_until(moment)
                task(moment)
                self._clock = moment
        self._send_until(min(hour + HOUR, self.end))

    def _tasks(self, hour: datetime) -> Iterator[tuple[datetime, Task]]:
        """What the schedule has in this hour, without what would find nothing new."""
        yield hour, self._schedule
        for tick in self._no_show_ticks:
            if hour <= tick < hour + HOUR:
                yield tick, partial(identify, SegmentType.NO_SHOW)
                yield hour + 50 * MINUTE, self._enroll
        if hour.hour in ENDING:
            yield hour + 20 * MINUTE, self._end_enrollments
        if hour.hour in ENROLLING:
            yield hour + 50 * MINUTE, self._enroll
        if hour.hour == 2:
            yield hour, partial(identify, SegmentType.AIDA_USERS)
            yield hour + 15 * MINUTE, partial(identify, SegmentType.INCOMPLETE_COURSES)
            yield hour + 30 * MINUTE, partial(identify, SegmentType.UNCLAIMED_CERTIFICATES)
            yield hour + 40 * MINUTE, partial(identify, SegmentType.NO_SHOW)
        if hour.hour == 3:
            yield hour, cleanup_expired
            yield hour, record.reap
        if hour.hour == 23:
            yield hour, self._close_day

    def _schedule(self, now: datetime) -> None:
        _, due_at = _next_moments()
        if due_at is not None and due_at < now + schedule.HORIZON:
            schedule.schedule_due(now)
            if (now - self.start).days in ANALYZED_AFTER:
                _analyze()

    def _enroll(self, now: datetime) -> None:
        self.audience.react(now)
        enroll.enroll_running(now)

    def _end_enrollments(self, now: datetime) -> None:
        self.audience.react(now)
        convert.end_converted(now)
        convert.end_finished(now)

    def _close_day(self, now: datetime) -> None:
        self.audience.react(now)
        today = timezone.localdate(now)
        analytics.roll_up(today - timedelta(days=1), today)
        if now - self._told > timedelta(days=REPORT_DAYS - 1):
            self._tell(now)

    def _send_until(self, until: datetime) -> None:
        """Send what falls due before `until`, each message in its minute, as the lanes do."""
        last = None
        while True:
            scheduled_at, _ = _next_moments()
            if scheduled_at is None or scheduled_at >= until:
                return
            at = _minute(max(scheduled_at, self._clock))
            if at >= until or at == last:  # the same again: somebody has paused a lane
                return
            self._clock = last = at
            self.audience.react(at)
            for channel in Channel.values:
                while tally := send.send_due(channel, at):
                    self._sent += tally.sent
            self.audience.notice()

    def _finish(self) -> None:
        """Bring everything to `end`, as the day's last tasks would."""
        self._end_enrollments(self.end)
        analytics.roll_up(timezone.localdate(self.start), timezone.localdate(self.end))
        _analyze()
        self._tell(self.end)

    def _tell(self, now: datetime) -> None:
        first, last = timezone.localdate(self._told), timezone.localdate(now)
        span = f"{first:%d %b}" if first == last else f"{first:%d %b} - {last:%d %b}"
        audience = self.audience
        self._say(
            f"  {span:<16}{self._sent:>8,} sent{audience.came_back:>8,} doctors back"
            f"{audience.opted_out:>6,} opted out"
        )
        self._told, self._sent, audience.came_back, audience.opted_out = now, 0, 0, 0


def _minute(moment: datetime) -> datetime:
    """The first full minute that is not before `moment`."""
    floor = moment.replace(second=0, microsecond=0)
    return floor if floor == moment else floor + MINUTE


def _no_show_ticks(start: datetime, end: datetime) -> list[datetime]:
    """When the ten-minute look for no-shows first sees each session."""
    ends = Session.objects.filter(ends_at__gt=start - AFTER_SESSION, ends_at__lte=end)
    ticks = set()
    for ended in ends.values_list("ends_at", flat=True):
        late = (ended + AFTER_SESSION - start) % NO_SHOW_TICK
        ticks.add(ended + AFTER_SESSION + (NO_SHOW_TICK - late if late else timedelta()))
    return sorted(ticks)


def _next_moments() -> tuple[datetime | None, datetime | None]:
    """When the next waiting message falls due, and the next step that is not scheduled yet."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT (SELECT min(scheduled_at) FROM message_deliveries WHERE status = 'scheduled'),
                   (SELECT min(next_due_at) FROM campaign_enrollments
                    WHERE status = 'active' AND next_due_at IS NOT NULL)
            """
        )
        scheduled_at, due_at = cursor.fetchone()
    return scheduled_at, due_at


def _analyze() -> None:
    """Fresh statistics: the tables grow from nothing within seconds."""
    with connection.cursor() as cursor:
        cursor.execute(
            "ANALYZE message_deliveries, delivery_attempts, campaign_enrollments, "
            "user_segments, provider_events, course_progress, session_registrations"
        )
