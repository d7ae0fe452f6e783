"""Daily figures of campaigns: written by the roll-up alone, read by every page with figures."""

from django.contrib.postgres.functions import TransactionNow
from django.db import models

from campaigns.models.campaign import Campaign, CampaignMessage
from campaigns.models.experiment import Variant
from messaging.models import Channel, ProviderAccount
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


class StepAnalytics(models.Model):
    """The same by step, by variant of an experiment, and by the account that was paid."""

    id = UuidV7Field()
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, related_name="step_analytics"
    )
    step = models.ForeignKey(
        CampaignMessage, on_delete=models.CASCADE, db_index=False, related_name="analytics"
    )
    variant = models.ForeignKey(
        Variant, on_delete=models.CASCADE, null=True, db_index=False, related_name="analytics"
    )
    account = models.ForeignKey(
        ProviderAccount,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        db_constraint=False,  # as on the attempt that it is read from
        related_name="+",
        help_text="The account that it went through; its price makes the cost.",
    )
    channel = models.CharField(max_length=20, choices=Channel)
    date = models.DateField()
    total_sent = models.IntegerField("sent", default=0, db_default=0)
    total_delivered = models.IntegerField("delivered", default=0, db_default=0)
    total_opened = models.IntegerField("opened", default=0, db_default=0)
    total_clicked = models.IntegerField("clicked", default=0, db_default=0)
    total_failed = models.IntegerField("failed", default=0, db_default=0)
    total_unsubscribed = models.IntegerField("opted out", default=0, db_default=0)

    class Meta:
        db_table = "campaign_step_analytics"
        constraints = [
            # Campaign and date first: pages read a campaign's days.
            models.UniqueConstraint(
                fields=["campaign", "date", "step", "variant", "account"],
                name="campaign_step_analytics_once",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.date:%d %b %Y}, {self.step_id}"


class CohortAnalytics(models.Model):
    """Those who were enrolled on one day: how far they came, by now. People, not messages."""

    id = UuidV7Field()
    campaign = models.ForeignKey(
        Campaign, on_delete=models.CASCADE, db_index=False, related_name="cohorts"
    )
    date = models.DateField(help_text="When they were enrolled.")
    is_holdout = models.BooleanField()
    enrolled = models.IntegerField(default=0, db_default=0)
    under_way = models.IntegerField(default=0, db_default=0, help_text="Not ended.")
    sent = models.IntegerField(default=0, db_default=0, help_text="Got one message at least.")
    delivered = models.IntegerField(default=0, db_default=0)
    opened = models.IntegerField(default=0, db_default=0)
    clicked = models.IntegerField(default=0, db_default=0)
    returned = models.IntegerField(default=0, db_default=0)
    returned_clicked = models.IntegerField(
        default=0, db_default=0, help_text="Of those who came back, clicked a link."
    )
    unsubscribed = models.IntegerField(default=0, db_default=0)
    returned_after = models.JSONField(
        default=dict,
        db_default={},
        help_text="Days after enrolment (a begun day counts) -> how many came back then.",
    )

    class Meta:
        db_table = "campaign_cohorts"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign", "date", "is_holdout"], name="campaign_cohorts_once"
            )
        ]

    def __str__(self) -> str:
        return f"Enrolled on {self.date:%d %b %Y}"


class RollUpMark(models.Model):
    """How far the roll-up has counted: one row."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    counted_at = models.DateTimeField(help_text="What happened until then is in the figures.")
    oldest_open = models.UUIDField(
        null=True, help_text="The oldest report that was not yet applied then."
    )

    class Meta:
        db_table = "campaign_analytics_mark"
        constraints = [
            models.CheckConstraint(
                condition=models.Q(id=1), name="campaign_analytics_mark_is_one_row"
            )
        ]

    def __str__(self) -> str:
        return f"Counted at {self.counted_at}"
