"""The pages that ask before something is done to a campaign, each in the state that it is for.

Each campaign is as it was when its question has been opened.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from campaigns import proposal, review, revise
from campaigns.copy import copy_campaign
from campaigns.models import Campaign, CampaignStatus
from tests.bench.opened import MOST_COUNTING, Ask

PAUSED_FOR = timedelta(days=5)
API = "/api/v1/campaigns"


def asks(user: User) -> Iterator[Ask]:
    """Launch, review, rollout, pause, resume, completion, and a change of two people."""
    campaign = Campaign.objects.order_by("pk").last()
    assert campaign is not None
    yield from _of_a_draft(campaign, user)
    yield Ask("Question: pause", _page("pause", campaign))
    yield Ask("Question: complete", _page("complete", campaign))
    with _as(campaign, rollout_percent=10):
        yield from _counting("widen the rollout", _page("widen", campaign))
    with _as(campaign, rollout_halted="Too many failed."):
        yield Ask("Question: resume the rollout", _page("resume_rollout", campaign))
    since = timezone.now() - PAUSED_FOR
    with _as(campaign, status=CampaignStatus.PAUSED, paused_at=since):
        yield from _of_a_pause(campaign)
    with override_settings(FOUR_EYES=True), _as(campaign, proposal=None):
        yield from _of_a_proposal(campaign)


def _of_a_draft(campaign: Campaign, user: User) -> Iterator[Ask]:
    """A quarter of all doctors would be enrolled."""
    draft = copy_campaign(campaign, user)
    yield from _counting("launch", _page("launch", draft))
    yield Ask("Question: submit for review", _page("submit", draft))
    yield Ask("Question: copy", _page("copy", draft))
    yield Ask("Campaign: a draft", reverse("admin:campaigns_campaign_change", args=[draft.pk]))
    preflight = f"{API}/{draft.pk}/preflight"
    yield Ask("API: pre-flight of a draft", preflight, most=MOST_COUNTING)
    review.submit(draft, timezone.now(), user)
    yield Ask("Question: back to draft", _page("send_back", draft))
    with override_settings(FOUR_EYES=True):
        yield from _counting("launch, in review", _page("launch", draft))
    draft.delete()


def _of_a_pause(campaign: Campaign) -> Iterator[Ask]:
    """All the days of which passed for somebody."""
    yield from _counting("resume", _page("resume", campaign))
    held_up = f"{API}/{campaign.pk}/overdue"
    yield Ask("API: what a pause holds up", held_up, most=MOST_COUNTING)
    figures = f"{API}/{campaign.pk}/resume/figures"
    for choice in ("skip", "shift", "spread&days=7"):
        path = f"{figures}?choice={choice}"
        yield Ask(f"API: figures of a resumption, {choice}", path, most=MOST_COUNTING)


def _of_a_proposal(campaign: Campaign) -> Iterator[Ask]:
    """The last step comes a day later, which somebody else has proposed."""
    *others, last = revise.as_it_is(campaign)
    steps = (*others, replace(last, delay_days=last.delay_days + 1))
    body = {"steps": [_step(step) for step in steps]}
    revision = f"{API}/{campaign.pk}/revision"
    yield Ask("API: what a change would do", revision, body, most=MOST_COUNTING)
    now, wanted = timezone.now(), revise.Proposed({}, steps)
    token = revise.plan_revision(campaign, wanted, now).token
    somebody = User.objects.create_user("somebody")
    proposal.propose(campaign, wanted, token, now, somebody)
    yield Ask("Question: make a proposed change", _page("make_change", campaign))
    yield Ask("Question: drop a proposed change", _page("drop_change", campaign))
    page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
    yield Ask("Campaign: a change waits", page)
    waiting = f"{API}/{campaign.pk}/proposal"
    yield Ask("API: a proposed change", waiting, most=MOST_COUNTING)


def _step(step: revise.ProposedStep) -> dict[str, Any]:
    hour = step.send_from and f"{step.send_from:%H:%M}"
    told = {"id": str(step.id), "day": step.delay_days, "template": step.template_key}
    return {**told, "subject": step.subject_line, "send_from": hour}


def _counting(name: str, path: str) -> Iterator[Ask]:
    """A question that counts doctors: its page, and what that loads, counted anew each time."""
    yield Ask(f"Question: {name}", path)
    yield Ask(f"Question: {name}, loaded after", f"{path}?part=1", most=MOST_COUNTING)


@contextmanager
def _as(campaign: Campaign, **fields: Any) -> Iterator[None]:
    """The campaign with other values, and then as it was."""
    rows = Campaign.objects.filter(pk=campaign.pk)
    before = rows.values(*fields).get()
    rows.update(**fields)
    campaign.refresh_from_db()
    yield
    rows.update(**before)
    campaign.refresh_from_db()


def _page(button: str, campaign: Campaign) -> str:
    return reverse(f"admin:campaigns_campaign_{button}", args=[campaign.pk])
