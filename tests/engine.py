"""A small world for tests of the engine: doctors with unclaimed certificates, and a campaign."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from campaigns.enroll import enroll
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage
from campaigns.schedule import schedule_due
from messaging import heartbeat
from messaging.authorize import Claim
from messaging.models import (
    Channel,
    ConsentRecord,
    HeartbeatKind,
    MessageDelivery,
    MessageTemplate,
)
from messaging.providers.base import Receipt
from messaging.record import Tally, answered, record
from messaging.send import send_due
from segments.models import Certificate, Doctor, Session, UserSegment

NOW = datetime(2026, 3, 4, 6, 30, tzinfo=UTC)  # a Wednesday, 12:00 in Kolkata
DAY = timedelta(days=1)
_numbers = count(1)

TEXTS = {
    "whatsapp": "Dear Dr. {{first_name}}, {{session_name}}: {{shortlink}}",
    "sms": "Dr. {{last_name}}, {{session_name}}: {{shortlink}} -CLIRNET",
    "email": "Dear Dr. {{first_name}},\n\n[Download →] {{shortlink}}",
}


def doctor(**fields: Any) -> Doctor:
    """A doctor who can be reached on every channel and has consented to WhatsApp."""
    number = next(_numbers)
    defaults: dict[str, Any] = {
        "external_id": f"d{number}",
        "first_name": "Anita",
        "last_name": f"Rao{number}",
        "email": f"d{number}@example.com",
        "phone": f"+9198{number:08}",
    }
    made = Doctor.objects.create(**{**defaults, **fields})
    ConsentRecord.objects.create(
        doctor=made, channel="whatsapp", is_given=True, recorded_at=NOW - 90 * DAY, source="test"
    )
    return made


def certificate(owner: Doctor, **fields: Any) -> Certificate:
    """An unclaimed certificate of a session, issued yesterday, good for 60 days."""
    session, _ = Session.objects.get_or_create(
        external_id="s1",
        defaults={
            "title": "Heart failure",
            "starts_at": NOW - 2 * DAY,
            "ends_at": NOW - 2 * DAY + timedelta(hours=1),
        },
    )
    defaults = {
        "external_id": f"c{next(_numbers)}",
        "session": session,
        "issued_at": NOW - DAY,
        "expires_at": NOW + 60 * DAY,
    }
    return Certificate.objects.create(doctor=owner, **{**defaults, **fields})


def member(owner: Doctor | None = None, subject: str | None = None) -> Doctor:
    """A doctor in the segment of unclaimed certificates."""
    owner = owner or doctor()
    subject = subject or certificate(owner).external_id
    UserSegment.objects.update_or_create(
        doctor=owner,
        segment_type="unclaimed_certificates",
        defaults={
            "subject": subject,
            "inactive_since": NOW - DAY,
            "calculated_at": NOW,
            "expires_at": NOW + 400 * DAY,
        },
    )
    return owner


def campaign(
    days: tuple[int, ...] = (0, 3), channels: tuple[str, ...] = tuple(Channel.values), **fields: Any
) -> Campaign:
    """A running campaign with a step on each channel of each day."""
    defaults: dict[str, Any] = {
        "name": f"Certificates {next(_numbers)}",
        "segment_type": "unclaimed_certificates",
        "status": "active",
        "start_date": NOW - 30 * DAY,
        "inactivity_days": 0,
        "goal_days": 14,
    }
    made = Campaign.objects.create(**{**defaults, **fields})
    for order, (day, channel) in enumerate(((d, c) for d in days for c in channels), start=1):
        key = f"test.{channel}.{next(_numbers)}"
        MessageTemplate.objects.create(
            template_key=key,
            channel=channel,
            segment_type=made.segment_type,
            sequence_order=order,
            template_content=TEXTS[channel],
            subject_line="Your certificate" if channel == "email" else None,
        )
        CampaignMessage.objects.create(
            campaign=made, sequence_order=order, channel=channel, delay_days=day, template_id=key
        )
    return made


def enrolled(count_: int = 1, now: datetime = NOW, **fields: Any) -> list[CampaignEnrollment]:
    """So many members enrolled in a new campaign; nothing is scheduled yet."""
    made = campaign(**fields)
    for _ in range(count_):
        member()
    enroll(made, now)
    return list(CampaignEnrollment.objects.filter(campaign=made).order_by("pk"))


def answer(claims: Sequence[Claim], receipts: Sequence[Receipt], now: datetime) -> Tally:
    """Record what a provider answered to the claims, without calling one."""
    tally = Tally()
    pairs = zip(claims, receipts, strict=True)
    record([answered(c.delivery_id, c.claim_id, receipt) for c, receipt in pairs], now, tally)
    return tally


def send_all(now: datetime) -> None:
    """Schedule what is due and send it on every channel, in channel order."""
    schedule_due(now)
    for channel in Channel.values:
        while send_due(channel, now):
            pass


def machines_run(now: datetime) -> None:
    """Every process and every lane was heard of at `now`."""
    for kind in (HeartbeatKind.BEAT, HeartbeatKind.WORKER, HeartbeatKind.WEB):
        heartbeat.beat(kind, now, now)
    for channel in Channel.values:
        heartbeat.begin(channel, now)
        heartbeat.end(channel, now, sent=3, lag=timedelta(0))


def statuses(**filters: Any) -> dict[str, str]:
    """Channel and day of each delivery, and what became of it."""
    rows = MessageDelivery.objects.filter(**filters).select_related("campaign_message")
    return {
        f"{row.channel} {row.campaign_message.delay_days}": row.skip_reason or row.status
        for row in rows.order_by("campaign_message__sequence_order")
    }
