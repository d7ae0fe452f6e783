"""What keeps a campaign from sending, and what a person should look at before it does.

finding.py    what is found, and what each look is given
texts.py      steps and templates
order.py      steps beside each other: texts twice, numbers against days
timing.py     hours, dates, days
channels.py   providers, accounts, sender, links
aims.py       goal, value, holdout, rollout, A/B tests
people.py     segment, addresses, consents, audience check, other campaigns
reckoning.py  what can never go out
counts.py     what counts doctors, kept for a while
mend.py       does what would help
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from campaigns.enroll import waiting
from campaigns.models import Campaign
from campaigns.preflight import aims, channels, order, people, reckoning, texts, timing
from campaigns.preflight.finding import Finding, Level, Look

__all__ = ["Finding", "Level", "blocking", "findings", "of_doctors", "static"]

# Steps, templates and settings tell these, in three queries and some for each running A/B test.
# Whatever blocks is among them: the dashboard asks for every running campaign.
_CHEAP = (
    texts.steps,
    timing.dates,
    timing.hours,
    texts.texts,
    channels.providers,
    channels.sender,
    channels.links,
    aims.running_tests,
)
# These block nothing, and look at no doctors either.
_STATIC = (
    order.order,
    timing.inactivity,
    timing.far,
    reckoning.feasibility,
    channels.carriers,
    people.rivals,
    people.ties,
    people.audience,
    aims.goal,
)
_ORDER = {"blocking": 0, "warning": 1, "ok": 2}


def blocking(campaign: Campaign, now: datetime) -> list[Finding]:
    """What keeps the campaign from being launched or resumed."""
    look = _look(campaign, now)
    return [one for ask in _CHEAP for one in ask(look) if one.level == "blocking"]


def static(campaign: Campaign, now: datetime) -> list[Finding]:
    """What is told without a look at the doctors: quick, however many there are."""
    look = _look(campaign, now)
    return _sorted(one for ask in (*_CHEAP, *_STATIC) for one in ask(look))


def of_doctors(campaign: Campaign, now: datetime) -> list[Finding]:
    """What is told by counting them, and by texts for some: seconds, where they are many.

    None of it blocks.
    """
    look = _look(campaign, now)
    wait, segment = waiting(campaign, now), people.segment_of(look)
    return _sorted(
        (
            *texts.doubts(look),
            *aims.tests(look),
            *people.segment(look, segment, wait),
            *people.reach(look, segment),
            *aims.rollout(look, wait),
            *aims.holdout(look, wait),
        )
    )


def findings(campaign: Campaign, now: datetime) -> list[Finding]:
    """Everything, the blocking ones first; what is fine, last.

    A fixed number of queries, and some for each A/B test; two of them count the segment.
    """
    return _sorted((*static(campaign, now), *of_doctors(campaign, now)))


def _sorted(found: Iterable[Finding]) -> list[Finding]:
    return sorted(found, key=lambda one: _ORDER[one.level])


def _look(campaign: Campaign, now: datetime) -> Look:
    steps = campaign.steps.select_related("template").order_by("sequence_order")
    return Look(campaign, list(steps), now)
