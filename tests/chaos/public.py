"""People and providers outside: reports in any order, clicks, opens, opt-outs at bad moments."""

from __future__ import annotations

import heapq
import json
import logging
import random
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import count

from celery import Celery
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone

from messaging import again, optout, track
from messaging.models import (
    Channel,
    ConsentRecord,
    DeliveryStatus,
    EventKind,
    MessageDelivery,
    UnsubscribeRecord,
)
from messaging.track import Event
from segments.models import SegmentType
from tests.chaos.world import World

logger = logging.getLogger(__name__)

AGENT = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0"}
AWAY = (OperationalError, InterfaceError)


@dataclass(frozen=True)
class OptOut:
    """One that was answered: from `known_at` on it holds, unless the doctor comes back."""

    doctor_id: int
    channel: str | None  # None: all
    known_at: datetime


class Public(threading.Thread):
    """Reads the ledgers, and does what providers and doctors do about it."""

    def __init__(self, world: World, seed: int) -> None:
        super().__init__(name="public", daemon=True)
        self.counts: Counter[str] = Counter()
        self.opted_out: list[OptOut] = []
        self.followed: Counter[uuid.UUID] = Counter()  # links that led on, by delivery
        self._world = world
        self._chance = random.Random(seed + 1)
        self._newest: list[int] = []  # doctors whose messages have just become due
        self._places = dict.fromkeys(Channel.values, 0)
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()
        self._pool = ThreadPoolExecutor(6)
        self._ending = threading.Event()
        self._broker = Celery("public", broker=world.valkey.url, set_as_current=False)
        self._broker.conf.update(
            task_publish_retry=False,
            broker_transport_options={"socket_timeout": 0.5, "socket_connect_timeout": 0.5},
        )

    def __str__(self) -> str:
        waiting = self._pool._work_queue.qsize()
        return f"{dict(self.counts)}, {waiting} jobs wait, {len(self._due)} later"

    # --- What the conductor says ---

    def met(self, doctors: list[int]) -> None:
        """These get messages now."""
        self._newest = doctors or self._newest

    def opt_outs(self, how: str) -> None:
        """Of some doctors whose messages are just being authorised."""
        some = self._chance.sample(self._newest, min(12, len(self._newest)))
        for doctor in some:
            self._later(self._chance.uniform(0, 0.5), partial(self._opt_out, how, doctor))

    def forge(self) -> None:
        """Reports on what does not exist, and on what was never sent."""
        self._give(self._forge)

    def send_again(self) -> None:
        """A person decides on some that are unknown."""
        self._give(self._send_again)

    def end(self) -> None:
        """Do what is due, and stop."""
        self._ending.set()
        self.join()
        self._pool.shutdown()

    # --- Its own loop ---

    def run(self) -> None:
        """Follow the ledgers until the end."""
        while not self._ending.wait(0.05):
            for channel in Channel.values:
                self._read(channel)
            while self._due and self._due[0][0] <= time.monotonic():
                self._give(heapq.heappop(self._due)[2])
        while self._due:
            self._give(heapq.heappop(self._due)[2])

    def _later(self, seconds: float, job: Callable[[], None]) -> None:
        heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), job))

    def _give(self, job: Callable[[], None]) -> None:
        self._pool.submit(self._try, job)

    def _try(self, job: Callable[[], None], times: int = 8) -> None:
        for wait in range(times):
            try:
                job()
            except AWAY:
                connection.close()
                time.sleep(0.25 * (wait + 1))
            except Exception:
                logger.exception("the public could not do what it wanted")
                return
            else:
                return
        self.counts["given up"] += 1

    def _read(self, channel: str) -> None:
        with self._world.ledger(channel).open("rb") as ledger:
            ledger.seek(self._places[channel])
            lines = ledger.readlines()
        accepted = []
        for line in lines:
            if not line.endswith(b"\n"):
                break
            self._places[channel] += len(line)
            accepted.append(uuid.UUID(json.loads(line)["delivery_id"]))
        if accepted:
            self._answer(channel, accepted)

    # --- Reports ---

    def _answer(self, channel: str, accepted: list[uuid.UUID]) -> None:
        """Reports on what was accepted: some before our own record of it, some late."""
        chance = self._chance
        batches: dict[float, list[Event]] = {0.0: [], 0.3: [], 2.0: []}
        for delivery_id in accepted:
            for event in self._reports(channel, delivery_id):
                for _ in range(chance.choice((1, 1, 1, 2))):
                    batches[chance.choice(tuple(batches))].append(event)
            if chance.random() < 0.1:
                self._later(chance.uniform(0, 2), partial(self._visit, delivery_id))
        for seconds, events in batches.items():
            chance.shuffle(events)
            if events:
                self._later(seconds, partial(self._store, events))

    def _reports(self, channel: str, delivery_id: uuid.UUID) -> list[Event]:
        """What one message brings, each at a time that says little of the order it comes in."""
        chance = self._chance
        kinds = [EventKind.SENT, EventKind.DELIVERED, EventKind.OPENED, EventKind.CLICKED]
        wanted = kinds[: chance.choice((0, 1, 2, 2, 2, 3, 4))]
        if chance.random() < 0.05:
            wanted = [EventKind.FAILED, *wanted[:1]]
        if chance.random() < 0.3:
            wanted += wanted[-1:]
        by_their_id = channel != "email" and chance.random() < 0.3
        now = timezone.now()
        return [
            Event(
                provider=channel,
                key=f"{delivery_id}:{kind}:{number}",
                kind=kind,
                occurred_at=now + timedelta(seconds=chance.uniform(-5, 5)),
                delivery_id=None if by_their_id else delivery_id,
                external_id=f"peer-{delivery_id}" if by_their_id else "",
                is_machine=kind == EventKind.OPENED and chance.random() < 0.1,
            )
            for number, kind in enumerate(wanted)
        ]

    def _store(self, events: list[Event]) -> None:
        self.counts["reports"] += len(events)
        half = len(events) // 2
        track.store(events[:half], timezone.now())
        track.store(events, timezone.now())  # the first half comes twice
        if len(events) % 3 == 0:
            track.apply_events(timezone.now())
        elif len(events) % 3 == 1 and events[0].external_id:
            with suppress(Exception):  # Valkey is away: this one is lost, as it may be
                self._broker.send_task(
                    "messaging.tasks.update_message_delivery_status",
                    (events[0].external_id, str(events[0].kind)),
                    queue="default",
                )

    def _forge(self) -> None:
        now = timezone.now()
        never_sent = MessageDelivery.objects.filter(status__in=["scheduled", "skipped"])
        names = [uuid.uuid4(), uuid.uuid4(), *never_sent.values_list("pk", flat=True)[:6]]
        kinds = [EventKind.DELIVERED, EventKind.CLICKED, EventKind.FAILED]
        events = [
            Event("forged", f"{name}:{now}", kinds[number % 3], now, delivery_id=name)
            for number, name in enumerate(names)
        ]
        events.append(Event("forged", f"id:{now}", kinds[0], now, external_id="peer-nobody"))
        self.counts["forged reports"] += track.store(events, now)
        track.apply_events(now)

    # --- Doctors ---

    def _visit(self, delivery_id: uuid.UUID) -> None:
        """Follow the link, or open the mail."""
        token = MessageDelivery.objects.values_list("token", flat=True).get(pk=delivery_id)
        path = self._chance.choice((f"o/{token}.gif", f"r/{token}"))
        opener = urllib.request.build_opener(_NoRedirect)
        request = urllib.request.Request(f"{self._world.web_url}/{path}", headers=AGENT)
        self.counts["visits"] += 1
        try:
            opener.open(request, timeout=10).close()
        except urllib.error.HTTPError as answer:
            if answer.code == HTTPStatus.FOUND:
                self.followed[delivery_id] += 1
                self.counts["links followed"] += 1
            else:
                self.counts[f"visits answered {answer.code}"] += 1
        except OSError:
            self.counts["visits unanswered"] += 1

    def _opt_out(self, how: str, doctor_id: int) -> None:
        if how == "link":
            self._opt_out_by_link(doctor_id)
        elif how == "consent":
            ConsentRecord.objects.create(
                doctor_id=doctor_id,
                channel="whatsapp",
                is_given=False,
                recorded_at=timezone.now(),
                source="chaos",
            )
            self.opted_out.append(OptOut(doctor_id, "whatsapp", datetime.now(UTC)))
        else:
            channel = None if how == "all" else self._chance.choice((*Channel.values, None))
            kind = self._chance.choice((None, None, SegmentType.UNCLAIMED_CERTIFICATES))
            record = optout.opt_out(doctor_id, channel, kind, source="chaos", now=timezone.now())
            self.opted_out.append(OptOut(doctor_id, channel, datetime.now(UTC)))
            if self._chance.random() < 0.2:
                self._later(1.0, partial(self._come_back, record))
        self.counts["opt-outs"] += 1

    def _come_back(self, record: UnsubscribeRecord) -> None:
        optout.opt_in(record, timezone.now())

    def _opt_out_by_link(self, doctor_id: int) -> None:
        """By one click in a message that came before, while others are under way."""
        sent = MessageDelivery.objects.filter(doctor_id=doctor_id).exclude(token=None)
        message = sent.order_by("?").first()
        if message is None:
            return
        form = {"scope": self._chance.choice(("channel", "all"))}
        if self._chance.random() < 0.5:
            form = {"List-Unsubscribe": "One-Click"}
        request = urllib.request.Request(
            f"{self._world.web_url}/u/{message.token}",
            urllib.parse.urlencode(form).encode(),
            headers=AGENT,
        )
        opener = urllib.request.build_opener(_NoRedirect)
        try:
            opener.open(request, timeout=10).close()
        except urllib.error.HTTPError as error:
            if error.code != 302:
                return
        except OSError:  # nobody knows whether it was heard
            return
        channel = None if form.get("scope") == "all" else message.channel
        self.opted_out.append(OptOut(doctor_id, channel, datetime.now(UTC)))

    def _send_again(self) -> None:
        unknown = MessageDelivery.objects.filter(status=DeliveryStatus.UNKNOWN)
        for delivery_id in unknown.order_by("?").values_list("pk", flat=True)[:3]:
            with suppress(again.NotUnknownError):
                again.send_again(delivery_id, "chaos", timezone.now())
                self.counts["sent again by hand"] += 1


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Links lead out of the machine."""

    def redirect_request(self, *_: object) -> None:
        return None
