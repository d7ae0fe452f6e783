"""A change to a campaign under way that waits for a second person (setting FOUR_EYES).

Somebody proposes it, as the page of what it does has shown it; somebody else, who may launch, looks
at the same page and makes it, or sends it back. One waits at a time. As in review.py, what was
looked at is what is done: the campaign, its texts and those of the proposal must be as they were.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models.functions import Now
from django.utils.dateparse import parse_time

from campaigns.digest import digest
from campaigns.models import Campaign
from campaigns.revise import UNDER_WAY, Proposed, ProposedStep, Revision, apply_revision
from campaigns.revision import ANOTHER, plan_revision, text_versions, token_of
from campaigns.transition import NotReady, lock

STALE = (
    "The campaign or one of these texts was changed since this was proposed: send it back, and "
    "propose it again, so that what was looked at is what is done."
)
NONE = "No change waits for a second person: it was made or sent back meanwhile."


@dataclass(frozen=True, slots=True)
class Pending:
    """The change that waits. `lines`: what it would have done when it was proposed.

    `token` names the proposal and the campaign it is for: accept() refuses another one.
    """

    proposed: Proposed
    lines: tuple[str, ...]
    by: User | None
    at: datetime | None
    is_stale: bool
    token: str

    @property
    def who(self) -> str:
        """The name of who proposed it."""
        return self.by.get_full_name() or self.by.get_username() if self.by else "somebody"


def pending(campaign: Campaign) -> Pending | None:
    """The change that waits for a second person; None: there is none, or it is not under way."""
    kept = campaign.proposal
    if kept is None or campaign.status not in UNDER_WAY:
        return None
    now = _state(campaign, (step[2] for step in kept["steps"]))
    content = json.dumps([kept, str(campaign.proposed_at), now], sort_keys=True)
    return Pending(
        proposed=_read(kept),
        lines=tuple(kept["lines"]),
        by=campaign.proposed_by,
        at=campaign.proposed_at,
        is_stale=kept["state"] != now,
        token=hashlib.sha256(content.encode()).hexdigest(),
    )


@transaction.atomic
def propose(
    campaign: Campaign, proposed: Proposed, token: str, now: datetime, by: User
) -> Revision:
    """Keep the change for a second person to make. `token`: of plan_revision, as in revise.py.

    Takes the place of one that `by` proposed before. Raises NotReady where somebody else's waits,
    where the campaign or the change is not what `token` was told for, or where it can't be made.
    """
    lock(campaign)
    if campaign.status not in UNDER_WAY:
        raise NotReady([f"The campaign is {campaign.get_status_display().lower()}."])
    waiting = pending(campaign)
    if waiting and waiting.by != by:
        raise NotReady(
            [f"A change by {waiting.who} waits already: it has to be made or sent back first."]
        )
    revision = plan_revision(campaign, proposed, now)
    if revision.token != token:
        raise NotReady([ANOTHER])
    if revision.problems or revision.is_empty:
        raise NotReady(revision.problems or ["Nothing would be changed."])
    kept = _written(campaign, proposed, revision)
    _write(campaign, proposal=kept, proposed_by=by, proposed_at=now, review_note="")
    return revision


def obstacles(campaign: Campaign, by: User | None) -> list[str]:
    """Why this person may not make the change that waits; superusers are bound as all others.

    Whether the person has the permission to launch is for the doors to ask.
    """
    waiting = pending(campaign)
    if waiting is None:
        return [NONE]
    found = [STALE] if waiting.is_stale else []
    if by is None or waiting.by == by:
        found.append("You proposed it: somebody else who may launch looks at it and makes it.")
    return found


@transaction.atomic
def accept(campaign: Campaign, token: str, now: datetime, by: User | None) -> Revision:
    """Make the change that waits, as the second person. `token`: of what that person looked at.

    Raises NotReady where it is another one now, where `by` proposed it, or where the campaign could
    not send with it.
    """
    lock(campaign)
    if found := obstacles(campaign, by):
        raise NotReady(found)
    waiting = pending(campaign)
    if waiting is None or waiting.token != token:
        raise NotReady(["The change that waits is another one now: look at it again."])
    token = token_of(campaign, waiting.proposed)  # it is as it was proposed: pending() has looked
    done = apply_revision(campaign, waiting.proposed, token, now, by, is_second_person=True)
    _write(campaign, **_EMPTY)
    return done


@transaction.atomic
def send_back(campaign: Campaign, by: User | None, reason: str = "") -> None:
    """Drop the change that waits. Its author may without a word; others give the reason.

    The reason stands on the campaign's page. NotReady: there is no change, or no reason.
    """
    lock(campaign)
    waiting = pending(campaign)
    if waiting is None:
        raise NotReady([NONE])
    is_own = by is not None and waiting.by == by
    if not (is_own or reason.strip()):
        raise NotReady(["Write what should be different: its author reads it."])
    who = f"{by.get_full_name() or by.get_username()}: " if by else ""
    note = f"{who}{reason.strip()}" if reason.strip() else ""
    _write(campaign, **_EMPTY, review_note=note)


_EMPTY: dict[str, Any] = {"proposal": None, "proposed_by": None, "proposed_at": None}


def _write(campaign: Campaign, **fields: Any) -> None:
    Campaign.objects.filter(pk=campaign.pk).update(**fields, updated_at=Now())
    campaign.refresh_from_db()


def _state(campaign: Campaign, template_keys: Iterable[str]) -> list[Any]:
    """The campaign with its texts, and the texts that the proposal brings, as they stand now."""
    return [digest(campaign), text_versions(template_keys)]


def _written(campaign: Campaign, proposed: Proposed, revision: Revision) -> dict[str, Any]:
    """The proposal as JSON."""
    steps = [
        [step.id, step.delay_days, step.template_key, step.subject_line, step.send_from]
        for step in proposed.steps
    ]
    kept = {
        "fields": list(proposed.fields.items()),  # in their order, which an object would lose
        "steps": steps,
        "lines": revision.lines,
        "state": _state(campaign, (step.template_key for step in proposed.steps)),
    }
    written: dict[str, Any] = json.loads(json.dumps(kept, default=str))
    return written


def _read(kept: Mapping[str, Any]) -> Proposed:
    fields = {
        name: Campaign._meta.get_field(name).to_python(value)  # type: ignore[union-attr]  # noqa: SLF001
        for name, value in kept["fields"]
    }
    steps = tuple(
        ProposedStep(
            uuid.UUID(pk) if pk else None, day, key, subject, parse_time(hour) if hour else None
        )
        for pk, day, key, subject, hour in kept["steps"]
    )
    return Proposed(fields, steps)
