"""What leads a campaign through its life takes and gives."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from ninja import Query, Schema
from pydantic import Field

from campaigns.api.campaign_shapes import CampaignOut
from campaigns.api.shapes import In, WholeNumber, example
from campaigns.overdue import MOST_DAYS, Choice
from campaigns.resumption import Figures


class PreflightFinding(Schema):
    """One thing that was looked at."""

    level: Literal["blocking", "warning", "ok"]
    key: str = Field(description="For programs; it does not change.")
    text: str
    link: str = Field(description="Page of the admin where it is mended.")


class Ready(Schema):
    """Whether it can be launched."""

    ready: bool = Field(description="Nothing blocks it, and the key's owner may launch it.")
    counted_at: datetime = Field(description="When doctors were counted for it.")
    findings: list[PreflightFinding] = Field(description="Blocking ones first.")
    approval: list[str] = Field(description="Why the key's owner may not launch it.")


SpreadDays = Annotated[
    int,
    Query(ge=0, le=MOST_DAYS, description="Over how many days to spread; spread alone needs it."),
]


class Resume(In):
    """What becomes of what was to go out in the pause."""

    model_config = example(
        choice="spread", days=7, seen='["spread", 7, "2026-03-18", [120, 300, 0, 0, 4]]'
    )

    choice: Choice | None = Field(
        default=None,
        description="skip: never sent; shift: everybody's steps move by the days of the pause; "
        "spread: sent over the next days. Needed where something is overdue.",
    )
    days: WholeNumber = Field(
        default=0, ge=0, le=MOST_DAYS, description="Over how many days to spread."
    )
    seen: str | None = Field(
        default=None,
        max_length=200,
        description="`token` of the figures that were agreed to (…/resume/figures): nothing is "
        "done where they are others now. Needed where something is overdue.",
    )


class OverdueOut(Schema):
    """What a pause has held up."""

    since: datetime
    messages: int = Field(description="Whose day has passed.")
    people: int
    to_come: int = Field(description="Messages still open, overdue ones among them.")
    days: int = Field(description="By which `shift` would move the rest.")
    last_day_skipped: date | None
    last_day_shifted: date | None


class DayOfFigures(Schema):
    """How many messages go on one day, of the doctor's."""

    day: date
    moved: int = Field(description="Given this day by the resumption.")
    stays: int = Field(description="Had this day anyway.")


class RoomOut(Schema):
    """What of the spread messages the frequency caps will not let out."""

    messages: int = Field(description="Skipped when their day comes, if everybody stays away.")
    reckoned: int = Field(description="Doctors run through; the figure is for all `people`.")
    people: int
    is_exact: bool


class FiguresOut(Schema):
    """What a resumption would do with every message that is still open."""

    choice: Choice
    days: int = Field(description="Over how many it is spread; 0 with the other choices.")
    moved: int = Field(description="Get another day.")
    stays: int = Field(description="Go on the day that they have.")
    skipped: int = Field(description="At once.")
    cut: int = Field(description="Would come at or after the campaign's end: they never go.")
    last_day: date | None = Field(description="When the last message goes; null: none goes.")
    later_by: int = Field(description="Days by which the last message comes later.")
    by_day: list[DayOfFigures] = Field(description="Days on which something goes, in order.")
    room: RoomOut | None = Field(description="Of what is spread; null with the other choices.")
    token: str = Field(description="Send it as `seen` with the resumption, if you agree.")

    @staticmethod
    def resolve_moved(found: Figures) -> int:
        """Of all days."""
        return found.moved.total()

    @staticmethod
    def resolve_stays(found: Figures) -> int:
        """Of all days."""
        return found.stays.total()

    @staticmethod
    def resolve_by_day(found: Figures) -> list[dict[str, Any]]:
        """In order."""
        return [
            {"day": day, "moved": found.moved[day], "stays": found.stays[day]}
            for day in sorted({*found.moved, *found.stays})
        ]


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


class SendBack(In):
    """Why it goes back to its author."""

    model_config = example(reason="Say in the first text which session it is about.")

    reason: str = Field(
        min_length=1, max_length=2000, description="What should be changed; its author reads it."
    )


class Advance(In):
    """How far the rollout goes."""

    model_config = example(to=25)

    to: Literal[25, 50, 100] = Field(
        description="In percent: `rollout_next` of the campaign as you have seen it. Sending it "
        "twice is one step."
    )
