"""What a campaign says and does, as one value: whether two looks at it saw the same."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Collection
from typing import Any

from django.db.models import Max

from campaigns.models import Campaign, CampaignMessage

# What its own functions change, and no form.
_OF_THE_ENGINE = {"status", "rollout_percent"}


def digest(campaign: Campaign) -> str:
    """SHA-256, hex, of its settings, its steps and their texts, as the database has them now."""
    return digests([campaign.pk])[campaign.pk]


def digests(campaigns: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """The same of several, by their keys; two queries."""
    fields = [
        field.attname
        for field in Campaign._meta.concrete_fields  # noqa: SLF001  Django's own name
        if field.editable and field.name not in _OF_THE_ENGINE
    ]
    told: dict[uuid.UUID, list[Any]] = {pk: [] for pk in campaigns}
    steps = (
        CampaignMessage.objects.filter(campaign__in=campaigns)
        .order_by("pk")
        .values_list(
            "campaign_id",
            "pk",
            "sequence_order",
            "channel",
            "delay_days",
            "template_id",
            "subject_line",
            "send_from",
        )
    )
    # A text is told by the number of its newest version, which the database counts.
    for campaign, *row in steps.annotate(version=Max("template__versions__number")):
        told[campaign].append(row)
    rows = Campaign.objects.filter(pk__in=campaigns).values_list("pk", *fields)
    return {pk: hash_of([dict(zip(fields, row, strict=True)), told[pk]]) for pk, *row in rows}


def hash_of(content: Any) -> str:
    """SHA-256, hex, of lists and mappings; what JSON has no word for counts as its text."""
    written = json.dumps(content, default=str, sort_keys=True)
    return hashlib.sha256(written.encode()).hexdigest()
