"""What the fake providers share: a process of their own, a plan of faults, a ledger.

A test holds a `Peer`:

    with smtp_sink(ledger=path, plan=Plan(latency=0.01)) as sink:
        sink.url                                            # where it listens
        sink.set_faults(Fault(at="dot", act="550", share=0.1), seed=7)
        sink.ledger()                                       # what it accepted so far

The ledger is written before the answer, so killing the fake loses nothing that it acknowledged;
another one may go on with the same `ledger` and `port`. From a shell:

    python -m tests.providers.smtp_sink --port 2525 --ledger FILE --plan '{"latency": 0.1}'
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from typing import Any, NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
PATIENCE = 10.0  # seconds


@dataclass(frozen=True)
class Fault:
    """One way to misbehave. The first fault of the plan that applies is done.

    `act`: an SMTP or HTTP code ("450", "429"); "reset" (the connection); "hang" (never answers);
    "slow" (answers after `seconds`); "garbage"; and for HTTP "drip" (a byte every `seconds`),
    "bad_json" (a 200), "big" (2 MB with a 200), "close" (answers, then closes unannounced).
    """

    act: str
    at: str = "call"  # HTTP: connect, call. SMTP: connect, mail, rcpt, data, dot
    accepts: bool = False  # takes the message, whatever it answers (at call and dot only)
    recipient: str = ""  # only recipients that contain this (not at connect, not at mail)
    share: float = 1.0  # of the occasions, drawn with the plan's seed
    times: int | None = None  # this often, and then no more
    seconds: float = 1.0
    retry_after: str = ""  # header of an HTTP answer


@dataclass(frozen=True)
class Plan:
    """How a fake behaves."""

    faults: tuple[Fault, ...] = ()
    seed: int = 0
    latency: float = 0.0  # seconds before a message is answered
    is_open: bool = True  # False: connections are refused
    pipelining: bool = True  # SMTP: offered
    per_connection: int = 0  # SMTP: messages, then 421; 0: any number
    is_eager: bool = False  # SMTP: answers 354 to DATA though it accepted no recipient

    @classmethod
    def read(cls, text: str) -> Plan:
        """From its JSON."""
        values = json.loads(text)
        faults = tuple(Fault(**fault) for fault in values.pop("faults", ()))
        return cls(**values, faults=faults)


class Entry(NamedTuple):
    """One accepted message."""

    delivery_id: str
    recipient: str
    at: float  # unix seconds


# --- Inside the fake ------------------------------------------------------------------------


class Desk:
    """The fake's side: what to do next, what was accepted, and what was seen."""

    def __init__(self, plan: Plan, ledger: str) -> None:
        self.counts: Counter[str] = Counter()
        self._ledger = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self.follow(plan)

    def follow(self, plan: Plan) -> None:
        """From now on behave like this."""
        self.plan = plan
        self._random = random.Random(plan.seed)
        self._done: Counter[int] = Counter()
        self._places = {fault.at for fault in plan.faults}

    def fault(self, at: str, recipient: str = "") -> Fault | None:
        """The fault to do here, if any."""
        if at not in self._places:
            return None
        for number, fault in enumerate(self.plan.faults):
            if fault.at != at or fault.recipient not in recipient:
                continue
            if fault.times is not None and self._done[number] >= fault.times:
                continue
            if fault.share >= 1 or self._random.random() < fault.share:
                self._done[number] += 1
                self.counts[f"{fault.act} at {at}"] += 1
                return fault
        return None

    def accept(self, delivery_id: str, recipient: str) -> None:
        """Write it down; afterwards it may be acknowledged."""
        self.counts["accepted"] += 1
        line = f'"delivery_id": {quoted(delivery_id)}, "recipient": {quoted(recipient)}'
        os.write(self._ledger, f'{{{line}, "at": {time.time():.6f}}}\n'.encode())

    def obey(self, line: bytes, hang_up: Callable[[str], None]) -> bytes:
        """Do what the test says on the control channel; returns the answer."""
        order = json.loads(line)
        if "plan" in order:
            self.follow(Plan.read(order["plan"]))
        if "hang_up" in order:
            hang_up(order["hang_up"])
        return json.dumps(self.counts).encode() + b"\n"


def arguments(description: str | None) -> argparse.Namespace:
    """The command line of a fake."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--ledger", default="/dev/null", help="file to append to, JSON lines")
    parser.add_argument("--control", default="", help="path of a unix socket to take orders on")
    parser.add_argument("--plan", type=Plan.read, default=Plan(), help="Plan as JSON")
    return parser.parse_args()


def announce(port: int) -> None:
    """Tell whoever started the fake that it listens."""
    print(json.dumps({"port": port}), flush=True)


# --- Inside the test ------------------------------------------------------------------------


@dataclass
class Peer:
    """A fake provider that runs, as a test sees it."""

    process: subprocess.Popen[bytes]
    url: str
    port: int
    path: Path  # of the ledger
    plan: Plan
    control: str

    def set_faults(self, *faults: Fault, seed: int | None = None) -> None:
        """Misbehave like this and no other way from now on; none: behave."""
        self.follow(faults=faults, seed=self.plan.seed if seed is None else seed)

    def follow(self, **changes: Any) -> None:
        """Change these fields of the plan; each fault's `times` begins anew."""
        self.plan = replace(self.plan, **changes)
        self._order(plan=json.dumps(asdict(self.plan)))

    def hang_up(self, say: str = "") -> None:
        """Close every open connection in an orderly way, after some last words."""
        self._order(hang_up=say)

    def counts(self) -> dict[str, int]:
        """What it saw: connections, accepted, calls (HTTP), early (commands before their time),
        most at once (HTTP), and each fault done as `<act> at <at>`."""
        return Counter(self._order())

    def ledger(self) -> list[Entry]:
        """What it accepted, in order."""
        lines = self.path.read_bytes().splitlines()
        return [Entry(**json.loads(line)) for line in lines]

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the process, or SIGSTOP and SIGCONT it."""
        self.process.send_signal(how)

    def _order(self, **order: Any) -> dict[str, int]:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(PATIENCE)
            line.connect(self.control)
            line.sendall(json.dumps(order).encode() + b"\n")
            with line.makefile() as answers:
                return json.loads(answers.readline())


@contextmanager
def running(module: str, scheme: str, ledger: Path | None, plan: Plan, port: int) -> Iterator[Peer]:
    """The fake of that module in a process of its own, until the block ends."""
    # Here, since the fakes start at once without the project, and take a second with it.
    from reengage.supervise import die_with_parent  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="peer") as directory:
        path = ledger or Path(directory) / "ledger.jsonl"
        path.touch()
        control = f"{directory}/control"
        options = [f"--port={port}", f"--ledger={path}", f"--control={control}"]
        process = subprocess.Popen(
            [sys.executable, "-m", module, *options, f"--plan={json.dumps(asdict(plan))}"],
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent(signal.SIGKILL),  # noqa: PLW1509  takes no lock
        )
        with process:
            try:
                port = json.loads(process.stdout.readline())["port"]
                url = f"{scheme}://127.0.0.1:{port}"
                yield Peer(process, url, port, path, plan, control)
            finally:
                process.kill()
