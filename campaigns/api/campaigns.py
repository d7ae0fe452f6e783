"""Campaigns: written, copied, changed. lifecycle.py leads them through their life."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Status

from campaigns import revise
from campaigns.api import audit, drafts
from campaigns.api.auth import Asked, Key, need
from campaigns.api.campaign_shapes import (
    CampaignChange,
    CampaignConfirmed,
    CampaignIn,
    CampaignOut,
    CampaignPage,
    RevisionOut,
    StepIn,
)
from campaigns.api.errors import Problem
from campaigns.api.idempotency import IfOnce, once
from campaigns.api.matching import TAGGED, IfMatch, must_match, tag
from campaigns.api.pagination import Pages, page
from campaigns.copy import copy_campaign, permissions_to_copy
from campaigns.models import ApiScope, Campaign, CampaignStatus
from campaigns.transition import NotReady, lock
from segments.models import SegmentType

router = Router(tags=["Campaigns"])

READ = Key(ApiScope.CAMPAIGNS_READ, "campaigns.view_campaign")
ADD = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.add_campaign")
CHANGE = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.change_campaign")
DELETE = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.delete_campaign")
STEP = "campaigns.{}_campaignmessage"
NOT_UNDER_WAY = "Nobody is under way in it: change it without a token."


@router.get("", auth=READ, response=CampaignPage, summary="List campaigns")
def list_campaigns(
    request: Asked,
    paging: Pages,
    status: CampaignStatus | None = None,
    segment_type: SegmentType | None = None,
) -> dict[str, Any]:
    """Newest first."""
    found: QuerySet[Campaign] = Campaign.objects.all()
    if status:
        found = found.filter(status=status)
    if segment_type:
        found = found.filter(segment_type=segment_type)
    return page(found, paging)


@router.post("", auth=ADD, response={201: CampaignOut}, summary="Make a draft")
def create_campaign(request: Asked, campaign: CampaignIn, name: IfOnce = None) -> HttpResponse:
    """Nobody is enrolled before it is launched. Its author is the key's owner."""
    if campaign.steps:
        need(request.auth, STEP.format("add"))
    fields = campaign.given()
    fields.pop("steps", None)

    def make() -> CampaignOut:
        made = drafts.create(fields, _proposed(campaign.steps), request.auth.owner)
        audit.note(request.auth, made, "Made.", audit.ADDITION)
        return CampaignOut.from_orm(made)

    return once(request, name, make, 201)


@router.post(
    "/{uuid:campaign_id}/copy", auth=ADD, response={201: CampaignOut}, summary="Copy a campaign"
)
def copy(request: Asked, campaign_id: UUID, name: IfOnce = None) -> HttpResponse:
    """A draft with the same settings and steps; without its dates, doctors, figures and tests."""

    def make() -> CampaignOut:
        campaign = find(campaign_id)
        need(request.auth, *permissions_to_copy(campaign))
        draft = copy_campaign(campaign, request.auth.owner)
        audit.note(request.auth, draft, f"Copied from “{campaign}”.", audit.ADDITION)
        return CampaignOut.from_orm(draft)

    return once(request, name, make, 201)


@router.get(
    "/{uuid:campaign_id}",
    auth=READ,
    response=CampaignOut,
    summary="Read a campaign",
    openapi_extra=TAGGED,
)
def read_campaign(request: Asked, campaign_id: UUID, response: HttpResponse) -> Campaign:
    """With its steps."""
    campaign = find(campaign_id)
    response["ETag"] = tag(campaign)
    campaign.refresh_from_db()  # what is answered is never older than its tag
    return campaign


@router.patch(
    "/{uuid:campaign_id}",
    auth=CHANGE,
    response=CampaignOut,
    summary="Change a campaign",
    openapi_extra=TAGGED,
)
def change_campaign(
    request: Asked,
    campaign_id: UUID,
    change: CampaignConfirmed,
    response: HttpResponse,
    seen: IfMatch = None,
) -> Campaign:
    """Settings that are left out stay; steps, if given, are all of them, in their order.

    While doctors are under way in it (active, paused), ask first what the change does to them
    (`…/revision`), and send its token with the same change. Where that says `needs_second`, send
    both to `POST …/proposal` instead.
    """
    campaign = find(campaign_id)
    _may_change_steps(request, campaign, change)
    with transaction.atomic():
        lock(campaign)
        must_match(seen, campaign)
        if campaign.status in revise.UNDER_WAY:
            _revise(request, campaign, change)
        else:
            fields, proposed = _wanted(campaign, change)
            drafts.change(campaign, fields, proposed, request.auth.owner)
            audit.note(request.auth, campaign, f"Changed {', '.join(sorted(change.given()))}.")
        response["ETag"] = tag(campaign)
    return campaign


