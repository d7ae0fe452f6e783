"""One campaign's figures by step, by variant of an experiment."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from datetime import date

from campaigns.analytics.figures import Figures
from campaigns.analytics.kpis import SUMS
from campaigns.models import Campaign, CampaignMessage, StepAnalytics, Variant


@dataclass(frozen=True, slots=True)
class StepFigures:
    """A step, and its variants where there are any."""

    step: CampaignMessage
    figures: Figures
    variants: list[tuple[Variant, Figures]] = field(default_factory=list)


def by_step(campaign: Campaign, day_from: date, day_to: date) -> list[StepFigures]:
    """Every step in its order, also those that nothing was sent of, and removed ones that sent."""
    rows = (
        StepAnalytics.objects.filter(campaign=campaign, date__range=(day_from, day_to))
        .order_by()
        .values_list("step_id", "variant_id")
        .annotate(*SUMS)
    )
    sums = {(row[0], row[1]): Figures(*row[2:]) for row in rows}
    variants = Variant.objects.in_bulk([variant for _, variant in sums if variant])
    steps = CampaignMessage.ever.filter(campaign=campaign).select_related("template")
    return [
        _of_step(step, sums, variants)
        for step in steps.order_by("delay_days", "sequence_order")
        if step.removed_at is None or any(of == step.pk for of, _ in sums)
    ]


def _of_step(
    step: CampaignMessage,
    sums: dict[tuple[uuid.UUID, uuid.UUID | None], Figures],
    variants: dict[uuid.UUID, Variant],
) -> StepFigures:
    own = {variant: figures for (of, variant), figures in sums.items() if of == step.pk}
    arms = [(variants[key], figures) for key, figures in own.items() if key in variants]
    return StepFigures(
        step,
        sum(own.values(), Figures()),
        sorted(arms, key=lambda arm: (arm[0].experiment_id, arm[0].letter)),
    )
