"""The web server as it runs for real, for requests that only bytes on a socket can make."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Server:
    """Gunicorn with one process and a few threads, on a port of its own."""

    THREADS = 3

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder = folder
        self._environment = {
            **os.environ,
            **variables,
            "DJANGO_SETTINGS_MODULE": "tests.security.patient_settings",
        }
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]

    def __enter__(self) -> Server:
        command = [sys.executable, "-m", "gunicorn", "reengage.wsgi", "--bind"]
        command += [f"127.0.0.1:{self.port}", "--threads", str(self.THREADS)]
        command += ["--no-control-socket", "--log-level", "warning"]
        self._log = (self.folder / "log").open("w")
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdout=self._log, stderr=self._log
        )
        for _ in range(2_400):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.05)  # until the port is open, which nothing tells
            else:
                return self
        raise AssertionError((self.folder / "log").read_text())

    def __exit__(self, *_: Any) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def answer(self, request: bytes) -> int:
        """Send the bytes; the status of the answer, 0 where the connection is just closed."""
        with socket.create_connection(("127.0.0.1", self.port), 120) as connection:
            connection.sendall(request)
            got = connection.recv(4096)
        return int(got.split(b" ", 2)[1]) if got else 0
