"""Cohorts by week of enrolment: what share had come back one, two, three weeks later."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.utils import timezone

from campaigns.analytics.figures import Rate
from campaigns.analytics.kpis import returned_within
from campaigns.models import Campaign, CohortAnalytics

WEEK = timedelta(days=7)
# Columns: up to so many days after enrolment, at most.
MOST_WEEKS = 8


@dataclass(frozen=True, slots=True)
class WeekCohort:
    """Those who were enrolled in one week."""

    monday: date
    enrolled: int
    returned: list[Rate | None]  # cumulative, by column; None: not everybody has had the days yet

    @property
    def sunday(self) -> date:
        """Last day of the week."""
        return self.monday + WEEK - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class CohortTable:
    """The latest weeks, oldest first."""

    columns: list[int]  # days after enrolment: 7, 14, 21
    weeks: list[WeekCohort]


def cohort_table(campaign: Campaign, day_from: date, day_to: date, now: datetime) -> CohortTable:
    """Those enrolled on these days, both ends included; without the holdout."""
    by_week: dict[date, list[CohortAnalytics]] = defaultdict(list)
    rows = CohortAnalytics.objects.filter(
        campaign=campaign, date__range=(day_from, day_to), is_holdout=False, enrolled__gt=0
    )
    for row in rows.order_by("date"):
        by_week[row.date - timedelta(days=row.date.weekday())].append(row)
    today = timezone.localdate(now)
    columns = _columns(min(by_week, default=today), campaign.goal_days or 0, today)
    return CohortTable(
        columns,
        [
            WeekCohort(
                monday,
                sum(row.enrolled for row in cohort),
                [_returned(cohort, days, today) for days in columns],
            )
            for monday, cohort in by_week.items()
        ],
    )


def _columns(first: date, goal_days: int, today: date) -> list[int]:
    """As many weeks as the oldest cohort, or the goal, has; two at least."""
    weeks = max(2, -(-goal_days // 7), (today - first).days // 7)
    return [7 * n for n in range(1, min(weeks, MOST_WEEKS) + 1)]


def _returned(cohort: list[CohortAnalytics], days: int, today: date) -> Rate | None:
    """Share back within the days, once the last of the week has had them."""
    if cohort[-1].date + timedelta(days=days) >= today:
        return None
    return Rate(
        sum(returned_within(row, days) for row in cohort), sum(row.enrolled for row in cohort)
    )
