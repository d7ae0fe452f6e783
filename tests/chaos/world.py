"""Everything that a chaos run needs: servers behind proxies, fake providers, workers, web."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

from reengage.embedded.postgres import PORT
from reengage.supervise import Undertaker
from tests.chaos import nursery
from tests.chaos.plan import WORKERS
from tests.chaos.points import ORDERS, WORKER, Orders
from tests.chaos.providers import LEDGER, URL
from tests.chaos.proxy import Proxy
from tests.processes import family
from tests.providers.http_peer import http_peer
from tests.providers.http_provider import URL as PEER_URL
from tests.providers.peer import Fault, Peer, Plan
from tests.providers.smtp_sink import smtp_sink
from tests.servers import Postgres, Valkey, free_port

CHECKOUT = Path(__file__).resolve().parents[2]
SETTINGS = "tests.chaos.settings"
ADDRESS = "127.0.0.1"
LATENCY = 0.02  # seconds that a provider takes when it is well


@dataclass
class Member:
    """A process of the project and all that descends from it, in a group of its own."""

    name: str
    arguments: list[str]
    log: Path
    process: BaseProcess | None = None
    start_at: float = 0.0  # on the monotonic clock: when it may be started (again)
    groups: list[int] = field(default_factory=list)  # every one that it ever had

    def start(self, undertaker: Undertaker) -> None:
        """Start it once more."""
        self.process = nursery.start(self.arguments, {WORKER: self.name}, self.log)
        undertaker.note(self.pid)
        self.groups.append(self.pid)

    @property
    def pid(self) -> int:
        """Of its head, the last that it had."""
        return self.process.pid if self.process else 0

    def is_up(self) -> bool:
        """Whether its head is there."""
        return self.process is not None and self.process.is_alive()

    def children(self) -> list[int]:
        """Below its head."""
        return sorted(family({self.pid}) - {self.pid}) if self.is_up() else []

    def signal_group(self, number: signal.Signals) -> None:
        """To all of it."""
        if self.is_up():
            os.killpg(self.pid, number)

    def signal_head(self, number: signal.Signals) -> None:
        """To its head alone."""
        if self.is_up():
            os.kill(self.pid, number)

    def end(self) -> None:
        """Kill whatever is left of every group that it had."""
        for group in self.groups:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        if self.process:
            self.process.join()


class World:
    """Starts all of it, tends it and ends it."""

    def __init__(self, root: Path, stack: ExitStack, postgres: Postgres) -> None:
        self.root = root
        self.logs = root / "logs"
        self.logs.mkdir()
        self.postgres = postgres
        self.valkey = Valkey(root)
        stack.callback(self.stop_valkey)
        self.orders = Orders(root / "orders")
        self.proxies = {"postgres": Proxy(self._to_postgres), "valkey": Proxy(self._to_valkey)}
        for proxy in self.proxies.values():
            stack.callback(proxy.close)
        self.peers: dict[str, Peer] = {}
        self._peer_stacks: dict[str, ExitStack] = {}
        for channel in ("whatsapp", "sms", "email"):
            self.start_peer(channel)
            stack.callback(self.stop_peer, channel)
        os.environ[LEDGER] = str(self.ledger("sms"))  # this process asks, too, at the end
        self.undertaker = stack.enter_context(Undertaker())
        self.web_url = f"http://{ADDRESS}:{free_port()}"
        self.members = {member.name: member for member in self._cast()}
        stack.callback(self.end)
        nursery.open_nursery(**self._environment())

    # --- Servers ---

    def _socket(self) -> str:
        return f"{self.postgres._server.sockets}/.s.PGSQL.{PORT}"

    async def _to_postgres(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self._socket())

    async def _to_valkey(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(ADDRESS, self.valkey.port)

    def stop_valkey(self) -> None:
        """Frozen or not."""
        self.valkey.kill()

    # --- Providers ---

    def ledger(self, channel: str) -> Path:
        """What the channel's provider accepted."""
        return self.root / f"{channel}.jsonl"

    def start_peer(self, channel: str, port: int = 0) -> None:
        """Its ledger goes on where it ended."""
        fake = smtp_sink if channel == "email" else http_peer
        stack = ExitStack()
        plan = Plan(latency=LATENCY)
        self.peers[channel] = stack.enter_context(fake(self.ledger(channel), plan, port))
        self._peer_stacks[channel] = stack

    def stop_peer(self, channel: str) -> None:
        """As a power failure would."""
        self._peer_stacks.pop(channel, ExitStack()).close()

    def misbehave(self, channel: str, *faults: Fault, is_open: bool = True) -> None:
        """From now on, until told otherwise."""
        self.peers[channel].follow(faults=faults, is_open=is_open)

    # --- Processes of the project ---

    def _cast(self) -> Iterator[Member]:
        worker = "celery --skip-checks -A reengage worker --loglevel=INFO --concurrency=2"
        worker += " --without-gossip --without-mingle --without-heartbeat"
        # No file with a process id: one may be killed, and there may be two.
        beat = "celery --skip-checks -A reengage beat --pidfile="
        bind = self.web_url.removeprefix("http://")
        web = f"gunicorn reengage.wsgi --bind {bind} --threads 4 --timeout 10"
        commands = dict.fromkeys(WORKERS, worker) | {"beat": beat, "beat2": beat, "web": web}
        for name, command in commands.items():
            yield Member(name, command.split(), self.logs / f"{name}.log")

    def _environment(self) -> dict[str, str]:
        """Of all of them."""
        port = self.proxies["postgres"].port
        return {
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "DATABASE_URL": f"postgres://reengage@{ADDRESS}:{port}/reengage",
            "REDIS_URL": f"redis://{ADDRESS}:{self.proxies['valkey'].port}/0",
            "WHATSAPP_PROVIDER": "peer",
            "SMS_PROVIDER": "asked",
            "EMAIL_PROVIDER": "smtp",
            PEER_URL: self.peers["whatsapp"].url,
            URL: self.peers["sms"].url,
            LEDGER: str(self.ledger("sms")),
            "SMTP_URL": self.peers["email"].url,
            "PUBLIC_BASE_URL": self.web_url,
            ORDERS: str(self.orders.directory),
        }

    def is_ready(self, name: str) -> bool:
        """Whether the worker has started and is still there."""
        worker = self.members[name]
        return worker.is_up() and self.orders.ready(name) == worker.pid

    def tend(self) -> None:
        """Start again what has ended; the second beat comes and goes by itself."""
        for member in self.members.values():
            may_start = member.name != "beat2" and member.start_at <= time.monotonic()
            if may_start and not member.is_up():
                member.start(self.undertaker)

    def member_of(self, pid: int) -> Member | None:
        """Whose process it is."""
        with suppress(ProcessLookupError):
            group = os.getpgid(pid)
            return next((m for m in self.members.values() if group in m.groups), None)
        return None

    def end(self) -> None:
        """Kill every process of the project."""
        for member in self.members.values():
            member.end()


@contextmanager
def world(root: Path, postgres: Postgres) -> Iterator[World]:
    """All but the processes of the project, which tend() starts; gone afterwards."""
    with ExitStack() as stack:
        yield World(root, stack, postgres)
