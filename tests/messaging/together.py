"""Several workers at once: threads with connections of their own, and waiting for their locks."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from django.db import connection, connections

PATIENCE = 60.0  # seconds
LONGEST_LOCK = "20s"  # then whoever waits for it gives up: a test that fails ends, too


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in threads that start together; their results, or the first error."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        gate.wait(10)
        return _with_own_connection(call)

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(PATIENCE) for future in [pool.submit(run, call) for call in calls]]


class Worker:
    """One call in a thread of its own, which may have to wait for somebody's lock."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._pool = ThreadPoolExecutor(1)
        self._future = self._pool.submit(_with_own_connection, call)

    @property
    def is_done(self) -> bool:
        return self._future.done()

    def result(self) -> Any:
        """What the call returned, or raises what it raised; waits for its end."""
        try:
            return self._future.result(PATIENCE)
        finally:
            self._pool.shutdown()


def _with_own_connection(call: Callable[[], Any]) -> Any:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('lock_timeout', %s, false)", [LONGEST_LOCK])
        return call()
    finally:
        connections.close_all()


def waits_for_a_lock() -> bool:
    """Wait until another connection waits for a lock."""
    for _ in range(100):
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sleep(0.05), count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone()[1]:
                return True
    return False
