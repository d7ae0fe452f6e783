"""Where the embedded servers keep data, sockets and programs, and under which account."""

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RECORD = "embedded.json"
# A socket's path has room for 107 bytes (103 on macOS); below the base we add up to 60.
LONGEST_SOCKET_BASE = 40
THROWAWAY_PREFIX = "reengage-test-"


class EmbeddedError(Exception):
    """An embedded server cannot be had; the text says why and what to do."""


@dataclass(frozen=True)
class Account:
    """A user of the system that a server runs as."""

    uid: int
    gid: int

    def can_enter(self, directory: Path) -> bool:
        """Whether the account may pass through `directory` and all above it."""
        return all(self._can_pass(step) for step in (directory, *directory.parents))

    def _can_pass(self, directory: Path) -> bool:
        status = directory.stat()
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid == self.gid:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def unprivileged() -> Account | None:
    """The account that servers run as in place of root; None when we are not root."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedError(
            "PostgreSQL does not run as root and this system has no user `nobody` to run it. "
            "Run as an ordinary user, or set DATABASE_URL and REDIS_URL."
        ) from None
    return Account(nobody.pw_uid, nobody.pw_gid)


def read_record(data: Path) -> dict[str, Any]:
    """What `write_record` wrote last; empty where there is nothing, or only half a file."""
    try:
        record = json.loads((data / RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def write_record(data: Path, record: dict[str, Any]) -> None:
    """Replaces the record in one step, so that no reader sees half of it."""
    fresh = data / f"{RECORD}.new"
    fresh.write_text(json.dumps(record, indent=2) + "\n")
    fresh.replace(data / RECORD)


@contextlib.contextmanager
def locked(data: Path) -> Iterator[None]:
    """Makes `data` if needed and keeps other starters out of it meanwhile."""
    if not data.is_dir():
        data.mkdir(parents=True, exist_ok=True)
        data.chmod(0o755)  # ours and new; a strict umask would shut out `nobody`
    with (data / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def data_root(data: Path, record: dict[str, Any]) -> Path:
    """The directory for the servers' files: `data`, unless `nobody` cannot get there.

    Then it is a stable place outside the checkout, which `record` names from then on. Such a
    place that `record` does not name belongs to a `.data/` that somebody has deleted to
    start afresh, so it is emptied.
    """
    account = unprivileged()
    if account is None or (account.can_enter(data) and "data" not in record):
        return data
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    root = private_directory(f"reengage-{digest}")
    if record.get("data") != str(root):
        for entry in root.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        record["data"] = str(root)
    return root


def private_directory(name: str) -> Path:
    """A directory of root's that `nobody` can pass through and that outlives a reboot."""
    account = unprivileged()
    for base in (Path("/var/tmp"), Path("/var/lib")):  # noqa: S108  # owner checked below
        if not base.is_dir() or (account and not account.can_enter(base)):
            continue
        if os.statvfs(base).f_flag & getattr(os, "ST_NOEXEC", 0):  # PostgreSQL runs from there
            continue
        place = base / name
        with contextlib.suppress(FileExistsError):
            place.mkdir()
            place.chmod(0o711)
        status = place.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise EmbeddedError(f"{place} is not ours; remove it, or set DATABASE_URL.")
        return place
    raise EmbeddedError("Neither /var/tmp nor /var/lib can hold the data; set DATABASE_URL.")


def temporary_base() -> Path:
    """The system's temp directory, or /tmp where that is too deep for sockets or closed."""
    account = unprivileged()
    for base in (Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108  # mkdtemp follows
        short = len(os.fsencode(base)) <= LONGEST_SOCKET_BASE
        if short and base.is_dir() and (account is None or account.can_enter(base)):
            return base
    raise EmbeddedError(
        "The system's temp directory cannot hold the sockets. Set DATABASE_URL and REDIS_URL."
    )


def socket_directory(base: Path, name: str, account: Account | None) -> Path:
    """A new directory in `base` that nobody but `account` (None: ourselves) and root can enter.

    New at each start: a server that is still on its way out removes its old socket,
    which must not be the new one's.
    """
    place = Path(tempfile.mkdtemp(prefix=f"reengage-{name}-", dir=base))
    if account is not None:
        os.chown(place, account.uid, account.gid)
    return place


@contextlib.contextmanager
def throwaway_root() -> Iterator[Path]:
    """A directory that is removed afterwards, or by a later caller should we be killed."""
    base = temporary_base()
    _sweep(base)
    root = Path(tempfile.mkdtemp(prefix=THROWAWAY_PREFIX, dir=base))
    root.chmod(0o711)
    with (root / "lock.new").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (root / "lock.new").rename(root / "lock")  # held from the moment it can be seen
        try:
            yield root
        finally:
            shutil.rmtree(root, ignore_errors=True)


def _sweep(base: Path) -> None:
    """Removes the throw-away directories of ours whose makers are gone."""
    for root in base.glob(f"{THROWAWAY_PREFIX}*"):
        try:
            if root.lstat().st_uid != os.geteuid():
                continue
            with (root / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(root, ignore_errors=True)
        except OSError:  # in use, or swept by another at this moment
            continue
