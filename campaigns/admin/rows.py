"""Addresses of the rows behind a figure: filtered lists that count the same."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from campaigns.analytics import EnrollmentFigures, local_span
from campaigns.analytics.figures import REPORTS_OPENING
from campaigns.models import Campaign, EnrollmentStatus

# A figure of messages and the time that says on which day it counts.
_FACTS = {
    "sent": "sent_at",
    "delivered": "delivered_at",
    "opened": "opened_at",
    "clicked": "clicked_at",
    "failed": "failed_at",
}


def deliveries(
    figure: str, day_from: date, day_to: date, campaign: Campaign | None = None, **filters: Any
) -> str:
    """Messages that were sent (delivered, ..., unsubscribed) on these days, both ends included.

    `filters`: channel, channels (with commas), step, variant; keys or values as they are stored.
    """
    if figure == "unsubscribed":
        return _opt_outs(day_from, day_to, campaign, **filters)
    start, end = local_span(day_from, day_to)
    query = {f"{_FACTS[figure]}__gte": start.isoformat(), f"{_FACTS[figure]}__lt": end.isoformat()}
    names = {
        "channel": "channel__exact",
        "channels": "channel__in",
        "step": "campaign_message__id__exact",
    }
    query |= {names.get(name, f"{name}__id__exact"): value for name, value in filters.items()}
    if campaign:
        query["campaign_message__campaign__id__exact"] = str(campaign.pk)
    return f"{reverse('admin:messaging_messagedelivery_changelist')}?{urlencode(query)}"


def _opt_outs(day_from: date, day_to: date, campaign: Campaign | None, **filters: Any) -> str:
    """Opt-outs by a message's link."""
    start, end = local_span(day_from, day_to)
    query = {
        "unsubscribed_at__gte": start.isoformat(),
        "unsubscribed_at__lt": end.isoformat(),
        "paused_until__isnull": "True",
        "delivery__isnull": "False",
    }
    if campaign:
        query["delivery__campaign_message__campaign__id__exact"] = str(campaign.pk)
    names = {
        "channel": "delivery__channel__exact",
        "step": "delivery__campaign_message__id__exact",
        "variant": "delivery__variant__id__exact",
    }
    query |= {names[name]: str(value) for name, value in filters.items()}
    return f"{reverse('admin:messaging_unsubscriberecord_changelist')}?{urlencode(query)}"


def opened(day_from: date, day_to: date, campaign: Campaign | None = None) -> str:
    """Messages that were opened on these days, on the channels that report it."""
    return deliveries("opened", day_from, day_to, campaign, channels=",".join(REPORTS_OPENING))


def under_way(campaign: Campaign) -> str:
    """Those who are in the campaign now and not held out, whenever they were enrolled."""
    query = {
        "status__exact": EnrollmentStatus.ACTIVE.value,
        "is_holdout__exact": "0",
        "campaign__id__exact": str(campaign.pk),
    }
    return f"{reverse('admin:campaigns_campaignenrollment_changelist')}?{urlencode(query)}"


def in_time(one: EnrollmentFigures, day_from: date) -> str:
    """Those who came back within the goal's days, of those whose days are over; empty: nobody's."""
    if one.ripe_until is None:
        return ""
    return enrollments(
        day_from, one.ripe_until, one.campaign, came_back=str(one.campaign.goal_days)
    )


def enrollments(
    day_from: date, day_to: date, campaign: Campaign | None = None, **filters: Any
) -> str:
    """Those enrolled on these days and written to, both ends included.

    `filters` are those of the list: reached=clicked, is_holdout__exact=1, came_back=14.
    """
    start, end = local_span(day_from, day_to)
    query = {"enrolled_at__gte": start.isoformat(), "enrolled_at__lt": end.isoformat()}
    query |= {"is_holdout__exact": "0"} | filters
    if campaign:
        query["campaign__id__exact"] = str(campaign.pk)
    return f"{reverse('admin:campaigns_campaignenrollment_changelist')}?{urlencode(query)}"
