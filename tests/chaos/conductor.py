"""Carries the plan out: does each fault at its time, undoes it, and sees that the world goes on."""

from __future__ import annotations

import heapq
import logging
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count

from django.db import InterfaceError, OperationalError, connection
from django.db.models import Q
from django.utils import timezone

from messaging import accounts
from messaging.models import ProviderAccount
from tests.chaos import plan as plans
from tests.chaos.crowd import Crowd
from tests.chaos.plan import CHANNELS, Fault
from tests.chaos.points import FREEZE
from tests.chaos.public import Public
from tests.chaos.world import Member, World
from tests.providers.peer import Fault as Misbehaviour

logger = logging.getLogger(__name__)

TICK = 0.05
TELL_EVERY = 5.0
HEAD_LATER = 1.0  # seconds: a child that was frozen goes on before its head cuts it off
RESTART = 0.5
STOP_WITHIN = 8.0
READY_WITHIN = 60.0

# What a provider does, at HTTP and at SMTP, by the plan's word for it. The share is well below
# one, so that a breaker does not stay open all the time.
HTTP = {
    "refuse now": Misbehaviour("429", share=0.3, retry_after="1"),
    "refuse": Misbehaviour("400", share=0.3),
    "error": Misbehaviour("500", share=0.3),
    "hang": Misbehaviour("hang", share=0.1),
    "slow": Misbehaviour("slow", share=0.3, seconds=2.0),
    "garbage": Misbehaviour("garbage", share=0.3, accepts=True),
    "reset": Misbehaviour("reset", share=0.3),
    "take and reset": Misbehaviour("reset", share=0.3, accepts=True),
    "take and hang": Misbehaviour("hang", share=0.1, accepts=True),
}
SMTP = {
    "refuse now": Misbehaviour("450", at="rcpt", share=0.3),
    "refuse": Misbehaviour("550", at="rcpt", share=0.3),
    "error": Misbehaviour("421", at="mail", share=0.3),
    "hang": Misbehaviour("hang", at="dot", share=0.1),
    "slow": Misbehaviour("slow", at="dot", share=0.3, seconds=2.0),
    "garbage": Misbehaviour("garbage", at="dot", share=0.3, accepts=True),
    "reset": Misbehaviour("reset", at="dot", share=0.3),
    "take and reset": Misbehaviour("reset", at="dot", share=0.3, accepts=True),
    "take and hang": Misbehaviour("hang", at="dot", share=0.1, accepts=True),
}


