"""A change of a campaign under way that two people make (setting FOUR_EYES): campaigns/proposal.py.

One key's owner proposes it, another one's makes it or sends it back, here or on its page.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from campaigns import proposal, revise
from campaigns.api import audit, drafts
from campaigns.api.auth import Asked, Key
from campaigns.api.campaign_shapes import CampaignConfirmed, CampaignOut
from campaigns.api.campaigns import CHANGE, NOT_UNDER_WAY, READ, confirmed, find
from campaigns.api.errors import Problem
from campaigns.api.shapes import Hour, In, example
from campaigns.models import ApiKey, ApiScope, Campaign
from campaigns.transition import NotReady

router = Router(tags=["Campaigns"])

ACCEPT = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.launch_campaign")
NOT_NEEDED = "Nobody else has to look at this change: make it with PATCH."


class StepProposed(Schema):
    """A step as it is to be."""

    id: UUID | None = Field(description="Of the step that it is already; null for a new one.")
    day: int
    template: str
    subject: str
    send_from: Hour | None


class ProposalOut(Schema):
    """The change that waits for a second person."""

    by: str = Field(description="Who proposed it.")
    at: datetime | None
    fields: dict[str, Any] = Field(description="Settings that are to be otherwise.")
    steps: list[StepProposed] = Field(description="All steps as they are to be, in their order.")
    lines: list[str] = Field(description="What it does, as things stand; a sentence each.")
    stale: bool = Field(
        description="The campaign or a text was changed since: it can't be made any more, and "
        "`lines` says what it would have done."
    )
    obstacles: list[str] = Field(
        description="Why the key's owner may not make it; whether they may launch is another thing."
    )
    token: str = Field(description="Send it to …/proposal/accept, if that is what you want.")


class Accept(In):
    """What was looked at."""

    model_config = example(token="6f1c…")  # noqa: S106  of what waits

    token: str = Field(min_length=1, max_length=100, description="Of `GET …/proposal`.")


class Drop(In):
    """Why it is not made."""

    model_config = example(reason="Day 5 falls on a holiday: take day 6.")

    reason: str = Field(
        default="",
        max_length=2000,
        description="What should be different; its author reads it. Whoever proposed it may leave "
        "it out.",
    )


@router.post(
    "/{uuid:campaign_id}/proposal",
    auth=CHANGE,
    response=ProposalOut,
    summary="Propose a change to a second person",
)
def propose(request: Asked, campaign_id: UUID, change: CampaignConfirmed) -> dict[str, Any]:
    """The same as PATCH takes, where its revision says `needs_second`. Nothing is changed yet.

    One waits at a time: it takes the place of the owner's own, and not of somebody else's.
    """
    campaign, by = find(campaign_id), request.auth.owner
    if campaign.status not in revise.UNDER_WAY:
        raise NotReady([NOT_UNDER_WAY])
    wanted, token = confirmed(request, campaign, change)
    _check(campaign_id, wanted)
    with transaction.atomic():
        done = proposal.propose(campaign, wanted, token, timezone.now(), by)
        if not done.needs_second:
            raise NotReady([NOT_NEEDED])
        audit.note(request.auth, campaign, f"Proposed: {' '.join(done.lines)}")
    return _told(campaign, request.auth)


@router.get(
    "/{uuid:campaign_id}/proposal",
    auth=READ,
    response=ProposalOut,
    summary="Which change waits for a second person?",
)
def read_proposal(request: Asked, campaign_id: UUID) -> dict[str, Any]:
    """What it does, who proposed it, and what keeps the key's owner from making it; 404: none."""
    return _told(find(campaign_id), request.auth)


@router.post(
    "/{uuid:campaign_id}/proposal/accept",
    auth=ACCEPT,
    response=CampaignOut,
    summary="Make the proposed change",
)
def accept_proposal(request: Asked, campaign_id: UUID, seen: Accept) -> Campaign:
    """As the second person: the key's owner is somebody else than who proposed it."""
    campaign = find(campaign_id)
    with transaction.atomic():
        waiting = proposal.pending(campaign)
        done = proposal.accept(campaign, seen.token, timezone.now(), request.auth.owner)
        who = waiting.who if waiting else "somebody"
        audit.note(request.auth, campaign, f"As {who} proposed: {' '.join(done.lines)}")
    return campaign


@router.post(
    "/{uuid:campaign_id}/proposal/send-back",
    auth=CHANGE,
    response=CampaignOut,
    summary="Drop the proposed change",
)
def send_back_proposal(request: Asked, campaign_id: UUID, why: Drop) -> Campaign:
    """Withdraw it, or send it back with a reason. The campaign stays as it is."""
    campaign = find(campaign_id)
    with transaction.atomic():
        proposal.send_back(campaign, request.auth.owner, why.reason)
        audit.note(request.auth, campaign, "Dropped the proposed change.")
    return campaign


def _check(campaign_id: UUID, wanted: revise.Proposed) -> None:
    """Problem (422) now, as the admin's form has it, and not when somebody else makes it."""
    campaign = find(campaign_id)  # one to write into
    for name, value in wanted.fields.items():
        setattr(campaign, name, value)
    drafts.check(campaign)


def _told(campaign: Campaign, key: ApiKey) -> dict[str, Any]:
    waiting = proposal.pending(campaign)
    if waiting is None:
        raise Problem(404, "No change waits for a second person.")
    revision = revise.plan_revision(campaign, waiting.proposed, timezone.now())
    return {
        "by": waiting.who,
        "at": waiting.at,
        "fields": dict(waiting.proposed.fields),
        "steps": [
            {
                "id": step.id,
                "day": step.delay_days,
                "template": step.template_key,
                "subject": step.subject_line,
                "send_from": step.send_from,
            }
            for step in waiting.proposed.steps
        ],
        "lines": waiting.lines if waiting.is_stale else revision.lines,
        "stale": waiting.is_stale,
        "obstacles": [*proposal.obstacles(campaign, key.owner), *revision.problems],
        "token": waiting.token,
    }
