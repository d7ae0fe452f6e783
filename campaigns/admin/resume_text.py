"""The question before a campaign is resumed: each way with what it does to every message."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime

from django.utils import timezone

from campaigns import launch, overdue, resumption
from campaigns.admin.ask import Ask, Option
from campaigns.alike import read_kinds
from campaigns.models import Campaign
from campaigns.overdue import MOST_DAYS, Choice
from campaigns.room import Room
from reengage.admin_base import Table

SPREAD_DAYS = 7  # what the page suggests


def resume_question(
    campaign: Campaign, now: datetime, days: int = SPREAD_DAYS, chosen: str = ""
) -> Ask:
    """What is overdue, and each way with its figures. `days`: over how many to spread."""
    days = min(max(days, 1), MOST_DAYS)
    kinds = read_kinds(campaign, now, days)
    held = overdue.overdue(campaign, now, kinds)
    facts = [f"Paused since {timezone.localtime(held.since):%d %b %Y %H:%M}."]
    if held.messages:
        facts.append(
            f"The day of {_messages(held.messages)} to {_doctors(held.people)} has passed "
            "meanwhile. They are not sent unless you say so."
        )
    else:
        facts.append("No message's day has passed meanwhile: everything goes on where it was.")
    if campaign.end_date:
        facts.append(
            f"The campaign ends {timezone.localtime(campaign.end_date):%d %b %Y %H:%M}: what comes "
            "on or after that never goes out."
        )
    return Ask(
        title=f"Resume: {campaign}",
        question="Doctors are enrolled and written to again.",
        button="Resume",
        facts=facts,
        problems=launch.problems(campaign, now),
        options=_options(campaign, held, now, days, kinds) if held.messages else [],
        chosen=chosen,
    )


def _options(
    campaign: Campaign, held: overdue.Overdue, now: datetime, days: int, kinds: str
) -> list[Option]:
    skip = resumption.figures(campaign, now, Choice.SKIP, kinds=kinds)
    shift = resumption.figures(campaign, now, Choice.SHIFT, kinds=kinds)
    spread = resumption.figures(campaign, now, Choice.SPREAD, days, kinds)
    return [
        Option(
            "skip",
            "Skip what is overdue",
            "It is never sent. All others stay on their days.",
            facts=_facts(skip),
            table=_table(skip),
            seen=skip.token,
        ),
        Option(
            "shift",
            "Shift the rest of the sequence",
            "Everybody goes on where they were: each message comes later by the pause, which is "
            f"{held.days} {_days(held.days)}.",
            facts=_facts(shift),
            table=_table(shift),
            seen=shift.token,
        ),
        Option(
            "spread",
            "Spread what is overdue",
            "It goes out over the next days, beginning tomorrow, as far as the frequency caps let "
            "it. All others stay on their days and may overtake it.",
            facts=_facts(spread),
            table=_table(spread),
            number="days",
            number_label="Over how many days?",
            number_value=days,
            most=MOST_DAYS,
            seen=spread.token,
        ),
    ]


def _facts(found: resumption.Figures) -> list[str]:
    lines = []
    if found.moved:
        days = len(found.moved)
        over = f"on {days} days, {_span(found.moved)}" if days > 1 else f"on {_span(found.moved)}"
        whole = found.moved.total()
        gets = "gets another day: it goes" if whole == 1 else "get another day: they go"
        lines.append(f"{_messages(whole)} {gets} {over}.")
    if found.skipped:
        lines.append(f"{_messages(found.skipped)} {_are(found.skipped)} skipped at once.")
    if found.room is not None:
        lines.append(_room_line(found, found.room))
    if found.stays:
        stay = "stays on its day" if found.stays.total() == 1 else "stay on their days"
        lines.append(f"{_messages(found.stays.total())} to come {stay}.")
    if found.cut:
        lines.append(
            f"{_messages(found.cut)} would come on or after the campaign's end and never "
            f"{'goes' if found.cut == 1 else 'go'} out: move the end first to change that."
        )
    return [*lines, _end_line(found)]


def _room_line(found: resumption.Figures, room: Room) -> str:
    whole = found.moved.total()
    if room.is_exact:
        said = f"Of these {whole:,}, {room.messages:,} find no room under the frequency caps"
    else:
        said = f"Of these {whole:,}, about {room.messages:,} find no room under the frequency caps"
    said += " and will be skipped when their day comes, if everybody stays away until then"
    if not room.is_exact:
        said += f" (reckoned for {room.reckoned:,} of {_doctors(room.people)})"
    return f"{said}."


def _end_line(found: resumption.Figures) -> str:
    if found.last_day is None:
        return "Nothing goes out any more."
    said = f"The last message goes out on {_day(found.last_day)}"
    if found.later_by > 0:
        later = f"{found.later_by} {_days(found.later_by)} later"
        return f"{said}: {later} than if what is overdue is skipped."
    return f"{said}, as before." if found.later_by == 0 and found.last_day_before else f"{said}."


def _table(found: resumption.Figures) -> Table:
    """How many go on each day."""
    days = sorted({*found.moved, *found.stays})
    return Table(
        title="Day by day",
        headers=("Day", "Overdue, moved here", "To come anyway")
        if found.choice == Choice.SPREAD
        else ("Day", "Messages"),
        rows=[_row(found, day) for day in days],
        empty="Nothing goes out any more.",
    )


def _row(found: resumption.Figures, day: date) -> tuple[str, ...]:
    moved, stays = found.moved[day], found.stays[day]
    if found.choice == Choice.SPREAD:
        return _day(day), f"{moved:,}", f"{stays:,}"
    return _day(day), f"{moved + stays:,}"


def _span(days: Counter[date]) -> str:
    first, last = min(days), max(days)
    return _day(first) if first == last else f"{_day(first)} to {_day(last)}"


def _day(day: date) -> str:
    return f"{day:%d %b %Y}"


def _days(count: int) -> str:
    return "day" if count == 1 else "days"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _messages(count: int) -> str:
    return "1 message" if count == 1 else f"{count:,} messages"


def _doctors(count: int) -> str:
    return "1 doctor" if count == 1 else f"{count:,} doctors"
