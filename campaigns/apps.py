"""Django application of `campaigns`."""

from django.apps import AppConfig


class CampaignsConfig(AppConfig):
    """Campaigns: what and when."""

    name = "campaigns"
    verbose_name = "Campaigns"
