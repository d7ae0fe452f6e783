"""Keys of programs that use the API."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models import Q

from segments.models.fields import UuidV7Field


class ApiScope(models.TextChoices):
    """What a key may be used for, besides what its owner may."""

    CAMPAIGNS_READ = "campaigns:read", "Read campaigns"
    CAMPAIGNS_WRITE = "campaigns:write", "Write, launch and stop campaigns"
    TEMPLATES_READ = "templates:read", "Read templates"
    TEMPLATES_WRITE = "templates:write", "Write templates"
    ANALYTICS_READ = "analytics:read", "Read figures"
    ACTIVITY_WRITE = "activity:write", "Report doctors and what they did"
    SUPPRESSIONS_READ = "suppressions:read", "Read opt-outs and suppressions"
    SUPPRESSIONS_WRITE = "suppressions:write", "Add opt-outs and suppressions"


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    """Keys, in business words."""

    def usable(self, now: datetime) -> ApiKeyQuerySet:
        """Neither revoked nor expired, of an owner who may still log in to the admin."""
        return self.filter(
            Q(expires_at=None) | Q(expires_at__gt=now),
            revoked_at=None,
            owner__is_active=True,
            owner__is_staff=True,
        )


class ApiKey(models.Model):
    """A key is shown once, when it is made; kept is its digest only."""

    id = UuidV7Field()
    name = models.CharField(max_length=100, help_text="Which program uses it.")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        related_name="api_keys",
        help_text="The key may do what its owner may, as far as its scopes go.",
    )
    prefix = models.CharField(
        max_length=12, unique=True, editable=False, help_text="Start of the key, to know it by."
    )
    digest = models.CharField(max_length=64, editable=False, help_text="SHA-256 of the key, hex.")
    scopes = ArrayField(
        models.CharField(max_length=30, choices=ApiScope), help_text="What it may be used for."
    )
    created_at = models.DateTimeField(db_default=TransactionNow(), null=True, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Empty: it does not expire.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    last_used_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="To the minute."
    )

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name

    @property
    def has_owner(self) -> bool:
        """Its owner may still log in to the admin: active, and staff."""
        return self.owner.is_active and self.owner.is_staff


class ApiBatch(models.Model):
    """An answer that was given: the same request with the same key again gets it again.

    It holds keys and counts, and no value that a program sent (campaigns/api/activity.py).
    """

    id = UuidV7Field()
    api_key = models.ForeignKey(ApiKey, on_delete=models.CASCADE, related_name="batches")
    idempotency_key = models.CharField(max_length=200)
    digest = models.CharField(max_length=64, help_text="SHA-256 of path and body, hex.")
    status = models.PositiveSmallIntegerField()
    answer = models.TextField(help_text="JSON, as it was sent.")
    created_at = models.DateTimeField(db_default=TransactionNow())

    class Meta:
        db_table = "api_batches"
        verbose_name = "API batch"
        verbose_name_plural = "API batches"
        constraints = [
            models.UniqueConstraint(
                fields=["api_key", "idempotency_key"], name="api_batches_key_once"
            )
        ]

    def __str__(self) -> str:
        return self.idempotency_key
