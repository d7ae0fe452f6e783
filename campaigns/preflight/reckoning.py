"""What of the sequence can never go out (campaigns/feasibility)."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from campaigns.feasibility import sequence_of, typical
from campaigns.preflight.finding import Finding, Look, fine
from messaging.models import SkipReason


def feasibility(look: Look) -> Iterator[Finding]:
    """Every message finds room within caps, hours, days and the order of channels. No query.

    Channels that share no hour with the campaign are found by timing.py.
    """
    if not look.steps:
        return
    found = typical(sequence_of(look.campaign, look.steps))
    reasons = {one.step: one.reason for one in found.outcomes}
    page = reverse("admin:campaigns_campaign_preflight", args=[look.campaign.pk])
    for lost in found.lost:
        if reasons[lost.step] == SkipReason.FREQUENCY_CAP:
            yield Finding("warning", "never_goes", lost.words, f"{page}#mends", "What would help")
    if not found.lost:
        text = f"All {len(found.outcomes)} messages fit into caps, hours and days."
        yield fine("feasibility", text)
