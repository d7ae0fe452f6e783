"""Tasks of the strategy that send and track. Doors only: each calls one step.

PostgreSQL is the queue: a lane's task sends what is due until nothing is. Losing a task loses
nothing; the next one finds the same rows.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from typing import Any

from celery import shared_task
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from messaging import record, send, track
from messaging.models import Channel, EventKind

logger = logging.getLogger(__name__)

# A lane's task ends before the next minute's ring, and so well before Celery's time limit, which
# could cut a hand-off in the middle; other tasks get their turn.
LANE_TIME = timedelta(seconds=50)


@shared_task
def dispatch_due() -> None:
    """Every minute: ring each channel's lane."""
    for channel in Channel.values:
        send_lane.apply_async([channel], queue=channel, expires=60)


@shared_task
def send_lane(channel: str) -> None:
    """Send what is due on a channel until nothing is; the next ring goes on where it ends."""
    tally = send.run_lane(channel, timezone.now, timezone.now() + LANE_TIME)
    if tally:
        logger.info("%s: %s", channel, tally)


def _send_one(delivery_id: str, channel: Channel) -> None:
    tally = send.send_one(uuid.UUID(delivery_id), channel, timezone.now())
    logger.info("%s %s: %s", channel, delivery_id, tally or "not due")


@shared_task
def send_whatsapp_message(delivery_id: str) -> None:
    """Send one WhatsApp message, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.WHATSAPP)


@shared_task
def send_sms_message(delivery_id: str) -> None:
    """Send one SMS, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.SMS)


@shared_task
def send_email_message(delivery_id: str) -> None:
    """Send one e-mail, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.EMAIL)


@shared_task
def reap_expired_leases() -> None:
    """Every minute: what was being sent when its worker died becomes unknown."""
    if lost := record.reap(timezone.now()):
        logger.warning("unknown after a lost worker: %s", lost)


@shared_task
def apply_reports() -> None:
    """Every minute: count the reports that waited for the message they name."""
    if applied := track.apply_events(timezone.now()):
        logger.info("reports applied: %s", applied)


@shared_task
def update_message_delivery_status(external_id: str, status: str) -> None:
    """Take a provider's word on a message, named by the provider's id of it."""
    now = timezone.now()
    kind = EventKind(status)
    key = f"{external_id}:{kind}"
    track.store([track.Event("status", key, kind, now, external_id=external_id)], now)
    track.apply_events(now)


@shared_task
def process_engagement_events(event_type: str, event_data: dict[str, Any]) -> None:
    """Take an open or a click.

    `event_data`: `delivery_id` or `external_id`; `event_id` (the same one twice counts once);
    `occurred_at` (ISO 8601), else now.
    """
    now = timezone.now()
    delivery_id = event_data.get("delivery_id")
    event = track.Event(
        provider="engagement",
        key=str(event_data["event_id"]),
        kind=EventKind(event_type),
        occurred_at=parse_datetime(event_data.get("occurred_at", "")) or now,
        delivery_id=uuid.UUID(delivery_id) if delivery_id else None,
        external_id=event_data.get("external_id", ""),
    )
    track.store([event], now)
    track.apply_events(now)
