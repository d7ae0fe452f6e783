"""A Valkey and a PostgreSQL of one test's own, to be killed, frozen and started again."""

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from reengage.embedded import places, postgres, servers, valkey
from reengage.supervise import die_with_parent


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


class Valkey:
    """A server on one port of loopback; what it holds is gone with each end of it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        self._process = subprocess.Popen(
            [str(valkey._program()), *options, "--dir", str(self._directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  # takes no lock
        )
        with redis.Redis.from_url(self.url) as client:
            while not self._answers(client):
                assert self._process.poll() is None

    def _answers(self, client: "redis.Redis[bytes]") -> bool:
        try:
            return bool(client.ping())
        except redis.ConnectionError:
            return False

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def freeze(self) -> None:
        """It takes connections (the kernel does) and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOWAIT)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def break_down(self, how: str) -> None:
        """killed, frozen or emptied."""
        {"killed": self.kill, "frozen": self.freeze, "emptied": self.empty}[how]()

    def mend(self, how: str) -> None:
        """After it was killed, frozen or emptied."""
        if how == "killed":
            self.start()
        elif how == "frozen":
            self.thaw()

    def empty(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()


@contextmanager
def own_valkey(directory: Path) -> Iterator[Valkey]:
    """A Valkey that runs, for the time of the `with`."""
    server = Valkey(directory)
    try:
        yield server
    finally:
        server.kill()


class Postgres:
    """A server whose data outlives a crash of it."""

    def __init__(self, root: Path) -> None:
        self._server = postgres.start(root, root, throwaway=False)
        self.url = postgres.url(self._server.sockets)

    def restart(self) -> None:
        """As `pg_ctl restart -m immediate`: no connection is ended in order, no buffer written."""
        self._server.process.send_signal(signal.SIGQUIT)
        self._server.process.wait()
        program, sockets = self._server.program, self._server.sockets
        self._server = servers.launch(program, sockets, postgres.answers)

    def stop(self) -> None:
        self._server.stop()


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    """A PostgreSQL that runs, for the time of the `with`."""
    with places.throwaway_root() as root:
        server = Postgres(root)
        try:
            yield server
        finally:
            server.stop()
