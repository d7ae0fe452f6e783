"""May this message go now? One pure function, asked by the sender, the replay and the admin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from messaging.caps import Caps, Planned, Request, Taken, earliest_slot
from messaging.hours import Hours, next_open
from messaging.models import SkipReason

# A paused campaign is asked again after this time; its messages still expire.
PAUSE_RECHECK = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the policy looks at; every time is aware."""

    channel: str
    expires_at: datetime
    zone: ZoneInfo
    hours: Hours | None  # the channel's hours and the campaign's; None where they share none
    campaign_status: str
    campaign_start: datetime | None
    campaign_end: datetime | None
    enrollment_status: str
    has_returned: bool
    in_segment: bool
    opted_out: bool
    has_consent: bool  # or none is required on this channel
    has_address: bool
    template_approved: bool
    caps: Caps
    history: tuple[Taken, ...] = ()  # what the doctor got in the last seven days
    ahead: tuple[Planned, ...] = ()  # the doctor's messages that have first call on the caps


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one gate said."""

    gate: str
    verdict: str  # pass, defer or skip
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """It may go now."""

    trace: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Defer:
    """Not now; `until` is the earliest moment at which every gate lets it pass."""

    until: datetime
    reason: str
    trace: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """Never, and why."""

    reason: SkipReason
    trace: tuple[Verdict, ...]


Decision = Send | Defer | Skip
Refusal = tuple[SkipReason, str] | None


def _campaign_over(now: datetime, facts: Facts) -> Refusal:
    if facts.campaign_status == "completed":
        return SkipReason.CAMPAIGN_OVER, "the campaign is completed"
    if facts.campaign_end and facts.campaign_end <= now:
        return SkipReason.CAMPAIGN_OVER, f"the campaign ended {facts.campaign_end:%d %b %Y %H:%M}"
    return None


def _returned(_now: datetime, facts: Facts) -> Refusal:
    came_back = facts.has_returned or facts.enrollment_status == "converted"
    return (SkipReason.CONVERTED, "the doctor has come back") if came_back else None


def _unsubscribed(_now: datetime, facts: Facts) -> Refusal:
    out = facts.opted_out or facts.enrollment_status == "unsubscribed"
    return (SkipReason.UNSUBSCRIBED, "the doctor has opted out") if out else None


def _enrollment_over(_now: datetime, facts: Facts) -> Refusal:
    if facts.enrollment_status == "active":
        return None
    return SkipReason.ENROLLMENT_OVER, f"the enrolment is {facts.enrollment_status}"


def _left_segment(_now: datetime, facts: Facts) -> Refusal:
    return None if facts.in_segment else (SkipReason.LEFT_SEGMENT, "no longer in the segment")


def _no_consent(_now: datetime, facts: Facts) -> Refusal:
    return None if facts.has_consent else (SkipReason.NO_CONSENT, "no consent on record")


def _no_address(_now: datetime, facts: Facts) -> Refusal:
    return None if facts.has_address else (SkipReason.NO_ADDRESS, "no address on record")


def _not_approved(_now: datetime, facts: Facts) -> Refusal:
    approved = facts.template_approved
    return None if approved else (SkipReason.TEMPLATE_NOT_APPROVED, "template not approved")


def _too_late(now: datetime, facts: Facts) -> Refusal:
    if now < facts.expires_at:
        return None
    return SkipReason.TOO_LATE, f"it was good until {facts.expires_at:%d %b %Y %H:%M %Z}"


# design, section 4: the order in which the gates are asked.
GATES: tuple[tuple[str, Callable[[datetime, Facts], Refusal]], ...] = (
    ("campaign", _campaign_over),
    ("returned", _returned),
    ("opt-out", _unsubscribed),
    ("enrolment", _enrollment_over),
    ("segment", _left_segment),
    ("consent", _no_consent),
    ("address", _no_address),
    ("template", _not_approved),
    ("in time", _too_late),
)


def decide(now: datetime, facts: Facts) -> Decision:
    """Say whether the message may go at `now` (aware), must wait, or never goes.

    Gates come in the order of GATES, then hours and caps. The trace holds each gate's verdict up
    to the one that refused. A deferral is the earliest moment that hours and caps allow; one at
    or after `expires_at` is a skip.
    """
    trace: list[Verdict] = []
    for gate, ask in GATES:
        refusal = ask(now, facts)
        if refusal is not None:
            reason, detail = refusal
            trace.append(Verdict(gate, "skip", detail))
            return Skip(reason, tuple(trace))
        trace.append(Verdict(gate, "pass"))
    return _decide_time(now, facts, trace)


def _decide_time(now: datetime, facts: Facts, trace: list[Verdict]) -> Decision:
    """What may make a message wait: a pause, the campaign's start, hours, caps."""
    if facts.campaign_status != "active":
        trace.append(Verdict("pause", "defer", f"the campaign is {facts.campaign_status}"))
        return Defer(now + PAUSE_RECHECK, "campaign paused", tuple(trace))
    if facts.hours is None:
        detail = "the campaign's hours and the channel's have no hour in common"
        trace.append(Verdict("hours", "skip", detail))
        return Skip(SkipReason.TOO_LATE, tuple(trace))
    start = max(now, facts.campaign_start) if facts.campaign_start else now
    opens = next_open(start, facts.hours, facts.zone)
    if opens >= facts.expires_at:
        trace.append(Verdict("hours", "skip", "no hour is left before it expires"))
        return Skip(SkipReason.TOO_LATE, tuple(trace))
    waits = opens > now
    detail = f"open at {opens.astimezone(facts.zone):%d %b %Y %H:%M}" if waits else ""
    trace.append(Verdict("hours", "defer" if waits else "pass", detail))
    request = Request(facts.channel, facts.expires_at, facts.hours, facts.zone, facts.caps)
    slot, why = earliest_slot(opens, request, facts.history, facts.ahead)
    if slot is None:
        trace.append(Verdict("caps", "skip", why))
        return Skip(SkipReason.FREQUENCY_CAP, tuple(trace))
    trace.append(Verdict("caps", "defer" if slot > opens else "pass", why))
    if slot > now:
        return Defer(slot, why or "outside sending hours", tuple(trace))
    return Send(tuple(trace))
