"""From draft to running and on to done: what a campaign needs before it may send, and its end."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import transaction
from django.db.models import Max

from campaigns import overdue, preflight, resumption, review
from campaigns.convert import end_all
from campaigns.digest import digest, digests, hash_of
from campaigns.models import (
    Campaign,
    CampaignEnrollment,
    CampaignMessage,
    CampaignStatus,
    Experiment,
    ExperimentStatus,
)
from campaigns.schedule import HORIZON, schedule_campaign
from campaigns.transition import NotReady, change, hold_people, lock
from messaging.models import DeliveryStatus, MessageDelivery

__all__ = [
    "Looked",
    "NotReady",
    "Stopped",
    "complete",
    "launch",
    "pause",
    "problems",
    "problems_lately",
    "resume",
    "would_stop",
]

KEPT = 60  # seconds


def problems(campaign: Campaign, now: datetime) -> list[str]:
    """Everything that keeps the campaign from sending, in the marketer's words (preflight/)."""
    return [finding.text for finding in preflight.blocking(campaign, now)]


@dataclass(frozen=True, slots=True)
class Looked:
    """What keeps a campaign from sending, and when that was found."""

    at: datetime
    problems: Sequence[str]


def problems_lately(campaigns: Collection[Campaign], now: datetime) -> dict[uuid.UUID, Looked]:
    """`problems` of each campaign, found `KEPT` seconds ago at most: trying all texts takes long.

    A change of a campaign, its steps, texts, approvals or A/B tests shows at once. What clocks and
    settings change shows after `KEPT` seconds. Without Redis all are looked at each time.
    """
    states = _states([campaign.pk for campaign in campaigns])
    keys = {campaign: f"launch:{campaign.pk}:{states[campaign.pk]}" for campaign in campaigns}
    kept: Mapping[str, Looked] = cache.get_many(keys.values())
    found = {c: kept.get(key) or Looked(now, problems(c, now)) for c, key in keys.items()}
    new = {key: found[campaign] for campaign, key in keys.items() if key not in kept}
    if new:
        cache.set_many(new, KEPT)
    return {campaign.pk: looked for campaign, looked in found.items()}


def _states(campaigns: Collection[uuid.UUID]) -> dict[uuid.UUID, str]:
    """A name for what `problems` finds in the database; four queries."""
    told = {pk: [found] for pk, found in digests(campaigns).items()}
    steps = CampaignMessage.objects.filter(campaign__in=campaigns).order_by("pk")
    tests = Experiment.objects.filter(campaign__in=campaigns, status=ExperimentStatus.RUNNING)
    version = Max("variants__template__versions__number")  # as the digest tells a text
    for pk, *row in (
        *steps.values_list("campaign_id", *_approval("template")),
        *tests.order_by("pk", "variants__pk")
        .values_list("campaign_id", "pk", "name", "variants__pk", *_approval("variants__template"))
        .annotate(version=version),
    ):
        told[pk] += row
    return {pk: hash_of(parts) for pk, parts in told.items()}


def _approval(template: str) -> tuple[str, ...]:
    """What a provider says of it: no part of its versions."""
    names = ("approval_status", "approval_detail", "approval_checked_at")
    return tuple(f"{template}__{name}" for name in names)


@transaction.atomic
def launch(
    campaign: Campaign, now: datetime, by: User | None = None, seen: str | None = None
) -> None:
    """Draft or in review -> active, by a person, or by the engine itself (a demo).

    `seen`: the digest of what the person has looked at. Raises NotReady, and changes nothing, where
    that is another campaign now, something is missing, or this person may not.
    """
    lock(campaign)
    if seen and seen != digest(campaign):
        raise NotReady(["It was changed since you looked at it: look again, and launch it then."])
    before = review.launchable_from()
    if campaign.status in (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW) and (
        found := [*problems(campaign, now), *review.obstacles(campaign, by)]
    ):
        raise NotReady(found)
    start = campaign.start_date or now
    change(
        campaign,
        before,
        CampaignStatus.ACTIVE,
        "launched",
        start_date=start,
        launched_by=by,
        launched_at=now,
        rollout_since=max(start, now),
        rollout_halted="",
        review_note="",
    )


@transaction.atomic
def pause(campaign: Campaign, now: datetime) -> None:
    """Active -> paused: nothing is enrolled, scheduled or sent until it is resumed.

    What is scheduled is taken back, so that it does not expire; what is being handed over at this
    moment goes out.
    """
    lock(campaign)
    change(campaign, (CampaignStatus.ACTIVE,), CampaignStatus.PAUSED, "paused", paused_at=now)
    hold_people(campaign)
    overdue.take_back(campaign)


@transaction.atomic
def resume(
    campaign: Campaign,
    now: datetime,
    choice: overdue.Choice | None = None,
    days: int = 0,
    seen: str | None = None,
) -> overdue.Outcome:
    """Paused -> active, after doing with what is overdue what `choice` says (overdue.py).

    `days`: over how many to spread. `seen`: the token of the figures (resumption.py) that a person
    agreed to; None: nobody was shown any. Raises NotReady where something is overdue and nobody
    said what to do with it: nothing overdue is ever released by itself; and resumption.Unseen where
    the figures are others now.
    """
    lock(campaign)
    outcome, went_on = overdue.Outcome(), campaign.rollout_since
    if campaign.status == CampaignStatus.PAUSED:
        if found := problems(campaign, now):
            raise NotReady(found)
        if choice and seen is not None and overdue.overdue(campaign, now).messages:
            resumption.check_seen(campaign, now, choice, days, seen)
        hold_people(campaign)
        outcome = overdue.apply(campaign, now, choice, days)
        if went_on:  # the days of a pause are no days in good health
            went_on += now - max(overdue.paused_since(campaign), went_on)
    change(
        campaign,
        (CampaignStatus.PAUSED,),
        CampaignStatus.ACTIVE,
        "resumed",
        paused_at=None,
        rollout_since=went_on,
    )
    if Campaign.objects.running(now).filter(pk=campaign.pk).exists():
        schedule_campaign(campaign.pk, now + HORIZON)  # what is of today goes on at once
    return outcome


@dataclass(frozen=True, slots=True)
class Stopped:
    """What the end of a campaign ends."""

    people: int  # under way
    skipped: int  # messages that were scheduled
    sending: int  # messages being handed over at this moment, which can't be called back


@transaction.atomic
def complete(campaign: Campaign, now: datetime) -> Stopped:
    """Active or paused -> completed, for good: ends all enrolments, skips what is scheduled."""
    lock(campaign)
    change(
        campaign,
        (CampaignStatus.ACTIVE, CampaignStatus.PAUSED),
        CampaignStatus.COMPLETED,
        "ended",
        paused_at=None,
    )
    people, skipped = end_all(CampaignEnrollment.objects.filter(campaign=campaign), now)
    return Stopped(people, skipped, would_stop(campaign).sending)


def would_stop(campaign: Campaign) -> Stopped:
    """What completing it would end now."""
    under_way = CampaignEnrollment.objects.filter(campaign=campaign, status="active")
    # By the few that wait or are in the air, not by all that the campaign ever sent.
    mine = MessageDelivery.objects.filter(campaign_message__campaign=campaign)
    return Stopped(
        under_way.count(),
        mine.filter(status=DeliveryStatus.SCHEDULED).count(),
        mine.filter(status=DeliveryStatus.SENDING).count(),
    )
