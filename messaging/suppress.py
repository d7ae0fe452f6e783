"""Channels that no longer reach a doctor: closed at once, opened again by a person.

Reports (provider_events.verdict) say so; a bounce or a complaint closes the channel at once, soft
bounces after the third in 30 days. Complaints and what doctors tell the provider are wishes, so
they are opt-outs as well.
"""

from __future__ import annotations

import logging
import uuid
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from messaging import optout
from messaging.models import (
    Channel,
    MessageDelivery,
    ProviderEvent,
    Suppression,
    SuppressionReason,
    Verdict,
)
from messaging.policy import said_at
from segments.models import Doctor

logger = logging.getLogger(__name__)

SOFT_LIMIT = 3
SOFT_WITHIN = timedelta(days=30)
BATCH = 500

# What each verdict closes the channel for; soft bounces only together.
REASONS: dict[str, SuppressionReason] = {
    Verdict.HARD_BOUNCE: SuppressionReason.HARD_BOUNCE,
    Verdict.COMPLAINT: SuppressionReason.COMPLAINT,
    Verdict.INVALID: SuppressionReason.INVALID,
    Verdict.NOT_ON_CHANNEL: SuppressionReason.NOT_ON_CHANNEL,
    Verdict.OPTED_OUT: SuppressionReason.OPTED_OUT,
}
_TWILIO_WHATSAPP = "63"  # how Twilio's codes of WhatsApp begin; those of SMS begin otherwise
# The doctor's own word, which also stands as an opt-out.
WISHES = frozenset({SuppressionReason.COMPLAINT, SuppressionReason.OPTED_OUT})

# A running enrolment with no step left that can reach the doctor.
_END_UNREACHABLE = """
    UPDATE campaign_enrollments e
    SET status = 'bounced', completed_at = %(now)s, next_due_at = NULL
    FROM campaigns c, doctors d
    WHERE e.user_id = %(doctor)s AND e.status = 'active' AND c.id = e.campaign_id
      AND d.id = e.user_id AND NOT EXISTS (
        SELECT FROM campaign_messages s
        WHERE s.campaign_id = c.id AND s.removed_at IS NULL
          AND CASE s.channel WHEN 'email' THEN d.email WHEN 'sms' THEN d.phone
              ELSE COALESCE(d.whatsapp, d.phone) END IS NOT NULL
          AND NOT EXISTS (
            SELECT FROM channel_suppressions x
            WHERE x.user_id = e.user_id AND x.lifted_at IS NULL AND x.channel = s.channel)
          AND NOT EXISTS (
            SELECT FROM unsubscribe_records u
            WHERE u.user_id = e.user_id AND u.revoked_at IS NULL AND u.paused_until IS NULL
              AND (u.channel IS NULL OR u.channel = s.channel)
              AND (u.segment_type IS NULL OR u.segment_type = c.segment_type))
      )
"""
# What waits on a closed channel, or for an ended enrolment; `sending` can't be called back.
_SKIP_CLOSED = """
    UPDATE message_deliveries m
    SET status = 'skipped', skip_reason = 'suppressed', skip_detail = left(%(why)s, 200)
    FROM campaign_enrollments e
    WHERE m.user_id = %(doctor)s AND m.status = 'scheduled' AND e.id = m.enrollment_id
      AND (e.status = 'bounced' OR m.channel = %(channel)s)
"""


@transaction.atomic
def suppress(  # noqa: PLR0913  a suppression has this many parts
    doctor_id: int,
    channel: Channel | str,
    reason: SuppressionReason,
    *,
    now: datetime,
    detail: str = "",
    event_id: uuid.UUID | None = None,
) -> Suppression:
    """Close a channel to a doctor at once; closing it twice changes nothing.

    What is scheduled on it is skipped, and enrolments that have no channel left end as bounced.
    The doctor's lock is taken first, as for an opt-out, and the database raises the consent
    counter. A complaint or an opt-out at the provider is recorded as an opt-out, too.
    """
    Doctor.objects.lock([doctor_id]).get()
    if reason in WISHES:
        optout.opt_out(doctor_id, channel, None, reason=reason.label, source="provider", now=now)
    held, is_new = Suppression.objects.standing().get_or_create(
        doctor_id=doctor_id,
        channel=channel,
        defaults={
            "reason": reason,
            "detail": detail[:300],
            "event_id": event_id,
            "since": now,
        },
    )
    if is_new:
        values: dict[str, Any] = {
            "doctor": doctor_id,
            "now": now,
            "channel": channel,
            "why": words(held),
        }
        with connection.cursor() as cursor:
            # Enrolment before delivery, as everywhere: nobody waits in a circle.
            cursor.execute(_END_UNREACHABLE, values)
            cursor.execute(_SKIP_CLOSED, values)
    return held


