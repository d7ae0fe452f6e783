"""A campaign as the API takes and gives it."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AfterValidator, Field

from campaigns.api.shapes import Hour, In, Moment
from campaigns.models import Campaign, CampaignMessage, CampaignStatus
from campaigns.overdue import MOST_DAYS, Choice
from messaging.models import Channel
from segments.models import SegmentType

MOST_STEPS = 200
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
SmallNumber = Annotated[int, Field(ge=0, le=32_767)]


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("Write a name: blanks only are none.")
    return name


Name = Annotated[
    str,
    AfterValidator(_not_blank),
    Field(min_length=1, max_length=255, json_schema_extra={"pattern": r"\S"}),
]


def told(model: Any, name: str) -> str:
    """What the admin says beside the field."""
    return str(model._meta.get_field(name).help_text)  # noqa: SLF001  Django's own name


def _campaign(name: str) -> str:
    return told(Campaign, name)


class StepIn(In):
    """A step of the sequence; its channel is its template's."""

    id: UUID | None = Field(
        default=None, description="Of the step that it is already; leave it out for a new one."
    )
    day: int = Field(ge=0, le=365, description=told(CampaignMessage, "delay_days"))
    template: str = Field(
        min_length=1, max_length=100, description="Its key.", examples=["no_show.sms.1"]
    )
    subject: str = Field(
        default="", max_length=1000, description=told(CampaignMessage, "subject_line")
    )
    send_from: Hour | None = Field(
        default=None, description=told(CampaignMessage, "send_from"), examples=["17:00:00"]
    )


class Step(Schema):
    """A step of the sequence."""

    id: UUID
    place: int
    day: int
    channel: Channel
    template: str
    subject: str
    send_from: Hour | None

    @staticmethod
    def resolve_place(step: CampaignMessage) -> int:
        """From 1."""
        return step.sequence_order

    @staticmethod
    def resolve_day(step: CampaignMessage) -> int:
        """Days after enrolment."""
        return step.delay_days

    @staticmethod
    def resolve_template(step: CampaignMessage) -> str:
        """Its key."""
        return step.template_id

    @staticmethod
    def resolve_subject(step: CampaignMessage) -> str:
        """Empty: the template's."""
        return step.subject_line or ""


class Settings(In):
    """What may be said of a campaign; what is left out stays, or is as usual."""

    description: str = Field(default="", max_length=5000, description=_campaign("description"))
    start_date: Moment | None = Field(default=None, description=_campaign("start_date"))
    end_date: Moment | None = Field(default=None, description=_campaign("end_date"))
    priority: SmallNumber = Field(default=10, description=_campaign("priority"))
    inactivity_days: SmallNumber = Field(default=30, description=_campaign("inactivity_days"))
    channel_order: list[Channel] = Field(
        default=list(Channel), description=_campaign("channel_order")
    )
    send_from: Hour = Field(default=time(10), description=_campaign("send_from"))
    send_until: Hour = Field(default=time(21), description=_campaign("send_until"))
    goal_rate: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description=_campaign("goal_rate")
    )
    goal_days: Annotated[int, Field(ge=1, le=32_767)] | None = Field(
        default=None, description=_campaign("goal_days")
    )
    value_per_return: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)] | None = (
        Field(default=None, description=_campaign("value_per_return"))
    )
    holdout_percent: Annotated[int, Field(ge=0, le=50)] = Field(
        default=0, description=_campaign("holdout_percent")
    )
    rollout_days: Annotated[int, Field(ge=1, le=32_767)] | None = Field(
        default=None, description=_campaign("rollout_days")
    )
    min_delivery_rate: Percent = Field(
        default=Decimal(90), description=_campaign("min_delivery_rate")
    )
    max_failure_rate: Percent = Field(default=Decimal(5), description=_campaign("max_failure_rate"))
    max_unsubscribe_rate: Percent = Field(
        default=Decimal(2), description=_campaign("max_unsubscribe_rate")
    )
    max_complaint_rate: Percent = Field(
        default=Decimal("0.1"), description=_campaign("max_complaint_rate")
    )


