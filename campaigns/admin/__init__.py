"""Admin of campaigns, enrolments and daily figures."""

from campaigns.admin.campaign import CampaignAdmin
from campaigns.admin.figures import CampaignAnalyticsAdmin, CampaignEnrollmentAdmin

__all__ = ["CampaignAdmin", "CampaignAnalyticsAdmin", "CampaignEnrollmentAdmin"]