@router.post(
    "/{uuid:campaign_id}/revision",
    auth=CHANGE,
    response=RevisionOut,
    summary="What would a change do?",
)
def plan_revision(request: Asked, campaign_id: UUID, change: CampaignChange) -> Any:
    """Of a campaign under way: says what becomes of whom. Changes nothing."""
    campaign = find(campaign_id)
    if campaign.status not in revise.UNDER_WAY:
        raise NotReady([NOT_UNDER_WAY])
    return revise.plan_revision(campaign, _revision(campaign, change), timezone.now())


@router.delete("/{uuid:campaign_id}", auth=DELETE, response={204: None}, summary="Delete a draft")
def delete_campaign(request: Asked, campaign_id: UUID, seen: IfMatch = None) -> Status[None]:
    """Only a draft has nothing that depends on it."""
    with transaction.atomic():
        campaign = get_object_or_404(Campaign.objects.select_for_update(), pk=campaign_id)
        if campaign.status != CampaignStatus.DRAFT:
            state = campaign.get_status_display().lower()
            raise NotReady([f"The campaign is {state}: only a draft can be deleted."])
        must_match(seen, campaign)
        audit.note(request.auth, campaign, "Deleted.", audit.DELETION)
        campaign.delete()
    return Status(204, None)


def find(campaign_id: UUID) -> Campaign:
    """The campaign; Http404 where there is none."""
    return get_object_or_404(Campaign, pk=campaign_id)


def confirmed(
    request: Asked, campaign: Campaign, change: CampaignConfirmed
) -> tuple[revise.Proposed, str]:
    """What is wanted of a campaign under way, and the token of the dry run that showed it.

    Problem: 403, the key's owner may not change steps so; 409, no dry run was asked for.
    """
    _may_change_steps(request, campaign, change)
    if not change.token:
        said = "Doctors are under way: ask …/revision what this does to them, and send its token."
        raise Problem(409, said, kind="token-missing")
    return _revision(campaign, change), change.token


def _revise(request: Asked, campaign: Campaign, change: CampaignConfirmed) -> None:
    wanted, token = confirmed(request, campaign, change)
    try:
        with transaction.atomic():
            done = revise.apply_revision(
                campaign, wanted, token, timezone.now(), request.auth.owner
            )
            audit.note(request.auth, campaign, " ".join(done.lines))
    except NotReady as refusal:
        if revise.NEEDS_SECOND not in refusal.problems:
            raise
        said = (
            "Two people change what a running campaign sends, to whom or when: send the same to "
            "POST …/proposal, and somebody else who may launch makes it."
        )
        raise Problem(409, said, kind="second-person-needed") from None


def _proposed(steps: list[StepIn]) -> tuple[revise.ProposedStep, ...]:
    return tuple(
        revise.ProposedStep(step.id, step.day, step.template, step.subject, step.send_from)
        for step in steps
    )


def _wanted(
    campaign: Campaign, change: CampaignChange
) -> tuple[dict[str, Any], tuple[revise.ProposedStep, ...] | None]:
    """The fields that differ, and the steps, if any were sent."""
    fields = {
        name: value
        for name, value in change.given().items()
        if name not in {"steps", "token"} and getattr(campaign, name) != value
    }
    return fields, _proposed(change.steps) if "steps" in change.model_fields_set else None


def _revision(campaign: Campaign, change: CampaignChange) -> revise.Proposed:
    """Steps that were not sent stay as they are."""
    fields, steps = _wanted(campaign, change)
    return revise.Proposed(fields, revise.as_it_is(campaign) if steps is None else steps)


def _may_change_steps(request: Asked, campaign: Campaign, change: CampaignChange) -> None:
    """As the admin's rows of steps ask: to add, to change and to delete are three things."""
    if "steps" not in change.model_fields_set:
        return
    kept = {step.id for step in change.steps if step.id}
    was = set(campaign.steps.values_list("pk", flat=True))
    verbs = {
        "change": bool(kept),
        "add": len(kept) < len(change.steps),
        "delete": not was <= kept,
    }
    need(request.auth, *(STEP.format(verb) for verb, is_done in verbs.items() if is_done))
