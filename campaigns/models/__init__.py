"""Campaigns, their steps, who is enrolled, experiments, and daily figures."""

from campaigns.models.analytics import (
    CampaignAnalytics,
    CohortAnalytics,
    RollUpMark,
    StepAnalytics,
)
from campaigns.models.apikey import ApiBatch, ApiKey, ApiScope
from campaigns.models.campaign import ROLLOUT_STAGES, Campaign, CampaignMessage, CampaignStatus
from campaigns.models.enrollment import CampaignEnrollment, EnrollmentStatus
from campaigns.models.experiment import (
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    ExperimentStatus,
    Variant,
)
from campaigns.models.weekly import ReviewState, WeeklyReview

__all__ = [
    "ROLLOUT_STAGES",
    "ApiBatch",
    "ApiKey",
    "ApiScope",
    "Campaign",
    "CampaignAnalytics",
    "CampaignEnrollment",
    "CampaignMessage",
    "CampaignStatus",
    "CohortAnalytics",
    "EnrollmentStatus",
    "Experiment",
    "ExperimentKind",
    "ExperimentMetric",
    "ExperimentStatus",
    "ReviewState",
    "RollUpMark",
    "StepAnalytics",
    "Variant",
    "WeeklyReview",
]
