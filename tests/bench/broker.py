"""What the broker adds to sending: one ring for a lane, against what a lane does for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from django.conf import settings
from redis import Redis

from messaging import lanes
from messaging.models import Heartbeat
from messaging.tasks import send_lane
from tests.bench.measure import Figure, cost, cpu_of_tree, execute, postmaster
from tests.bench.sending import clear

RINGS = 500
PATIENCE = 60.0  # seconds


def run(rows: int = 100_000) -> list[Figure]:
    """Ring for lanes that have nothing to send, and take off what they cost without a broker."""
    clear()
    execute("VACUUM ANALYZE")
    lanes.run("sms")
    with cost() as silent:
        for _ in range(RINGS):
            lanes.run("sms")
    own = (silent.app_cpu + silent.database_cpu) / RINGS
    ring = max(0.0, _ring() - own)
    share = ring / lanes.LANE_TIME.total_seconds()
    return [
        Figure(
            "a ring through Valkey and Celery: publisher, broker and worker, without the lane",
            f"{1000 * ring:.2f} ms of CPU, {100 * share:.3f} % of what a busy lane uses until "
            "the next one",
            "5 %",
        )
    ]


def _ring() -> float:
    """Seconds of CPU of one ring and of the empty lane that it starts, in a real worker."""
    command = [sys.executable, "-m", "celery", "-A", "reengage", "worker"]
    command += ["-Q", "sms", "-c", "1", "-l", "WARNING"]
    worker = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _ring_all(2)  # until it is up, and knows its way
        watched = [worker.pid, postmaster(), _valkey(), os.getpid()]
        before = sum(map(cpu_of_tree, watched))
        _ring_all(RINGS)
        return (sum(map(cpu_of_tree, watched)) - before) / RINGS
    finally:
        worker.terminate()
        worker.wait()


def _ring_all(count: int) -> None:
    """Ring so often, and wait until every lane has run."""
    Heartbeat.objects.filter(name="lane:sms").delete()
    for _ in range(count):
        send_lane.apply_async(["sms"], queue="sms")
    deadline = time.monotonic() + PATIENCE
    with Redis.from_url(settings.REDIS_URL) as valkey:
        while valkey.llen("sms") or not _has_ended():
            if time.monotonic() > deadline:
                raise TimeoutError("no worker took the rings")
            time.sleep(0.2)


def _has_ended() -> bool:
    return Heartbeat.objects.filter(name="lane:sms", detail__is_running=False).exists()


def _valkey() -> int:
    with Redis.from_url(settings.REDIS_URL) as valkey:
        return int(valkey.info("server")["process_id"])
