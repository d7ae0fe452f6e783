"""A private PostgreSQL and Valkey, for where DATABASE_URL and REDIS_URL name no servers.

The programs come with the wheels of the group `embedded`; nothing has to be installed by hand.
The servers listen on sockets in a private directory only, keep their data in the checkout's
`.data/`, and stop with the process that started them, even when that is killed (on Linux).
Another command that finds them running uses them.

`.data/embedded.json` records where the sockets are, and where the data is if not in `.data/`.
"""

import atexit
import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reengage.embedded import places, postgres, valkey
from reengage.embedded.places import EmbeddedError
from reengage.embedded.servers import Server

__all__ = ["EmbeddedError", "celery_url", "provide", "running_urls", "temporary"]

DATA = Path(__file__).resolve().parents[2] / ".data"
OWN_SERVERS = "Set DATABASE_URL and REDIS_URL to use servers of your own."


@dataclass(frozen=True)
class Service:
    """What is asked of each of the two servers."""

    start: Callable[..., Server]
    answers: Callable[[Path], bool]
    url: Callable[[Path], str]


SERVICES = {
    "DATABASE_URL": Service(postgres.start, postgres.answers, postgres.url),
    "REDIS_URL": Service(valkey.start, valkey.answers, valkey.url),
}


def provide(data: Path = DATA) -> None:
    """Sets DATABASE_URL and REDIS_URL in the environment, each where it is unset or empty.

    They name the servers that run on `data`; those that do not run are started, which takes
    a second and has to be done from the main thread. EmbeddedError when that fails.
    """
    missing = _unset()
    if not missing:
        return
    data = data.resolve()
    try:
        urls = running_urls(data) or {}
        if any(name not in urls for name in missing):
            with places.locked(data):
                urls = _provide_locked(data, missing)
    except OSError as error:
        raise EmbeddedError(f"The embedded servers cannot start: {error}. {OWN_SERVERS}") from error
    os.environ.update({name: urls[name] for name in missing})


def running_urls(data: Path = DATA) -> dict[str, str] | None:
    """The URLs of the servers on `data` that answer, by variable name; None if none does.

    Starts nothing and takes some milliseconds.
    """
    sockets = _recorded_sockets(places.read_record(data.resolve()))
    urls = {
        name: SERVICES[name].url(place)
        for name, place in sockets.items()
        if SERVICES[name].answers(place)
    }
    return urls or None


@contextlib.contextmanager
def temporary() -> Iterator[None]:
    """Serves what the environment leaves unset by new servers, for the time of the `with`.

    For tests: the data is not kept, and not made safe against a crash of the machine.
    Afterwards the variables are unset again.
    """
    missing = _unset()
    if not missing:  # a worker of a test run whose main process has started them
        yield
        return
    with places.throwaway_root() as root, contextlib.ExitStack() as stack:
        for name in missing:
            server = SERVICES[name].start(root, root, throwaway=True)
            stack.callback(server.stop)
            os.environ[name] = SERVICES[name].url(server.sockets)
            stack.callback(os.environ.pop, name, None)
        yield


def celery_url(redis_url: str) -> str:
    """REDIS_URL as Celery wants it, for broker and results: a socket has a scheme of its own.

    unix:///tmp/x/valkey.sock?db=0 -> redis+socket:///tmp/x/valkey.sock?virtual_host=0
    """
    if not redis_url.startswith("unix://"):
        return redis_url
    path, _, query = redis_url.removeprefix("unix://").partition("?")
    query = query.replace("db=", "virtual_host=")
    return f"redis+socket://{path}" + (f"?{query}" if query else "")


def _unset() -> list[str]:
    return [name for name in SERVICES if not os.environ.get(name)]


def _provide_locked(data: Path, missing: list[str]) -> dict[str, str]:
    """Looks again, now that no other starter is at it, and starts what does not run."""
    urls = running_urls(data) or {}
    record = places.read_record(data)
    sockets = _recorded_sockets(record)
    root = places.data_root(data, record)
    for name in missing:
        if name in urls:
            continue
        if name in sockets:  # of a server that is gone
            shutil.rmtree(sockets[name], ignore_errors=True)
        server = SERVICES[name].start(root, places.temporary_base(), throwaway=False)
        atexit.register(server.stop)
        urls[name] = SERVICES[name].url(server.sockets)
        sockets[name] = server.sockets
        record["sockets"] = {key: str(place) for key, place in sockets.items()}
        places.write_record(data, record)
    return urls


def _recorded_sockets(record: dict[str, Any]) -> dict[str, Path]:
    recorded = record.get("sockets")
    if not isinstance(recorded, dict):
        return {}
    return {name: Path(place) for name, place in recorded.items() if name in SERVICES}
