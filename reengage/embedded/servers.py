"""A server process: started with its log, waited for, stopped."""

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reengage.embedded.places import Account, EmbeddedError
from reengage.supervise import die_with_parent

START_SECONDS = 60.0  # recovery after a crash takes its time
STOP_SECONDS = 15.0
# TZ: initdb writes the time zone down; LC_ALL: messages that a search engine finds.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True)
class Program:
    """How a server is run. `stop` is the signal that ends it in order."""

    name: str
    command: Sequence[str]
    log: Path
    stop: signal.Signals
    account: Account | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: ENVIRONMENT)


@dataclass(frozen=True)
class Server:
    """A running server and the directory of its socket."""

    program: Program
    process: subprocess.Popen[bytes]
    sockets: Path
    starter: int = field(default_factory=os.getpid)

    def stop(self) -> None:
        """Stops it and waits; does nothing in a process that was forked from the starter."""
        if os.getpid() != self.starter:
            return
        for number in (self.program.stop, signal.SIGKILL):
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_SECONDS)
                break
        shutil.rmtree(self.sockets, ignore_errors=True)


def launch(program: Program, sockets: Path, answers: Callable[[Path], bool]) -> Server:
    """Starts `program` and returns once `answers(sockets)`.

    EmbeddedError when it ends before that, with its last words, or takes over a minute.
    """
    if threading.current_thread() is not threading.main_thread():
        # The kernel would stop the server when this thread ends.
        raise EmbeddedError("Embedded servers have to be started from the main thread.")
    with program.log.open("wb") as log:
        server = Server(program, spawn(program, log.fileno()), sockets)
    try:
        _await_answer(server, answers)
    except BaseException:  # Ctrl-C too must leave no server behind
        server.stop()
        raise
    return server


def _await_answer(server: Server, answers: Callable[[Path], bool]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not answers(server.sockets):
        code = server.process.poll()
        if code is not None:
            raise failure(server.program, f"did not start (exit code {code})")
        if time.monotonic() > deadline:
            raise failure(server.program, f"did not answer within {START_SECONDS:.0f} s")
        time.sleep(0.01)


def spawn(program: Program, log: int) -> subprocess.Popen[bytes]:
    """Starts the process under its account, bound to the life of ours. Output goes to `log`."""
    account = program.account
    return subprocess.Popen(  # noqa: S603  # a command of this package's own making
        program.command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",  # ours may be closed to the account
        env=program.environment,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
        start_new_session=True,  # Ctrl-C in the terminal is for us; we stop the servers last
        preexec_fn=die_with_parent(program.stop),  # noqa: PLW1509  # takes no lock
    )


def failure(program: Program, what: str) -> EmbeddedError:
    """The error that quotes the end of the program's log."""
    with contextlib.suppress(OSError):
        lines = program.log.read_text(errors="replace").splitlines()[-8:]
        return EmbeddedError("\n  ".join([f"{program.name} {what}. {program.log}:", *lines]))
    return EmbeddedError(f"{program.name} {what}.")
