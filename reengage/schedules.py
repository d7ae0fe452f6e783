"""When the known work runs: read as words, and set by an hour and a minute.

The schedules that `setup` makes have one of few rhythms (fixtures/schedules.yaml): every day or on
one day of the week at a time, every hour at a minute, every so many minutes. Whoever may edit
schedules chooses within such a rhythm; what runs, and with what, is not theirs to choose.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time
from typing import Literal

from django_celery_beat.models import CrontabSchedule, PeriodicTask

Rhythm = Literal["daily", "weekly", "hourly", "minutes", "other"]
MINUTES = (1, 2, 5, 10, 15, 20, 30)
WEEKDAYS = (
    ("1", "Monday"),
    ("2", "Tuesday"),
    ("3", "Wednesday"),
    ("4", "Thursday"),
    ("5", "Friday"),
    ("6", "Saturday"),
    ("0", "Sunday"),
)
# Without these nothing goes out, or what went out is not known.
SENDING = {
    "segments.tasks.identify_aida_users_without_agents": "no new doctors are found for the segment",
    "segments.tasks.identify_incomplete_course_users": "no new doctors are found for the segment",
    "segments.tasks.identify_unclaimed_certificates": "no new doctors are found for the segment",
    "segments.tasks.identify_no_show_registrants": "no new doctors are found for the segment",
    "campaigns.tasks.enroll_segments": "no doctor is enrolled in a campaign",
    "campaigns.tasks.schedule_campaign_messages": "no message is planned, and steps expire",
    "messaging.tasks.dispatch_due": "no message is sent, on any channel",
    "messaging.tasks.reap_expired_leases": "messages that broke off half-way stay so",
    "messaging.tasks.reconcile_unknown": "messages without an answer are never settled",
    "messaging.tasks.apply_reports": "reports of providers wait, and opt-outs among them",
    "messaging.tasks.audit_deliveries": "nobody checks that promises to doctors are kept",
    "campaigns.tasks.end_finished_enrollments": "enrolments never end",
}
# These look for what fell due since they ran: run too seldom, messages come late or expire.
SELDOM = {
    "messaging.tasks.dispatch_due": 5,
    "messaging.tasks.reap_expired_leases": 10,
    "messaging.tasks.apply_reports": 10,
    "segments.tasks.identify_no_show_registrants": 30,
    "messaging.tasks.reconcile_unknown": 30,
}


@dataclass(frozen=True, slots=True)
class Timing:
    """A rhythm and its numbers; those that the rhythm has no use for are as they are."""

    rhythm: Rhythm
    at: time = time(0)  # daily, weekly: in the schedule's zone
    minute: int = 0  # hourly
    every: int = 1  # minutes
    weekday: str = "1"  # weekly, as in WEEKDAYS
    again: int = 0  # weekly: in how many hours after it looks again

    def fields(self) -> dict[str, str]:
        """What of the crontab it sets."""
        if self.rhythm == "minutes":
            return {"minute": "*" if self.every == 1 else f"*/{self.every}"}
        if self.rhythm == "hourly":
            return {"minute": str(self.minute)}
        minute, hour = str(self.at.minute), str(self.at.hour)
        if self.rhythm == "daily":
            return {"minute": minute, "hour": hour}
        last = min(self.at.hour + self.again, 23)
        hours = hour if last == self.at.hour else f"{hour}-{last}"
        return {"minute": minute, "hour": hours, "day_of_week": self.weekday}


def timing_of(crontab: CrontabSchedule | None) -> Timing:
    """The rhythm of a crontab; `other` where it has none of the few."""
    if crontab is None or (crontab.day_of_month, crontab.month_of_year) != ("*", "*"):
        return Timing("other")
    minute, hour, weekday = crontab.minute, crontab.hour, crontab.day_of_week
    if hour == weekday == "*":
        if every := re.fullmatch(r"\*(?:/(\d+))?", minute):
            return Timing("minutes", every=int(every[1] or 1))
        return Timing("hourly", minute=int(minute)) if minute.isdecimal() else Timing("other")
    return _on_days(minute, hour, weekday)


def _on_days(minute: str, hour: str, weekday: str) -> Timing:
    hours = re.fullmatch(r"(\d+)(?:-(\d+))?", hour)
    if hours is None or not minute.isdecimal():
        return Timing("other")
    at, again = time(int(hours[1]), int(minute)), int(hours[2] or hours[1]) - int(hours[1])
    if weekday == "*" and not again:
        return Timing("daily", at)
    known = weekday in dict(WEEKDAYS)
    return Timing("weekly", at, weekday=weekday, again=again) if known else Timing("other")


def words(task: PeriodicTask) -> str:
    """When it runs, such as “Every day at 02:00 (Asia/Kolkata)”."""
    crontab, timing = task.crontab, timing_of(task.crontab)
    if crontab is None:
        return str(task.schedule) if task.scheduler else "Never: choose a time"
    if timing.rhythm == "other":
        return str(crontab.human_readable)
    at = f"at {timing.at:%H:%M} {zone_words(crontab)}"
    if timing.rhythm == "daily":
        return f"Every day {at}"
    if timing.rhythm == "weekly":
        return f"Every {dict(WEEKDAYS)[timing.weekday]} {at}"
    if timing.rhythm == "hourly":
        return f"Every hour, {timing.minute} minutes past"
    return "Every minute" if timing.every == 1 else f"Every {timing.every} minutes"


def zone_words(crontab: CrontabSchedule) -> str:
    """The zone in a word that people know."""
    zone = str(crontab.timezone)
    return "India time" if zone == "Asia/Kolkata" else f"({zone})"


def warnings(task: PeriodicTask) -> list[str]:
    """What the schedule as it stands keeps from happening, or makes late; a sentence each."""
    found = []
    timing = timing_of(task.crontab)
    if not task.enabled and (harm := SENDING.get(task.task)):
        found.append(f"“{task.name}” is off: {harm}.")
    most = SELDOM.get(task.task)
    is_seldom = timing.rhythm in ("hourly", "daily", "weekly") or timing.every > (most or 0)
    if most and task.enabled and is_seldom:
        found.append(f"“{task.name}” runs less than every {most} minutes: messages come late.")
    return [*found, *_in_order(task, timing)]


def _in_order(task: PeriodicTask, timing: Timing) -> list[str]:
    """Words on an hour that works against another schedule or against people's sleep."""
    if timing.rhythm != "daily" or not task.enabled:
        return []
    if task.task.startswith("segments.tasks.identify_") and 8 <= timing.at.hour < 21:
        harm = "reads the whole activity of all doctors: by day it takes time from sending"
        return [f"“{task.name}” {harm}. Choose an hour of the night."]
    if task.task == "campaigns.tasks.calculate_daily_campaign_analytics" and timing.at.hour < 21:
        harm = "adds up the day: before 21:00 it misses messages of the evening"
        return [f"“{task.name}” {harm}, which are counted the day after."]
    return []
