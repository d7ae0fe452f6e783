"""Hours, dates and days: when it may send, and whether its end leaves room for its last step."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.timezone import localtime

from campaigns.feasibility import sequence_of
from campaigns.feasibility.simulate import enrolled
from campaigns.models import CampaignMessage
from campaigns.preflight.finding import Finding, Look, fine
from campaigns.preflight.texts import name_of
from messaging.hours import Hours, common
from messaging.models import Channel
from segments.models import SegmentType

NARROW = timedelta(hours=1)
# strategy, Key Principles: start after 30 to 60 days of inactivity. The other two begin with an
# event (design, section 3).
QUIET_FOR = (30, 60)
BY_INACTIVITY = (SegmentType.AIDA_USERS, SegmentType.INCOMPLETE_COURSES)


def hours(look: Look) -> Iterator[Finding]:
    """Each channel may be used in some of the campaign's hours, and long enough."""
    found = [
        *(finding for channel in look.channels for finding in _of_channel(look, channel)),
        *(finding for step in look.steps for finding in _of_step(look, step)),
    ]
    yield from found
    if look.channels and not found:
        span = f"{look.campaign.send_from:%H:%M} to {look.campaign.send_until:%H:%M}"
        yield fine("hours", f"It sends from {span}, when every channel that it uses may be used.")


def _of_channel(look: Look, channel: str) -> Iterator[Finding]:
    opens, closes = settings.SEND_HOURS[channel]
    campaign, label = look.campaign, Channel(channel).label
    own = Hours(campaign.send_from, campaign.send_until)
    shared = common([Hours(opens, closes), own])
    if shared is None:
        text = (
            f"{label} may be sent from {opens:%H:%M} to {closes:%H:%M} only, the campaign sends "
            f"from {own.opens:%H:%M} to {own.closes:%H:%M}: change its hours."
        )
        yield look.blocking("hours_outside", text, "send_from")
    elif _length(shared) < NARROW:
        text = (
            f"{label} is left {_length(shared).seconds // 60} minutes a day, from "
            f"{shared.opens:%H:%M} to {shared.closes:%H:%M}: what does not get through in that "
            "time waits for the next day, or is too late. Widen the campaign's hours."
        )
        yield look.warning("hours_narrow", text, "send_from")


def _of_step(look: Look, step: CampaignMessage) -> Iterator[Finding]:
    own, campaign = step.send_from, look.campaign
    if own is None:
        return
    opens, closes = settings.SEND_HOURS[step.channel]
    first, last = max(opens, campaign.send_from), min(closes, campaign.send_until)
    if not first <= own < last and first < last:
        text = (
            f"{name_of(step)} is to be sent from {own:%H:%M}, but only {first:%H:%M} to "
            f"{last:%H:%M} is open: its hour counts for nothing. Choose another, or leave it empty."
        )
        yield look.warning("hour_of_step", text)


def _length(span: Hours) -> timedelta:
    opens, closes = span.opens, span.closes
    return timedelta(
        hours=closes.hour - opens.hour,
        minutes=closes.minute - opens.minute,
        seconds=closes.second - opens.second,
    )


def dates(look: Look) -> Iterator[Finding]:
    """The start is not past, the end is not past, and the last step comes before the end."""
    campaign, found = look.campaign, []
    if campaign.end_date and campaign.end_date <= look.now:
        text = "The end date is past: move it or leave it empty."
        found.append(look.blocking("end_past", text, "end_date_0"))
    elif campaign.end_date:
        found += _too_early(look, campaign.end_date)
    if campaign.start_date and campaign.start_date < look.now and not look.is_launched:
        text = (
            f"The start, {_at(campaign.start_date)}, is past: doctors are enrolled from the "
            "launch on. Move it, or leave it empty."
        )
        found.append(look.warning("start_past", text, "start_date_0"))
    yield from found
    if not found:
        ends = campaign.end_date
        told = f"It ends on {_at(ends)}, after every step's day." if ends else "It has no end date."
        yield fine("dates", told)


def _too_early(look: Look, end: datetime) -> Iterator[Finding]:
    """Steps whose day comes after the end even for the first who are enrolled."""
    campaign, zone = look.campaign, ZoneInfo(settings.TIME_ZONE)
    start = campaign.start_date or campaign.launched_at or look.now
    begin = start if look.is_launched else max(start, look.now)
    run = enrolled(sequence_of(campaign, look.steps), begin, zone)
    late = [one for one in run if one.due_at >= end]
    if not late:
        return
    days = ", ".join(map(str, sorted({one.step.day for one in late})))
    last = max(one.due_at for one in late)
    text = (
        f"The campaign ends on {_at(end)}, before its messages of day {days} can go to anybody. "
        f"End it after {_at(last)} or later still, or leave the end empty."
    )
    # Once it runs, whoever set the end meant it: the other steps still go out.
    said = look.warning if look.is_launched else look.blocking
    yield said("end_before_last_step", text, "end_date_0")


# Whoever plans a year ahead has no doctors to plan for yet: it is a slip of the pen.
START_FAR = timedelta(days=365)
END_FAR = timedelta(days=5 * 365)


def far(look: Look) -> Iterator[Finding]:
    """Start and end lie in a time that people plan for."""
    campaign = look.campaign
    if campaign.start_date and campaign.start_date > look.now + START_FAR:
        text = (
            f"It starts on {_at(campaign.start_date)}, {_years(campaign.start_date - look.now)} "
            "from now, and nobody is enrolled before. Is that meant?"
        )
        yield look.warning("start_far", text, "start_date_0")
    if campaign.end_date and campaign.end_date > look.now + END_FAR:
        text = (
            f"It ends on {_at(campaign.end_date)}, {_years(campaign.end_date - look.now)} from "
            "now. Is that meant? Where it is to have no end, leave it empty."
        )
        yield look.warning("end_far", text, "end_date_0")


def _years(span: timedelta) -> str:
    years = span // timedelta(days=365)
    return "more than a year" if years == 1 else f"{years} years"


def _at(moment: datetime) -> str:
    return f"{localtime(moment):%d %b %Y, %H:%M}"


def inactivity(look: Look) -> Iterator[Finding]:
    """Doctors are let alone for as long as the strategy says."""
    if look.campaign.segment_type not in BY_INACTIVITY:
        return
    days, (least, most) = look.campaign.inactivity_days, QUIET_FOR
    if least <= days <= most:
        yield fine("inactivity", f"Doctors are enrolled after {days} quiet days.")
        return
    text = (
        f"Doctors are enrolled after {days} quiet days; the strategy says {least} to {most}. "
        f"{'Sooner, many are not gone at all.' if days < least else 'Later, few come back.'}"
    )
    yield look.warning("inactivity", text, "inactivity_days")
