"""Signs of life of the processes and of the channels' lanes."""

from django.db import models


class HeartbeatKind(models.TextChoices):
    """What gives the sign."""

    BEAT = "beat", "Scheduler"
    WORKER = "worker", "Worker"
    WEB = "web", "Web server"
    LANE = "lane", "Lane"


class Heartbeat(models.Model):
    """When a process or a lane was last heard of; written by messaging/heartbeat.py."""

    name = models.CharField(
        max_length=200,
        primary_key=True,
        help_text="Of a process kind:host:number, of a lane lane:channel.",
    )
    kind = models.CharField(max_length=20, choices=HeartbeatKind)
    at = models.DateTimeField(help_text="Last sign of life.")
    started_at = models.DateTimeField(
        help_text="Of a process its start; of a lane the run that has not ended, or the last one."
    )
    detail = models.JSONField(default=dict)

    class Meta:
        db_table = "heartbeats"

    def __str__(self) -> str:
        return self.name
