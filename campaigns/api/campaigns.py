"""Campaigns: written, looked at, and led through their life."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Router, Status

from campaigns import launch, overdue, review, revise
from campaigns.api import audit, drafts
from campaigns.api.auth import Asked, Key, need
from campaigns.api.campaign_shapes import (
    CampaignChange,
    CampaignConfirmed,
    CampaignIn,
    CampaignOut,
    CampaignPage,
    OverdueOut,
    Ready,
    Resume,
    Resumed,
    RevisionOut,
    StepIn,
    StoppedOut,
)
from campaigns.api.errors import Problem
from campaigns.api.pagination import Pages, page
from campaigns.models import ApiScope, Campaign, CampaignStatus
from campaigns.preflight import findings
from campaigns.transition import NotReady
from segments.models import SegmentType

router = Router(tags=["Campaigns"])

READ = Key(ApiScope.CAMPAIGNS_READ, "campaigns.view_campaign")
ADD = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.add_campaign")
CHANGE = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.change_campaign")
DELETE = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.delete_campaign")
LAUNCH = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.launch_campaign")
STOP = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.stop_campaign")
STEP = "campaigns.{}_campaignmessage"


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
def create_campaign(request: Asked, campaign: CampaignIn) -> Status[Campaign]:
    """Nobody is enrolled before it is launched. Its author is the key's owner."""
    if campaign.steps:
        need(request.auth, STEP.format("add"))
    fields = campaign.given()
    fields.pop("steps", None)
    made = drafts.create(fields, _proposed(campaign.steps), request.auth.owner)
    audit.note(request.auth, made, "Made.", audit.ADDITION)
    return Status(201, made)


@router.get("/{uuid:campaign_id}", auth=READ, response=CampaignOut, summary="Read a campaign")
def read_campaign(request: Asked, campaign_id: UUID) -> Campaign:
    """With its steps."""
    return _find(campaign_id)


@router.patch("/{uuid:campaign_id}", auth=CHANGE, response=CampaignOut, summary="Change a campaign")
def change_campaign(request: Asked, campaign_id: UUID, change: CampaignConfirmed) -> Campaign:
    """Settings that are left out stay; steps, if given, are all of them, in their order.

    While doctors are under way in it (active, paused), ask first what the change does to them
    (`…/revision`), and send its token with the same change.
    """
    campaign = _find(campaign_id)
    _may_change_steps(request, campaign, change)
    fields, proposed = _wanted(campaign, change)
    if campaign.status not in revise.UNDER_WAY:
        drafts.change(campaign, fields, proposed, request.auth.owner)
        audit.note(request.auth, campaign, f"Changed {', '.join(sorted(change.given()))}.")
        return campaign
    if not change.token:
        said = "Doctors are under way: ask …/revision what this does to them, and send its token."
        raise Problem(409, said, kind="token-missing")
    wanted = revise.Proposed(fields, _all_steps(campaign, proposed))
    now, by = timezone.now(), request.auth.owner
    done = revise.apply_revision(campaign, wanted, change.token, now, by)
    audit.note(request.auth, campaign, " ".join(done.lines))
    return campaign


@router.post(
    "/{uuid:campaign_id}/revision",
    auth=CHANGE,
    response=RevisionOut,
    summary="What would a change do?",
)
def plan_revision(request: Asked, campaign_id: UUID, change: CampaignChange) -> Any:
    """Of a campaign under way: says what becomes of whom. Changes nothing."""
    campaign = _find(campaign_id)
    if campaign.status not in revise.UNDER_WAY:
        raise NotReady(["Nobody is under way in it: change it without a token."])
    fields, proposed = _wanted(campaign, change)
    wanted = revise.Proposed(fields, _all_steps(campaign, proposed))
    return revise.plan_revision(campaign, wanted, timezone.now())


@router.delete("/{uuid:campaign_id}", auth=DELETE, response={204: None}, summary="Delete a draft")
def delete_campaign(request: Asked, campaign_id: UUID) -> Status[None]:
    """Only a draft has nothing that depends on it."""
    with transaction.atomic():
        campaign = get_object_or_404(Campaign.objects.select_for_update(), pk=campaign_id)
        if campaign.status != CampaignStatus.DRAFT:
            state = campaign.get_status_display().lower()
            raise NotReady([f"The campaign is {state}: only a draft can be deleted."])
        audit.note(request.auth, campaign, "Deleted.", audit.DELETION)
        campaign.delete()
    return Status(204, None)


