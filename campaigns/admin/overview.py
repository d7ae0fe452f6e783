"""A campaign at first sight: how it stands, its numbers, and what to do next."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from django.db.models import Min, Sum
from django.urls import reverse
from django.utils import timezone

from campaigns import launch, review
from campaigns.admin import rows
from campaigns.models import Campaign, CampaignAnalytics, CampaignStatus, CohortAnalytics
from messaging.models import DeliveryStatus, MessageDelivery
from segments.admin.base import list_address, when

WEEK = timedelta(days=7)


class Item(NamedTuple):
    """One thing to do, in order."""

    title: str
    words: str
    url: str = ""
    is_done: bool = False


class Card(NamedTuple):
    """A number, of what, and the rows behind it."""

    title: str
    value: str
    words: str
    url: str = ""


def overview(campaign: Campaign, now: datetime, user: Any) -> dict[str, Any]:
    """What stands above the sequence. Its time does not grow with the deliveries."""
    is_new = campaign.status in (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW)
    return {
        "lines": _lines(campaign, is_new=is_new),
        "todo": _todo(campaign, now, user) if is_new else [],
        "cards": [] if is_new else _cards(campaign, now),
        "is_unwell": bool(campaign.rollout_halted),
    }


def _lines(campaign: Campaign, *, is_new: bool) -> list[str]:
    found = [f"segment “{campaign.get_segment_type_display()}”"]
    if campaign.launched_at:
        found.append(f"launched {when(campaign.launched_at)}")
    if campaign.status == CampaignStatus.PAUSED and campaign.paused_at:
        found.append(f"paused since {when(campaign.paused_at)}")
    if campaign.rollout_percent < 100 or not is_new:
        stage = f"rollout at {campaign.rollout_percent} %"
        if campaign.rollout_since and campaign.rollout_percent < 100:
            stage += f" since {when(campaign.rollout_since)}"
        found.append(stage)
    if campaign.holdout_percent:
        found.append(f"holdout {campaign.holdout_percent} %")
    if campaign.end_date:
        found.append(f"ends {when(campaign.end_date)}")
    return found


def _todo(campaign: Campaign, now: datetime, user: Any) -> list[Item]:
    """What brings a draft to its launch."""
    count = campaign.steps.count()
    problems = launch.problems(campaign, now)
    texts = f"{count} steps below: read each as a doctor would." if count else "It has no steps."
    blocked = f"{len(problems)} things keep it from sending." if len(problems) > 1 else ""
    if len(problems) == 1:
        blocked = "One thing keeps it from sending."

    def button(name: str) -> str:
        return reverse(f"admin:campaigns_campaign_{name}", args=[campaign.pk])

    items = [
        Item("Look at the texts.", texts, "#sequence-section"),
        Item(
            "Pre-flight.",
            blocked or "See what will really be sent, and what would help.",
            button("preflight"),
        ),
    ]
    in_review = campaign.status == CampaignStatus.IN_REVIEW
    if in_review or campaign.status not in review.launchable_from():
        words = "Somebody else looks at it." if not in_review else "It is being looked at."
        items.append(Item("Submit for review.", words, "" if in_review else button("submit")))
    ready = review.is_launchable_by(campaign, user)
    words = "It says first how many people and messages it comes to, and what they cost."
    items.append(Item("Launch.", words, button("launch") if ready else ""))
    return items


def _cards(campaign: Campaign, now: datetime) -> list[Card]:
    """Who is in it, what came of it, what it sent, what comes next."""
    today = timezone.localdate(now)
    under_way = campaign.enrollments.filter(status="active", is_holdout=False).count()
    people = CohortAnalytics.objects.filter(campaign=campaign, is_holdout=False).aggregate(
        enrolled=Sum("enrolled"), returned=Sum("returned"), since=Min("date")
    )
    week = today - WEEK + timedelta(days=1)
    sent = CampaignAnalytics.objects.filter(campaign=campaign, date__range=(week, today))
    messages = sent.aggregate(sent=Sum("total_sent"), delivered=Sum("total_delivered"))
    since = people["since"] or today
    enrollments = "campaigns_campaignenrollment"
    mine = {"campaign__id__exact": campaign.pk, "is_holdout__exact": 0}
    return [
        Card(
            "Under way",
            f"{under_way:,}",
            "doctors have messages to come",
            list_address(enrollments, **mine, status__exact="active"),
        ),
        Card(
            "Came back",
            f"{people['returned'] or 0:,}",
            f"of {people['enrolled'] or 0:,} enrolled and written to",
            rows.enrollments(since, today, campaign, reached="returned"),
        ),
        Card(
            "Sent in 7 days",
            f"{messages['sent'] or 0:,}",
            f"messages, of which {messages['delivered'] or 0:,} were reported as delivered",
            rows.deliveries("sent", week, today, campaign),
        ),
        _next(campaign),
    ]


def _next(campaign: Campaign) -> Card:
    """When something goes out next, as far as it is planned."""
    if campaign.status != CampaignStatus.ACTIVE:
        return Card("Next message", "–", "nothing goes out while it does not run")
    steps = list(campaign.steps.values_list("pk", flat=True))
    scheduled = MessageDelivery.objects.filter(
        status=DeliveryStatus.SCHEDULED, campaign_message__in=steps
    )
    planned = campaign.enrollments.filter(status="active", next_due_at__isnull=False)
    # Found by the indexes on these times: the first row is the answer.
    times = [
        scheduled.order_by("scheduled_at").values_list("scheduled_at", flat=True).first(),
        planned.order_by("next_due_at").values_list("next_due_at", flat=True).first(),
    ]
    found = min((moment for moment in times if moment), default=None)
    if found is None:
        return Card("Next message", "–", "nobody under way has a message to come")
    waiting = list_address(
        "messaging_messagedelivery",
        campaign_message__campaign__id__exact=campaign.pk,
        status__exact="scheduled",
    )
    return Card("Next message", when(found), "or soon after; see what is scheduled", waiting)
