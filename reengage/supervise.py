"""Runs several commands as one: web server, worker and clock of the demo.

What is started here goes away with this process, however that ends. There are two nets,
because each has a hole:

- the kernel sends every child SIGTERM when we die (`die_with_parent`). A worker that is busy
  answers SIGTERM by finishing its task first, which may take hours;
- the undertaker, a process of its own, waits for us to vanish, and two seconds later kills the
  process groups that are left. This file is its program too, so it imports nothing but the
  standard library.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO

GRACE = 10.0  # seconds between asking a child to stop and killing it
ORPHAN_GRACE = 2.0  # seconds; less, as the embedded database goes at the same moment
TICK = 0.1  # seconds between two looks at the children
MAX_DEATHS = 5  # as many within DEATH_WINDOW, and the whole is given up
DEATH_WINDOW = 60.0  # seconds
LONGEST_BACK_OFF = 16.0  # seconds
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PR_SET_PDEATHSIG = 1  # linux/prctl.h

Requests = list[float]  # moments on the monotonic clock


def die_with_parent(signal_number: int) -> Callable[[], None]:
    """Returns a `preexec_fn` that has the kernel send `signal_number` when the caller dies.

    The signal comes when the calling *thread* ends, so call from a thread that lives as long
    as the process. subprocess runs `preexec_fn` after it has changed the user; that is needed,
    as a change of user clears the setting. Where there is no prctl (not Linux), nothing happens.
    """
    parent = os.getpid()
    # Loaded here and not after the fork, where another thread may hold the loader's lock.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def arrange() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return arrange


def run(commands: Mapping[str, Sequence[str]], ready: Callable[[], bool] | None = None) -> int:
    """Runs `commands` (name -> arguments) until it is told to stop; call from the main thread.

    A command that ends is started again, a little later each time. `ready` is called about
    ten times a second until it returns True; there the caller finds out, without waiting,
    whether the commands answer, and says so to the person.

    Stops on SIGINT, SIGTERM and SIGHUP, and when the `uv` that started us is gone: every
    command gets SIGTERM, and SIGKILL for its process group after ten seconds or at a second
    Ctrl-C. Returns 0 when told to stop, 1 when a command cannot be started or died five
    times within a minute.
    """
    children = [Child(name, list(command)) for name, command in commands.items()]
    with _stop_requests() as requests, Undertaker() as undertaker:
        try:
            return _watch(children, ready, requests, undertaker)
        finally:
            _stop(children, requests, undertaker)


@dataclass
class Child:
    """One command, and how it has fared."""

    name: str
    command: list[str]
    process: subprocess.Popen[bytes] | None = None
    start_at: float = 0.0  # on the monotonic clock
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_DEATHS))

    def start(self, undertaker: "Undertaker") -> None:
        """Starts the command in a process group of its own. OSError where there is no such."""
        self.process = subprocess.Popen(  # noqa: S603  # the caller's own
            self.command,
            stdin=subprocess.DEVNULL,  # a background group that reads the terminal is suspended
            process_group=0,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509  # takes no lock
        )
        undertaker.note(self.process.pid)

    def has_ended(self) -> bool:
        """Whether it ran and ended; leaves the process unreaped, so that its id stays its own."""
        if self.process is None:
            return False
        flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.process.pid, flags) is not None

    def bury(self, undertaker: "Undertaker") -> int:
        """Kills what is left of the process group and returns the exit code."""
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        undertaker.forget(self.process.pid)
        self.process = None
        return code

    def record_death(self, now: float) -> float:
        """Notes one more death and returns the seconds until the next start."""
        self.deaths.append(now)
        recent = sum(now - death < DEATH_WINDOW for death in self.deaths)
        delay = min(2.0 ** (recent - 1), LONGEST_BACK_OFF)
        self.start_at = now + delay
        return delay

    def is_hopeless(self, now: float) -> bool:
        """Whether it died MAX_DEATHS times within DEATH_WINDOW."""
        return len(self.deaths) == MAX_DEATHS and now - self.deaths[0] < DEATH_WINDOW


class Undertaker:
    """The process that kills what outlives us. It knows the process groups by a pipe."""

    def __enter__(self) -> "Undertaker":
        self._process = subprocess.Popen(  # noqa: S603  # ourselves
            # -I -S: only the standard library, and up in some 20 ms.
            [sys.executable, "-I", "-S", str(Path(__file__).resolve())],
            stdin=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal must not reach it
        )
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            self._pipe.close()
        self._process.wait()

    @property
    def _pipe(self) -> IO[bytes]:
        assert self._process.stdin is not None  # noqa: S101  # it was opened with PIPE
        return self._process.stdin

    def note(self, group: int) -> None:
        """From now on `group` must not outlive us."""
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """`group` is gone; its number may come to belong to others."""
        self._tell(f"-{group}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # without it, the kernel's signal is left
            self._pipe.write(line.encode() + b"\n")
            self._pipe.flush()


def _watch(
    children: list[Child],
    ready: Callable[[], bool] | None,
    requests: Requests,
    undertaker: Undertaker,
) -> int:
    """Keeps the children running; returns the exit code once there is a reason to stop."""
    while not requests and UV in (None, os.getppid()):
        for child in children:
            if child.has_ended() and not _may_start_again(child, undertaker):
                return 1
            if child.process is None and child.start_at <= time.monotonic():
                try:
                    child.start(undertaker)
                except OSError as error:
                    _say(f"{child.name} cannot be started: {error}")
                    return 1
        if ready is not None and ready():
            ready = None
        time.sleep(TICK)
    return 0


def _may_start_again(child: Child, undertaker: Undertaker) -> bool:
    """Clears up after a child that ended. False when it is no use to start it again."""
    how = _ending(child.bury(undertaker))
    now = time.monotonic()
    delay = child.record_death(now)
    if child.is_hopeless(now):
        _say(
            f"{child.name} {how}, for the {MAX_DEATHS}th time within a minute. Stopping "
            f"everything; what it printed above says why. Its command: {' '.join(child.command)}"
        )
        return False
    _say(f"{child.name} {how}; starting it again in {delay:.0f} s.")
    return True


def _ending(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"stopped by itself (exit code {code})"


def _stop(children: list[Child], requests: Requests, undertaker: Undertaker) -> None:
    """Asks every child to stop, waits for GRACE at most, and kills what is left."""
    if requests:
        _say("Stopping. A second Ctrl-C stops at once.")
    for child in children:
        if child.process is not None and not child.has_ended():
            # Only the head of the group: it knows how to stop its own workers in order.
            child.process.terminate()
    deadline = time.monotonic() + GRACE
    while time.monotonic() < deadline and not _is_urgent(requests):
        if all(child.process is None or child.has_ended() for child in children):
            break
        time.sleep(TICK)
    for child in children:
        child.bury(undertaker)


@contextlib.contextmanager
def _stop_requests() -> Iterator[Requests]:
    """Collects the moments at which a signal asked us to stop."""
    requests: Requests = []

    def note(_number: int, _frame: FrameType | None) -> None:
        requests.append(time.monotonic())

    # What is ignored stays so: nohup ignores SIGHUP for us.
    heard = [number for number in STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, note) for number in heard}
    try:
        yield requests
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_urgent(requests: Requests) -> bool:
    """Whether the person asked again. One Ctrl-C can come twice: from the terminal and by uv."""
    return bool(requests) and requests[-1] - requests[0] > 1.0


def _uv_parent() -> int | None:
    """Our parent's process id if that is `uv run`, which can be killed without our hearing."""
    parent = os.getppid()
    try:
        name = Path(f"/proc/{parent}/comm").read_text().strip()
    except OSError:
        return None
    return parent if name == "uv" else None


# Looked up at the start: once it has died, our parent is another.
UV = _uv_parent()


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # the terminal may be gone; stopping goes on
        print(line, flush=True)  # noqa: T201  # this is what the person reads


def undertake(lines: Iterable[str]) -> None:
    """Reads `+group` and `-group` until the writer is gone, then sees the groups off."""
    groups: set[int] = set()
    for line in lines:
        group = int(line[1:])
        if line[0] == "+":
            groups.add(group)
        else:
            groups.discard(group)
    if sys.platform != "linux":  # elsewhere the kernel did not tell them
        for group in groups:
            with contextlib.suppress(OSError):
                os.kill(group, signal.SIGTERM)
    deadline = time.monotonic() + ORPHAN_GRACE
    while time.monotonic() < deadline and any(map(_is_there, groups)):
        time.sleep(TICK)
    for group in groups:
        with contextlib.suppress(OSError):
            os.killpg(group, signal.SIGKILL)


def _is_there(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


if __name__ == "__main__":
    for number in STOPPING:
        signal.signal(number, signal.SIG_IGN)
    undertake(sys.stdin)
