"""What the pre-flight page shows: findings by weight, what will really be sent, and the mends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns.digest import digest
from campaigns.feasibility import (
    Feasibility,
    Mend,
    Outcome,
    effect_of,
    sequence_of,
    tried,
)
from campaigns.models import Campaign, CampaignStatus, Experiment
from campaigns.preflight import Finding, static
from campaigns.preflight.counts import KEPT, counts
from campaigns.preflight.mend import changes, obstacles, tests_of
from messaging.models import Channel


@dataclass(frozen=True, slots=True)
class Mark:
    """One message on one day. `kind`: sent, late (sent, but planned before), moved or never."""

    kind: str
    sign: str
    words: str


@dataclass(frozen=True, slots=True)
class Offer:
    """A mend. `why_not`: what keeps it from being done now, in place of its button."""

    mend: Mend
    why_not: Sequence[str]


@dataclass(frozen=True, slots=True)
class DayRow:
    """A day of the sequence, with what becomes of each channel's messages."""

    day: int
    cells: Sequence[tuple[str, Sequence[Mark]]]  # channel's label and marks
    sent: int
    is_silent: bool


def page(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What the page shows at once, but who may do what; no doctor is counted for it."""
    found = static(campaign, now)
    sequence = sequence_of(campaign)
    run, mends, together = tried(sequence)
    silent, others = _split(found)
    tests = tests_of(campaign) if mends else []
    return {
        "blocking": [one for one in others if one.level == "blocking"],
        "warnings": [
            *([_summary(run)] if silent else []),
            *(one for one in others if one.level == "warning"),
        ],
        "fine": [one for one in others if one.level == "ok"],
        "run": run,
        "channels": [Channel(channel).label for channel in _channels(run)],
        "days": day_rows(run),
        "mends": [Offer(one, obstacles(campaign, sequence, one.sequence, tests)) for one in mends],
        "together": _together(campaign, run, together, tests),
        "token": digest(campaign),
        "is_launched": campaign.status not in (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW),
        "in_review": campaign.status == CampaignStatus.IN_REVIEW,
    }


def _split(found: Sequence[Finding]) -> tuple[list[Finding], list[Finding]]:
    """The messages that never go out, which count as one warning together, and the rest."""
    silent = [one for one in found if one.key == "never_goes"]
    return silent, [one for one in found if one.key != "never_goes"]


def _count_warnings(found: Sequence[Finding]) -> int:
    """As many as the page lists."""
    silent, others = _split(found)
    return bool(silent) + sum(one.level == "warning" for one in others)


def counted(campaign: Campaign, now: datetime) -> dict[str, Any]:
    """What the page loads once it is open: what is found by counting doctors."""
    found = counts(campaign, now)
    return {
        "warnings": [one for one in found.findings if one.level == "warning"],
        "fine": [one for one in found.findings if one.level == "ok"],
        "crowd": found.crowd,
        "at": found.at,
        "campaign": campaign,
        "minutes": KEPT // 60,
    }


def _summary(run: Feasibility) -> Finding:
    lost, total = len(run.lost), len(run.outcomes)
    silent = run.silent_days
    days = f", and day {', '.join(map(str, silent))} is silent" if silent else ""
    text = f"{lost} of {total} messages can never go out{days}."
    return Finding("warning", "never_goes", text, "#feasibility", "See why, and what would help")


def _together(
    campaign: Campaign, run: Feasibility, mends: Sequence[Mend], tests: Sequence[Experiment]
) -> dict[str, Any] | None:
    """All mends at once: what they change, and what comes of it. None where one does as well."""
    if len(mends) < 2:
        return None
    after = mends[-1].after
    return {
        "changes": changes(run.sequence, after.sequence),
        "effect": effect_of(run, after),
        "why_not": obstacles(campaign, run.sequence, after.sequence, tests),
    }


def _channels(run: Feasibility) -> list[str]:
    used = {step.channel for step in run.sequence.steps}
    return [channel for channel in run.sequence.order if channel in used]


def day_rows(run: Feasibility) -> list[DayRow]:
    """Every day on which something is planned or goes out, with a mark for each message."""
    marks: dict[tuple[int, str], list[Mark]] = {}
    went: dict[int, int] = {}
    for one in run.outcomes:
        for day, mark in _marks(run, one):
            marks.setdefault((day, one.step.channel), []).append(mark)
            went[day] = went.get(day, 0) + (mark.kind in ("sent", "late"))
    silent = set(run.silent_days)
    return [
        DayRow(
            day,
            [(Channel(c).label, marks.get((day, c), [])) for c in _channels(run)],
            went[day],
            day in silent,
        )
        for day in sorted(went)
    ]


def _marks(run: Feasibility, one: Outcome) -> list[tuple[int, Mark]]:
    planned = one.step.day
    if not one.went:
        return [(planned, Mark("never", "✕", "never"))]
    day = run.day_of(one.at)
    hour = f"{one.at.astimezone(run.zone):%H:%M}"
    if day == planned:
        return [(day, Mark("sent", "✓", f"sent, {hour}"))]
    return [
        (planned, Mark("moved", "→", f"waits until day {day}")),
        (day, Mark("late", "✓", f"sent, {hour} (of day {planned})")),
    ]


def warning_facts(campaign: Campaign, now: datetime) -> list[SafeString]:
    """For the question before a launch: how many warnings there are, and where they stand.

    Only those that need no look at the doctors: the rest would take seconds.
    """
    count = _count_warnings(static(campaign, now))
    return [
        format_html(
            "The pre-flight has {} warning{} about steps, times and settings; it also tries the "
            "texts out, and counts who can be reached. "
            '<a class="text-primary-600 dark:text-primary-500" href="{}">Look at it</a> first.',
            count or "no",
            "" if count == 1 else "s",
            reverse("admin:campaigns_campaign_preflight", args=[campaign.pk]),
        )
    ]
