"""Deliveries and enrolments with given facts, for the tests of figures."""

from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from campaigns.models import Campaign, CampaignEnrollment
from messaging.models import MessageDelivery
from tests import engine
from tests.engine import DAY, NOW

KOLKATA = ZoneInfo("Asia/Kolkata")
TODAY = date(2026, 3, 4)
YESTERDAY = TODAY - DAY
FIRST = TODAY - 30 * DAY


def at(day: date, hour: int = 12, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=KOLKATA)


def enrolled(
    campaign: Campaign, days_ago: float = 0, came_back_after: float | None = None, **fields: Any
) -> CampaignEnrollment:
    moment = NOW - days_ago * DAY
    back = None if came_back_after is None else moment + came_back_after * DAY
    return CampaignEnrollment.objects.create(
        campaign=campaign,
        enrolled_at=moment,
        converted_at=back,
        completed_at=back,
        **{
            "doctor": fields.get("doctor") or engine.doctor(),
            "status": "active" if back is None else "converted",
            **fields,
        },
    )


def deliver(
    campaign: Campaign,
    channel: str = "sms",
    enrollment: CampaignEnrollment | None = None,
    **facts: Any,
) -> MessageDelivery:
    """A delivery with these facts; its status plays no part."""
    enrollment = enrollment or enrolled(campaign)
    step = facts.pop("step", None) or campaign.steps.filter(channel=channel).earliest(
        "sequence_order"
    )
    return MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=step,
        doctor=enrollment.doctor,
        channel=channel,
        scheduled_at=NOW,
        due_at=NOW,
        expires_at=NOW + timedelta(days=1),
        **facts,
    )
