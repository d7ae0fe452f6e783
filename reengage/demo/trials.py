"""The sample's A/B tests: one that is soon over, and one that takes longer than the replay."""

from __future__ import annotations

from datetime import datetime, time
from typing import Any

from django.contrib.auth.models import User

from campaigns.experiments import lifecycle
from campaigns.models import (
    Campaign,
    Experiment,
    ExperimentKind,
    ExperimentMetric,
    Variant,
)
from reengage.demo.behaviour import BY_NAME
from segments.models import SegmentType

# By segment: channel and day of the step, what is compared, and the variants besides A.
TRIALS: dict[str, tuple[str, int, dict[str, Any], list[dict[str, Any]]]] = {
    SegmentType.UNCLAIMED_CERTIFICATES: (
        "email",
        0,
        {
            "name": "Does the doctor's name in the subject help?",
            "kind": ExperimentKind.SUBJECT,
            "metric": ExperimentMetric.OPENED,
            "min_per_arm": 45,
            "horizon_days": 3,
        },
        [
            {
                "label": BY_NAME,
                "subject_line": "Dr. {{last_name}}, your certificate is ready",
            }
        ],
    ),
    SegmentType.NO_SHOW: (
        "whatsapp",
        2,
        {
            "name": "Recording on day 2: in the morning or in the afternoon?",
            "kind": ExperimentKind.SEND_TIME,
            "metric": ExperimentMetric.CLICKED,
            "min_per_arm": 450,
            "horizon_days": 7,
        },
        [{"label": "In the afternoon", "send_from": time(16)}],
    ),
}


def begin(campaign: Campaign, start: datetime, by: User | None) -> None:
    """Start the test of the campaign's segment, if the sample has one for it."""
    if campaign.segment_type not in TRIALS:
        return
    channel, day, fields, others = TRIALS[campaign.segment_type]
    step = campaign.steps.filter(channel=channel, delay_days=day).first()
    if step is None:  # somebody has changed the campaign before its launch
        return
    experiment = Experiment.objects.create(campaign=campaign, step=step, **fields)
    variants = [{"label": "As it is now"}, *others]
    Variant.objects.bulk_create(
        Variant(experiment=experiment, letter=letter, **own)
        for letter, own in zip("ABCD", variants, strict=False)
    )
    lifecycle.start(experiment, start, by)
