"""What an experiment says, in one sentence, and how sure that is. Pure: counts go in.

Nothing is said before each variant has the doctors, and the last of them the days, that were
fixed at the start: who stops as soon as a difference shows finds one by chance far oftener than
once in twenty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from campaigns.experiments.results import Arm, Results
from campaigns.experiments.statistics import (
    LEVEL,
    SPLIT_LEVEL,
    difference,
    holm,
    p_value,
    split_p_value,
)
from campaigns.models import ExperimentMetric, Variant

METRIC_WORDS = {
    ExperimentMetric.OPENED: "opened it",
    ExperimentMetric.CLICKED: "clicked",
    ExperimentMetric.CONVERTED: "came back",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant against A. Shares are 0 to 1; `p` is corrected for the number of variants."""

    arm: Arm
    difference: float
    low: float
    high: float
    p: float
    guard: str = ""  # why it can't win whatever it brings, in words

    @property
    def is_better(self) -> bool:
        """Beyond chance."""
        return self.p < LEVEL and self.difference > 0

    @property
    def is_worse(self) -> bool:
        """Beyond chance."""
        return self.p < LEVEL and self.difference < 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The sentence, the winner if there is one, and what to know of it besides."""

    sentence: str
    winner: Variant | None = None
    is_final: bool = False
    notes: Sequence[str] = field(default_factory=tuple)
    warnings: Sequence[str] = field(default_factory=tuple)


def comparisons(found: Results) -> list[Comparison]:
    """Each other variant against A; none before both have what is counted."""
    control, *others = found.arms
    metric = found.experiment.metric
    base = control.share(metric)
    if not base.whole or not all(arm.share(metric).whole for arm in others):
        return []
    corrected = holm([p_value(arm.share(metric), base) for arm in others])
    return [
        Comparison(arm, *difference(arm.share(metric), base), p, _guard(arm, control))
        for arm, p in zip(others, corrected, strict=True)
    ]


def _guard(arm: Arm, control: Arm) -> str:
    """Whether it drives doctors away or does not arrive: significantly worse than A."""
    for words, own, base in (
        ("opt out", arm.unsubscribe_share, control.unsubscribe_share),
        ("could not be reached", arm.failure_share, control.failure_share),
    ):
        if (own.rate or 0) > (base.rate or 0) and (p := p_value(own, base)) < LEVEL:
            return (
                f"more doctors {words} than with A ({percent(own.rate)} against "
                f"{percent(base.rate)}, p = {shown_p(p)})"
            )
    return ""


def split_warning(found: Results) -> str:
    """Whether doctors were shared out as the weights say; '': they were."""
    counts = [arm.assigned for arm in found.arms]
    p = split_p_value(counts, [arm.variant.weight for arm in found.arms])
    if p >= SPLIT_LEVEL:
        return ""
    shares = ", ".join(f"{arm.variant.letter} {arm.assigned:,}" for arm in found.arms)
    return (
        f"The doctors are not shared out as the weights say ({shares}; chance alone gives that "
        f"with p = {shown_p(p)}). Something kept messages of one variant from being planned: do "
        "not trust the figures, and tell your developers."
    )


def verdict(found: Results) -> Verdict:
    """What may be said at this time."""
    warnings = [*filter(None, [split_warning(found)]), *found.text_changes]
    if not found.is_ripe:
        return Verdict(f"Too early to tell: {_lacking(found)}.", warnings=warnings)
    sentence, winner, notes = _final(found)
    if split_warning(found):
        sentence, winner = "No winner: the split between the variants has a fault.", None
    return Verdict(sentence, winner, is_final=True, notes=notes, warnings=warnings)


def _lacking(found: Results) -> str:
    """What is still missing, in words."""
    wanted = found.experiment.min_per_arm
    behind = [arm for arm in found.arms if arm.sent < wanted]
    if behind:
        least = min(behind, key=lambda arm: arm.sent)
        return f"variant {least.variant.letter} has {least.sent:,} of {wanted:,} doctors"
    if found.ripe_at is None:
        return "its last messages are still to go out"
    days = -((found.now - found.ripe_at).days)
    plural = "day" if days == 1 else "days"
    return f"the last messages have {days} {plural} more to be answered"


def _final(found: Results) -> tuple[str, Variant | None, list[str]]:
    compared = comparisons(found)
    control = found.arms[0]
    base = control.share(found.experiment.metric)
    if not compared:
        return "No winner: nothing of one of the variants was delivered.", None, []
    notes = [
        f"Variant {one.arm.variant.letter} can't win: {one.guard}." for one in compared if one.guard
    ]
    better = [one for one in compared if one.is_better]
    allowed = [one for one in better if not one.guard]
    metric = METRIC_WORDS[ExperimentMetric(found.experiment.metric)]
    if allowed:
        best = max(allowed, key=lambda one: one.difference)
        return _wins(best, base.rate or 0, metric), best.arm.variant, notes + _rivals(best, allowed)
    if better:
        ahead = better[0].arm.variant.letter
        return f"No winner: {ahead} is ahead of A, but {better[0].guard}.", None, notes
    if all(one.is_worse for one in compared):
        what = f"{percent(base.rate)} {metric}"
        return f"A wins, the message as it is: {what}, more than any other.", control.variant, notes
    notes += _behind(compared)
    least = min(one.p for one in compared if not one.is_worse)
    return f"No winner: the difference may be chance (p = {shown_p(least)}).", None, notes


def _wins(best: Comparison, base: float, metric: str) -> str:
    letter = best.arm.variant.letter
    return (
        f"{letter} wins: {percent(base + best.difference)} {metric}, with A {percent(base)} "
        f"({points(best.difference)} points more; the truth lies between {points(best.low)} and "
        f"{points(best.high)}, p = {shown_p(best.p)})."
    )


def _behind(compared: Sequence[Comparison]) -> list[str]:
    """Those of which it is no chance that they do worse than A."""
    return [
        f"Variant {one.arm.variant.letter} is worse than A ({points(one.difference)} points, "
        f"p = {shown_p(one.p)})."
        for one in compared
        if one.is_worse
    ]


def _rivals(best: Comparison, allowed: Sequence[Comparison]) -> list[str]:
    """Others that beat A, too: which of them is best may be chance."""
    return [
        f"Variant {one.arm.variant.letter} beats A, too; that {best.arm.variant.letter} is ahead "
        "of it may be chance."
        for one in allowed
        if one is not best
    ]


def percent(share: float | None) -> str:
    """A share from 0 to 1 as people read it."""
    return "–" if share is None else f"{100 * share:.1f} %"


def points(share: float) -> str:
    """A difference of shares in percentage points."""
    return f"{100 * share:+.1f}".replace("-", "−").removeprefix("+")


def shown_p(p: float) -> str:
    """A probability with two digits that matter."""
    return "under 0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"
