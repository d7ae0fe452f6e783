"""What a test can be expected to tell, and when: from the step's own past."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Q

from campaigns import enroll
from campaigns.analytics import CHANNEL_TARGETS
from campaigns.experiments.statistics import Share, detectable_difference
from campaigns.experiments.verdict import METRIC_WORDS, percent
from campaigns.models import (
    CampaignEnrollment,
    CampaignStatus,
    EnrollmentStatus,
    Experiment,
    ExperimentMetric,
)
from messaging.models import MessageDelivery

DAY = timedelta(days=1)
LOOK_BACK = 60 * DAY  # how far the step's past is looked at
_ENOUGH = 100  # messages from which a rate is taken from the past, not from the target
# A test that takes longer than that is rather one that nobody will look at again.
LONG = 12  # weeks


@dataclass(frozen=True, slots=True)
class Expected:
    """What is foreseen of an experiment. Shares are 0 to 1."""

    base: float  # of the deciding metric, for the step as it is
    is_measured: bool  # from the step's own messages; else the goal stands in
    to_come: int  # doctors under way, or about to be enrolled, who have the message to come
    a_week: float  # new ones
    reach: float  # share of planned messages that are sent
    needed: int  # doctors in all, until each variant has its own
    detectable: float | None  # smallest rise over `base` that would be told; None: no rise would

    @property
    def weeks(self) -> float:
        """Until each variant has its doctors; infinite where they will never come."""
        lacking = self.needed - self.to_come * self.reach
        if lacking <= 0:
            return 0.0
        return lacking / (self.a_week * self.reach) if self.a_week * self.reach else math.inf


def expected(experiment: Experiment, now: datetime) -> Expected:
    """What the experiment can be expected to tell if it starts, or goes on, at `now`."""
    base, is_measured = _base(experiment, now)
    weights = list(experiment.variants.values_list("weight", flat=True)) or [1, 1]
    return Expected(
        base=base,
        is_measured=is_measured,
        to_come=_to_come(experiment, now),
        a_week=_a_week(experiment, now),
        reach=_reach(experiment, now),
        needed=math.ceil(experiment.min_per_arm * sum(weights) / min(weights)),
        detectable=detectable_difference(experiment.min_per_arm, base, len(weights) - 1),
    )


def in_words(found: Expected, experiment: Experiment) -> list[str]:
    """The same for a marketer, a sentence each."""
    metric = METRIC_WORDS[ExperimentMetric(experiment.metric)]
    said = (
        "of this step's doctors" if found.is_measured else "is the goal: too few were sent so far"
    )
    few = f"{experiment.min_per_arm:,} doctors a variant"
    count = experiment.variants.count()
    each = f" (about {found.to_come // count:,} a variant, of equal weights)" if count else ""
    lines = [
        f"{found.to_come:,} doctors have this message still to come{each}.",
        f"About {found.a_week:,.0f} new ones come a week.",
        f"{percent(found.reach)} of what is planned for this step is sent.",
        f"{found.needed:,} doctors are needed: {_duration(found, experiment)}",
        f"So far {percent(found.base)} {metric} ({said}).",
    ]
    if found.detectable is None:
        lines.append(f"With {few} no difference at all could be told from chance.")
    else:
        lines.append(
            f"With {few} you would see differences above {100 * found.detectable:.1f} points; "
            "smaller ones can't be told from chance."
        )
    return lines


def _duration(found: Expected, experiment: Experiment) -> str:
    days = f"and {experiment.horizon_days} days more for the last ones to be answered."
    if math.isinf(found.weeks):
        return "nobody new comes, so the test would never be complete."
    if found.weeks < 1:
        return f"within a week, as the doctors' days come, {days}"
    weeks = math.ceil(found.weeks)
    return f"about {weeks} {'week' if weeks == 1 else 'weeks'}, {days}"


def warnings(experiment: Experiment, now: datetime) -> list[str]:
    """What a person should know before the start: too small to tell, or too slow. A sentence each.

    None of it keeps the experiment from running.
    """
    found = expected(experiment, now)
    few = f"With {experiment.min_per_arm:,} doctors a variant"
    lines = []
    if found.detectable is None:
        lines.append(f"Too small to tell: {few.lower()} no difference could be told from chance.")
    elif found.detectable > found.base / 2:
        lines.append(
            f"Too small to tell much: {few.lower()} you would see only differences above "
            f"{100 * found.detectable:.1f} points, and now {percent(found.base)} "
            f"{METRIC_WORDS[ExperimentMetric(experiment.metric)]}."
        )
    ends = experiment.campaign.end_date
    last = now + (found.weeks * 7 + experiment.horizon_days) * DAY if found.weeks < 999 else None
    if found.weeks > LONG or (ends and (last is None or last > ends)):
        until = f"before the campaign ends on {ends:%d %b %Y}" if ends else f"within {LONG} weeks"
        lines.append(
            f"Too few doctors: {found.needed:,} doctors are needed, and they will not come "
            f"{until}. Test a step that more doctors reach, or fewer variants."
        )
    if experiment.kind == "send_time" and experiment.step.delay_days == 0:
        lines.append(
            "On day 0 doctors who are enrolled after the hour get their message at once, whatever "
            "their variant: a later step tells send times apart better."
        )
    return lines


def _base(experiment: Experiment, now: datetime) -> tuple[float, bool]:
    """The step's rate so far, and whether it is measured."""
    recent = MessageDelivery.objects.filter(
        campaign_message=experiment.step_id, sent_at__gt=now - LOOK_BACK
    )
    horizon = experiment.horizon_days * DAY
    came_back = Q(
        enrollment__converted_at__gt=F("sent_at"),
        enrollment__converted_at__lte=F("sent_at") + horizon,
    )
    sent, delivered, opened, clicked, converted = recent.aggregate(
        sent=Count("pk"),
        delivered=Count("delivered_at"),
        opened=Count("opened_at"),
        clicked=Count("clicked_at"),
        converted=Count("pk", filter=came_back),
    ).values()
    share = {
        ExperimentMetric.OPENED: Share(min(opened, delivered), delivered),
        ExperimentMetric.CLICKED: Share(min(clicked, delivered), delivered),
        ExperimentMetric.CONVERTED: Share(converted, sent),
    }[ExperimentMetric(experiment.metric)]
    if share.whole >= _ENOUGH and share.rate:
        return share.rate, True
    return _goal(experiment) / 100, False


