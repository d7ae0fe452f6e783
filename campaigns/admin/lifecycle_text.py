"""What the pages of a campaign's life say: questions with their figures, notices, health."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns import launch, overdue, review, rollout
from campaigns.admin.ask import Ask, Option
from campaigns.admin.preflight_text import warning_facts
from campaigns.enroll import waiting
from campaigns.estimate import Estimate, estimate
from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus
from reengage.admin_base import Confirmation, Notice, Table

SPREAD_DAYS = 7  # what the page suggests


def launch_question(campaign: Campaign, now: datetime, user: User) -> Ask:
    """How many people, messages and rupees; and what stands against it."""
    found = estimate(campaign, now)
    return Ask(
        title=f"Launch: {campaign}",
        question="From now on doctors are enrolled and written to.",
        button="Launch",
        facts=[
            *_people(campaign, found, now),
            _sequence(campaign),
            *(f"Assumed for the cost: {assumed}" for assumed in found.assumed),
            *warning_facts(campaign, now),
        ],
        tables=[_costs(found)],
        problems=[*launch.problems(campaign, now), *review.obstacles(campaign, user)],
    )


def _people(campaign: Campaign, found: Estimate, now: datetime) -> list[str]:
    who = found.waiting
    when = "within the hour"
    if campaign.start_date and campaign.start_date > now:
        when = f"from {_at(campaign.start_date)} on"
    everybody = (
        f"{who.total:,} doctors of the segment “{campaign.get_segment_type_display()}” are "
        f"enrolled {when}: those quiet for at least {campaign.inactivity_days} days who have not "
        "opted out."
    )
    lines = [everybody]
    if campaign.rollout_percent < rollout.ALL:
        lines.append(
            f"The rollout begins with {campaign.rollout_percent} %: {found.later:,} more who are "
            "eligible now wait for its next stages."
        )
    if campaign.holdout_percent:
        lines.append(
            f"{who.holdout:,} of them are the holdout ({campaign.holdout_percent} %): they are "
            "never written to. Who is in it is settled when a doctor is enrolled."
        )
    return lines


def _sequence(campaign: Campaign) -> str:
    days = list(campaign.steps.values_list("delay_days", flat=True))
    if not days:
        return "It has no steps."
    return f"Each gets up to {len(days)} messages in {max(days) + 1} days, while they stay away."


def _costs(found: Estimate) -> Table:
    rows: list[tuple[str, ...]] = [
        (
            one.label,
            f"{one.messages:,}",
            f"{one.units:,}",
            _rupees(one.price) if one.price else "no price",
            _rupees(one.cost),
        )
        for one in found.channels
    ]
    rows.append(("Together", f"{found.messages:,}", "", "", _rupees(found.cost)))
    return Table(
        title=f"At most {found.messages:,} messages for about {_rupees(found.cost)}",
        headers=("Channel", "Messages, at most", "Paid for", "Price of one", "Cost"),
        rows=rows,
        empty="Nobody is written to.",
    )


def _rupees(amount: Decimal) -> str:
    return f"₹{amount:,.2f}"


def submit_question(campaign: Campaign) -> Ask:
    """What submitting means here."""
    who = "somebody else" if settings.FOUR_EYES else "somebody who may"
    return Ask(
        title=f"Submit for review: {campaign}",
        question=f"It is looked at as it stands now, and launched by {who}. "
        "What is changed afterwards has to be submitted again.",
        button="Submit",
        problems=launch.problems(campaign, timezone.now()),
    )


def send_back_question(campaign: Campaign) -> Ask:
    """With a place for the reason."""
    return Ask(
        title=f"Back to draft: {campaign}",
        question="It can be changed and submitted again.",
        button="Send back",
        reason="What should be changed?",
    )


def pause_question(campaign: Campaign) -> Ask:
    """What a pause holds."""
    stopped = launch.would_stop(campaign)
    return Ask(
        title=f"Pause: {campaign}",
        question="Nobody is enrolled or written to until you resume it. "
        "What is to become of messages whose day passes meanwhile is asked then.",
        button="Pause",
        facts=[f"{stopped.people:,} doctors are under way in it.", *_in_the_air(stopped)],
    )


def complete_question(campaign: Campaign) -> Ask:
    """What the end ends."""
    stopped = launch.would_stop(campaign)
    return Ask(
        title=f"Complete: {campaign}",
        question="This ends the campaign for everybody in it, for good.",
        button="Complete",
        facts=[
            f"{stopped.people:,} doctors are under way: their enrolment ends.",
            f"{stopped.skipped:,} messages are scheduled: they are skipped.",
            *_in_the_air(stopped),
        ],
        is_dangerous=True,
    )


def _in_the_air(stopped: launch.Stopped) -> list[str]:
    count = f"{stopped.sending:,} messages"
    said = f"{count} are being handed over at this moment and can't be called back."
    return [said] if stopped.sending else []


def resume_question(campaign: Campaign, now: datetime) -> Ask:
    """What is overdue, and each way with its figures."""
    held = overdue.overdue(campaign, now)
    facts = [f"Paused since {_at(held.since)}."]
    if held.messages:
        facts.append(
            f"The day of {held.messages:,} messages to {held.people:,} doctors has passed "
            "meanwhile. They are not sent unless you say so."
        )
    else:
        facts.append("No message's day has passed meanwhile: everything goes on where it was.")
    return Ask(
        title=f"Resume: {campaign}",
        question="Doctors are enrolled and written to again.",
        button="Resume",
        facts=facts,
        problems=launch.problems(campaign, now),
        options=_options(held, now) if held.messages else [],
    )


def _options(held: overdue.Overdue, now: datetime) -> list[Option]:
    to_come = held.to_come - held.messages
    spread = _day(held.last_day_spread(now, SPREAD_DAYS))
    return [
        Option(
            "skip",
            "Skip what is overdue",
            f"{held.messages:,} messages are skipped; the {to_come:,} to come stay on their days. "
            f"The last one goes out on {_day(held.last_day_skipped)}.",
        ),
        Option(
            "shift",
            "Shift the rest of the sequence",
            f"{held.to_come:,} messages to {held.people_to_come:,} doctors move by {held.days} "
            f"days; nothing is skipped. The last one goes out on {_day(held.last_day_shifted)}.",
        ),
        Option(
            "spread",
            "Spread what is overdue",
            f"{held.messages:,} messages go out over the next days, beginning tomorrow, within the "
            f"frequency caps; what finds no room is skipped. The {to_come:,} to come stay on their "
            f"days and may overtake them. Over {SPREAD_DAYS} days the last one goes out on "
            f"{spread}.",
            number="days",
            number_label="Over how many days?",
            number_value=SPREAD_DAYS,
            most=overdue.MOST_DAYS,
        ),
    ]


def widen_question(campaign: Campaign, now: datetime) -> Ask:
    """Who comes in, and how those fare who are in."""
    to = rollout.next_stage(campaign)
    more = waiting(campaign, now, to).total
    health = rollout.health(campaign, now)
    facts = [
        f"{more:,} doctors more are enrolled within the hour. Those who are in stay in.",
        f"It has been at {campaign.rollout_percent} % since {_at(rollout.stage_since(campaign))}.",
    ]
    if health.state == "too few":
        facts.append("Too few messages went out to tell whether all is well.")
    facts += (f"Beyond its limit: {measure}." for measure in health.broken)
    return Ask(
        title=f"Widen the rollout from {campaign.rollout_percent} % to {to} %: {campaign}",
        question="There is no way back: whoever was enrolled stays enrolled.",
        button=f"Widen to {to} %",
        facts=facts,
        tables=[_health_table(campaign, health)],
        hidden=[("to", str(to))],
        is_dangerous=bool(health.broken),
    )


def resume_rollout_question(campaign: Campaign, now: datetime) -> Ask:
    """Why it stopped, and what resuming begins anew."""
    facts = [f"It stopped by itself: {campaign.rollout_halted}"]
    if campaign.status == CampaignStatus.PAUSED:
        facts.append("The campaign itself stays paused until you resume that, too.")
    return Ask(
        title=f"Resume the rollout: {campaign}",
        question=f"It goes on at {campaign.rollout_percent} %: its days, and the messages that its "
        "health is told by, are counted from now on.",
        button="Resume the rollout",
        facts=facts,
        tables=[_health_table(campaign, rollout.health(campaign, now))],
        is_dangerous=True,
    )


def question_of_all(verb: str, campaigns: list[Campaign], request: HttpRequest) -> Confirmation:
    """What is asked about several campaigns of the list."""
    return Confirmation(
        title=f"{verb}: {', '.join(map(str, campaigns))}",
        question=f"{_OF_ALL[verb]} {verb}?",
        facts=[_fact(verb, campaign) for campaign in campaigns],
        button=verb,
        is_dangerous=verb == "Complete",
        selected=[campaign.pk for campaign in campaigns],
        action=request.POST.get("action", ""),
    )


_OF_ALL = {
    "Launch": "From now on doctors are enrolled and written to.",
    "Pause": "Nobody is enrolled or written to until you resume.",
    "Resume": "What has messages whose day has passed is resumed on its own page, which asks.",
    "Complete": "This ends the campaigns for everybody in them, for good.",
}


def _fact(verb: str, campaign: Campaign) -> str:
    if verb == "Launch":
        found = estimate(campaign, timezone.now())
        return (
            f"“{campaign}”: {found.waiting.total:,} doctors are enrolled, for at most "
            f"{found.messages:,} messages and about {_rupees(found.cost)}."
        )
    under_way = CampaignEnrollment.objects.filter(campaign=campaign, status="active").count()
    return f"“{campaign}”: {under_way:,} doctors are under way in it now."


def notices(campaign: Campaign, user: User) -> list[Notice]:
    """What somebody has to look at: the review, a rollout that stopped."""
    found = []
    if campaign.status == CampaignStatus.DRAFT and campaign.review_note:
        found.append(Notice("warning", "Sent back from review", [campaign.review_note]))
    if campaign.status == CampaignStatus.IN_REVIEW:
        found.append(_review_notice(campaign, user))
    if campaign.rollout_halted and campaign.status != CampaignStatus.COMPLETED:
        paused = " The campaign is paused." if campaign.status == CampaignStatus.PAUSED else ""
        title = f"The rollout stopped at {campaign.rollout_percent} %.{paused}"
        found.append(Notice("error", title, [campaign.rollout_halted]))
    return found


def _review_notice(campaign: Campaign, user: User) -> Notice:
    by = campaign.submitted_by
    since = f" since {_at(campaign.submitted_at)}" if campaign.submitted_at else ""
    who = [f"Submitted by {by.get_full_name() or by.get_username()}."] if by else []
    somebody = "somebody else" if settings.FOUR_EYES else "somebody"
    title = f"In review{since}: {somebody} looks at it and launches it."
    if review.is_changed(campaign):
        return Notice("warning", title, [*who, review.CHANGED])
    if review.is_launchable_by(campaign, user) and user.has_perm("campaigns.launch_campaign"):
        who.append("Launch it, or send it back with a reason.")
    return Notice("info", title, who)


def tables(campaign: Campaign, now: datetime) -> list[Table]:
    """The health of what it sends, once it has been launched."""
    if campaign.status not in (CampaignStatus.ACTIVE, CampaignStatus.PAUSED):
        return []
    return [_health_table(campaign, rollout.health(campaign, now))]


def _health_table(campaign: Campaign, health: rollout.Health) -> Table:
    title = f"Health of the rollout: {campaign.rollout_percent} % since {_at(health.since)}"
    if campaign.rollout_percent >= rollout.ALL:
        title = "Health: the messages of the last 7 days"
    elif campaign.rollout_days and not campaign.rollout_halted:
        title += f"; the next stage comes after {campaign.rollout_days} days in good health"
    if health.unreported:
        title += f". Left out of what is delivered: {', '.join(health.unreported)}, not reported"
    return Table(
        title=title,
        headers=("Rate", "Now", "Counted", "Limit", "State"),
        rows=[
            (
                measure.name,
                "–" if measure.percent is None else f"{measure.percent:.2f} %",
                f"{measure.part:,} of {measure.whole:,} {measure.of_what}",
                f"{'at least' if measure.is_floor else 'at most'} {measure.limit:.2f} %",
                _light(measure.state),
            )
            for measure in health.measures
        ],
        empty="Nothing was sent yet.",
    )


# Classes that the theme's own style sheet has.
_LIGHTS = {
    "good": ("Good", "bg-green-100 text-green-700 dark:bg-green-500/20 dark:text-green-400"),
    "broken": ("Beyond its limit", "bg-red-100 text-red-700 dark:bg-red-500/20 dark:text-red-400"),
    "too few": (
        f"Too few to tell ({rollout.TOLD_BY} at least)",
        "bg-orange-100 text-orange-700 dark:bg-orange-500/20 dark:text-orange-400",
    ),
}


def _light(state: rollout.State) -> SafeString:
    words, colours = _LIGHTS[state]
    return format_html('<span class="px-2 rounded-default {}">{}</span>', colours, words)


def _at(moment: datetime) -> str:
    return f"{timezone.localtime(moment):%d %b %Y %H:%M}"


def _day(day: date | None) -> str:
    return f"{day:%d %b %Y}" if day else "no day: nothing is left to come"
