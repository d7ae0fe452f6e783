"""Campaigns, their steps, who is enrolled, and daily figures."""

from campaigns.models.analytics import CampaignAnalytics
from campaigns.models.campaign import Campaign, CampaignMessage, CampaignStatus
from campaigns.models.enrollment import CampaignEnrollment, EnrollmentStatus

__all__ = [
    "Campaign",
    "CampaignAnalytics",
    "CampaignEnrollment",
    "CampaignMessage",
    "CampaignStatus",
    "EnrollmentStatus",
]
