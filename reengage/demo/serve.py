"""Web server, worker and clock of the demo, run together until Ctrl-C."""

from __future__ import annotations

import errno
import http.client
import math
import os
import socket
import sys
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from django.conf import settings
from django.urls import reverse

from reengage import supervise

TRIED_PORTS = 50
ANYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  every address -> one of ours
SLOW = 45.0  # seconds; by then the web server should have answered
LOG_LEVEL = "WARNING"  # errors are seen, each request and each task is not
# In a container everybody is root.
UNHEARD = "ignore:You're running the worker with superuser privileges"


class PortError(Exception):
    """No port to serve on; the text says why and what to do."""


def reserve(host: str, port: int) -> tuple[int, socket.socket]:
    """Take `port`, or the next free one; returns it with the socket that keeps it until closed.

    The socket does not listen, so whoever connects meanwhile is refused. PortError: the address
    is not this machine's, the port is not allowed, or many in a row are taken.
    """
    last = min(port + TRIED_PORTS, 65536) - 1
    for candidate in range(port, last + 1):
        try:
            return candidate, _bound(host, candidate)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                reason = error.strerror or str(error)
                raise PortError(f"Cannot serve on {host}, port {candidate}: {reason}.") from None
    raise PortError(f"The ports {port} to {last} are all taken: name a free one with --port.")


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    keeper = socket.socket(family, kind, protocol)
    try:
        # As the web server does: connections that have just ended do not keep it from the port.
        keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        keeper.bind(address)
    except OSError:
        keeper.close()
        raise
    return keeper


def base_url(host: str, port: int) -> str:
    """The address that a person opens, without the path."""
    shown = ANYWHERE.get(host, host)
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def prepare(host: str, url: str) -> None:
    """Make the environment say what the commands need; links in messages lead to `url`."""
    os.environ.setdefault("PUBLIC_BASE_URL", url)
    os.environ.setdefault("LOG_LEVEL", LOG_LEVEL)
    os.environ["PYTHONWARNINGS"] = ",".join(
        filter(None, (os.environ.get("PYTHONWARNINGS"), UNHEARD))
    )
    if host not in settings.ALLOWED_HOSTS:
        # Whoever opens it to the network is reached by whatever name the machine has there.
        os.environ.setdefault("ALLOWED_HOSTS", "*" if host in ANYWHERE else host)
    settings.PUBLIC_BASE_URL = os.environ["PUBLIC_BASE_URL"].rstrip("/")


def serve(host: str, port: int, ready: Callable[[], None], slow: Callable[[], None]) -> int:
    """Serve until told to stop; returns the exit code.

    `ready` is called once the web server answers, and `slow` before it if that takes very long.
    """
    watch = _Watch(base_url(host, port), ready, slow)
    return supervise.run(_commands(host, port), watch)


def _commands(host: str, port: int) -> dict[str, list[str]]:
    python = [sys.executable, "-m"]
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    celery = [*python, "celery", "--quiet", "--skip-checks", "-A", "reengage"]
    celery += ["--workdir", str(settings.BASE_DIR)]
    quiet = ["--loglevel", LOG_LEVEL]
    queues = ",".join(queue.name for queue in settings.CELERY_TASK_QUEUES)
    return {
        "web": [
            *(*python, "gunicorn", "reengage.wsgi", "--bind", address, "--no-control-socket"),
            *("--chdir", str(settings.BASE_DIR), "--log-level", LOG_LEVEL.lower()),
            *("--preload", "--workers", "2", "--threads", "4"),  # loaded once, for both workers
        ],
        "worker": [
            *(*celery, "worker", *quiet, "-Q", queues),
            *("-P", "prefork", "-c", "2", "--without-gossip", "--without-mingle"),
        ],
        "beat": [*celery, "beat", *quiet, "--pidfile="],
    }


class _Watch:
    """Asks for the login page until it comes."""

    def __init__(self, url: str, ready: Callable[[], None], slow: Callable[[], None]) -> None:
        self._where = urlsplit(url)
        self._ready = ready
        self._slow = slow
        self._deadline = time.monotonic() + SLOW

    def __call__(self) -> bool:
        if self._answers():
            self._ready()
            return True
        if time.monotonic() > self._deadline:
            self._slow()
            self._deadline = math.inf  # once
        return False

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(
            self._where.hostname or "", self._where.port, timeout=2
        )
        try:
            connection.request("GET", reverse("admin:login"))
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
