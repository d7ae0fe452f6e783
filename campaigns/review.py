"""Draft -> in review -> back, or on to launch: a second person looks (setting FOUR_EYES)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.contrib.auth.models import User
from django.db import transaction

from campaigns.digest import digest
from campaigns.models import Campaign, CampaignStatus
from campaigns.transition import NotReady, change, lock

CHANGED = (
    "It was changed since it was submitted, or one of its texts was: "
    "submit it again, so that what was looked at is what is sent."
)


@transaction.atomic
def submit(campaign: Campaign, now: datetime, by: User | None) -> None:
    """Ask for its review, as it stands now; once more, where it was changed in review."""
    lock(campaign)
    change(
        campaign,
        (CampaignStatus.DRAFT, CampaignStatus.IN_REVIEW),
        CampaignStatus.IN_REVIEW,
        "submitted for review",
        submitted_by=by,
        submitted_at=now,
        submitted_digest=digest(campaign),
        review_note="",
    )


@transaction.atomic
def send_back(campaign: Campaign, by: User | None, reason: str) -> None:
    """In review -> draft, with the reason that its author reads. NotReady: there is none."""
    lock(campaign)
    if not reason.strip():
        raise NotReady(["Write what should be changed: its author reads it."])
    who = f"{by.get_full_name() or by.get_username()}: " if by else ""
    change(
        campaign,
        (CampaignStatus.IN_REVIEW,),
        CampaignStatus.DRAFT,
        "sent back",
        review_note=f"{who}{reason.strip()}",
    )


def is_changed(campaign: Campaign) -> bool:
    """In review, but no longer what was submitted."""
    in_review = campaign.status == CampaignStatus.IN_REVIEW
    return in_review and campaign.submitted_digest != digest(campaign)


def launchable_from() -> tuple[CampaignStatus, ...]:
    """From which statuses a campaign may be launched."""
    review: tuple[CampaignStatus, ...] = (CampaignStatus.IN_REVIEW,)
    return review if settings.FOUR_EYES else (CampaignStatus.DRAFT, *review)


def is_launchable_by(campaign: Campaign, by: User | None) -> bool:
    """Whether to offer its launch: as it stands, and to this person under four eyes."""
    if campaign.status not in launchable_from():
        return False
    return not (settings.FOUR_EYES and obstacles(campaign, by))


def obstacles(campaign: Campaign, by: User | None) -> list[str]:
    """Why this person may not launch it, a sentence each; superusers are bound as all others.

    Whether the person has the permission is for the doors to ask.
    """
    found = [CHANGED] if is_changed(campaign) else []
    if not settings.FOUR_EYES:
        return found
    if campaign.status == CampaignStatus.DRAFT:
        found.append("Submit it for review first: somebody else launches it then.")
    if by is None:
        return [*found, "Somebody has to approve it."]
    parts = (
        ("made it", campaign.author_id),
        ("changed it last", campaign.changed_by_id),
        ("submitted it", campaign.submitted_by_id),
    )
    if own := [what for what, who in parts if who == by.pk]:
        found.append(f"You {' and '.join(own)}: somebody else has to look at it and launch it.")
    return found
