"""A campaign's life: looked at, reviewed, launched, widened, paused, ended."""

# ruff: noqa: ARG001  ninja hands each operation the request
from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args
from uuid import UUID

from django.db import transaction
from django.utils import timezone
from ninja import Router

from campaigns import launch, overdue, resumption, review, rollout
from campaigns.api import audit, drafts
from campaigns.api.auth import Asked, Key
from campaigns.api.campaign_shapes import CampaignOut
from campaigns.api.campaigns import CHANGE, READ, find
from campaigns.api.errors import Problem
from campaigns.api.lifecycle_shapes import (
    Advance,
    FiguresOut,
    OverdueOut,
    Ready,
    Resume,
    Resumed,
    SendBack,
    SpreadDays,
    StoppedOut,
)
from campaigns.models import ApiScope, Campaign, CampaignStatus
from campaigns.preflight import Level, static
from campaigns.preflight.counts import counts
from campaigns.transition import NotReady

router = Router(tags=["Campaigns"])

LAUNCH = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.launch_campaign")
STOP = Key(ApiScope.CAMPAIGNS_WRITE, "campaigns.stop_campaign")
LEVELS = get_args(Level)  # the most pressing one first


@router.get(
    "/{uuid:campaign_id}/preflight", auth=READ, response=Ready, summary="Can it be launched?"
)
def preflight(request: Asked, campaign_id: UUID) -> dict[str, Any]:
    """Everything that was looked at: what blocks its launch, what is doubtful, what is fine.

    What takes counting doctors was counted at `counted_at`, two minutes ago at most.
    """
    campaign, now = find(campaign_id), timezone.now()
    counted = counts(campaign, now)
    found = sorted(
        (*static(campaign, now), *counted.findings), key=lambda one: LEVELS.index(one.level)
    )
    is_new = campaign.status in drafts.EDITED
    approval = review.obstacles(campaign, request.auth.owner) if is_new else []
    is_blocked = any(finding.level == "blocking" for finding in found)
    return {
        "ready": is_new and not is_blocked and not approval,
        "counted_at": counted.at,
        "findings": found,
        "approval": approval,
    }


@router.post(
    "/{uuid:campaign_id}/submit", auth=CHANGE, response=CampaignOut, summary="Ask for its review"
)
def submit(request: Asked, campaign_id: UUID) -> Campaign:
    """Draft → in review, as it stands now; once more, where it was changed in review."""
    by = request.auth.owner
    return _do(request, campaign_id, "Submitted.", lambda c: review.submit(c, timezone.now(), by))


@router.post(
    "/{uuid:campaign_id}/send-back",
    auth=CHANGE,
    response=CampaignOut,
    summary="Send it back to its author",
)
def send_back(request: Asked, campaign_id: UUID, why: SendBack) -> Campaign:
    """In review → draft, to be changed and submitted again. Its author may take it back as well."""
    by = request.auth.owner
    return _do(request, campaign_id, "Sent back.", lambda c: review.send_back(c, by, why.reason))


@router.post("/{uuid:campaign_id}/launch", auth=LAUNCH, response=CampaignOut, summary="Launch it")
def launch_campaign(request: Asked, campaign_id: UUID) -> Campaign:
    """In review (or draft, where no second person is asked for) → active.

    Doctors are enrolled within the hour. Where four eyes are asked for, the key's owner is
    somebody else than who made, changed or submitted it.
    """
    by = request.auth.owner
    return _do(request, campaign_id, "Launched.", lambda c: launch.launch(c, timezone.now(), by))


@router.post(
    "/{uuid:campaign_id}/rollout/advance",
    auth=LAUNCH,
    response=CampaignOut,
    summary="Widen its rollout",
)
def advance_rollout(request: Asked, campaign_id: UUID, wide: Advance) -> Campaign:
    """Let the next share of doctors in; they are enrolled within the hour.

    There is no way back: whoever is in stays in. Look at `health` of the campaign first.
    """
    done = f"Rollout widened to {wide.to} %."
    now = timezone.now()
    return _do(request, campaign_id, done, lambda c: rollout.advance(c, now, wide.to))