def words(held: Suppression) -> str:
    """Why the channel is closed, for somebody who looks at a message that did not go."""
    told = f": {held.detail}" if held.detail else ""
    since = said_at(held.since, timezone.get_default_timezone())
    return f"{held.get_reason_display()}, {since}{told}"


@transaction.atomic
def lift(held: Suppression, now: datetime, by: Any = None) -> bool:
    """Have the channel used again. Ended enrolments stay ended, and opt-outs stand.

    `by`: the user who decided; None: the doctor came back. False: it was lifted already.
    """
    Doctor.objects.lock([held.doctor_id]).get()
    standing = Suppression.objects.standing().filter(pk=held.pk)
    return bool(standing.update(lifted_at=now, lifted_by=by))


def note_refusal(delivery_id: uuid.UUID, verdict: Verdict, now: datetime, detail: str = "") -> None:
    """Act on a provider's refusal of a message that speaks of the channel, not of the message.

    For a definite refusal at hand-off, which no report follows; soft bounces are only counted
    from reports, so a refusal of that kind does nothing.
    """
    if (reason := REASONS.get(verdict)) is None:
        return
    delivery = MessageDelivery.objects.only("doctor_id", "channel").get(pk=delivery_id)
    suppress(delivery.doctor_id, delivery.channel, reason, now=now, detail=detail)


class _Open(NamedTuple):
    """A report that speaks of a channel and was not acted on."""

    id: uuid.UUID
    verdict: str
    code: str | None
    error: str | None
    doctor_id: int
    channel: str
    provider: str


def settle(now: datetime) -> int:
    """Act on every report that speaks of a channel; returns how many were settled.

    One transaction each, since each locks its doctor; whoever marks the report first acts on it.
    """
    settled = 0
    after = uuid.UUID(int=0)
    while batch := _open(after):
        for report in batch:
            settled += _settle(report, now)
        after = batch[-1].id
    return settled


def _open(after: uuid.UUID) -> list[_Open]:
    # By idx_provider_events_unsettled. Only what track.py has looked at: it finds out whether the
    # report is about that message at all.
    rows = (
        ProviderEvent.objects.filter(settled_at=None, delivery__isnull=False, pk__gt=after)
        .exclude(verdict="")
        .exclude(processed_at=None, parked_at=None)
    )
    return [
        _Open(*row)
        for row in rows.order_by("pk").values_list(
            "pk",
            "verdict",
            "detail__code",
            "detail__error",
            "delivery__doctor_id",
            "delivery__channel",
            "provider",
        )[:BATCH]
    ]


@transaction.atomic
def _settle(report: _Open, now: datetime) -> bool:
    Doctor.objects.lock([report.doctor_id]).get()
    claim = ProviderEvent.objects.filter(pk=report.id, settled_at=None)
    if not claim.update(settled_at=now):
        return False  # another worker was first
    reason = REASONS.get(report.verdict)
    if reason is None and _soft_bounces(report, now) >= SOFT_LIMIT:
        reason = SuppressionReason.SOFT_BOUNCES
    if reason is not None and not _is_of_another(report) and not _was_lifted_since(report):
        detail = " ".join(str(part) for part in (report.code, report.error) if part)
        suppress(
            report.doctor_id,
            report.channel,
            reason,
            now=now,
            detail=detail,
            event_id=report.id,
        )
        logger.info("%s suppressed for doctor %s: %s", report.channel, report.doctor_id, reason)
    return True


def _is_of_another(report: _Open) -> bool:
    """Whether it speaks of WhatsApp and the message went another way: that one stays open."""
    is_of_whatsapp = report.verdict == Verdict.NOT_ON_CHANNEL or (
        report.provider == "twilio" and (report.code or "").startswith(_TWILIO_WHATSAPP)
    )
    return is_of_whatsapp and report.channel != Channel.WHATSAPP


def _last_lifted(report: _Open) -> datetime | None:
    lifted = Suppression.objects.filter(doctor_id=report.doctor_id, channel=report.channel)
    at: datetime | None = lifted.aggregate(at=Max("lifted_at"))["at"]
    return at


def _was_lifted_since(report: _Open) -> bool:
    """A report that was on its way when somebody opened the channel again says nothing new."""
    lifted = _last_lifted(report)
    return (
        lifted is not None
        and ProviderEvent.objects.filter(pk=report.id, received_at__lte=lifted).exists()
    )


def _soft_bounces(report: _Open, now: datetime) -> int:
    """Messages to the doctor that bounced softly within 30 days, since the last lifting."""
    since = max(filter(None, (now - SOFT_WITHIN, _last_lifted(report))))
    return (
        ProviderEvent.objects.filter(
            delivery__doctor_id=report.doctor_id,
            delivery__channel=report.channel,
            verdict=Verdict.SOFT_BOUNCE,
            received_at__gt=since,
        )
        .order_by()
        .values("delivery_id")
        .distinct()
        .count()
    )