class Conductor:
    """One run, from the main thread: PostgreSQL is bound to the thread that starts it."""

    def __init__(
        self, world: World, crowd: Crowd, public: Public, faults: list[Fault], seed: int
    ) -> None:
        self.world, self.crowd, self.public = world, crowd, public
        self.done: Counter[str] = Counter()
        self.points: Counter[str] = Counter()
        self._faults = list(reversed(faults))
        self._later: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._chance = random.Random(seed)
        self._freeze_for: dict[str, float] = {}
        self._frozen: set[str] = set()
        self._tell_at = 0.0

    def run(self, seconds: float, doctors_a_second: float) -> None:
        """Do it all, and mend it at the end."""
        began = time.monotonic()
        while (now := time.monotonic() - began) < seconds:
            if not self._is_anybody_at_work():  # what then happens would happen to nobody
                began += self._await_ready()
                continue
            while self._faults and self._faults[-1].at <= now:
                self._do(self._faults.pop())
            self.turn()
            self._tell(now)
            due = int(now * doctors_a_second) - self.crowd.entered
            if due >= 2 * doctors_a_second:
                self.enter(due)
            time.sleep(TICK)
        self.heal()

    def _is_anybody_at_work(self) -> bool:
        return any(self.world.is_ready(name) for name in plans.WORKERS if name not in self._frozen)

    def _await_ready(self) -> float:
        """Until a worker is at work again: the seconds that it took."""
        began = time.monotonic()
        while not self._is_anybody_at_work() and time.monotonic() - began < READY_WITHIN:
            self.turn()
            time.sleep(TICK)
        return time.monotonic() - began

    def _tell(self, now: float) -> None:
        """Every few seconds, how it goes."""
        if now < self._tell_at:
            return
        self._tell_at = now + TELL_EVERY
        lines = {name: len(self.world.ledger(name).read_bytes().splitlines()) for name in CHANNELS}
        logger.info("accepted %s, entered %s, public %s", lines, self.crowd.entered, self.public)

    def enter(self, doctors: int) -> None:
        """Let some more doctors in; where the database is away, they come later."""
        try:
            self.public.met(self.crowd.enter(doctors))
        except (OperationalError, InterfaceError):
            connection.close()

    def heal(self) -> None:
        """Undo everything, and start whoever has ended."""
        left = self.world.orders.disarm()
        logger.info("points that nobody passed: %s", ", ".join(left) or "none")
        self.turn()
        while self._later:  # which may lead to more
            _, _, undo = heapq.heappop(self._later)
            undo()
        for name in plans.WORKERS:
            self.world.orders.set_clock(name, 0)
        for member in self.world.members.values():
            member.start_at = 0.0
        for account in ProviderAccount.objects.all():
            accounts.reset(account)

    def turn(self) -> None:
        """What is due to be undone, whoever has ended, and whoever has stopped at a point."""
        while self._later and self._later[0][0] <= time.monotonic():
            _, _, undo = heapq.heappop(self._later)
            undo()
        self.world.tend()
        for hit in self.world.orders.hits():
            self.points[f"{hit.act} at {hit.point}"] += 1
            if hit.act == FREEZE:
                self._stopped(hit.pid, self._freeze_for.get(hit.point, 7.0))

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._later, (time.monotonic() + seconds, next(self._numbers), action))

    def _do(self, fault: Fault) -> None:
        logger.info("%s", fault)
        self.done[fault.kind] += 1
        first, _, second = fault.kind.partition(" ")
        if second == "at":
            self._freeze_for[fault.target] = fault.lasts
            self.world.orders.arm(fault.target, first)
        else:
            getattr(self, f"_{fault.kind.replace(' ', '_').replace('-', '_')}")(fault)

    # --- Processes ---

    def _kill_child(self, fault: Fault) -> None:
        if children := self.world.members[fault.target].children():
            with suppress(ProcessLookupError):
                os.kill(self._chance.choice(children), signal.SIGKILL)

    def _kill_worker(self, fault: Fault) -> None:
        self._restart(fault.target, lambda m: m.signal_group(signal.SIGKILL))

    def _kill_head(self, fault: Fault) -> None:
        self._restart(fault.target, lambda m: m.signal_head(signal.SIGKILL))

    _kill_beat = _kill_worker
    _kill_web = _kill_worker

    def _stop_worker(self, fault: Fault) -> None:
        self._restart(fault.target, lambda m: m.signal_head(signal.SIGTERM))
        member = self.world.members[fault.target]
        process = member.pid

        def end() -> None:
            """As a process manager does with one that does not end."""
            if member.is_up() and member.pid == process:
                member.signal_group(signal.SIGKILL)

        self._after(STOP_WITHIN, end)

    def _restart(self, name: str, how: Callable[[Member], None]) -> None:
        member = self.world.members[name]
        how(member)
        member.start_at = time.monotonic() + RESTART

    def _freeze_worker(self, fault: Fault) -> None:
        self.world.members[fault.target].signal_group(signal.SIGSTOP)
        self._frozen.add(fault.target)
        self._after(fault.lasts, lambda: self._thaw(fault.target))

    def _stopped(self, pid: int, seconds: float) -> None:
        """Somebody has stopped at a point: all of its worker, or nobody would be late."""
        member = self.world.member_of(pid)
        if member is None:  # killed meanwhile
            return
        with suppress(ProcessLookupError):
            if os.getpgid(pid) == member.pid:  # and not left over from a head that was killed
                member.signal_group(signal.SIGSTOP)
                self._frozen.add(member.name)
        self._after(seconds, lambda: self._thaw(member.name, pid))

    def _thaw(self, name: str, pid: int = 0) -> None:
        """First the children, then their head."""
        member = self.world.members[name]
        for each in [pid, *member.children()]:
            with suppress(ProcessLookupError):
                if each:
                    os.kill(each, signal.SIGCONT)

        def go_on() -> None:
            member.signal_group(signal.SIGCONT)
            self._frozen.discard(name)

        self._after(HEAD_LATER, go_on)

    def _clock(self, fault: Fault) -> None:
        worker, seconds = fault.target.split()
        self.world.orders.set_clock(worker, float(seconds))

        def put_right() -> None:
            self.world.orders.set_clock(worker, 0)
            self._reopen()

        self._after(fault.lasts, put_right)

    def _reopen(self) -> None:
        """A fast clock that meets trouble closes an account for an hour: somebody notices."""
        too_far = timezone.now() + timedelta(minutes=1)
        with suppress(OperationalError, InterfaceError):
            for account in ProviderAccount.objects.filter(
                Q(closed_until__gt=too_far) | Q(probe_until__gt=too_far)
            ):
                accounts.reset(account)
                self.done["reopen an account"] += 1
            return
        connection.close()

    def _second_beat(self, fault: Fault) -> None:
        beat = self.world.members["beat2"]
        if not beat.is_up():
            beat.start(self.world.undertaker)
            self._after(fault.lasts, beat.end)

    # --- Servers ---

    def _kill_valkey(self, fault: Fault) -> None:
        self.world.valkey.kill()
        self._after(fault.lasts, self._start_valkey)

    def _start_valkey(self) -> None:
        if self.world.valkey._process.poll() is not None:
            self.world.valkey.start()

    def _freeze_valkey(self, fault: Fault) -> None:
        if self.world.valkey._process.poll() is None:
            self.world.valkey.freeze()
            self._after(fault.lasts, self.world.valkey.thaw)

    def _flush_valkey(self, fault: Fault) -> None:
        self.world.valkey.thaw()  # a frozen one would be waited for
        if self.world.valkey._process.poll() is None:
            self.world.valkey.empty()

    def _restart_postgres(self, fault: Fault) -> None:
        connection.close()
        self.world.postgres.restart()

    def _terminate_backends(self, fault: Fault) -> None:
        limit = "" if fault.target == "all" else f"LIMIT {int(fault.target)}"
        with suppress(OperationalError, InterfaceError), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
                f"ORDER BY random() {limit}"
            )

    def _cut(self, fault: Fault) -> None:
        self.world.proxies[fault.target].cut()

    def _delay(self, fault: Fault) -> None:
        proxy = self.world.proxies[fault.target]
        proxy.delay(0.1)
        self._after(fault.lasts, lambda: proxy.delay(0))

    def _hold(self, fault: Fault) -> None:
        proxy = self.world.proxies[fault.target]
        proxy.hold()

        def release() -> None:
            if self._chance.random() < 0.5:
                proxy.cut()
            proxy.release()

        self._after(fault.lasts, release)

    # --- Providers and people ---

    def _provider(self, fault: Fault) -> None:
        channel, _, how = fault.target.partition(" ")
        peer = self.world.peers[channel]
        if how == "kill":
            self.world.stop_peer(channel)
            self._after(fault.lasts, lambda: self._start_peer(channel, peer.port))
        elif channel not in self.world._peer_stacks:  # killed just now
            return
        elif how == "freeze":
            peer.stop(signal.SIGSTOP)
            self._after(fault.lasts, lambda: peer.stop(signal.SIGCONT))
        else:
            self._misbehave(channel, how)
            self._after(fault.lasts, lambda: self._misbehave(channel, ""))

    def _start_peer(self, channel: str, port: int) -> None:
        if channel not in self.world._peer_stacks:
            self.world.start_peer(channel, port)

    def _misbehave(self, channel: str, how: str) -> None:
        if channel not in self.world._peer_stacks:
            return
        self.world.peers[channel].stop(signal.SIGCONT)  # a frozen one takes no orders
        faults = [(SMTP if channel == "email" else HTTP)[how]] if how not in ("", "close") else []
        self.world.misbehave(channel, *faults, is_open=how != "close")

    def _opt_outs(self, fault: Fault) -> None:
        self.public.opt_outs(fault.target)

    def _reports(self, fault: Fault) -> None:
        self.public.forge()

    def _send_again(self, fault: Fault) -> None:
        self.public.send_again()
