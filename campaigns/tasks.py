"""Tasks of the strategy that enrol, schedule and count. Doors only: each calls one step."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import timedelta

from celery import shared_task
from django.utils import timezone

from campaigns import analytics, convert, enroll, schedule
from campaigns.models import Campaign

logger = logging.getLogger(__name__)

# Late reports change the day on which they happened; the roll-up looks back this far.
ANALYTICS_DAYS = 7


@shared_task
def enroll_users_in_campaign(campaign_id: str, user_ids: Sequence[int] | None = None) -> None:
    """Enrol identified doctors in a campaign; without ids, everybody in its segment."""
    campaign = Campaign.objects.get(pk=campaign_id)
    enrolled = enroll.enroll(campaign, timezone.now(), user_ids)
    logger.info("campaign %s: enrolled %s", campaign_id, enrolled)


@shared_task
def enroll_segments() -> None:
    """Hourly: enrol whoever is new in a segment that a running campaign writes to."""
    for campaign_id, enrolled in enroll.enroll_running(timezone.now()).items():
        logger.info("campaign %s: enrolled %s", campaign_id, enrolled)


@shared_task
def schedule_campaign_messages() -> None:
    """Hourly: schedule the messages whose steps fall due before the next run."""
    logger.info("scheduled %s", schedule.schedule_due(timezone.now()))


@shared_task
def end_finished_enrollments() -> None:
    """Hourly: end the enrolments that came back or have nothing more to come."""
    now = timezone.now()
    logger.info("came back %s, done %s", convert.end_converted(now), convert.end_finished(now))


@shared_task
def calculate_daily_campaign_analytics() -> None:
    """Daily at 23:00: recount the last days of every campaign."""
    today = timezone.localdate()
    days = analytics.roll_up(today - timedelta(days=ANALYTICS_DAYS), today)
    logger.info("daily figures written: %s", days)


@shared_task
def count_today() -> None:
    """Hourly: bring today's figures up to date, which the dashboard shows."""
    today = timezone.localdate()
    logger.info("today's figures changed: %s", analytics.roll_up(today, today))
