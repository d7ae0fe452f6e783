"""Daily figures of campaigns."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models

from campaigns.models.campaign import Campaign
from messaging.models import Channel
from segments.models.fields import UuidV7Field


class CampaignAnalytics(models.Model):
    """What happened on one day, on one channel of one campaign.

    Each fact counts on the day it happened (time zone of the settings), so a late report
    changes its own day only.
    """

    id = UuidV7Field()
    campaign = models.ForeignKey(
        Campaign,
        on_delete=models.CASCADE,
        db_index=False,  # campaign_analytics_campaign_id_date_channel_key
        related_name="analytics",
    )
    date = models.DateField()
    channel = models.CharField(max_length=20, choices=Channel)
    total_sent = models.IntegerField("sent", default=0, db_default=0)
    total_delivered = models.IntegerField("delivered", default=0, db_default=0)
    total_opened = models.IntegerField("opened", default=0, db_default=0)
    total_clicked = models.IntegerField("clicked", default=0, db_default=0)
    total_failed = models.IntegerField("failed", default=0, db_default=0)
    total_unsubscribed = models.IntegerField("opted out", default=0, db_default=0)
    updated_at = models.DateTimeField(db_default=TransactionNow(), null=True)

    class Meta:
        db_table = "campaign_analytics"
        verbose_name = "daily figures"
        verbose_name_plural = "daily figures"
        ordering = ["-date", "campaign", "channel"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "date", "channel"],
                name="campaign_analytics_campaign_id_date_channel_key",
            )
        ]

    def __str__(self) -> str:
        return f"{self.date:%d %b %Y}, {self.get_channel_display()}"
