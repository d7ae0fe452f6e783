"""What became of the messages: the daily roll-up, and the strategy's KPIs read from it.

roll_up.py counts messages and people.py those who were enrolled, both by day; catch_up.py finds
the days that have to be counted again. Everything else only reads what they wrote: kpis.py,
breakdown.py (steps and variants), funnel.py, cohorts.py, roi.py. figures.py and chart.py know no
database.
"""

from campaigns.analytics.catch_up import catch_up, count_everything
from campaigns.analytics.figures import CHANNEL_TARGETS, Figures, Light, Measure, Rate, measure
from campaigns.analytics.kpis import EnrollmentFigures, Kpis, by_day, kpis
from campaigns.analytics.roi import costs
from campaigns.analytics.roll_up import local_span, roll_up

__all__ = [
    "CHANNEL_TARGETS",
    "EnrollmentFigures",
    "Figures",
    "Kpis",
    "Light",
    "Measure",
    "Rate",
    "by_day",
    "catch_up",
    "costs",
    "count_everything",
    "kpis",
    "local_span",
    "measure",
    "roll_up",
]
