"""What a template said at any time, and what was filled into it for whom."""

from __future__ import annotations

import uuid
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.postgres.functions import TransactionNow
from django.db import models
from django.db.models.fields.json import KeyTransform

from messaging.models.template import MessageTemplate


class TemplateVersionQuerySet(models.QuerySet["TemplateVersion"]):
    """Versions, in business words."""

    def sign(self, template: MessageTemplate, user: User | None, note: str = "") -> bool:
        """Say who made the version that this transaction has made of the template, and what for.

        False: it made none, since nothing that is kept has changed.
        """
        made = self.filter(template=template, saved_at=TransactionNow(), saved_by=None)
        newest = made.order_by("-number").values("pk")[:1]
        return bool(self.filter(pk__in=newest).update(saved_by=user, note=note))


class TemplateVersion(models.Model):
    """A template as it was saved once; made by a trigger, whoever writes the template.

    `content` has every column of the template by its name, but those that say when it was saved
    and what a provider thinks of it.
    """

    template = models.ForeignKey(MessageTemplate, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(help_text="The first one is 1.")
    saved_at = models.DateTimeField(db_default=TransactionNow())
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    note = models.CharField(
        max_length=200, default="", db_default="", help_text="Such as: version 3 restored."
    )
    content = models.JSONField()

    objects = TemplateVersionQuerySet.as_manager()

    class Meta:
        db_table = "template_versions"
        verbose_name = "version"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="template_versions_number")
        ]

    def __str__(self) -> str:
        return f"{self.content['template_key']}, version {self.number}"


class Content(NamedTuple):
    """What one message was made of, and to whom it went.

    `subject`: the step's own or the template's, not filled in. `recipient`: number (E.164) or
    e-mail address; "" of what went out before it was kept. `is_free_text`: it did not go as the
    template that WhatsApp knows.
    """

    version_id: int
    variables: dict[str, Any]
    subject: str | None
    recipient: str = ""
    is_free_text: bool = False


class HandedOverQuerySet(models.QuerySet["HandedOver"]):
    """Windows, in business words."""

    def content(self, claim_id: uuid.UUID, delivery_id: uuid.UUID) -> Content | None:
        """What one delivery said under a claim, read without its window; None: it is not kept."""
        found = self.filter(pk=claim_id).values_list(KeyTransform(str(delivery_id), "contents"))
        kept = next((content for (content,) in found), None)
        return Content(*kept) if kept else None


class HandedOver(models.Model):
    """What the messages of one window were filled with, written before a provider hears of them.

    One row for the window and not for each message: it is written in every send and read rarely.
    """

    claim_id = models.UUIDField(primary_key=True)
    at = models.DateTimeField()
    contents = models.JSONField(
        help_text="By delivery: the id of the template's version, the variables and the subject."
    )

    objects = HandedOverQuerySet.as_manager()

    class Meta:
        db_table = "handed_over"
        verbose_name = "handed-over window"

    def __str__(self) -> str:
        return str(self.claim_id)
