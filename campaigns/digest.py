"""What a campaign says and does, as one value: whether two looks at it saw the same."""

from __future__ import annotations

import hashlib
import json

from django.db.models import Max

from campaigns.models import Campaign

# What its own functions change, and no form.
_OF_THE_ENGINE = {"status", "rollout_percent"}


def digest(campaign: Campaign) -> str:
    """SHA-256, hex, of its settings, its steps and their texts, as the database has them now."""
    fields = [
        field.attname
        for field in Campaign._meta.concrete_fields  # noqa: SLF001  Django's own name
        if field.editable and field.name not in _OF_THE_ENGINE
    ]
    settings = Campaign.objects.filter(pk=campaign.pk).values(*fields).get()
    steps = campaign.steps.order_by("pk").values_list(
        "pk", "sequence_order", "channel", "delay_days", "template_id", "subject_line", "send_from"
    )
    # A text is told by the number of its newest version, which the database counts.
    told = [list(row) for row in steps.annotate(version=Max("template__versions__number"))]
    content = json.dumps([settings, told], default=str, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()
