"""From draft to running and back: what a campaign needs before it may send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from campaigns.convert import end_all
from campaigns.models import Campaign, CampaignEnrollment, CampaignMessage, CampaignStatus
from messaging import approval
from messaging.hours import Hours, common
from messaging.models import Channel
from messaging.validation import check_template


class NotReady(Exception):  # noqa: N818  reads as a sentence where it is raised
    """The campaign can't be launched; `problems` says why, a sentence each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = problems


def problems(campaign: Campaign, now: datetime) -> list[str]:
    """Everything that keeps the campaign from sending, in the marketer's words."""
    found = []
    steps = campaign.steps.select_related("template", "campaign")
    if not steps:
        found.append("The campaign has no steps: add at least one below.")
    if campaign.end_date and campaign.end_date <= now:
        found.append("The end date is past: move it or leave it empty.")
    found += _hours_problems(campaign, {step.channel for step in steps})
    for step in steps:
        found += (f"Step {step.sequence_order} ({step}): {why}" for why in _step_problems(step))
    return found


def _step_problems(step: CampaignMessage) -> Iterator[str]:
    """Why a step's text can't go out, or would go out broken."""
    template = step.template
    the_template = f"the template “{step.template_id}”"
    if not template.template_content.strip():
        yield f"{the_template} has no text."
        return
    if template.channel != step.channel:
        yield f"{the_template} is for {template.get_channel_display()}."
    if template.segment_type != step.campaign.segment_type:
        yield (f"{the_template} is for another segment, “{template.get_segment_type_display()}”.")
    fits = (template.channel, template.segment_type) == (step.channel, step.campaign.segment_type)
    for finding in check_template(template.draft(subject=step.subject_line)) if fits else ():
        if finding.level == "error":
            yield f"{the_template} would go out broken. {finding}"
    if why := approval.problem_of(template):
        yield f"{the_template} may not go out: {why}"


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
