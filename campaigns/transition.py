"""How a campaign changes its status: under its lock, from what it is to what it may become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Now

from campaigns.models import Campaign, CampaignEnrollment, CampaignStatus, EnrollmentStatus


class NotReady(Exception):  # noqa: N818  reads as a sentence where it is raised
    """What was asked for can't be done now; `problems` says why, a sentence each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__(" ".join(problems))
        self.problems = list(problems)


def lock(campaign: Campaign) -> None:
    """Read it anew and hold it until the transaction ends: two clicks come one after the other.

    Enrolling holds it, too (FOR SHARE): nobody gets in while it is being paused or completed.
    """
    campaign.refresh_from_db(from_queryset=Campaign.objects.select_for_update(no_key=True))


def hold_people(campaign: Campaign) -> None:
    """Hold everybody under way in it, in key order, before their messages are changed.

    Whoever ends an enrolment (a return, an opt-out) takes it before its messages, too: so nobody
    waits in a circle.
    """
    active = CampaignEnrollment.objects.filter(campaign=campaign, status=EnrollmentStatus.ACTIVE)
    held = active.order_by("pk").select_for_update(no_key=True)
    for _ in held.values_list("pk").iterator():
        pass


def change(
    campaign: Campaign,
    before: Sequence[CampaignStatus],
    after: CampaignStatus,
    verb: str,
    **fields: Any,
) -> None:
    """Change the status, and `fields` with it, if it is one of `before`; NotReady otherwise."""
    unchanged = Campaign.objects.filter(pk=campaign.pk, status__in=before)
    changed = unchanged.update(status=after, updated_at=Now(), **fields)
    campaign.refresh_from_db()
    if not changed:
        state = campaign.get_status_display().lower()
        raise NotReady([f"The campaign is {state} and can't be {verb}."])
