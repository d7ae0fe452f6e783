"""A worker that takes an audience check and hangs in it: `python -m ... CHECK_ID`.

It reads the clock when it begins, and again after its first batch; then it waits to be killed.
"""

import signal
import sys
import uuid

import django

django.setup()

from messaging.audience.run import run_check  # noqa: E402
from tests.engine import NOW  # noqa: E402

calls = []


def clock():
    """The engine's day, once: before anything is looked at."""
    calls.append(1)
    if len(calls) > 2:
        signal.pause()
    return NOW


run_check(uuid.UUID(sys.argv[1]), clock)
