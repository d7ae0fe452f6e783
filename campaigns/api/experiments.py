"""A/B tests: which there are, and what came of each. They are written and decided in the admin."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from datetime import datetime
from typing import Any, Self
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from campaigns.api.auth import Asked, Key
from campaigns.api.campaign_shapes import told
from campaigns.api.pagination import Pages, page
from campaigns.api.shapes import Hour
from campaigns.experiments.results import Arm, Results, results
from campaigns.experiments.rules import hour_of, subject_of, template_of
from campaigns.experiments.statistics import Share
from campaigns.experiments.verdict import Comparison, comparisons, verdict
from campaigns.models import (
    ApiScope,
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
)

router = Router(tags=["A/B tests"])

READ = Key(ApiScope.ANALYTICS_READ, "campaigns.view_experiment")


class ExperimentRow(Schema):
    """A test in a list."""

    id: UUID
    campaign_id: UUID
    step_id: UUID
    name: str
    kind: ExperimentKind
    metric: ExperimentMetric = Field(description="What it is decided by.")
    status: ExperimentStatus
    min_per_arm: int = Field(description="Doctors of each variant, at least; fixed at the start.")
    horizon_days: int = Field(description=told(Experiment, "horizon_days"))
    auto_promote: bool
    started_at: datetime | None
    filled_at: datetime | None = Field(description=told(Experiment, "filled_at"))
    ended_at: datetime | None
    promoted_at: datetime | None = Field(description=told(Experiment, "promoted_at"))


class ExperimentPage(Schema):
    """A page of tests."""

    items: list[ExperimentRow]
    next: str | None


class Proportion(Schema):
    """A share with its 95 % interval (Wilson), in percent."""

    part: int
    whole: int
    percent: float | None = Field(description="Null where there is nothing to take a share of.")
    low: float
    high: float

    @classmethod
    def of(cls, share: Share) -> Self:
        """As the figures have it."""
        low, high = share.interval()
        percent = None if share.rate is None else 100 * share.rate
        return cls(
            part=share.part, whole=share.whole, percent=percent, low=100 * low, high=100 * high
        )


class Difference(Schema):
    """A variant against A, in percentage points, with the 95 % interval (Newcombe)."""

    points: float
    low: float
    high: float
    p: float = Field(description="Corrected for the number of variants (Holm).")
    guard: str = Field(description="Why it cannot win, whatever it brings; empty: it can.")

    @classmethod
    def of(cls, one: Comparison) -> Self:
        """As the statistics have it."""
        points, low, high = (100 * share for share in (one.difference, one.low, one.high))
        return cls(points=points, low=low, high=high, p=one.p, guard=one.guard)


class ArmOut(Schema):
    """One variant, what it says, and what came of it, in doctors."""

    letter: str
    label: str
    weight: int
    template: str
    subject: str
    send_from: Hour
    assigned: int = Field(description="They got it by the split, sent or not.")
    waiting: int = Field(description="Their message is still to go out.")
    sent: int
    delivered: Proportion = Field(description="Of sent.")
    opened: Proportion = Field(description="Of delivered.")
    clicked: Proportion = Field(description="Of delivered.")
    converted: Proportion = Field(description="Came back, of sent.")
    unsubscribed: Proportion = Field(description="Of delivered.")
    failed: Proportion = Field(description="Of sent or failed.")
    against_a: Difference | None = Field(
        description="Null for A, and for all while the test has not got what was fixed at its "
        "start: nobody is to end it at a lucky moment."
    )


class ResultsOut(Schema):
    """What came of a test so far."""

    sentence: str = Field(description="The verdict.")
    is_final: bool = Field(description="It has the doctors and the days that it was to have.")
    winner: str | None = Field(description="Its letter.")
    notes: list[str]
    warnings: list[str] = Field(description="What makes it doubtful.")
    waiting: int = Field(description="Messages that are still to go out.")
    ripe_at: datetime | None = Field(description="When its last message has had its days.")
    arms: list[ArmOut]


class ExperimentOut(ExperimentRow):
    """A test with its results."""

    results: ResultsOut | None = Field(description="Null: it has not started.")


@router.get("", auth=READ, response=ExperimentPage, summary="List A/B tests")
def list_experiments(
    request: Asked,
    paging: Pages,
    campaign: UUID | None = None,
    status: ExperimentStatus | None = None,
) -> dict[str, Any]:
    """Newest first."""
    found: QuerySet[Experiment] = Experiment.objects.all()
    if campaign:
        found = found.filter(campaign=campaign)
    if status:
        found = found.filter(status=status)
    return page(found, paging)


@router.get(
    "/{uuid:experiment_id}",
    auth=READ,
    response=ExperimentOut,
    summary="Read a test and its results",
)
def read_experiment(request: Asked, experiment_id: UUID) -> dict[str, Any]:
    """A doctor counts once, and what came of a message counts within the test's days."""
    tests = Experiment.objects.select_related("campaign", "step__template", "step__campaign")
    experiment = get_object_or_404(tests.select_related("winner"), pk=experiment_id)
    has_begun = experiment.status != ExperimentStatus.DRAFT
    found = _results(results(experiment, timezone.now())) if has_begun else None
    fields = {name: getattr(experiment, name) for name in ExperimentRow.model_fields}
    return {**fields, "results": found}


def _results(found: Results) -> ResultsOut:
    experiment, judged = found.experiment, verdict(found)
    is_over = experiment.status == ExperimentStatus.ENDED
    winner = experiment.winner if is_over else judged.winner
    against = {
        one.arm.variant.pk: one for one in (comparisons(found) if is_over or found.is_ripe else [])
    }
    return ResultsOut(
        sentence=experiment.conclusion if is_over else judged.sentence,
        is_final=judged.is_final,
        winner=winner.letter if winner else None,
        notes=[] if is_over else list(judged.notes),  # its conclusion has them
        warnings=list(judged.warnings),
        waiting=found.waiting,
        ripe_at=found.ripe_at,
        arms=[_arm(arm, experiment, against.get(arm.variant.pk)) for arm in found.arms],
    )


def _arm(arm: Arm, experiment: Experiment, against: Comparison | None) -> ArmOut:
    variant, step = arm.variant, experiment.step
    return ArmOut(
        letter=variant.letter,
        label=variant.label,
        weight=variant.weight,
        template=template_of(variant, step).template_key,
        subject=subject_of(variant, step) or "",
        send_from=hour_of(variant, step),
        assigned=arm.assigned,
        waiting=arm.waiting,
        sent=arm.sent,
        delivered=Proportion.of(Share(min(arm.delivered, arm.sent), arm.sent)),
        opened=Proportion.of(arm.open_share),
        clicked=Proportion.of(arm.click_share),
        converted=Proportion.of(arm.conversion_share),
        unsubscribed=Proportion.of(arm.unsubscribe_share),
        failed=Proportion.of(arm.failure_share),
        against_a=Difference.of(against) if against else None,
    )
