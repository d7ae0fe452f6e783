"""From draft to running and back: what a campaign needs before it may send."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from campaigns.convert import end_all
from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus
from messaging.hours import Hours, common
from messaging.models import Channel


class NotReady(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The campaign can't be launched; `problems` says why, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def problems(campaign: Campaign, now: datetime) -> list[str]:
    """Everything that keeps the campaign from sending, in the marketer's words."""
    found = []
    steps = campaign.steps.select_related("template")
    if not steps:
        found.append("The campaign has no steps: add at least one below.")
    if campaign.end_date and campaign.end_date <= now:
        found.append("The end date is past: move it or leave it empty.")
    found += _hours_problems(campaign, {step.channel for step in steps})
    for step in steps:
        name = f"Step {step.sequence_order} ({step})"
        if not step.template.template_content.strip():
            found.append(f"{name}: the template “{step.template_id}” has no text.")
        if step.template.channel != step.channel:
            found.append(
                f"{name}: the template “{step.template_id}” is for "
                f"{step.template.get_channel_display()}."
            )
        if step.template.segment_type != campaign.segment_type:
            found.append(
                f"{name}: the template “{step.template_id}” is for another segment, "
                f"“{step.template.get_segment_type_display()}”."
            )
    return found


def _hours_problems(campaign: Campaign, channels: set[str]) -> list[str]:
    """Channels that may not be used in any of the campaign's hours."""
    found = []
    for channel in sorted(channels):
        opens, closes = settings.SEND_HOURS[channel]
        if common([Hours(opens, closes), Hours(campaign.send_from, campaign.send_until)]) is None:
            found.append(
                f"{Channel(channel).label} may be sent from {opens:%H:%M} to {closes:%H:%M} only, "
                f"the campaign sends from {campaign.send_from:%H:%M} to "
                f"{campaign.send_until:%H:%M}: change its hours."
            )
    return found


def launch(campaign: Campaign, now: datetime) -> None:
    """Draft -> active. Raises NotReady, and changes nothing, where something is missing."""
    if found := problems(campaign, now):
        raise NotReady(found)
    _change(campaign, CampaignStatus.DRAFT, CampaignStatus.ACTIVE, "launched")
    Campaign.objects.filter(pk=campaign.pk, start_date=None).update(start_date=now)
    campaign.refresh_from_db()


def pause(campaign: Campaign) -> None:
    """Active -> paused: nothing is enrolled, scheduled or sent until it is resumed."""
    _change(campaign, CampaignStatus.ACTIVE, CampaignStatus.PAUSED, "paused")


def resume(campaign: Campaign, now: datetime) -> None:
    """Paused -> active. What became too late meanwhile is skipped, not sent in a flood."""
    if found := problems(campaign, now):
        raise NotReady(found)
    _change(campaign, CampaignStatus.PAUSED, CampaignStatus.ACTIVE, "resumed")


@transaction.atomic
def complete(campaign: Campaign, now: datetime) -> int:
    """Active or paused -> completed, for good: ends all enrolments; returns how many."""
    _change(
        campaign, (CampaignStatus.ACTIVE, CampaignStatus.PAUSED), CampaignStatus.COMPLETED, "ended"
    )
    return end_all(CampaignEnrollment.objects.filter(campaign=campaign), now)


def _change(
    campaign: Campaign,
    before: CampaignStatus | tuple[CampaignStatus, ...],
    after: CampaignStatus,
    verb: str,
) -> None:
    """Change the status if it still is what the person saw; two clicks are one change."""
    allowed = before if isinstance(before, tuple) else (before,)
    unchanged = Campaign.objects.filter(pk=campaign.pk, status__in=allowed)
    changed = unchanged.update(status=after, updated_at=Now())
    campaign.refresh_from_db(fields=["status"])
    if not changed:
        raise NotReady(
            [f"The campaign is {campaign.get_status_display().lower()} and can't be {verb}."]
        )
