"""What is to come of it, and whether that can be told: goal, value, holdout, rollout, A/B tests."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from campaigns.enroll import Waiting
from campaigns.experiments import expect, problems
from campaigns.experiments.statistics import detectable_difference
from campaigns.models import CampaignEnrollment, Experiment, ExperimentStatus
from campaigns.preflight.finding import Finding, Level, Look, counted, fine

# The first stage of a rollout is there to see whether all is well: with fewer doctors, a limit of
# two percent is one doctor.
FEWEST_IN_STAGE = 50
# With a larger holdout fewer doctors are written to than need be.
LARGE_HOLDOUT = 50  # percent
# From so many doctors at once on, what is wrong is wrong with many before anybody sees it.
MANY_AT_ONCE = 2000
USUAL_GOAL = 25  # percent, where the campaign has none


def goal(look: Look) -> Iterator[Finding]:
    """It says what it is to reach, and what that is worth."""
    campaign = look.campaign
    if campaign.goal_rate is None or campaign.goal_days is None:
        text = "It has no goal: nobody can tell whether it does well. Enter a share and days."
        yield look.warning("goal_missing", text, "goal_rate")
    elif (last := max((step.delay_days for step in look.steps), default=0)) > campaign.goal_days:
        text = (
            f"Its goal counts who comes back within {counted(campaign.goal_days, 'day')}, but its "
            f"messages go on until day {last}: what the later ones bring counts for nothing."
        )
        yield look.warning("goal_short", text, "goal_days")
    else:
        text = f"Goal: {campaign.goal_rate} % come back within {campaign.goal_days} days."
        yield fine("goal", text)
    if campaign.value_per_return is None:
        text = "It does not say what a doctor who comes back is worth: its ROI can't be told."
        yield look.warning("value_missing", text, "value_per_return")


def holdout(look: Look, waiting: Waiting) -> Iterator[Finding]:
    """The holdout is large enough to tell what the messages bring. One query."""
    percent = look.campaign.holdout_percent
    if not percent:
        text = "No holdout: what the messages bring is not told from what comes by itself."
        yield fine("holdout", text)
        return
    if percent >= LARGE_HOLDOUT:
        text = (
            f"With a holdout of {percent} %, every second doctor is never written to. Is that "
            "meant? 10 to 20 % are usual."
        )
        yield look.warning("holdout_large", text, "holdout_percent")
        return
    enrolled = CampaignEnrollment.objects.filter(campaign=look.campaign)
    total = enrolled.count() + waiting.total
    if not total:
        text = (
            f"Whether a holdout of {percent} % is large enough can't be told: nobody is enrolled, "
            f"or would be now{look.at_stage}."
        )
        yield look.warning("holdout_small", text, "holdout_percent")
        return
    held = round(total * percent / 100)
    base = (look.campaign.goal_rate or USUAL_GOAL) / 100
    # Two groups of unlike size tell as much as two of their harmonic mean.
    each = round(2 * held * (total - held) / total)
    detectable = detectable_difference(each, base)
    if detectable is not None and detectable <= base / 2:
        yield fine("holdout", f"The holdout is {counted(held, 'doctor')}: enough to measure lift.")
        return
    tells = "no lift at all could be told from chance"
    if detectable is not None:
        tells = f"only a lift above {100 * detectable:.0f} points could be told from chance"
    text = (
        f"The holdout is too small to tell: {percent} % of {counted(total, 'doctor')}, enrolled or "
        f"waiting{look.at_stage}, is {held:,}, and {tells}. Hold out more, or wait until more "
        "doctors have come."
    )
    yield look.warning("holdout_small", text, "holdout_percent")


def rollout(look: Look, waiting: Waiting) -> Iterator[Finding]:
    """The first stage has enough doctors to show whether all is well."""
    percent = look.campaign.rollout_percent
    if look.is_launched or not waiting.total:
        return
    if percent >= 100:
        yield from _all_at_once(look, waiting)
        return
    if waiting.total >= FEWEST_IN_STAGE:
        yield fine("rollout", f"It begins with {percent} %: {counted(waiting.total, 'doctor')}.")
        return
    text = (
        f"The rollout begins with {percent} %, which is {counted(waiting.total, 'doctor')} now: "
        f"fewer than {FEWEST_IN_STAGE} show little of what is wrong. Begin with a larger share."
    )
    yield look.warning("rollout_small", text, "rollout_percent")


def _all_at_once(look: Look, waiting: Waiting) -> Iterator[Finding]:
    """Stages that are asked for, and never come."""
    days = look.campaign.rollout_days
    if days and waiting.total >= MANY_AT_ONCE:
        text = (
            f"Its rollout is to advance by itself after {counted(days, 'day')}, but begins with "
            f"100 %: all {counted(waiting.total, 'doctor')} who wait are enrolled within the hour. "
            "Begin with a smaller share, or leave the days empty."
        )
        yield look.warning("rollout_at_once", text, "rollout_percent")


def running_tests(look: Look) -> Iterator[Finding]:
    """Nothing keeps a variant of a running A/B test from going out."""
    for experiment in _experiments(look, ExperimentStatus.RUNNING):
        for why in problems(experiment):
            text = f"The A/B test “{experiment}” can't go on as it is. {why}"
            yield _of_test(experiment, "blocking", "test_broken", text)


def tests(look: Look) -> Iterator[Finding]:
    """A/B tests are large enough to tell, and those that are written are started."""
    for experiment in _experiments(look, ExperimentStatus.DRAFT, ExperimentStatus.RUNNING):
        found = []
        if experiment.status == ExperimentStatus.DRAFT:
            why = next(iter(problems(experiment)), "Start it before its step is sent.")
            text = f"The A/B test “{experiment}” has not been started: nothing is tested. {why}"
            found.append(_of_test(experiment, "warning", "test_not_started", text))
        for why in expect.warnings(experiment, look.now):
            text = f"A/B test “{experiment}”: {why}"
            found.append(_of_test(experiment, "warning", "test_small", text))
        if not found:
            found.append(fine("tests", f"The A/B test “{experiment}” is large enough to tell."))
        yield from found


def _experiments(look: Look, *statuses: ExperimentStatus) -> list[Experiment]:
    chosen = Experiment.objects.filter(campaign=look.campaign, status__in=statuses)
    return list(
        chosen.select_related("campaign", "step__template", "step__campaign").order_by("pk")
    )


def _of_test(experiment: Experiment, level: Level, key: str, text: str) -> Finding:
    page = reverse("admin:campaigns_experiment_change", args=[experiment.pk])
    return Finding(level, key, text, page, "Open the A/B test")