# --- its life --------------------------------------------------------------------------------


@router.get(
    "/{uuid:campaign_id}/preflight", auth=READ, response=Ready, summary="Can it be launched?"
)
def preflight(request: Asked, campaign_id: UUID) -> dict[str, Any]:
    """Everything that was looked at: what blocks its launch, what is doubtful, what is fine."""
    campaign = _find(campaign_id)
    found = findings(campaign, timezone.now())
    is_new = campaign.status in drafts.EDITED
    approval = review.obstacles(campaign, request.auth.owner) if is_new else []
    is_blocked = any(finding.level == "blocking" for finding in found)
    ready = is_new and not is_blocked and not approval
    return {"ready": ready, "findings": found, "approval": approval}


@router.post(
    "/{uuid:campaign_id}/submit", auth=CHANGE, response=CampaignOut, summary="Ask for its review"
)
def submit(request: Asked, campaign_id: UUID) -> Campaign:
    """Draft → in review, as it stands now."""
    by = request.auth.owner
    return _do(request, campaign_id, "Submitted.", lambda c: review.submit(c, timezone.now(), by))


@router.post("/{uuid:campaign_id}/launch", auth=LAUNCH, response=CampaignOut, summary="Launch it")
def launch_campaign(request: Asked, campaign_id: UUID) -> Campaign:
    """In review (or draft, where no second person is asked for) → active.

    Doctors are enrolled within the hour. Where four eyes are asked for, the key's owner is
    somebody else than who made, changed or submitted it.
    """
    by = request.auth.owner
    return _do(request, campaign_id, "Launched.", lambda c: launch.launch(c, timezone.now(), by))


@router.post("/{uuid:campaign_id}/pause", auth=STOP, response=CampaignOut, summary="Pause it")
def pause(request: Asked, campaign_id: UUID) -> Campaign:
    """Active → paused: nothing is enrolled, scheduled or sent until it is resumed."""
    return _do(request, campaign_id, "Paused.", lambda c: launch.pause(c, timezone.now()))


@router.get(
    "/{uuid:campaign_id}/overdue",
    auth=READ,
    response=OverdueOut,
    summary="What has a pause held up?",
)
def read_overdue(request: Asked, campaign_id: UUID) -> Any:
    """Of a paused campaign: what a resumption has to decide on."""
    campaign = _find(campaign_id)
    if campaign.status != CampaignStatus.PAUSED:
        raise NotReady(["It is not paused: nothing is held up."])
    return overdue.overdue(campaign, timezone.now())


@router.post("/{uuid:campaign_id}/resume", auth=STOP, response=Resumed, summary="Resume it")
def resume(request: Asked, campaign_id: UUID, resume: Resume) -> dict[str, Any]:
    """Paused → active. Nothing overdue is released by itself: say what becomes of it."""
    campaign = _find(campaign_id)
    outcome = launch.resume(campaign, timezone.now(), resume.choice, resume.days)
    audit.note(request.auth, campaign, f"Resumed ({resume.choice or 'nothing was overdue'}).")
    return {"campaign": campaign, "skipped": outcome.skipped, "moved": outcome.moved}


@router.post("/{uuid:campaign_id}/stop", auth=STOP, response=StoppedOut, summary="End it for good")
def stop(request: Asked, campaign_id: UUID) -> dict[str, Any]:
    """Active or paused → completed: all enrolments end, what is scheduled is skipped."""
    campaign = _find(campaign_id)
    ended = launch.complete(campaign, timezone.now())
    audit.note(request.auth, campaign, "Ended.")
    counts = {"people": ended.people, "skipped": ended.skipped, "sending": ended.sending}
    return {"campaign": campaign, **counts}


def _find(campaign_id: UUID) -> Campaign:
    return get_object_or_404(Campaign, pk=campaign_id)


def _do(request: Asked, campaign_id: UUID, done: str, step: Callable[[Campaign], None]) -> Campaign:
    campaign = _find(campaign_id)
    step(campaign)
    audit.note(request.auth, campaign, done)
    return campaign


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


def _all_steps(
    campaign: Campaign, proposed: tuple[revise.ProposedStep, ...] | None
) -> tuple[revise.ProposedStep, ...]:
    return revise.as_it_is(campaign) if proposed is None else proposed


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
