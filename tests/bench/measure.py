"""What a piece of work costs: seconds, CPU of this process and of its database backend, memory."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.db import connection


@dataclass
class Cost:
    """Cost of one piece of work."""

    seconds: float = 0.0
    app_cpu: float = 0.0
    database_cpu: float = 0.0
    peak_mb: float = 0.0

    def per_row(self, rows: int) -> str:
        """CPU milliseconds a row, of application and database."""
        return (
            f"{1000 * self.app_cpu / rows:.3f} + {1000 * self.database_cpu / rows:.3f} ms CPU a row"
        )


@dataclass(frozen=True)
class Figure:
    """One line of the report."""

    name: str
    value: str
    aim: str = ""
    is_missed: bool = False  # of an aim that has to be reached: the run ends with exit code 1


@contextmanager
def cost() -> Iterator[Cost]:
    """Measure the block. Its database work must run on Django's own connection."""
    result = Cost()
    backend = _backend_pid()
    database_before, app_before = _cpu(backend), time.process_time()
    started = time.perf_counter()
    yield result
    result.seconds = time.perf_counter() - started
    result.app_cpu = time.process_time() - app_before
    result.database_cpu = _cpu(backend) - database_before
    result.peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def current_mb() -> float:
    """Resident memory of this process now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1024 / 1024


def execute(sql: str) -> None:
    """Run SQL on Django's connection."""
    with connection.cursor() as cursor:
        cursor.execute(sql)


def postmaster() -> int:
    """Process id of the database server."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        directory: str = cursor.fetchone()[0]
    return int((Path(directory) / "postmaster.pid").read_text().split()[0])


def cpu_of_tree(pid: int) -> float:
    """Seconds of a process, of its children that ended, and of those that run."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    return own + sum(_cpu(child) for child in _children(pid))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _backend_pid() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def _cpu(pid: int) -> float:
    """User and system seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
