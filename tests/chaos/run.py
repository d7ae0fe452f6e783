"""One run from beginning to end, and what is said of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from django.core.management import call_command
from django.db import connections

from messaging.models import DeliveryAttempt
from tests.chaos import checks
from tests.chaos.conductor import Conductor
from tests.chaos.crowd import PER_DOCTOR, set_up
from tests.chaos.plan import plan
from tests.chaos.public import Public
from tests.chaos.world import World, world
from tests.servers import Postgres

logger = logging.getLogger(__name__)

WARM_UP = 180.0  # seconds at most, until the first message is sent


@dataclass(frozen=True)
class Order:
    """What is asked for."""

    seed: int
    seconds: float
    deliveries: int
    keeps_logs: bool = False


def run(order: Order, root: Path, postgres: Postgres) -> int:
    """Do it all, on a server with an empty database; 0 where every promise held."""
    began = time.monotonic()
    call_command("migrate", verbosity=0)
    crowd = set_up(order.deliveries // PER_DOCTOR)
    with (
        world(root, postgres) as everything,
        checks.logs_kept_on_failure(everything, str(order.seed)),
    ):
        public = Public(everything, order.seed)
        faults = plan(order.seed, order.seconds)
        conductor = Conductor(everything, crowd, public, faults, order.seed)
        everything.tend()
        conductor.enter(10)
        _await_first()
        logger.info("started in %.0f s", time.monotonic() - began)
        public.start()
        conductor.run(order.seconds, len(crowd.doctors) / order.seconds)
        public.end()
        troubles = _end(everything, conductor)
        code, lines = checks.audit(everything)
        troubles += checks.problems(everything, crowd, public.opted_out, public.followed)
        _summary(conductor, order.seconds)
        print(lines, *(f"! {trouble}" for trouble in troubles), sep="\n")
        if code or troubles:
            _explain(everything, lines + "\n".join(troubles))
        if code or troubles or order.keeps_logs:
            print(f"logs: {checks.keep_logs(everything, str(order.seed))}")
    spent = time.monotonic() - began
    print(f"seed {order.seed}, {order.seconds:.0f} s of faults, {spent:.0f} s in all")
    connections.close_all()
    return 1 if code or troubles else 0


def _end(everything: World, conductor: Conductor) -> list[str]:
    """Let everybody finish, and stop them; what is wrong with that."""
    checks.await_quiet(conductor.turn)
    conductor.done["window held for an hour"] = checks.an_hour_later()
    left = checks.await_quiet(conductor.turn)
    everything.end()
    checks.settle()
    logger.info("all is quiet")
    seconds = checks.QUIET_WITHIN
    return [f"Still under way, and no less for {seconds:.0f} s: {left}"] if left else []


def _await_first() -> None:
    deadline = time.monotonic() + WARM_UP
    while not DeliveryAttempt.objects.filter(outcome="accepted").exists():
        if time.monotonic() > deadline:
            raise TimeoutError("Nothing was sent: the logs say why.")
        time.sleep(0.05)


def _summary(conductor: Conductor, seconds: float) -> None:
    everything = conductor.world
    states = checks.states()
    calls = sum(checks.calls(everything).values())
    unknown = sum(checks.why_unknown().values())
    _print("faults", conductor.done)
    _print("points", conductor.points)
    _print("the public", conductor.public.counts)
    _print("database errors", checks.errors(everything))
    _print("starts", {name: len(member.groups) for name, member in everything.members.items()})
    _print(f"{sum(states.values()):,} deliveries", states)
    print(f"accepted by providers: {calls:,}, {calls / seconds:.0f} a second")
    print(f"ended unknown: {unknown:,}, {100 * unknown / (calls or 1):.1f} % of what was accepted")
    _print("unknown because", checks.why_unknown())


def _print(title: str, counts: Mapping[str, int]) -> None:
    print(f"{title}: " + (", ".join(f"{k} {v:,}" for k, v in sorted(counts.items())) or "none"))


def _explain(everything: World, text: str) -> None:
    for key in checks.named(text)[:10]:
        print(f"  {key}\n    {checks.history(everything, key)}")
