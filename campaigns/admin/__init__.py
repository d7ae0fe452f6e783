"""Admin of campaigns, enrolments and daily figures."""

from campaigns.admin.apikey import ApiKeyAdmin
from campaigns.admin.campaign import CampaignAdmin
from campaigns.admin.experiment import ExperimentAdmin
from campaigns.admin.figures import CampaignAnalyticsAdmin, CampaignEnrollmentAdmin
from campaigns.admin.weekly import WeeklyReviewAdmin

__all__ = [
    "ApiKeyAdmin",
    "CampaignAdmin",
    "CampaignAnalyticsAdmin",
    "CampaignEnrollmentAdmin",
    "ExperimentAdmin",
    "WeeklyReviewAdmin",
]
