"""Figures: what became of messages and people, by period. Every share says of what."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from dataclasses import asdict
from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import BaseModel, Field

from campaigns.analytics import Figures, by_day, kpis
from campaigns.analytics.funnel import funnel
from campaigns.api.auth import Asked, Key
from campaigns.api.errors import Fault, Problem
from campaigns.api.shapes import Rate
from campaigns.models import ApiScope, Campaign
from messaging.models import Channel

router = Router(tags=["Analytics"])

READ = Key(ApiScope.ANALYTICS_READ, "campaigns.view_campaignanalytics")
MOST_DAYS = 730
USUAL_DAYS = 30
Day = Annotated[date, Field(ge=date(1900, 1, 1), lt=date(2200, 1, 1))]


class Span(BaseModel):
    """Days in Indian time, both ends included; the last 30 where nothing is said."""

    first: Day | None = Field(
        default=None, alias="from", description="First day.", examples=["2026-03-01"]
    )
    last: Day | None = Field(
        default=None, alias="to", description="Last day.", examples=["2026-03-31"]
    )


Days = Annotated[Span, Query()]


class Counts(Schema):
    """Messages. Skipped ones are in none of these."""

    sent: int
    delivered: int
    opened: int
    clicked: int
    failed: int
    unsubscribed: int


class ChannelKpis(Schema):
    """One channel of one campaign."""

    campaign: UUID
    channel: Channel
    counts: Counts
    delivery_rate: Rate = Field(description="Delivered, of sent.")
    open_rate: Rate = Field(description="Opened, of delivered; SMS report no opening.")
    click_rate: Rate = Field(description="Clicked, of delivered.")
    unsubscribe_rate: Rate = Field(description="Opted out by a message's link, of delivered.")


class CampaignKpis(Schema):
    """The people of one campaign; the holdout is in none of these."""

    campaign: UUID
    name: str
    eligible: int = Field(description="In the segment now.")
    under_way: int
    enrolled: int = Field(description="In the period.")
    converted: int = Field(description="Of those, came back by now.")
    unsubscribed: int = Field(description="Of those enrolled in the period.")
    enrollment_rate: Rate
    conversion_rate: Rate
    goal: Rate = Field(description="Came back in time, of those whose time is over.")


class KpisOut(Schema):
    """The key figures of a period."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    total: Counts
    open_rate: Rate = Field(description="On the channels that report opening.")
    channels: list[ChannelKpis]
    campaigns: list[CampaignKpis]


class StageOut(Schema):
    """So many got so far."""

    key: str
    title: str
    note: str
    people: int
    is_part_of_before: bool = Field(
        description="All of them are among those of the stage before. False for the first stage, "
        "and for the last: a doctor comes back with or without a click."
    )
    of_before: Rate | None = Field(
        description="Of those of the stage before, how many got here as well; null for the first "
        "stage. Its part is `people` where `is_part_of_before`; of those who came back, it is "
        "those who had clicked."
    )
    of_first: Rate = Field(description="Of those who are eligible.")


class FunnelOut(Schema):
    """From eligible to returned."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    stages: list[StageOut]
    holdout: int = Field(description="Enrolled, never written to.")
    waiting: int = Field(description="In the segment now and never enrolled.")


class DayOut(Schema):
    """One day on which something happened."""

    day: date
    counts: Counts


class DailyOut(Schema):
    """The days of a period, oldest first."""

    first: date = Field(serialization_alias="from")
    last: date = Field(serialization_alias="to")
    items: list[DayOut]


@router.get("/kpis", auth=READ, response=KpisOut, by_alias=True, summary="Key figures")
def read_kpis(request: Asked, days: Days, campaign: UUID | None = None) -> dict[str, Any]:
    """Of one campaign, or of all that were launched: by channel, and people by campaign."""
    first, last = _period(days)
    of = get_object_or_404(Campaign, pk=campaign) if campaign else None
    found = kpis(first, last, of, now=timezone.now())
    return {
        "first": first,
        "last": last,
        "total": asdict(found.total),
        "open_rate": Rate.of(found.open_rate(of)),
        "channels": [
            {"campaign": one.campaign.pk, "channel": one.channel, **_figures(one.figures)}
            for one in found.channels
        ],
        "campaigns": [
            {
                **{name: getattr(one, name) for name in PEOPLE},
                **{name: Rate.of(getattr(one, name)) for name in SHARES},
                "campaign": one.campaign.pk,
                "name": one.campaign.name,
            }
            for one in found.enrollments
        ],
    }


PEOPLE = ("eligible", "under_way", "enrolled", "converted", "unsubscribed")
SHARES = ("enrollment_rate", "conversion_rate", "goal")
RATES = ("delivery_rate", "open_rate", "click_rate", "unsubscribe_rate")


@router.get(
    "/campaigns/{uuid:campaign_id}/funnel",
    auth=READ,
    response=FunnelOut,
    by_alias=True,
    summary="Funnel of a campaign",
)
def read_funnel(request: Asked, campaign_id: UUID, days: Days) -> dict[str, Any]:
    """Those enrolled on these days, as far as they came by now."""
    first, last = _period(days)
    campaign = get_object_or_404(Campaign, pk=campaign_id)
    found = funnel(campaign, first, last, timezone.now())
    stages = [
        {
            "key": stage.key or "eligible",
            "title": stage.title,
            "note": stage.note,
            "people": stage.people,
            "is_part_of_before": stage.is_part_of_before,
            "of_before": Rate.of(stage.of_before) if stage.of_before else None,
            "of_first": Rate.of(stage.of_first),
        }
        for stage in found.stages
    ]
    beside = {"holdout": found.holdout, "waiting": found.waiting}
    return {"first": first, "last": last, "stages": stages, **beside}


@router.get("/daily", auth=READ, response=DailyOut, by_alias=True, summary="Figures day by day")
def read_daily(
    request: Asked, days: Days, campaign: UUID | None = None, channel: Channel | None = None
) -> dict[str, Any]:
    """Messages of each day on which something happened, of one campaign or channel, or of all."""
    first, last = _period(days)
    of = get_object_or_404(Campaign, pk=campaign) if campaign else None
    found = by_day(first, last, of, **({"channel": channel.value} if channel else {}))
    items = [{"day": day, "counts": asdict(figures)} for day, figures in sorted(found.items())]
    return {"first": first, "last": last, "items": items}


def _figures(figures: Figures) -> dict[str, Any]:
    rates = {name: Rate.of(getattr(figures, name)) for name in RATES}
    return {"counts": asdict(figures), **rates}


def _period(days: Span) -> tuple[date, date]:
    last = days.last or timezone.localdate()
    first = days.first or last - timedelta(days=USUAL_DAYS - 1)
    if first > last:
        said = "The first day must not be after the last one."
    elif (last - first).days >= MOST_DAYS:
        said = f"Ask for {MOST_DAYS} days at most."
    else:
        return first, last
    raise Problem(422, said, [Fault(detail=said, parameter="from")])
