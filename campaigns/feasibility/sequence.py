"""A campaign as the reckoning sees it: no database beyond reading it, and its tests, once."""

from __future__ import annotations

import uuid
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from datetime import time

from campaigns.models import (
    Campaign,
    CampaignMessage,
    CampaignStatus,
    Experiment,
    ExperimentStatus,
)
from messaging.due import hour_of
from messaging.models import Channel


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """One message of a sequence. `number`: its place in the campaign; `send_from`: its own hour.

    `may_move`, `may_leave`: no A/B test needs it on its day, or in the campaign.
    """

    number: int
    day: int
    channel: str
    send_from: time | None = None
    may_move: bool = True
    may_leave: bool = True

    @property
    def label(self) -> str:
        """Such as “SMS of day 3”."""
        return f"{Channel(self.channel).label} of day {self.day}"


@dataclass(frozen=True, slots=True)
class Sequence:
    """What of a campaign decides which of its messages go."""

    name: str
    steps: tuple[PlannedStep, ...]
    priority: int = 10
    order: tuple[str, ...] = tuple(Channel.values)
    send_from: time = time(10)
    send_until: time = time(21)
    campaign_id: uuid.UUID | None = None

    def hour_of(self, step: PlannedStep) -> time:
        """From when a step goes out; its own hour counts within the campaign's only."""
        return hour_of(step.send_from, self.send_from, self.send_until)

    def label_of(self, step: PlannedStep) -> str:
        """The step's label, with its place where its channel has another message on its day."""
        place = (step.day, step.channel)
        same = sum((one.day, one.channel) == place for one in self.steps)
        return f"{step.label} (step {step.number})" if same > 1 else step.label

    @property
    def last_day(self) -> int:
        """The day of the last step; 0 where there is none."""
        return max((step.day for step in self.steps), default=0)

    def moved(self, number: int, day: int) -> Sequence:
        """The same with one step on another day."""
        return replace(
            self,
            steps=tuple(
                replace(step, day=day) if step.number == number else step for step in self.steps
            ),
        )

    def without(self, number: int) -> Sequence:
        """The same without one step."""
        return replace(self, steps=tuple(step for step in self.steps if step.number != number))

    def only(self, channels: Container[str]) -> Sequence:
        """The same with the steps on some channels alone."""
        return replace(self, steps=tuple(step for step in self.steps if step.channel in channels))

    def ordered(self, order: Iterable[str]) -> Sequence:
        """The same with another order of channels."""
        return replace(self, order=tuple(order))


def sequence_of(campaign: Campaign, steps: Iterable[CampaignMessage] | None = None) -> Sequence:
    """The campaign as it stands, or with `steps` that are not saved yet.

    Two queries without them, one of which asks for its A/B tests; none with them, nor tests.
    """
    rows = campaign.steps.all() if steps is None else steps
    tests = _tests_of(campaign) if steps is None else {}
    return Sequence(
        name=campaign.name,
        steps=tuple(
            PlannedStep(
                row.sequence_order,
                row.delay_days,
                row.channel,
                row.send_from,
                may_move=not tests.get(row.pk, False),
                may_leave=row.pk not in tests,
            )
            for row in sorted(rows, key=lambda row: row.sequence_order)
        ),
        priority=campaign.priority,
        order=tuple(campaign.channel_order),
        send_from=campaign.send_from,
        send_until=campaign.send_until,
        campaign_id=campaign.pk,
    )


def _tests_of(campaign: Campaign) -> dict[uuid.UUID, bool]:
    """The steps that an A/B test keeps in the campaign, and whether it keeps their day as well.

    As preflight/mend.py has it in words: a running one keeps both; any other the step only, and
    not that of a campaign under way, which keeps the row of what it leaves out.
    """
    tests = Experiment.objects.filter(campaign=campaign)
    if campaign.status in (CampaignStatus.ACTIVE, CampaignStatus.PAUSED):
        tests = tests.filter(status=ExperimentStatus.RUNNING)
    found: dict[uuid.UUID, bool] = {}
    for step, status in tests.order_by().values_list("step", "status"):
        found[step] = found.get(step, False) or status == ExperimentStatus.RUNNING
    return found
