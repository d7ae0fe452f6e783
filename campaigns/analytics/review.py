"""A week in a few sentences: what did better than its target or than the week before, and what not.

Rates of fewer than `ENOUGH` are called too few to tell. "Better than the week before" is said only
where the difference is more than chance explains.
"""

from __future__ import annotations

import uuid
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from campaigns.analytics.breakdown import StepFigures, by_step
from campaigns.analytics.figures import (
    CHANNEL_TARGETS,
    CLOSE,
    ENOUGH,
    REPORTS_OPENING,
    Figures,
    Rate,
)
from campaigns.analytics.kpis import Kpis, kpis, launched, returned_within
from campaigns.analytics.roll_up import local_span
from campaigns.experiments.statistics import Share, difference
from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus, CohortAnalytics
from messaging.models import Channel

WEEK = timedelta(days=7)
MOST = 5  # winners, and laggards, that are named


@dataclass(frozen=True, slots=True)
class Finding:
    """One rate of one campaign, step or channel in the week, and what it is compared with."""

    name: str
    what: str  # Clicked
    of_what: str  # delivered
    rate: Rate
    before: Rate
    target: float
    link: str
    campaign: str = ""  # empty: all of them

    @property
    def change(self) -> str:
        """better, worse or empty: whether it differs from the week before by more than chance."""
        if not (self.rate.is_enough and self.before.is_enough):
            return ""
        _, low, high = difference(
            Share(self.rate.part, self.rate.whole), Share(self.before.part, self.before.whole)
        )
        return "better" if low > 0 else "worse" if high < 0 else ""

    @property
    def of_target(self) -> float:
        """1: just on target."""
        return (self.rate.percent or 0) / self.target

    @property
    def is_winner(self) -> bool:
        """On target, or better than the week before without being far below the target."""
        return self.rate.is_enough and (
            (self.of_target >= 1 and self.change != "worse")
            or (self.change == "better" and self.of_target >= CLOSE)
        )

    @property
    def is_laggard(self) -> bool:
        """Far below its target, or worse than the week before."""
        is_low = self.of_target < CLOSE and self.change != "better"
        return self.rate.is_enough and (is_low or self.change == "worse")

    @property
    def words(self) -> str:
        """Such as "Clicked 31.2 % (120 of 385 delivered; target 25 %), the week before 24.0 %"."""
        said = f"{self.what} {_percent(self.rate, self.of_what)}; target {self.target:g} %"
        if not self.before.whole:
            return f"{said}; nothing to compare with the week before"
        was = f"{self.before.percent:.1f} % of {self.before.whole:,} the week before"
        if not (self.rate.is_enough and self.before.is_enough):
            return f"{said}; {was}: too few to compare"
        sign = {"better": "better than chance explains", "worse": "worse than chance explains"}
        return f"{said}; {was}: {sign.get(self.change, 'no difference beyond chance')}"


def _percent(rate: Rate, of_what: str) -> str:
    return f"{rate.percent or 0:.1f} % ({rate.part:,} of {rate.whole:,} {of_what})"


@dataclass(frozen=True, slots=True)
class Review:
    """The week, both ends included."""

    first: date
    last: date
    totals: list[tuple[str, int, int]]  # what, in the week, in the week before
    findings: list[Finding]
    too_few: list[Finding] = field(default_factory=list)
    enough: int = ENOUGH

    @property
    def winners(self) -> list[Finding]:
        """The best first."""
        found = [one for one in self.findings if one.is_winner]
        return sorted(found, key=lambda one: -one.of_target)[:MOST]

    @property
    def laggards(self) -> list[Finding]:
        """The worst first."""
        found = [one for one in self.findings if one.is_laggard]
        return sorted(found, key=lambda one: one.of_target)[:MOST]

    @property
    def few(self) -> list[tuple[str, str, int]]:
        """Campaign, its page, and how many of its rates are of too few to tell."""
        counts = Counter(one.campaign or "All campaigns" for one in self.too_few)
        # The last of a campaign: its steps come after its goal, which is of other days.
        links = {one.campaign or "All campaigns": one.link for one in self.too_few}
        return [(name, links[name], count) for name, count in counts.items()]

    @property
    def headline(self) -> str:
        """For the subject of the e-mail."""
        sent, returned = self.totals[0][1], self.totals[-1][1]
        return f"{sent:,} sent, {returned:,} came back"

    @property
    def is_quiet(self) -> bool:
        """Nothing happened."""
        return not any(now for _, now, _ in self.totals)


def review(monday: date, now: datetime) -> Review:
    """The week from this Monday, against the week before it."""
    last = monday + WEEK - timedelta(days=1)
    this, before = (
        kpis(first, first + WEEK - timedelta(days=1), now=now) for first in (monday, monday - WEEK)
    )
    campaigns = [
        one.campaign for one in this.enrollments if one.campaign.status != CampaignStatus.COMPLETED
    ]
    found = [*_channels(this, before, f"{reverse('admin:index')}?{_days(monday)}")]
    for campaign in campaigns:
        found += [*_goal(campaign, monday), *_steps(campaign, monday)]
    heard = [one for one in found if one.rate.whole]
    return Review(
        monday,
        last,
        _totals(monday, this, before),
        [one for one in heard if one.rate.is_enough],
        [one for one in heard if not one.rate.is_enough],
    )


def _totals(monday: date, this: Kpis, before: Kpis) -> list[tuple[str, int, int]]:
    now, then = this.total, before.total
    return [
        ("Messages sent", now.sent, then.sent),
        ("Messages failed", now.failed, then.failed),
        ("Opted out", now.unsubscribed, then.unsubscribed),
        ("Doctors enrolled", _enrolled(monday), _enrolled(monday - WEEK)),
        ("Doctors who came back", _returns(monday), _returns(monday - WEEK)),
    ]


