"""One doctor's run through a fixture campaign, decided by the real policy."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from messaging.caps import Caps, Planned, Taken
from messaging.hours import Hours
from messaging.policy import Defer, Facts, Send, decide

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
KOLKATA = ZoneInfo("Asia/Kolkata")
HOURS = Hours(time(10), time(21))
CHANNELS = ("whatsapp", "sms", "email")


@dataclass
class Step:
    """One step under way."""

    day: int
    channel: str
    due_at: datetime
    at: datetime
    status: str = "scheduled"

    @property
    def expires_at(self) -> datetime:
        return self.due_at + timedelta(hours=48)

    def planned(self) -> Planned:
        label = f"{self.channel} of day {self.day}"
        return Planned(self.channel, self.at, self.expires_at, HOURS, label)


def campaigns() -> list[dict[str, Any]]:
    """The fixture campaigns."""
    loaded: list[dict[str, Any]] = yaml.safe_load((FIXTURES / "campaigns.yaml").read_text())
    return loaded


def steps_of(campaign: dict[str, Any]) -> list[Step]:
    """The campaign's steps for a doctor enrolled on 1 March 2026 at 02:30 in Kolkata."""
    first = datetime(2026, 3, 1, 10, tzinfo=KOLKATA).astimezone(UTC)
    return [
        Step(s["delay_days"], s["channel"], due, due)
        for s in campaign["steps"]
        for due in [first + timedelta(days=s["delay_days"])]
    ]


def run(steps: list[Step], latency: timedelta = timedelta(0)) -> list[Step]:
    """Decide each step when its time comes, in channel order; each send takes `latency`."""
    history: list[Taken] = []
    while waiting := [s for s in steps if s.status == "scheduled"]:
        step = min(waiting, key=lambda s: (s.at, CHANNELS.index(s.channel)))
        now = step.at + latency
        decision = decide(now, _facts(step, now, steps, history))
        if isinstance(decision, Send):
            step.status, step.at = "sent", now
            history.append(Taken(step.channel, now))
        elif isinstance(decision, Defer):
            assert decision.until > now
            step.at = decision.until
        else:
            step.status = str(decision.reason)
    return steps


def _facts(step: Step, now: datetime, steps: list[Step], history: list[Taken]) -> Facts:
    def is_first(one: Step) -> bool:
        day = [s for s in steps if s.day == one.day]
        return min(day, key=lambda s: CHANNELS.index(s.channel)) is one

    ahead = [
        other.planned()
        for other in steps
        if other is not step
        and other.status == "scheduled"
        and other.due_at <= now + timedelta(days=7)
        and (
            (is_first(other) and not is_first(step))
            or (
                other.at <= now
                and is_first(other) == is_first(step)
                and CHANNELS.index(other.channel) < CHANNELS.index(step.channel)
            )
        )
    ]
    return replace(
        OPEN,
        channel=step.channel,
        expires_at=step.expires_at,
        history=tuple(history),
        ahead=tuple(ahead),
    )


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
    template_approved=True,
    caps=Caps(),
)
