"""What the pages of a campaign's life say: questions with their figures, notices, health."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from campaigns import launch, proposal, review, rollout
from campaigns.admin.ask import Ask
from campaigns.admin.preflight_text import warning_facts
from campaigns.digest import digest
from campaigns.enroll import waiting
from campaigns.estimate import Estimate, estimate
from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus
from reengage.admin_base import Confirmation, Notice, Table


def launch_question(campaign: Campaign, now: datetime, user: User) -> Ask:
    """How many people, messages and rupees; and what stands against it."""
    seen = digest(campaign)  # before it is looked at: what is changed meanwhile is not launched
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
        hidden=[("seen", seen)],
    )


def _people(campaign: Campaign, found: Estimate, now: datetime) -> list[str]:
    who = found.waiting
    when = "within the hour"
    if campaign.start_date and campaign.start_date > now:
        when = f"from {_at(campaign.start_date)} on"
    days = campaign.inactivity_days
    quiet = f"quiet for at least {days} day{'' if days == 1 else 's'} " if days else ""
    everybody = (
        f"{who.total:,} doctors of the segment “{campaign.get_segment_type_display()}” are "
        f"enrolled {when}: those {quiet}who have not opted out."
    )
    lines = [everybody]
    if campaign.rollout_percent < rollout.ALL:
        lines.append(
            f"The rollout begins with {campaign.rollout_percent} %: {found.later:,} more who are "
            "eligible now wait for its next stages."
        )
    if campaign.holdout_percent:
        lines.append(
            f"{who.holdout:,} of them {'is' if who.holdout == 1 else 'are'} in the holdout "
            f"({campaign.holdout_percent} %), to which nothing is ever sent. Who is in it is "
            "settled when a doctor is enrolled."
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
            f"{one.expected:,}",
            f"{one.expected_units:,}",
            _rupees(one.price) if one.price else "no price",
            _rupees(one.expected_cost),
            _rupees(one.cost),
        )
        for one in found.channels
    ]
    together = (f"{found.messages:,}", f"{found.expected:,}", "", "")
    costs = (_rupees(found.expected_cost), _rupees(found.cost))
    rows.append(("Together", *together, *costs))
    return Table(
        title=f"At most {found.messages:,} messages for about {costs[1]}; within caps and hours "
        f"about {found.expected:,} will go out, for about {costs[0]}",
        headers=(
            "Channel",
            "At most",
            "Will go out",
            "Paid for",
            "Price of one",
            "Cost",
            "Cost, at most",
        ),
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
    if campaign.status in LIVE:
        found += _change_notices(campaign, user)
    return found


LIVE = (CampaignStatus.ACTIVE, CampaignStatus.PAUSED)


def _change_notices(campaign: Campaign, user: User) -> list[Notice]:
    """A change that waits for a second person, or was sent back; under four eyes, that it will."""
    waiting = proposal.pending(campaign)
    if waiting is None:
        note = campaign.review_note
        return [Notice("warning", "A proposed change was sent back", [note])] if note else []
    since = f" since {_at(waiting.at)}" if waiting.at else ""
    title = f"A change by {waiting.who} waits for a second person{since}. Nothing is changed yet."
    may_make = user.has_perm("campaigns.launch_campaign") and not waiting.is_stale
    drop = _link(campaign, "drop_change", "Withdraw it" if waiting.by == user else "Send it back")
    if waiting.is_stale:
        last = format_html("{} {}.", proposal.STALE, drop)
    elif may_make and waiting.by != user:
        last = format_html(
            "{} and make it. {}.", _link(campaign, "make_change", "Look at it"), drop
        )
    else:
        last = format_html("Somebody else who may launch has to look at it. {}.", drop)
    return [Notice("warning", title, [*waiting.lines, last])]


def _link(campaign: Campaign, button: str, words: str) -> SafeString:
    address = reverse(f"admin:campaigns_campaign_{button}", args=[campaign.pk])
    return format_html('<a class="underline" href="{}">{}</a>', address, words)


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
