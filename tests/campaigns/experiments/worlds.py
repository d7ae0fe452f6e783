"""A campaign with an experiment on one step, for tests that send it."""

from datetime import datetime
from typing import Any

from campaigns.enroll import enroll
from campaigns.experiments.lifecycle import start
from campaigns.models import Campaign, CampaignMessage, Experiment, Variant
from messaging.models import MessageDelivery, MessageTemplate
from tests import engine
from tests.engine import NOW


def another_text(step: CampaignMessage, content: str, **fields: Any) -> MessageTemplate:
    """A template that could stand in the step's place."""
    return MessageTemplate.objects.create(
        template_key=f"{step.template_id}_{MessageTemplate.objects.count()}",
        channel=step.channel,
        segment_type=step.campaign.segment_type,
        sequence_order=1000 + MessageTemplate.objects.count(),
        template_content=content,
        subject_line=fields.pop("subject_line", "Other" if step.channel == "email" else None),
        **fields,
    )


def experiment(step: CampaignMessage, *others: dict[str, Any], **fields: Any) -> Experiment:
    """A draft of the step as it is against `others`, each what its variant has of its own."""
    defaults: dict[str, Any] = {"kind": "subject", "metric": "opened", "min_per_arm": 30}
    made = Experiment.objects.create(
        campaign=step.campaign, step=step, name="A test", **{**defaults, **fields}
    )
    for letter, own in zip("ABCD", ({}, *others), strict=False):
        Variant.objects.create(experiment=made, letter=letter, **own)
    return made


def running(
    *others: dict[str, Any],
    doctors: int = 8,
    channel: str = "email",
    now: datetime = NOW,
    **fields: Any,
) -> Experiment:
    """An experiment that runs on the only step of a campaign with so many doctors enrolled."""
    made = engine.campaign(days=(0,), channels=(channel,))
    started = experiment(made.steps.get(), *others, **fields)
    start(started, now, None)
    add_doctors(made, doctors, now)
    return started


def add_doctors(campaign: Campaign, count: int, now: datetime = NOW) -> None:
    """So many more members of the segment, enrolled."""
    for _ in range(count):
        engine.member()
    enroll(campaign, now)


def letters() -> dict[int, str | None]:
    """By doctor, the letter of the variant on their delivery."""
    rows = MessageDelivery.objects.values_list("doctor_id", "variant__letter")
    return dict(rows)
