"""Named points of the three steps, at which a process can be made to die or to stand still.

The conductor arms a point with an act; the next process that passes it does the act, once. Orders
are files in a directory, so that they need none of the servers that are broken meanwhile.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ORDERS = "CHAOS_ORDERS"  # in the environment: the directory
WORKER = "CHAOS_WORKER"  # in the environment of a worker: its name
KILL, FREEZE = "kill", "freeze"

AUTHORISE = (
    "rows-claimed",
    "doctors-locked",
    "decided",
    "authorise-before-commit",
    "authorise-after-commit",
)
HAND_OFF = (
    "preparing",
    "before-hand-over",
    "after-hand-over",
    "http-before-write",
    "http-half-written",
    "http-written",
    "smtp-before-content",
    "smtp-content-written",
    "after-call",
)
RECORD = (
    "before-record",
    "record-before-commit",
    "record-after-commit",
    "before-note",
)
AROUND = (
    "reap-before-commit",
    "reap-after-commit",
    "reports-before-commit",
    "reports-after-commit",
    "opt-out-before-commit",
    "opt-out-after-commit",
)
POINTS = (*AUTHORISE, *HAND_OFF, *RECORD, *AROUND)
# Where it matters that a worker goes on after its lease.
FREEZABLE = (
    *("doctors-locked", "authorise-before-commit", "preparing"),
    *("before-hand-over", "after-hand-over", "http-before-write", "http-written"),
    *("smtp-before-content", "smtp-content-written", "before-record", "record-before-commit"),
)


class Hit(NamedTuple):
    """A process did what was ordered."""

    point: str
    act: str
    pid: int


# --- The conductor's side --------------------------------------------------------------------


class Orders:
    """What is to happen at which point, and what has."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir()
        self._hits = directory / "hits"
        self._hits.touch()
        self._read = 0

    def arm(self, point: str, act: str) -> None:
        """The next process that passes the point dies there, or stands still."""
        fresh = self.directory / f".{point}"
        fresh.write_text(act)
        fresh.rename(self.directory / point)

    def disarm(self) -> list[str]:
        """Take back what nobody has passed; returns those points."""
        left = []
        for point in POINTS:
            try:
                (self.directory / point).unlink()
            except FileNotFoundError:
                continue
            left.append(point)
        return left

    def hits(self) -> Iterator[Hit]:
        """What has happened since the last look."""
        with self._hits.open() as lines:
            lines.seek(self._read)
            while (line := lines.readline()).endswith("\n"):
                self._read = lines.tell()
                point, act, pid = line.split()
                yield Hit(point, act, int(pid))

    def ready(self, worker: str) -> int:
        """The process that was the last to say that it is that worker, and ready for work."""
        try:
            return int((self.directory / f"ready-{worker}").read_text() or 0)
        except FileNotFoundError:
            return 0

    def set_clock(self, worker: str, seconds: float) -> None:
        """From now on the clock of that worker is wrong by so much."""
        fresh = self.directory / f".clock-{worker}"
        fresh.write_text(str(seconds))
        fresh.rename(self.directory / f"clock-{worker}")


# --- The side of workers and web -------------------------------------------------------------


def reach(point: str) -> None:
    """Here is the point: do what was ordered, if anything was. Of several processes, one does."""
    order = f"{os.environ[ORDERS]}/{point}"
    taken = f"{order}.{os.getpid()}"
    try:
        os.rename(order, taken)  # noqa: PTH104  on every passage: it has to be quick
    except FileNotFoundError:
        return
    act = Path(taken).read_text()
    with Path(os.environ[ORDERS], "hits").open("ab", buffering=0) as hits:
        hits.write(f"{point} {act} {os.getpid()}\n".encode())
    os.kill(os.getpid(), signal.SIGKILL if act == KILL else signal.SIGSTOP)


class Clock:
    """By how much the clock of this process is wrong; a fork of it looks for itself."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._look_at = 0.0

    def wrong_by(self) -> float:
        """Seconds; looked up a few times a second."""
        if time.monotonic() >= self._look_at:
            self._look_at = time.monotonic() + 0.1
            try:
                file = Path(os.environ[ORDERS], f"clock-{os.environ.get(WORKER)}")
                self._seconds = float(file.read_text())
            except FileNotFoundError:
                self._seconds = 0.0
        return self._seconds
