"""One clock for all machines that send: the database's.

What a worker writes into rows that others read (when a window's lease ends, when an account may go
on, how full its bucket is) would otherwise be as wrong as its machine's clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection


def database_clock() -> Callable[[], datetime]:
    """A clock that shows PostgreSQL's time, read once and carried on by this machine's seconds.

    It is at most as late as the answer took to come, and not set back or forward by anything that
    happens to this machine's own clock meanwhile. Good for a task, not for a process's life.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (read_at,) = cursor.fetchone()
    began = time.monotonic()
    return lambda: read_at + timedelta(seconds=time.monotonic() - began)
