"""Tasks of the strategy that enrol, schedule and count. Doors only: each calls one step."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from celery import shared_task
from django.utils import timezone

from campaigns import analytics, convert, enroll, rollout, schedule, weekly
from campaigns.api import idempotency
from campaigns.experiments import lifecycle
from campaigns.models import Campaign

logger = logging.getLogger(__name__)

# Late reports are found by when they came, however old their day; these days are counted anyway.
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
def advance_rollouts() -> None:
    """Hourly: widen the rollouts that had their days in good health, and halt the unwell ones."""
    for looked in rollout.step_all(timezone.now()):
        logger.info("campaign %s: rollout %s", looked.campaign.pk, looked.what)


@shared_task
def end_finished_enrollments() -> None:
    """Hourly: end the enrolments that came back or have nothing more to come."""
    now = timezone.now()
    logger.info("came back %s, done %s", convert.end_converted(now), convert.end_finished(now))


@shared_task
def calculate_daily_campaign_analytics() -> None:
    """Daily at 23:00: count what is new and the last days again; forget old answers of the API."""
    now = timezone.now()
    logger.info("daily figures changed: %s", analytics.catch_up(now, ANALYTICS_DAYS))
    logger.info("answers of the API forgotten: %s", idempotency.forget_batches(now))


@shared_task
def count_today() -> None:
    """Hourly: bring the figures up to date, which the dashboard shows."""
    logger.info("figures changed: %s", analytics.catch_up(timezone.now()))


@shared_task
def send_weekly_review() -> None:
    """Mondays from 8:00: the review of last week to the team, once to each."""
    logger.info("weekly reviews: %s", weekly.send_reviews(timezone.now()))


@shared_task
def review_experiments() -> None:
    """Daily: end the A/B tests that have all they need, and take over what they found."""
    for line in lifecycle.review_all(timezone.now()):
        logger.info("experiments: %s", line)
