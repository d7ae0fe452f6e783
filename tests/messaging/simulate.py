"""One doctor's run through campaigns, and facts under which every gate is open."""

from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from campaigns.feasibility import Outcome, PlannedStep, Sequence
from messaging.caps import Caps
from messaging.hours import Hours
from messaging.policy import Facts

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
KOLKATA = ZoneInfo("Asia/Kolkata")
HOURS = Hours(time(10), time(21))
CHANNELS = ("whatsapp", "sms", "email")
DUE = datetime(2026, 3, 1, 4, 30, tzinfo=UTC)  # 10:00 in Kolkata
OPEN = Facts(
    channel="whatsapp",
    expires_at=datetime(2026, 3, 3, 4, 30, tzinfo=UTC),
    zone=KOLKATA,
    hours=HOURS,
    campaign_status="active",
    campaign_start=None,
    campaign_end=None,
    enrollment_status="active",
    has_returned=False,
    in_segment=True,
    opted_out=False,
    has_consent=True,
    has_address=True,
    template_problem="",
    caps=Caps(),
)


def fixture_campaigns() -> dict[str, Sequence]:
    """The four campaigns of the strategy, by name."""
    loaded: list[dict[str, Any]] = yaml.safe_load((FIXTURES / "campaigns.yaml").read_text())
    return {
        one["name"]: Sequence(
            one["name"],
            tuple(
                PlannedStep(step["sequence_order"], step["delay_days"], step["channel"])
                for step in one["steps"]
            ),
            one["priority"],
        )
        for one in loaded
    }


def is_first(one: Outcome) -> bool:
    """Whether the campaign's order puts its channel first on its day."""
    sequence = one.sequence
    channels = [step.channel for step in sequence.steps if step.day == one.step.day]
    return min(channels, key=sequence.order.index) == one.step.channel
