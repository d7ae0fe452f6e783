"""A campaign as the API takes and gives it."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

from django.db.models import Sum
from django.utils import timezone
from ninja import Schema
from pydantic import AfterValidator, Field

from campaigns import rollout
from campaigns.api.shapes import Hour, In, Moment, WholeNumber, example
from campaigns.models import Campaign, CampaignMessage, CampaignStatus, CohortAnalytics
from messaging.models import Channel
from segments.models import SegmentType

MOST_STEPS = 200
LIVE = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
SmallNumber = Annotated[WholeNumber, Field(ge=0, le=32_767)]


def _not_blank(name: str) -> str:
    if not name.strip():
        raise ValueError("Write a name: blanks only are none.")
    return name


Name = Annotated[
    str,
    Field(min_length=1, max_length=255, json_schema_extra={"pattern": r"\S"}),
    AfterValidator(_not_blank),  # after it: a text that is too long is no list
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
    day: WholeNumber = Field(ge=0, le=365, description=told(CampaignMessage, "delay_days"))
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
    goal_rate: Annotated[WholeNumber, Field(ge=1, le=100)] | None = Field(
        default=None, description=_campaign("goal_rate")
    )
    goal_days: Annotated[WholeNumber, Field(ge=1, le=32_767)] | None = Field(
        default=None, description=_campaign("goal_days")
    )
    value_per_return: Annotated[Decimal, Field(ge=0, max_digits=10, decimal_places=2)] | None = (
        Field(default=None, description=_campaign("value_per_return"))
    )
    holdout_percent: Annotated[WholeNumber, Field(ge=0, le=50)] = Field(
        default=0, description=_campaign("holdout_percent")
    )
    rollout_days: Annotated[WholeNumber, Field(ge=1, le=32_767)] | None = Field(
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

    model_config = example(
        name="No-shows of spring",
        segment_type="no_show",
        start_date="2026-04-01T10:00:00+05:30",
        goal_rate=20,
        goal_days=14,
        holdout_percent=10,
        rollout_percent=10,
        steps=[
            {"day": 0, "template": "no_show.whatsapp.1"},
            {"day": 2, "template": "no_show.email.1", "subject": "The recording waits for you"},
            {"day": 3, "template": "no_show.sms.1", "send_from": "17:00:00"},
        ],
    )

    name: Name = Field(examples=["No-shows of spring"])
    segment_type: SegmentType = Field(description=_campaign("segment_type"))
    rollout_percent: Literal[10, 25, 50, 100] = Field(
        default=100, description=_campaign("rollout_percent")
    )
    steps: list[StepIn] = Field(default=[], max_length=MOST_STEPS)


class CampaignChange(Settings):
    """What is to be otherwise. Steps, if given, are all of them, in their order."""

    model_config = example(
        name="No-shows of spring", send_from="11:00:00", max_unsubscribe_rate="1.5"
    )

    name: Name = ""
    segment_type: SegmentType = Field(
        default=SegmentType.NO_SHOW, description="Of a draft only: it is settled with the launch."
    )
    rollout_percent: Literal[10, 25, 50, 100] = Field(
        default=100, description="Of a draft only; later it is widened (…/rollout/advance)."
    )
    steps: list[StepIn] = Field(default=[], max_length=MOST_STEPS)


class CampaignConfirmed(CampaignChange):
    """The change; of a campaign under way with the token of its revision."""

    model_config = example(
        name="No-shows of spring",
        send_from="11:00:00",
        token="6f1c…",  # noqa: S106  of a dry run
    )

    token: str | None = Field(
        default=None,
        max_length=100,
        description="Of the dry run (…/revision) of this very change, for a campaign that is "
        "active or paused.",
    )


class CampaignRow(Schema):
    """A campaign in a list: without its steps, and without `health`, which takes counting."""

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


class HealthMeasure(Schema):
    """One rate of the messages of this stage, against its limit."""

    name: str
    part: int
    whole: int
    of: str = Field(description="What the whole is, in words.")
    percent: float | None = Field(description="Null where there is nothing to take a share of.")
    limit: Decimal = Field(description="In percent; a setting of the campaign.")
    limit_is: Literal["least", "most"]
    state: Literal["good", "broken", "too few"]
    pauses: bool = Field(description="Where it breaks its limit the campaign is paused, too.")

    @staticmethod
    def resolve_of(measure: rollout.Measure) -> str:
        """In words."""
        return measure.of_what

    @staticmethod
    def resolve_limit_is(measure: rollout.Measure) -> str:
        """Of what was delivered the least is bounded, of what went wrong the most."""
        return "least" if measure.is_floor else "most"

    @staticmethod
    def resolve_pauses(measure: rollout.Measure) -> bool:
        """Failures and complaints."""
        return measure.stops_sending


class Health(Schema):
    """How its messages fare since the present stage of the rollout began."""

    state: Literal["good", "broken", "too few"] = Field(
        description="too few: not enough messages to tell."
    )
    since: datetime
    measures: list[HealthMeasure]
    unreported: list[str] = Field(description="Channels whose provider says nothing of delivery.")


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
    holdout_people: int = Field(
        description="Enrolled and never written to, when figures were last counted."
    )
    rollout_days: int | None
    rollout_since: datetime | None
    rollout_halted: str = Field(description=_campaign("rollout_halted"))
    rollout_next: int | None = Field(
        description="The share that comes next, in percent; null: everybody is in."
    )
    health: Health | None = Field(description="Null: it does not run, and is not paused either.")
    min_delivery_rate: Decimal
    max_failure_rate: Decimal
    max_unsubscribe_rate: Decimal
    max_complaint_rate: Decimal
    submitted_at: datetime | None
    review_note: str = Field(description="Why it was sent back, and by whom.")
    steps: list[Step]

    @staticmethod
    def resolve_rollout_next(campaign: Campaign) -> int | None:
        """Of 10, 25, 50 and 100."""
        return rollout.next_stage(campaign)

    @staticmethod
    def resolve_holdout_people(campaign: Campaign) -> int:
        """From the roll-up: there may be many."""
        cohorts = CohortAnalytics.objects.filter(campaign=campaign, is_holdout=True)
        return cohorts.aggregate(people=Sum("enrolled"))["people"] or 0

    @staticmethod
    def resolve_health(campaign: Campaign) -> rollout.Health | None:
        """Of messages: there are none before the launch, and none to come after the end."""
        if campaign.status not in LIVE:
            return None
        return rollout.health(campaign, timezone.now())

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

    token: str = Field(
        description="Send it with the same change, if that is what you want; another one is "
        "refused with it."
    )
    lines: list[str] = Field(description="A sentence for each effect.")
    problems: list[str] = Field(description="What keeps it from being done.")
    needs_second: bool = Field(
        description="Two people make it (setting FOUR_EYES): send it with its token to "
        "`POST …/proposal`; PATCH refuses it."
    )
