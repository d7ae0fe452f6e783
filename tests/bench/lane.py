"""A sender of the benchmarks: `python -m tests.bench.lane CHANNEL` sends until nothing is due.

Waits for a line on standard input before it begins, and prints one line of JSON at its end.
"""

import json
import os
import resource
import sys
import time
from datetime import timedelta

import django

django.setup()

from messaging.providers import PROVIDERS  # noqa: E402
from messaging.send import run_lane, send_one  # noqa: E402
from segments.models.fields import uuid7  # noqa: E402
from tests.bench.engine import NOW  # noqa: E402
from tests.providers.http_provider import PeerProvider  # noqa: E402

PROVIDERS["peer"] = PeerProvider
PeerProvider.in_flight = int(os.environ.get("IN_FLIGHT", PeerProvider.in_flight))
STARTED = time.monotonic()


def clock():
    """The benchmark's day, going on."""
    return NOW + timedelta(seconds=time.monotonic() - STARTED)


def main(channel: str) -> None:
    """Warm up, wait, send, report."""
    send_one(uuid7(), channel, clock())  # nobody's: connects
    print("ready", flush=True)
    sys.stdin.readline()
    began, cpu = time.perf_counter(), time.process_time()
    tally = run_lane(channel, clock, clock() + timedelta(hours=1))
    result = {
        "sent": tally.sent,
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "tally": str(tally),
    }
    print(json.dumps(result), flush=True)


main(sys.argv[1])