def _goal(experiment: Experiment) -> int:
    """What the strategy wants of the channel, or of the campaign; in percent."""
    opened, clicked = CHANNEL_TARGETS[experiment.step.channel]
    if experiment.metric == ExperimentMetric.CONVERTED:
        return experiment.campaign.goal_rate or 25
    return opened if experiment.metric == ExperimentMetric.OPENED else clicked


def _to_come(experiment: Experiment, now: datetime) -> int:
    """Doctors under way without this message, and those who wait to be enrolled."""
    under_way = CampaignEnrollment.objects.filter(
        campaign=experiment.campaign_id, status=EnrollmentStatus.ACTIVE, is_holdout=False
    )
    has_it = MessageDelivery.objects.filter(campaign_message=experiment.step_id)
    without = under_way.exclude(pk__in=has_it.values("enrollment")).count()
    return without + enroll.waiting(experiment.campaign, now).written_to


def _a_week(experiment: Experiment, now: datetime) -> float:
    """New enrolments a week, over the last four or since the launch."""
    campaign = experiment.campaign
    if campaign.status == CampaignStatus.DRAFT or not campaign.start_date:
        return 0.0
    since = max(campaign.start_date + DAY, now - 28 * DAY)  # the first day takes all who waited
    days = (now - since) / DAY
    new = CampaignEnrollment.objects.filter(
        campaign=campaign, enrolled_at__gt=since, is_holdout=False
    )
    return 7 * new.count() / days if days > 1 else 0.0


def _reach(experiment: Experiment, now: datetime) -> float:
    """Share of the step's planned messages that are sent; 1.0 where nothing is known."""
    done = MessageDelivery.objects.filter(
        campaign_message=experiment.step_id, due_at__gt=now - LOOK_BACK, expires_at__lte=now
    ).aggregate(planned=Count("pk"), sent=Count("sent_at"))
    return done["sent"] / done["planned"] if done["planned"] >= _ENOUGH else 1.0
