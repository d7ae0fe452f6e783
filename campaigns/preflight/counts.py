"""What the pre-flight counts doctors for: seconds where they are many, so it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.cache import cache

from campaigns.digest import digest
from campaigns.feasibility import Crowd, crowd, sequence_of
from campaigns.models import Campaign
from campaigns.preflight import of_doctors
from campaigns.preflight.finding import Finding

KEPT = 120  # seconds


@dataclass(frozen=True, slots=True)
class Counts:
    """What was found at `at`; `crowd`: None, where the campaign has no steps."""

    at: datetime
    findings: Sequence[Finding]
    crowd: Crowd | None


def counts(campaign: Campaign, now: datetime) -> Counts:
    """Of the campaign as it stands now; the doctors as they were `KEPT` seconds ago, at most.

    Without Redis nothing is kept: they are counted each time.
    """
    # Whatever a person changes is in the digest, and what only the engine changes beside it.
    key = f"preflight:{campaign.pk}:{campaign.status}:{campaign.rollout_percent}:{digest(campaign)}"
    kept: Counts | None = cache.get(key)
    if kept is None:
        kept = _count(campaign, now)
        cache.set(key, kept, KEPT)
    return kept


def _count(campaign: Campaign, now: datetime) -> Counts:
    sequence = sequence_of(campaign)
    others = crowd(campaign, sequence, now) if sequence.steps else None
    return Counts(now, of_doctors(campaign, now), others)
