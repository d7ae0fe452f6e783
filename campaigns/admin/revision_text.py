"""What the pages say on which a campaign under way is changed: alone, or by two people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from campaigns import proposal, revise
from campaigns.admin.ask import Ask, Option
from campaigns.admin.opened import Merge
from campaigns.models import Campaign
from segments.admin.base import when

Hidden = Sequence[tuple[str, str]]
_BACK = "Your browser's back button keeps what you typed."


def revision_question(
    campaign: Campaign,
    revision: revise.Revision,
    theirs: Sequence[str],
    hidden: Hidden,
    user: User,
) -> Ask:
    """What a change does to whom, and whether it is made at once or by a second person."""
    problems = [*revision.problems]
    waiting = proposal.pending(campaign)
    if revision.needs_second and waiting and waiting.by != user:
        problems.append(
            f"A change by {waiting.who} waits already: it has to be made or sent back first."
        )
    return Ask(
        title=f"Change “{campaign}” while it is {campaign.get_status_display().lower()}",
        question="Doctors are under way in it. This is what your change does to them:",
        button="Propose it" if revision.needs_second else "Change it",
        facts=[*revision.lines, *kept_lines(campaign, theirs)],
        notes=[_who_makes_it(revision, waiting, user)],
        problems=[*problems, _BACK] if problems else [],
        hidden=hidden,
    )


def _who_makes_it(revision: revise.Revision, waiting: proposal.Pending | None, user: User) -> str:
    at_once = "It is made at once, under your name, and stands in What was changed."
    if not settings.FOUR_EYES:
        return at_once
    if not revision.needs_second:
        return f"It alters nothing that is sent, so nobody else has to look at it. {at_once}"
    said = (
        "Four eyes: it alters what is sent, to whom or when, so nothing is changed now. Somebody "
        "else who may launch looks at it and makes it, or sends it back."
    )
    own = waiting and waiting.by == user
    return f"{said} It takes the place of what you proposed before." if own else said


def kept_lines(campaign: Campaign, theirs: Sequence[str]) -> list[str]:
    """What colleagues changed since the form was opened, and this change leaves as it is now."""
    return [f"Changed meanwhile{_by(campaign)}, and kept as it is now: {line}" for line in theirs]


def _by(campaign: Campaign) -> str:
    who: Any = Campaign.objects.select_related("changed_by").get(pk=campaign.pk).changed_by
    return f" by {who.get_full_name() or who.get_username()}" if who else ""


def conflicts_question(campaign: Campaign, merged: Merge, hidden: Hidden) -> Ask:
    """Two people changed the same: whose value counts. The page of what it does comes next."""
    return Ask(
        title=f"Change “{campaign}”: two of you changed the same",
        question=f"It was changed{_by(campaign)} after you had opened the page. What it does to "
        "the doctors under way is shown next; nothing is changed yet.",
        button="Go on",
        facts=[*merged.conflicts, *kept_lines(campaign, merged.theirs)],
        options_title="Which is to count where both of you changed the same?",
        options=[
            Option("mine", "Mine", "What you wrote takes the place of what it is now."),
            Option("theirs", "As it is now", "Your other changes stay; these you leave out."),
        ],
        hidden=hidden,
    )


def accept_question(campaign: Campaign, user: User) -> Ask:
    """The change that waits, and what it does to whom as things stand now."""
    waiting = proposal.pending(campaign)
    if waiting is None:
        return Ask("Make the proposed change", "", "", problems=[proposal.NONE])
    revision = revise.plan_revision(campaign, waiting.proposed, timezone.now())
    lines = waiting.lines if waiting.is_stale else revision.lines
    return Ask(
        title=f"Change “{campaign}” as {waiting.who} proposed",
        question=f"Proposed {_at(waiting)}. This is what it does to the doctors under way:",
        button="Make this change",
        facts=lines,
        notes=["It is made at once, under your name and as the second person."],
        problems=[*proposal.obstacles(campaign, user), *revision.problems],
        hidden=[("token", waiting.token)],
    )


def send_back_question(campaign: Campaign, user: User) -> Ask:
    """The change that waits is dropped; whose own it is, needs no reason."""
    waiting = proposal.pending(campaign)
    if waiting is None:
        return Ask("Drop the proposed change", "", "", problems=[proposal.NONE])
    is_own = waiting.by == user
    return Ask(
        title=f"Drop the proposed change: {campaign}",
        question=f"Proposed by {waiting.who} {_at(waiting)}. Nothing is changed in the campaign.",
        button="Withdraw it" if is_own else "Send it back",
        facts=waiting.lines,
        reason="" if is_own else "What should be different? Its author reads it.",
    )


def _at(waiting: proposal.Pending) -> str:
    return when(waiting.at) if waiting.at else "before"
