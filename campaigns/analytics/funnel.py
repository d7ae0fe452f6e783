"""From eligible to returned, in people: how many are left at each stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from django.core.cache import cache
from django.db.models import Exists, OuterRef, Q, Sum

from campaigns.analytics.figures import Rate
from campaigns.analytics.people import PEOPLE
from campaigns.models import (
    Campaign,
    CampaignEnrollment,
    CampaignMessage,
    CohortAnalytics,
    RollUpMark,
)
from messaging.models import Channel
from segments.models import UserSegment

KEPT = 60  # seconds; who is in a segment changes at night, who is enrolled every hour
# What each stage is called, and what it says of a person.
STAGES = {
    "enrolled": ("Enrolled", "and to be written to"),
    "sent": ("Sent", "one message at least"),
    "delivered": ("Delivered", "one message at least"),
    "opened": ("Opened", "a WhatsApp message or e-mail, or clicked an SMS"),
    "clicked": ("Clicked", "a link in a message"),
    "returned": ("Came back", "with or without a click"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """So many got so far."""

    key: str  # the field of the cohort; empty for those who are eligible
    title: str
    note: str
    people: int
    of_before: Rate | None  # None: the first one
    of_first: Rate

    @property
    def is_part_of_before(self) -> bool:
        """Whether all of them are among those of the stage before: a doctor also comes back
        without a click.
        """
        return self.of_before is not None and self.key != "returned"


@dataclass(frozen=True, slots=True)
class Funnel:
    """The stages, and those beside them."""

    stages: list[Stage]
    holdout: int  # enrolled, never written to
    waiting: int  # in the segment now and never enrolled
    has_sms: bool  # some may have got SMS only, which report no opening


def funnel(campaign: Campaign, day_from: date, day_to: date, now: datetime) -> Funnel:
    """Those enrolled on these days, both ends included, as far as they came by now.

    A doctor who was enrolled about two courses counts as two. Those who came back are not a part
    of those who clicked; their share of the stage before is of those who did both.
    """
    cohorts = CohortAnalytics.objects.filter(campaign=campaign, date__range=(day_from, day_to))
    sums = cohorts.filter(is_holdout=False).aggregate(**{name: Sum(name) for name in PEOPLE})
    people = {name: number or 0 for name, number in sums.items()}
    holdout = cohorts.filter(is_holdout=True).aggregate(n=Sum("enrolled"))["n"] or 0
    waiting = _waiting(campaign, now)
    eligible = waiting + holdout + people["enrolled"]
    stages = [
        Stage(
            "",
            "Eligible",
            "enrolled, or in the segment now",
            eligible,
            None,
            Rate(eligible, eligible),
        )
    ]
    for key, (title, note) in STAGES.items():
        from_before = people["returned_clicked"] if key == "returned" else people[key]
        stages.append(
            Stage(
                key,
                title,
                note,
                people[key],
                Rate(from_before, stages[-1].people),
                Rate(people[key], eligible),
            )
        )
    has_sms = CampaignMessage.ever.filter(campaign=campaign, channel=Channel.SMS).exists()
    return Funnel(stages, holdout, waiting, has_sms)


def _waiting(campaign: Campaign, now: datetime) -> int:
    """Doctors in the segment who were never enrolled in the campaign; `KEPT` seconds old at most.

    Counted anew with each roll-up, which the other stages come from: whoever was enrolled is in
    one of the two.
    """
    mark = RollUpMark.objects.values_list("counted_at", flat=True).first()
    counted_at = mark.timestamp() if mark else ""
    key = f"funnel-waiting:{campaign.pk}:{campaign.segment_type}:{counted_at}"
    kept: int | None = cache.get(key)
    if kept is None:
        kept = _count_waiting(campaign, now)
        cache.set(key, kept, KEPT)
    return kept


def _count_waiting(campaign: Campaign, now: datetime) -> int:
    enrolled = CampaignEnrollment.objects.filter(campaign=campaign, doctor=OuterRef("doctor"))
    members = UserSegment.objects.filter(segment_type=campaign.segment_type)
    return members.filter(Q(expires_at=None) | Q(expires_at__gt=now), ~Exists(enrolled)).count()
