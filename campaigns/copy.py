"""A campaign once more, as a draft."""

from __future__ import annotations

from django.contrib.auth.models import User
from django.db import transaction

from campaigns.models import Campaign, CampaignMessage

# What a copy takes over; the rest is of its own life: dates, review, figures.
_KEPT = (
    "description",
    "segment_type",
    "priority",
    "inactivity_days",
    "channel_order",
    "send_from",
    "send_until",
    "goal_rate",
    "goal_days",
    "value_per_return",
    "holdout_percent",
    "rollout_days",
    "min_delivery_rate",
    "max_failure_rate",
    "max_unsubscribe_rate",
    "max_complaint_rate",
)
_KEPT_OF_STEP = (
    "sequence_order",
    "channel",
    "delay_days",
    "template_id",
    "subject_line",
    "send_from",
)


def permissions_to_copy(campaign: Campaign) -> tuple[str, ...]:
    """What whoever copies it has to have: to add a campaign, and the steps that it has."""
    steps = ("campaigns.add_campaignmessage",) if campaign.steps.exists() else ()
    return ("campaigns.add_campaign", *steps)


@transaction.atomic
def copy_campaign(campaign: Campaign, by: User | None = None) -> Campaign:
    """A draft of `by` with the same settings and steps; without dates, enrolments and figures."""
    draft = Campaign.objects.create(
        name=f"Copy of {campaign.name}"[:255],
        author=by,
        changed_by=by,
        **{field: getattr(campaign, field) for field in _KEPT},
    )
    CampaignMessage.objects.bulk_create(
        CampaignMessage(campaign=draft, **{field: getattr(step, field) for field in _KEPT_OF_STEP})
        for step in campaign.steps.all()
    )
    return draft
