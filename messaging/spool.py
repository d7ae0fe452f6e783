"""What comes in while PostgreSQL is away, on disk until it is back: JSON, one line each.

`append` returns only when the line is on the disk. `drain` hands the lines on and forgets them
once their handler has returned; where a process dies in between they are handed on again, so a
handler keeps what it is given by a unique key. Each process that writes has a file of its own,
which waits for nobody else's disk; readers and writers of one file agree by its lock.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError

logger = logging.getLogger(__name__)

Handler = Callable[[list[Any]], object]

BATCH = 1_000
MOST_BYTES = 1_000_000_000  # over all files: three million reports; then nothing is acknowledged
_WAITING = ".spool"  # written to
_TAKEN = ".taken"  # nobody writes to it any more
_REFUSED = "refused.lines"  # damaged, or what no handler could take: kept for a person
_turn = threading.Lock()


def append(kind: str, payload: Any) -> None:
    """Keep a payload (what JSON can hold) for the handler of its kind, durably.

    OSError: it could not be kept, and nothing of it is left.
    """
    extend(kind, [payload])


def extend(kind: str, payloads: Iterable[Any]) -> None:
    """Keep several payloads at the cost of one: all of them, or none (OSError)."""
    lines = [
        json.dumps({"kind": kind, "payload": payload}, separators=(",", ":")) + "\n"
        for payload in payloads
    ]
    folder = _folder()
    if _size(folder) >= MOST_BYTES:
        raise OSError(errno.ENOSPC, f"The spool has reached {MOST_BYTES:,} bytes")
    with _turn:
        _write(folder / f"{socket.gethostname()}-{os.getpid()}{_WAITING}", "".join(lines).encode())


def is_waiting() -> bool:
    """Whether anything is on the disk: one look at a folder that is mostly empty."""
    with contextlib.suppress(FileNotFoundError), os.scandir(settings.SPOOL_DIR) as entries:
        return any(entry.name.endswith((_WAITING, _TAKEN)) for entry in entries)
    return False


def drain(handlers: Mapping[str, Handler]) -> int:
    """Hand everything on, to each kind's handler in batches; returns how many lines went.

    Whoever comes second waits until the first is done, so that what was on the disk before is in
    the database after. Where a handler says that the database is away, the rest stays for the next
    time, and the error is raised.
    """
    if not is_waiting():
        return 0
    folder = _folder()
    handed = sum(_drain_file(path, handlers) for path in _left_over(folder))
    for path in sorted(folder.glob(f"*{_WAITING}")):
        if taken := _take_away(path):
            handed += _drain_file(taken, handlers)
    # Somebody else may have taken a file away meanwhile, and be at it.
    return handed + sum(_drain_file(path, handlers) for path in _left_over(folder))


def _folder() -> Path:
    folder = Path(settings.SPOOL_DIR)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)  # it holds what doctors write
    return folder


def _size(folder: Path) -> int:
    size = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):  # drained just now
                size += entry.stat().st_size
    return size


def _write(path: Path, line: bytes) -> None:
    with _opened(path) as file:
        end = os.fstat(file).st_size
        try:
            # A line that a killed process left unfinished must not take this one with it.
            torn = end > 0 and os.pread(file, 1, end - 1) != b"\n"
            data = b"\n" * torn + line
            while data:
                data = data[os.write(file, data) :]
            os.fsync(file)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(file, end)
            raise
        if end == 0:
            _sync_folder(path.parent)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """The file to write to, locked; not one that a reader has just taken away."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(file, path):
                yield file
                return
        finally:
            os.close(file)


def _is_still(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _left_over(folder: Path) -> list[Path]:
    """What another reader has taken, and is at or has left. While it stays no more is taken."""
    return sorted(folder.glob(f"*{_TAKEN}"))


def _take_away(path: Path) -> Path | None:
    """Take a file away from those who write to it; None: another reader was first."""
    with contextlib.suppress(FileNotFoundError):
        file = os.open(path, os.O_RDWR)
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still(file, path):
                return path.rename(path.with_suffix(f".{os.urandom(6).hex()}{_TAKEN}"))
        finally:
            os.close(file)
    return None


def _drain_file(path: Path, handlers: Mapping[str, Handler]) -> int:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return 0  # another reader was done with it
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if not _is_still(file.fileno(), path):
            return 0
        handed = 0
        for kind, payloads in _batches(file):
            if kind in handlers:
                handed += _hand_on(handlers[kind], kind, payloads)
            else:  # of a newer version of the code
                extend(kind, payloads)
        path.unlink()
    return handed


def _batches(lines: Iterable[bytes]) -> Iterator[tuple[str, list[Any]]]:
    waiting: dict[str, list[Any]] = {}
    for line in lines:
        read = _read(line)
        if read is None:
            logger.error("A line of the spool is damaged; it is kept in %s.", _REFUSED)
            _refuse({"damaged": line.decode(errors="backslashreplace")})
            continue
        kind, payload = read
        batch = waiting.setdefault(kind, [])
        batch.append(payload)
        if len(batch) == BATCH:
            yield kind, waiting.pop(kind)
    yield from waiting.items()


def _read(line: bytes) -> tuple[str, Any] | None:
    """Kind and payload; None: a crash tore the line, which was never acknowledged, or worse."""
    try:
        read = json.loads(line)
        kind: str = read["kind"]
        return kind, read["payload"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _refuse(line: dict[str, Any]) -> None:
    _write(_folder() / _REFUSED, json.dumps(line).encode() + b"\n")


def _hand_on(handler: Handler, kind: str, payloads: list[Any]) -> int:
    try:
        handler(payloads)
    except (OperationalError, InterfaceError):
        raise  # the database is away: the file stays
    except Exception as error:  # noqa: BLE001  one that nobody can take holds up no other
        if len(payloads) > 1:
            return sum(_hand_on(handler, kind, [payload]) for payload in payloads)
        logger.error("A line of the spool (%s) is refused: %s", kind, type(error).__name__)  # noqa: TRY400  its text may quote the line
        _refuse({"kind": kind, "payload": payloads[0]})
        return 0
    return len(payloads)
