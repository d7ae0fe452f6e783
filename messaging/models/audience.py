"""Checks of a template or a campaign against everybody in its segment (messaging/audience/)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q, Value
from django.db.models.functions import Concat

from messaging.models.template import MessageTemplate
from segments.models.fields import UuidV7Field

# A check that gives no sign of life for so long has lost its worker.
LOST_AFTER = timedelta(minutes=1)
# No worker has taken it: none runs, or the ring was lost.
UNHEARD_AFTER = timedelta(minutes=10)


class CheckState(models.TextChoices):
    """Life of a check."""

    QUEUED = "queued", "Waiting for a worker"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    CANCELLED = "cancelled", "Cancelled"
    FAILED = "failed", "Failed"


LIVE = (CheckState.QUEUED, CheckState.RUNNING)


class AudienceCheckQuerySet(models.QuerySet["AudienceCheck"]):
    """Checks, and the ways from one state to the next; each says how many it changed."""

    def live(self) -> AudienceCheckQuerySet:
        """Waiting or running."""
        return self.filter(state__in=LIVE)

    def claim(self, now: datetime) -> int:
        """Queued -> running. Of several workers that heard of it, one gets it."""
        return self.filter(state=CheckState.QUEUED).update(
            state=CheckState.RUNNING,
            runs=F("runs") + 1,
            started_at=now,
            heartbeat_at=now,
            done=0,
        )

    def running(self, runs: int) -> AudienceCheckQuerySet:
        """Still in the hands of the worker that began run number `runs`."""
        return self.filter(state=CheckState.RUNNING, runs=runs)

    def finish(self, result: dict[str, Any], done: int, now: datetime) -> int:
        """Running -> done."""
        return self.filter(state=CheckState.RUNNING).update(
            state=CheckState.DONE,
            result=result,
            done=done,
            total=done,
            heartbeat_at=now,
            finished_at=now,
        )

    def fail(self, why: str, now: datetime) -> int:
        """Live -> failed, saying why."""
        return self.live().update(state=CheckState.FAILED, error=why, finished_at=now)

    def cancel(self, now: datetime) -> int:
        """Live -> cancelled; a running one stops within a second."""
        return self.live().update(state=CheckState.CANCELLED, finished_at=now)

    def queue_again(self, now: datetime) -> int:
        """Ended -> queued, with nothing of the run before. IntegrityError: another one is live."""
        return self.exclude(state__in=LIVE).update(
            state=CheckState.QUEUED,
            requested_at=now,
            started_at=None,
            finished_at=None,
            error="",
            result={},
            done=0,
        )

    def fail_lost(self, now: datetime) -> int:
        """Live -> failed, of those that nobody works on."""
        at = Concat(
            Value("The worker was lost after "),
            F("done"),
            Value(" of "),
            F("total"),
            Value(" doctors. Start the check again."),
            output_field=models.TextField(),
        )
        silent = self.filter(state=CheckState.RUNNING, heartbeat_at__lt=now - LOST_AFTER)
        unheard = self.filter(state=CheckState.QUEUED, requested_at__lt=now - UNHEARD_AFTER)
        lost = silent.update(state=CheckState.FAILED, error=at, finished_at=now)
        return lost + unheard.update(
            state=CheckState.FAILED,
            error="No worker took it within ten minutes. See that one runs, and start it again.",
            finished_at=now,
        )


class AudienceCheck(models.Model):
    """One run over everybody in a segment: how many would be skipped, what is too long, and who."""

    id = UuidV7Field()
    campaign = models.ForeignKey(
        "campaigns.Campaign",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="audience_checks",
        help_text="All of its steps are checked.",
    )
    template = models.ForeignKey(
        MessageTemplate,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="audience_checks",
        help_text="This text alone is checked.",
    )
    state = models.CharField(
        max_length=20,
        choices=CheckState,
        default=CheckState.QUEUED,
        db_default=CheckState.QUEUED,
    )
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    requested_at = models.DateTimeField()
    started_at = models.DateTimeField("began", null=True)
    heartbeat_at = models.DateTimeField("last sign of life", null=True)
    finished_at = models.DateTimeField("ended", null=True)
    runs = models.PositiveIntegerField(
        default=0, help_text="How often it was begun; a worker of an earlier run stops."
    )
    total = models.PositiveIntegerField(default=0, help_text="Doctors to look at.")
    done = models.PositiveIntegerField(default=0, help_text="Doctors looked at.")
    result = models.JSONField(default=dict, help_text="As messaging/audience/tally.py writes it.")
    error = models.TextField(blank=True, default="", help_text="Why it failed.")

    objects = AudienceCheckQuerySet.as_manager()

    class Meta:
        db_table = "audience_checks"
        verbose_name = "audience check"
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(campaign__isnull=True) ^ Q(template__isnull=True),
                name="audience_checks_of_one_thing",
            ),
            # Two clicks are one check.
            models.UniqueConstraint(
                fields=["campaign"],
                condition=Q(state__in=LIVE),
                name="audience_checks_one_live_of_campaign",
            ),
            models.UniqueConstraint(
                fields=["template"],
                condition=Q(state__in=LIVE),
                name="audience_checks_one_live_of_template",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template or self.campaign}: {self.get_state_display().lower()}"