@router.post(
    "/{uuid:campaign_id}/rollout/resume",
    auth=LAUNCH,
    response=CampaignOut,
    summary="Resume its rollout",
)
def resume_rollout(request: Asked, campaign_id: UUID) -> Campaign:
    """Go on after the rollout stopped by itself (`rollout_halted`), at the same stage.

    The campaign, where that was paused with it, is resumed by …/resume.
    """
    now = timezone.now()
    return _do(request, campaign_id, "Rollout resumed.", lambda c: rollout.resume_rollout(c, now))


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
    return overdue.overdue(_paused(campaign_id), timezone.now())


@router.get(
    "/{uuid:campaign_id}/resume/figures",
    auth=READ,
    response=FiguresOut,
    summary="What would resuming it do?",
)
def read_resume_figures(
    request: Asked, campaign_id: UUID, choice: overdue.Choice, days: SpreadDays = 0
) -> Any:
    """Of a paused campaign, for one choice: what becomes of every message, and on which days."""
    return resumption.figures(_paused(campaign_id), timezone.now(), choice, days)


@router.post("/{uuid:campaign_id}/resume", auth=STOP, response=Resumed, summary="Resume it")
def resume(request: Asked, campaign_id: UUID, resume: Resume) -> dict[str, Any]:
    """Paused → active. Nothing overdue is released by itself: say what becomes of it.

    Where something is overdue, it is done only if it does what …/resume/figures has shown (`seen`);
    a figure may differ by one in a hundred. Otherwise, and without `seen`, the refusal
    (`figures-changed`) brings the figures as they are now.
    """
    campaign, now = find(campaign_id), timezone.now()
    try:
        with transaction.atomic():
            seen = resume.seen or ""  # nobody's figures: refused where something is overdue
            outcome = launch.resume(campaign, now, resume.choice, resume.days, seen)
            said = f"Resumed ({resume.choice or 'nothing was overdue'})."
            audit.note(request.auth, campaign, said)
    except resumption.Unseen as refusal:
        raise _figures_changed(campaign, now, resume, refusal) from None
    return {"campaign": campaign, "skipped": outcome.skipped, "moved": outcome.moved}


@router.post("/{uuid:campaign_id}/stop", auth=STOP, response=StoppedOut, summary="End it for good")
def stop(request: Asked, campaign_id: UUID) -> dict[str, Any]:
    """Active or paused → completed: all enrolments end, what is scheduled is skipped."""
    campaign = find(campaign_id)
    with transaction.atomic():
        ended = launch.complete(campaign, timezone.now())
        audit.note(request.auth, campaign, "Ended.")
    counted = {"people": ended.people, "skipped": ended.skipped, "sending": ended.sending}
    return {"campaign": campaign, **counted}


def _paused(campaign_id: UUID) -> Campaign:
    campaign = find(campaign_id)
    if campaign.status != CampaignStatus.PAUSED:
        raise NotReady(["It is not paused: nothing is held up."])
    return campaign


def _figures_changed(
    campaign: Campaign, now: datetime, resume: Resume, refusal: resumption.Unseen
) -> Problem:
    """The refusal with the figures as they are now, to be looked at before it is sent again."""
    assert resume.choice is not None  # noqa: S101  figures are compared for a choice
    found = resumption.figures(campaign, now, resume.choice, resume.days)
    problem = Problem(409, str(refusal), kind="figures-changed")
    problem.figures = FiguresOut.from_orm(found).model_dump(mode="json")
    return problem


@transaction.atomic
def _do(request: Asked, campaign_id: UUID, done: str, step: Callable[[Campaign], None]) -> Campaign:
    """The step, and the word in the history with it."""
    campaign = find(campaign_id)
    step(campaign)
    audit.note(request.auth, campaign, done)
    return campaign
