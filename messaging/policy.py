"""May this message go now? One pure function, asked by the sender, the replay and the admin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from messaging.caps import DAY, WEEK, Caps, Planned, Spent, Taken, earliest_slot
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
    template_problem: str  # why the template may not go out on the channel; '': it may
    caps: Caps
    history: tuple[Taken, ...] = ()  # what the doctor got in the last seven days
    suppressed: str = ""  # why the channel does not reach the doctor; '': it may
    ahead: tuple[Planned, ...] = ()  # the doctor's messages that have first call on the caps
    paused_until: datetime | None = None  # what the doctor asked for, while it stands


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


def said_at(moment: datetime, zone: tzinfo) -> str:
    """A time in words, by the clock of `zone`, which is named: “04 Mar 2026, 12:00 IST”."""
    local = moment.astimezone(zone)
    name = local.tzname() or ""
    return f"{local:%d %b %Y, %H:%M} {name if name.isalpha() else f'({zone})'}"


def _campaign_over(now: datetime, facts: Facts) -> Refusal:
    if facts.campaign_status == "completed":
        return SkipReason.CAMPAIGN_OVER, "the campaign is completed"
    if facts.campaign_end and facts.campaign_end <= now:
        ended = said_at(facts.campaign_end, facts.zone)
        return SkipReason.CAMPAIGN_OVER, f"the campaign ended on {ended}"
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


def _suppressed(_now: datetime, facts: Facts) -> Refusal:
    return (SkipReason.SUPPRESSED, facts.suppressed) if facts.suppressed else None


def _not_approved(_now: datetime, facts: Facts) -> Refusal:
    problem = facts.template_problem
    return (SkipReason.TEMPLATE_NOT_APPROVED, problem) if problem else None


def _too_late(now: datetime, facts: Facts) -> Refusal:
    if now < facts.expires_at:
        return None
    return SkipReason.TOO_LATE, f"it was good until {said_at(facts.expires_at, facts.zone)}"


# design, section 4: the order in which the gates are asked.
GATES: tuple[tuple[str, Callable[[datetime, Facts], Refusal]], ...] = (
    ("campaign", _campaign_over),
    ("returned", _returned),
    ("opt-out", _unsubscribed),
    ("enrolment", _enrollment_over),
    ("segment", _left_segment),
    ("consent", _no_consent),
    ("address", _no_address),
    ("suppression", _suppressed),
    ("template", _not_approved),
    ("in time", _too_late),
)


# Most deliveries pass: what they share is made once.
_PASSED = tuple(Verdict(gate, "pass") for gate, _ in GATES)
_IN_HOURS = Verdict("hours", "pass")
_SEND = Send((*_PASSED, _IN_HOURS, Verdict("caps", "pass")))


def _in_time(now: datetime, facts: Facts) -> tuple[Verdict, ...]:
    """The gates that passed, of a message that does not go now: the last one says how it stood."""
    counted = Spent(facts.caps, facts.history).times
    day = sum(1 for at in counted if at > now - DAY)
    week = sum(1 for at in counted if at > now - WEEK)
    detail = (
        f"looked at on {said_at(now, facts.zone)}, when the doctor had had {day} of "
        f"{facts.caps.per_day} messages in 24 hours and {week} of {facts.caps.per_week} in 7 days; "
        f"good until {said_at(facts.expires_at, facts.zone)}"
    )
    return (*_PASSED[:-1], Verdict(_PASSED[-1].gate, "pass", detail))


def decide(now: datetime, facts: Facts) -> Decision:
    """Say whether the message may go at `now` (aware), must wait, or never goes.

    Gates come in the order of GATES, then the campaign's pause and the doctor's, hours and caps.
    The trace holds each gate's verdict up to the one that refused. A deferral is the earliest
    moment that every gate allows; one at or after `expires_at` or the end of the campaign is a
    skip. The history may lie after `now`: it was recorded before the clock was put back.
    """
    for number, (gate, ask) in enumerate(GATES):
        refusal = ask(now, facts)
        if refusal is not None:
            reason, detail = refusal
            return Skip(reason, (*_PASSED[:number], Verdict(gate, "skip", detail)))
    if facts.campaign_status != "active":
        paused = Verdict("pause", "defer", f"the campaign is {facts.campaign_status}")
        until = min(now + PAUSE_RECHECK, facts.expires_at)  # then it is skipped, and says why
        return Defer(until, "campaign paused", (*_in_time(now, facts), paused))
    if facts.paused_until is not None:
        return _decide_pause(now, facts, facts.paused_until)
    return _decide_time(now, facts)


def _decide_pause(now: datetime, facts: Facts, until: datetime) -> Decision:
    """What the doctor's pause makes of a message: it waits for the end, where it is good so long.

    It is not sent late: a step that expires in the pause is skipped, and the sequence goes on after
    it with the step of that day. A pause stands until it is taken back, which the minute after its
    end does; nothing goes before.
    """
    detail = f"the doctor asked for a pause until {said_at(until, facts.zone)}"
    passed = _in_time(now, facts)
    if until >= facts.expires_at:
        return Skip(SkipReason.PAUSED, (*passed, Verdict("doctor's pause", "skip", detail)))
    again = max(until, min(now + PAUSE_RECHECK, facts.expires_at))
    trace = (*passed, Verdict("doctor's pause", "defer", detail))
    return Defer(again, "the doctor's pause", trace)


def _decide_time(now: datetime, facts: Facts) -> Decision:
    """What may make a message wait: the campaign's start, hours, caps."""
    if facts.hours is None:
        return _no_hour(now, facts, "the campaign's hours and the channel's have no hour in common")
    start = max(now, facts.campaign_start) if facts.campaign_start else now
    opens = next_open(start, facts.hours, facts.zone)
    end, ends = facts.expires_at, "it expires"
    if facts.campaign_end and facts.campaign_end < end:
        end, ends = facts.campaign_end, "the campaign ends"
    if opens >= end:
        return _no_hour(now, facts, f"no hour is left before {ends}")
    wanted = Planned(facts.channel, opens, end, facts.hours)
    spent = Spent(facts.caps, facts.history)
    slot, why = earliest_slot(wanted, facts.ahead, spent, now, facts.zone)
    if slot == now:
        return _SEND
    hours, passed = _IN_HOURS, _in_time(now, facts)
    if opens > now:
        hours = Verdict("hours", "defer", f"open at {said_at(opens, facts.zone)}")
    if slot is None:
        full = f"{why}; no other room before {ends} on {said_at(end, facts.zone)}"
        return Skip(SkipReason.FREQUENCY_CAP, (*passed, hours, Verdict("caps", "skip", full)))
    caps = Verdict("caps", "defer" if slot > opens else "pass", why)
    return Defer(slot, why or "outside sending hours", (*passed, hours, caps))


def _no_hour(now: datetime, facts: Facts, detail: str) -> Skip:
    refused = Verdict("hours", "skip", detail)
    return Skip(SkipReason.TOO_LATE, (*_in_time(now, facts), refused))