class CampaignIn(Settings):
    """A new campaign: a draft."""

    name: Name = Field(examples=["No-shows of spring"])
    segment_type: SegmentType = Field(description=_campaign("segment_type"))
    rollout_percent: Literal[10, 25, 50, 100] = Field(
        default=100, description=_campaign("rollout_percent")
    )
    steps: list[StepIn] = Field(default=[], max_length=MOST_STEPS)


class CampaignChange(Settings):
    """What is to be otherwise. Steps, if given, are all of them, in their order."""

    name: Name = ""
    segment_type: SegmentType = Field(
        default=SegmentType.NO_SHOW, description="Of a draft only: it is settled with the launch."
    )
    rollout_percent: Literal[10, 25, 50, 100] = Field(
        default=100, description="Of a draft only; later it is widened in the admin."
    )
    steps: list[StepIn] = Field(default=[], max_length=MOST_STEPS)


class CampaignConfirmed(CampaignChange):
    """The change; of a campaign under way with the token of its revision."""

    token: str | None = Field(
        default=None,
        max_length=100,
        description="Of the dry run (…/revision), for a campaign that is active or paused.",
    )


class CampaignRow(Schema):
    """A campaign in a list."""

    id: UUID
    name: str
    segment_type: SegmentType
    status: CampaignStatus
    priority: int
    start_date: datetime | None
    end_date: datetime | None
    rollout_percent: int
    launched_at: datetime | None
    paused_at: datetime | None
    created_at: datetime | None
    updated_at: datetime | None


class CampaignOut(CampaignRow):
    """A campaign."""

    description: str
    inactivity_days: int
    channel_order: list[Channel]
    send_from: Hour
    send_until: Hour
    goal_rate: int | None
    goal_days: int | None
    value_per_return: Decimal | None
    holdout_percent: int
    rollout_days: int | None
    rollout_since: datetime | None
    rollout_halted: str = Field(description=_campaign("rollout_halted"))
    min_delivery_rate: Decimal
    max_failure_rate: Decimal
    max_unsubscribe_rate: Decimal
    max_complaint_rate: Decimal
    submitted_at: datetime | None
    review_note: str
    steps: list[Step]

    @staticmethod
    def resolve_steps(campaign: Campaign) -> list[CampaignMessage]:
        """In their order."""
        return list(campaign.steps.order_by("sequence_order"))


class CampaignPage(Schema):
    """A page of campaigns."""

    items: list[CampaignRow]
    next: str | None


class RevisionOut(Schema):
    """What a change would do to the doctors under way."""

    token: str = Field(description="Send it with the change, if that is what you want.")
    lines: list[str] = Field(description="A sentence for each effect.")
    problems: list[str] = Field(description="What keeps it from being done.")


class PreflightFinding(Schema):
    """One thing that was looked at."""

    level: Literal["blocking", "warning", "ok"]
    key: str = Field(description="For programs; it does not change.")
    text: str
    link: str = Field(description="Page of the admin where it is mended.")


class Ready(Schema):
    """Whether it can be launched."""

    ready: bool = Field(description="Nothing blocks it, and the key's owner may launch it.")
    findings: list[PreflightFinding] = Field(description="Blocking ones first.")
    approval: list[str] = Field(description="Why the key's owner may not launch it.")


class Resume(In):
    """What becomes of what was to go out in the pause."""

    choice: Choice | None = Field(
        default=None,
        description="skip: never sent; shift: everybody's steps move by the days of the pause; "
        "spread: sent over the next days. Needed where something is overdue.",
    )
    days: int = Field(default=0, ge=0, le=MOST_DAYS, description="Over how many days to spread.")


class OverdueOut(Schema):
    """What a pause has held up."""

    since: datetime
    messages: int = Field(description="Whose day has passed.")
    people: int
    to_come: int = Field(description="Messages still open, overdue ones among them.")
    days: int = Field(description="By which `shift` would move the rest.")
    last_day_skipped: date | None
    last_day_shifted: date | None


class Resumed(Schema):
    """What was done with what was overdue."""

    campaign: CampaignOut
    skipped: int
    moved: int


class StoppedOut(Schema):
    """What its end ended."""

    campaign: CampaignOut
    people: int = Field(description="Enrolments ended.")
    skipped: int = Field(description="Scheduled messages skipped.")
    sending: int = Field(description="Being handed over at this moment: these go out.")
