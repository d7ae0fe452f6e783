"""Lanes, scheduler, workers and web servers, as rows of the dashboard."""

from __future__ import annotations

from datetime import datetime, timedelta

from campaigns.analytics.figures import Light, Measure, Row
from messaging import heartbeat
from messaging.models import Channel, Heartbeat, HeartbeatKind
from reengage import machines

COLUMNS = ("Machine", "Last sign of life", "How it does")
# A process that is silent for longer was stopped, and nobody misses it.
MISSED_FOR = timedelta(hours=1)


def rows(now: datetime) -> list[Row]:
    """Lanes first, then processes."""
    return [*_lane_rows(now), *_process_rows(now)]


def _lane_rows(now: datetime) -> list[Row]:
    """Each channel's lane: when it last sent, and whether messages wait."""
    lanes = {lane.channel: lane for lane in heartbeat.lanes()}
    rows = []
    for check in machines.checks(now):
        lane = lanes.get(check.channel)
        if lane is None:
            continue
        sign = Measure(machines.ago(lane.at, now), f"{lane.sent:,} sent by its last run")
        state = Light("success", "Sends") if check.is_ok else Light("danger", "Look at it")
        name = f"{Channel(check.channel).label} lane"
        rows.append(Row(name, "", "", [sign, Measure("", check.why, state)]))
    return rows


def _process_rows(now: datetime) -> list[Row]:
    """Scheduler, workers and web servers, as far as they were heard of lately."""
    heard = heartbeat.heard_within(MISSED_FOR, now)
    processes = Heartbeat.objects.filter(heard).exclude(kind=HeartbeatKind.LANE)
    rows = []
    for process in processes.order_by("kind", "name"):
        host, _, number = process.name.partition(":")[2].rpartition(":")
        is_alive = machines.is_recent(process.at, machines.SCHEDULER_SILENT, now)
        light = Light("success", "Runs") if is_alive else Light("warning", "Silent")
        sign = Measure(machines.ago(process.at, now))
        began = Measure("", f"started {machines.ago(process.started_at, now)}", light)
        label = HeartbeatKind(process.kind).label
        rows.append(Row(label, f"process {number} on {host}", "", [sign, began]))
    return rows