def _enrolled(monday: date) -> int:
    """Doctors who were enrolled in the week; without the holdout.

    Each once, however many campaigns, or courses of one campaign, it was in.
    """
    first, end = _span(monday)
    return _count_doctors(
        CampaignEnrollment.objects.filter(
            campaign__in=launched(), enrolled_at__gte=first, enrolled_at__lt=end, is_holdout=False
        )
    )


def _count_doctors(enrollments: QuerySet[CampaignEnrollment]) -> int:
    return enrollments.order_by().values("doctor").distinct().count()


def _span(monday: date) -> tuple[datetime, datetime]:
    """The first moment of the week, and of the next one."""
    return local_span(monday, monday + WEEK - timedelta(days=1))


def _returns(monday: date) -> int:
    """Doctors who came back in the week, each once, whenever enrolled; without the holdout.

    By the local day of `converted_at`, which the roll-up does not have: it counts returns by times
    24 hours since the enrolment. It says who may be among them, though, so that not every
    enrolment there ever was is read (idx_campaign_enrollments_when).
    """
    first, end = _span(monday)
    possible = _may_have_returned(monday)
    if not possible:
        return 0
    earliest = min(day for _, day in possible)
    since, _ = local_span(earliest, earliest)
    return _count_doctors(
        CampaignEnrollment.objects.filter(
            campaign__in={campaign for campaign, _ in possible},
            enrolled_at__gte=since,
            enrolled_at__lt=end,
            converted_at__gte=first,
            converted_at__lt=end,
            is_holdout=False,
        )
    )


def _may_have_returned(monday: date) -> list[tuple[uuid.UUID, date]]:
    """Campaign and day of enrolment of the cohorts with a return that may be in the week.

    One n times 24 hours after the enrolment, rounded up, was on the n-th day after it or the day
    before; a change of the clocks may make that a day more on either side.
    """
    cohorts = CohortAnalytics.objects.filter(
        is_holdout=False, date__lt=monday + WEEK, returned__gt=0
    )
    margin = timedelta(days=1)
    return [
        (campaign, day)
        for campaign, day, after in cohorts.values_list("campaign_id", "date", "returned_after")
        if any(
            monday - margin <= day + timedelta(days=int(days)) <= monday + WEEK + margin
            for days in after
        )
    ]


def _days(first: date) -> str:
    """The seven days from this one, as the address of a page of figures has them (period.py)."""
    last = first + WEEK - timedelta(days=1)
    return urlencode({"from": first.isoformat(), "to": last.isoformat()})


def _channels(this: Kpis, before: Kpis, link: str) -> list[Finding]:
    found = []
    for channel in Channel:
        now, then = this.of_channel(channel), before.of_channel(channel)
        found += _rates(f"{channel.label}, all campaigns", channel, now, then, link)
    return found


def _rates(name: str, channel: str, now: Figures, then: Figures, link: str) -> list[Finding]:
    opened, clicked = CHANNEL_TARGETS[channel]
    found = [Finding(name, "Clicked", "delivered", now.click_rate, then.click_rate, clicked, link)]
    if channel in REPORTS_OPENING:
        rates = (now.open_rate, then.open_rate)
        found.insert(0, Finding(name, "Opened", "delivered", *rates, opened, link))
    return found


def _steps(campaign: Campaign, monday: date) -> list[Finding]:
    link = f"{results_page(campaign)}?{_days(monday)}"
    before = {one.step.pk: one.figures for one in _week(campaign, monday - WEEK)}
    found = []
    for one in _week(campaign, monday):
        name = f"{campaign}: {one.step}"
        then = before.get(one.step.pk, Figures())
        rates = _rates(name, one.step.channel, one.figures, then, link)
        found += [replace(rate, campaign=str(campaign)) for rate in rates]
    return found


def _week(campaign: Campaign, monday: date) -> list[StepFigures]:
    return by_step(campaign, monday, monday + WEEK - timedelta(days=1))


def _goal(campaign: Campaign, monday: date) -> list[Finding]:
    """Those whose days to come back were over in the week."""
    if not campaign.goal_rate or not campaign.goal_days:
        return []
    now, then = (
        _goal_rate(campaign, first, campaign.goal_days) for first in (monday, monday - WEEK)
    )
    basis = f"came back within {campaign.goal_days} days"
    enrolled = _days(_first_enrolled(monday, campaign.goal_days))
    name, link = str(campaign), f"{results_page(campaign)}?{enrolled}"
    return [Finding(name, "Goal", basis, now, then, campaign.goal_rate, link, name)]


def _first_enrolled(monday: date, goal_days: int) -> date:
    """The first of the seven days of enrolment whose days to come back were over in the week."""
    return monday - timedelta(days=goal_days + 1)


def _goal_rate(campaign: Campaign, monday: date, goal_days: int) -> Rate:
    first = _first_enrolled(monday, goal_days)
    cohorts = CohortAnalytics.objects.filter(
        campaign=campaign,
        is_holdout=False,
        date__range=(first, first + WEEK - timedelta(days=1)),
    )
    return sum(
        (Rate(returned_within(cohort, goal_days), cohort.enrolled) for cohort in cohorts),
        Rate(0, 0),
    )


def results_page(campaign: Campaign) -> str:
    """The page of the campaign's results in the admin."""
    return reverse("admin:campaigns_campaign_results", args=[campaign.pk])
