"""What the tests of process trees need: which processes there are, and when they are gone."""

import os
import select
import time
from pathlib import Path


def await_end(pids: set[int], seconds: float) -> set[int]:
    """Waits until every one of `pids` has ended; returns those that have not after `seconds`."""
    deadline = time.monotonic() + seconds
    return {pid for pid in pids if not _ends(pid, deadline)}


def _ends(pid: int, deadline: float) -> bool:
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        ended, _, _ = select.select([handle], [], [], max(0.0, deadline - time.monotonic()))
    finally:
        os.close(handle)
    return bool(ended)


def with_variable(name: str, value: str) -> set[int]:
    """The processes that were started with this environment variable, wherever they hang now."""
    wanted = f"{name}={value}".encode()
    return {pid for pid in _all() if wanted in _read(pid, "environ").split(b"\0")}


def with_argument(part: str) -> set[int]:
    """The other processes whose command line contains `part`."""
    found = {pid for pid in _all() if part.encode() in _read(pid, "cmdline")}
    return found - {os.getpid()}


def family(heads: set[int]) -> set[int]:
    """`heads` and all that descends from them."""
    found = set(heads)
    while below := {pid for pid in _all() if _parent(pid) in found} - found:
        found |= below
    return found


def _all() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _parent(pid: int) -> int:
    status = _read(pid, "stat").rpartition(b")")[2].split()
    return int(status[1]) if status else 0


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:  # it ended meanwhile
        return b""
