"""The clock: django-celery-beat's scheduler, with some of its habits left out."""

import logging
import time
from datetime import datetime
from typing import Any

from celery.beat import SchedulingError
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler, ModelEntry

from messaging import heartbeat
from messaging.models import HeartbeatKind
from reengage.start import refuse_what_is_wrong

logger = logging.getLogger(__name__)

TRY_AGAIN_SECONDS = 3.0


class Entry(ModelEntry):  # type: ignore[misc]  # untyped
    """One schedule as the clock holds it."""

    def save(self) -> None:
        """Write when it last ran, and nothing else.

        The library writes back the whole row as it read it, over what somebody may have changed
        in the admin at that moment, and moves the "last modified" that the admin shows. A row
        that was disabled meanwhile keeps its empty `last_run_at`, or it would catch up on the
        time in which it was off as soon as it is enabled again.
        """
        rows = PeriodicTask.objects.filter(pk=self.model.pk, enabled=True)
        rows.update(last_run_at=self.model.last_run_at, total_run_count=self.model.total_run_count)


class Scheduler(DatabaseScheduler):  # type: ignore[misc]  # untyped
    """Fires every enabled schedule at its minute, and at once what fell due while it was down.

    What Redis does not take is offered again every few seconds, once for each schedule however
    often it fell due, and counts as run from then on only: a night's work is not lost with Redis,
    nor with the clock itself. Nothing here waits for Redis for longer than one answer.
    """

    Entry = Entry
    producer = None  # the library's own would wait for Redis for ever

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Read the schedules. ImproperlyConfigured; OperationalError: the database is away."""
        refuse_what_is_wrong()
        self._untaken: dict[str, Any] = {}  # entries that Redis has not taken, by name
        self._try_at = 0.0  # on the monotonic clock: when to offer them (again)
        self._started_at = timezone.now()
        self._sign_at: datetime | None = None
        super().__init__(*args, **kwargs)

    def enabled_models_qs(self) -> Any:
        """Every enabled schedule, at any hour.

        The library leaves out those more than two hours away. A nightly task missed while the
        clock was down would then not be caught up when it is back, but the next night, two hours
        before its time, and once more at its time.
        """
        return PeriodicTask.objects.enabled().select_related("crontab", "interval")

    def install_default_entries(self, data: Any) -> None:
        """None: the library would add a daily clean-up of results, which Redis expires itself."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Fire one schedule that is due; returns the seconds until the next look."""
        try:
            self._give_sign()
            self._offer()
            seconds: float = super().tick(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            logger.warning("The database does not answer: %s", error)
            connection.close()
            self._last_full_sync = datetime.min  # noqa: DTZ901  the library's own; read it all anew
            return 1.0
        return min(seconds, TRY_AGAIN_SECONDS) if self._untaken else seconds

    def apply_entry(self, entry: Any, producer: Any = None) -> None:  # noqa: ARG002  the library's
        """Have a schedule's task run; where Redis is away, as soon as it is back."""
        self._untaken[entry.name] = entry
        self._offer()

    def _offer(self) -> None:
        """Hand Redis what it has not taken; with the first failure, the rest waits too."""
        if not self._untaken or time.monotonic() < self._try_at:
            return
        for name, entry in list(self._untaken.items()):
            try:
                if name in self._schedule:  # nobody disabled it meanwhile
                    self.apply_async(entry, advance=False)
            except SchedulingError as error:
                self._try_at = time.monotonic() + TRY_AGAIN_SECONDS
                logger.warning("%s waits: %s", ", ".join(self._untaken), error)
                return
            del self._untaken[name]
        self._do_sync()

    def sync(self) -> None:
        """Write when each schedule last ran; one that Redis has not taken has not."""
        untaken = self._dirty & self._untaken.keys()
        self._dirty -= untaken
        super().sync()
        self._dirty |= untaken

    def _give_sign(self) -> None:
        now = timezone.now()
        if self._sign_at is None or abs(now - self._sign_at) >= settings.HEARTBEAT_EVERY:
            heartbeat.beat(HeartbeatKind.BEAT, now, self._started_at)
            self._sign_at = now

    def close(self) -> None:
        """Stop in order: write what is left to write, and be missed by nobody."""
        super().close()
        heartbeat.forget(HeartbeatKind.BEAT)
