"""Tasks of the strategy that send and track. Doors only: each calls one step.

PostgreSQL is the queue: a lane's task sends what is due until nothing is. Losing a task loses
nothing; the next one finds the same rows.
"""

from __future__ import annotations

import logging
import uuid
from datetime import timedelta
from functools import partial
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from messaging import approvals, lanes, optout, reap, reconcile, reports, send, track
from messaging.audience.run import run_check
from messaging.audit.run import audit_recent
from messaging.clock import database_clock
from messaging.models import AudienceCheck, Channel, EventKind, MessageTemplate
from messaging.privacy import erase, retention
from messaging.webhooks import intake

logger = logging.getLogger(__name__)

# Shorter than the lease of a window, so that whoever is cut off does no more when it is given up.
SENDING: dict[str, Any] = {
    "soft_time_limit": (settings.LANE_TIME_LIMIT - timedelta(seconds=5)).total_seconds(),
    "time_limit": settings.LANE_TIME_LIMIT.total_seconds(),
}
EVERY_MINUTE: dict[str, Any] = {"expires": 60}  # the next one does what this one did not


@shared_task(**EVERY_MINUTE)
def dispatch_due() -> None:
    """Every minute: ring each channel's lanes."""
    for channel in Channel.values:
        for _ in range(settings.LANES_PER_CHANNEL):
            if not _ring(channel):
                return


def _ring(channel: str, **options: Any) -> bool:
    """Have a lane run on the channel soon. False: Redis is away; the next minute rings again."""
    try:
        send_lane.apply_async([channel], queue=channel, **options)
    except Exception as error:  # noqa: BLE001  whatever ails the doorbell
        logger.warning("%s cannot be rung: %s", channel, error)
        return False
    return True


@shared_task(bind=True, **SENDING, **EVERY_MINUTE)
def send_lane(self: Any, channel: str) -> None:
    """Send what is due on a channel, for a while; where there is more to do, ring again.

    That ring is good for no longer than the first one was: the next minute's lanes take over, or
    there would be more of them with each minute.
    """
    if lanes.run(channel):
        _ring(channel, expires=self.request.expires or EVERY_MINUTE["expires"])


def _send_one(delivery_id: str, channel: Channel) -> None:
    tally = send.send_one(uuid.UUID(delivery_id), channel, database_clock()())
    logger.info("%s %s: %s", channel, delivery_id, tally or "not due")


@shared_task(**SENDING)
def send_whatsapp_message(delivery_id: str) -> None:
    """Send one WhatsApp message, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.WHATSAPP)


@shared_task(**SENDING)
def send_sms_message(delivery_id: str) -> None:
    """Send one SMS, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.SMS)


@shared_task(**SENDING)
def send_email_message(delivery_id: str) -> None:
    """Send one e-mail, if it is due, through the same three steps."""
    _send_one(delivery_id, Channel.EMAIL)


@shared_task(**EVERY_MINUTE)
def reap_expired_leases() -> None:
    """Every minute: what a worker had in hand when it died.

    What was being sent becomes unknown; an audience check has failed.
    """
    now = database_clock()()
    if lost := reap.reap(now):
        logger.warning("unknown after a lost worker: %s", lost)
    if checks := AudienceCheck.objects.fail_lost(now):
        logger.warning("audience checks that lost their worker: %s", checks)


@shared_task
def reconcile_unknown() -> None:
    """Every ten minutes: ask what became of messages without an answer; give up after a day."""
    if settled := reconcile.reconcile(database_clock()()):
        logger.info("unknown messages settled: %s", settled)


@shared_task
def audit_deliveries() -> None:
    """Every night: whether what is promised of messages held; the dashboard shows the result."""
    run = audit_recent(timezone.now)
    if run.broken:
        logger.error("audit %s: rows that break a promise: %s", run.pk, run.broken)


# The default time limits, six times what 100,000 doctors and 13 steps take.
@shared_task
def check_audience(check_id: str) -> None:
    """Render a template or a campaign for everybody in its segment, and count what is wrong."""
    run_check(uuid.UUID(check_id), database_clock())


def ring_check(check_id: uuid.UUID) -> bool:
    """Have a worker do a check that is queued. False: Redis is away, and nobody knows of it."""
    try:
        check_audience.delay(str(check_id))
    except Exception as error:  # noqa: BLE001  whatever ails the doorbell
        logger.warning("audience check %s cannot be rung: %s", check_id, error)
        return False
    return True


@shared_task
def check_template_approval(template_id: str) -> None:
    """After a template was saved: ask its provider whether it is approved."""
    if untold := approvals.ask_one(uuid.UUID(template_id), timezone.now()):
        logger.warning("template %s: Twilio %s", template_id, untold)


def ask_when_saved(template: MessageTemplate) -> None:
    """Have a worker ask about a template that is being saved, where there is somebody to ask."""
    if approvals.can_be_asked_about(template):
        transaction.on_commit(partial(ring_approval, template.pk))


def ring_approval(template_id: uuid.UUID) -> bool:
    """Have a worker ask about a template. False: Redis is away; it is asked about tomorrow."""
    try:
        check_template_approval.delay(str(template_id))
    except Exception as error:  # noqa: BLE001  whatever ails the doorbell
        logger.warning("the approval of %s cannot be asked for: %s", template_id, error)
        return False
    return True


@shared_task
def check_template_approvals() -> None:
    """Every morning: ask whether WhatsApp still approves every template."""
    if (asked := approvals.ask_all(timezone.now())).asked:
        logger.info("approval of templates: %s", asked)


@shared_task(**EVERY_MINUTE)
def apply_reports() -> None:
    """Every minute: count what was reported, also what waited for its message; end pauses."""
    now = database_clock()()  # a worker whose clock is ahead ends no pause before its time
    if ended := optout.end_pauses(now):
        logger.info("pauses that are over: %s", ended)
    if applied := reports.take(now) + reports.retry(now):
        logger.info("reports applied: %s", applied)


@shared_task(**EVERY_MINUTE)
def take_reports() -> None:
    """After a webhook: take what has come."""
    intake.heard()
    if applied := reports.take(timezone.now()):
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


@shared_task
def forget_what_is_old() -> None:
    """Every night: texts older than RETENTION_DAYS, and what came late about erased doctors."""
    now = database_clock()()  # what a wrong clock calls old is gone for good
    logger.info("no longer kept: %s", retention.prune(now))
    if swept := erase.sweep(now):
        logger.info("erased doctors looked at again: %s", swept)
