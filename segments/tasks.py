"""Tasks of the strategy that say who is in which segment. Doors only: each calls one step."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from segments.identify import cleanup_expired, identify
from segments.models import SegmentType

logger = logging.getLogger(__name__)


def _identify(segment_type: SegmentType) -> None:
    report = identify(segment_type, timezone.now())
    logger.info(
        "segment %s: new %s, changed %s, gone %s",
        segment_type.value,
        report.inserted,
        report.updated,
        report.removed,
    )


@shared_task
def identify_aida_users_without_agents() -> None:
    """Daily at 2:00: doctors who use AiDA and never tried an agent."""
    _identify(SegmentType.AIDA_USERS)


@shared_task
def identify_incomplete_course_users() -> None:
    """Daily at 2:15: doctors with a started, unfinished course."""
    _identify(SegmentType.INCOMPLETE_COURSES)


@shared_task
def identify_no_show_registrants() -> None:
    """Every ten minutes: who missed a session that ended two hours ago or earlier."""
    _identify(SegmentType.NO_SHOW)


@shared_task
def identify_unclaimed_certificates() -> None:
    """Daily at 2:30: doctors whose certificate waits to be downloaded."""
    _identify(SegmentType.UNCLAIMED_CERTIFICATES)


@shared_task
def cleanup_expired_segments() -> None:
    """Daily at 3:00: delete the rows that expired."""
    logger.info("expired rows of segments deleted: %s", cleanup_expired(timezone.now()))
