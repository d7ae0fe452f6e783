"""Start, end and promote: the three things that change an experiment's state.

Each looks again under the lock of its row; NotReady says in words why it can't be now.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.db import transaction
from django.utils.timezone import localtime

from campaigns.experiments.results import Results, results
from campaigns.experiments.rules import problems, template_of
from campaigns.experiments.verdict import verdict
from campaigns.models import (
    CampaignEnrollment,
    CampaignMessage,
    CampaignStatus,
    EnrollmentStatus,
    Experiment,
    ExperimentKind,
    ExperimentStatus,
)
from campaigns.revise import UNDER_WAY, Proposed, apply_revision, as_it_is
from campaigns.revision import token_of
from campaigns.transition import NotReady, lock
from messaging.models import DeliveryStatus, MessageDelivery

logger = logging.getLogger(__name__)


def _lock(experiment: Experiment) -> None:
    """Read it anew and hold it, and its step, until the transaction ends.

    The campaign first, as whoever edits it does: nobody waits in a circle.
    """
    lock(experiment.campaign)
    held = Experiment.objects.select_for_update(no_key=True)
    experiment.refresh_from_db(from_queryset=held)
    CampaignMessage.ever.select_for_update(no_key=True).get(pk=experiment.step_id)


@transaction.atomic
def start(experiment: Experiment, now: datetime, user: User | None) -> None:
    """Draft -> running: what is scheduled from now on is shared out among the variants.

    What was scheduled before has no variant and is not counted.
    """
    _lock(experiment)
    if experiment.status != ExperimentStatus.DRAFT:
        raise NotReady([f"This test is {experiment.get_status_display().lower()} already."])
    if found := [*obstacles(experiment, user), *problems(experiment)]:
        raise NotReady(found)
    _save(experiment, status=ExperimentStatus.RUNNING, started_at=now, started_by=user)


def obstacles(experiment: Experiment, by: User | None) -> list[str]:
    """Why this person may not start it: setting FOUR_EYES, as review.py has it of campaigns.

    What its variants say goes out with the start, and becomes the step where one wins.
    """
    if not settings.FOUR_EYES:
        return []
    if by is None:
        return ["Somebody has to look at it and start it."]
    parts = (("made it", experiment.author_id), ("changed it last", experiment.changed_by_id))
    if own := [what for what, who in parts if who == by.pk]:
        return [
            f"You {' and '.join(own)}: somebody else who may launch has to look at it and start it."
        ]
    return []


@transaction.atomic
def end(experiment: Experiment, now: datetime) -> str:
    """Running -> ended, by hand: with its verdict where it is ripe, else without a winner.

    Returns the conclusion.
    """
    _lock(experiment)
    _still_running(experiment)
    found = results(experiment, now)
    if found.is_ripe:
        return _conclude(found)
    return _end(found, f"Ended early, on {localtime(now):%d %b %Y}: no winner. {_so_far(found)}")


def _still_running(experiment: Experiment) -> None:
    if experiment.status != ExperimentStatus.RUNNING:
        raise NotReady(
            [f"This test is not running: it is {experiment.get_status_display().lower()}."]
        )


def _so_far(found: Results) -> str:
    """What each variant had of what was fixed at the start."""
    wanted = found.experiment.min_per_arm
    had = ", ".join(f"{arm.variant.letter} {arm.sent:,}" for arm in found.arms)
    return f"Doctors written to so far: {had}; {wanted:,} each were wanted."


def _end(found: Results, conclusion: str, **fields: Any) -> str:
    _save(
        found.experiment,
        status=ExperimentStatus.ENDED,
        ended_at=found.now,
        conclusion=conclusion,
        **fields,
    )
    return conclusion


def _conclude(found: Results) -> str:
    judged = verdict(found)
    return _end(found, " ".join([judged.sentence, *judged.notes]), winner=judged.winner)


def review_all(now: datetime) -> list[str]:
    """Look at every running experiment: take no more messages, end and promote, as it is time.

    Returns what was done, a line each. Running it again does nothing more. Each is reviewed in a
    transaction of its own: what breaks in one is logged with its id, keeps none of the others from
    being reviewed, and is raised at the end (ExceptionGroup), so that the task is seen to fail.
    """
    running = Experiment.objects.filter(status=ExperimentStatus.RUNNING).order_by("pk")
    lines: list[str] = []
    errors: list[Exception] = []
    for experiment in running:
        try:
            lines += review(experiment, now)
        except SoftTimeLimitExceeded:
            raise
        except Exception as error:  # whatever it is: the others have their day, too
            logger.exception("A/B test %s could not be reviewed", experiment.pk)
            errors.append(error)
    if errors:
        for line in lines:  # the caller does not get them
            logger.info("experiments: %s", line)
        raise ExceptionGroup("A/B tests could not be reviewed", errors)
    return lines


@transaction.atomic
def review(experiment: Experiment, now: datetime) -> list[str]:
    """The same for one experiment."""
    _lock(experiment)
    if experiment.status != ExperimentStatus.RUNNING:
        return []
    found = results(experiment, now)
    if experiment.filled_at is None:
        if found.is_filled:
            _save(experiment, filled_at=now)
            return [f"“{experiment}” has its doctors: no more are taken."]
        if experiment.campaign.status == CampaignStatus.COMPLETED:
            return [_end(found, f"The campaign ended before the test: no winner. {_so_far(found)}")]
        return []
    if not found.is_ripe:
        return []
    lines = [_conclude(found)]
    if experiment.auto_promote and not verdict(found).warnings and change_of(experiment):
        lines.append(_promote_by_itself(experiment, now))
    return lines


def _promote_by_itself(experiment: Experiment, now: datetime) -> str:
    """Promote, or leave it to a person and say why: the verdict stands in any case."""
    try:
        return promote(experiment, now, None)
    except NotReady as refusal:
        said = f"Variant {experiment.winner} was not taken over by itself: {refusal}"
    # The page, the list and the API show the conclusion; the button to take it over stays.
    _save(experiment, conclusion=f"{experiment.conclusion} {said}")
    _log(experiment, None, said)
    return said


# --- The winner becomes the step ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What the step takes over from the winner, for what is still to be sent."""

    fields: dict[str, Any]
    words: Sequence[str]
    planned: int  # messages of the step that are scheduled and get the new text
    to_come: int  # doctors under way who have the step still before them


def change_of(experiment: Experiment) -> Change | None:
    """What promoting would change; None: there is no winner, or the step is like it already."""
    winner, step = experiment.winner, experiment.step
    if winner is None or experiment.promoted_at or step.removed_at:
        return None
    fields: dict[str, Any] = {}
    words = []
    if winner.template and winner.template != step.template:
        fields["template_id"] = winner.template_id
        words.append(f"Text: “{step.template}” becomes “{template_of(winner, step)}”.")
    new_subject = winner.subject_line or (None if winner.template else step.subject_line)
    if (new_subject or None) != (step.subject_line or None):
        fields["subject_line"] = new_subject
        before = step.subject_line or step.template.subject_line
        words.append(f"Subject: “{before}” becomes “{new_subject or 'that of the new text'}”.")
    if winner.send_from and winner.send_from != step.send_from:
        fields["send_from"] = winner.send_from
        words.append(f"Sent from {_hour(step)} becomes {winner.send_from:%H:%M}.")
    return Change(fields, words, *_still_to_come(experiment)) if fields else None


def _hour(step: CampaignMessage) -> str:
    hour: time = step.send_from or step.campaign.send_from
    return f"{hour:%H:%M}"


def _still_to_come(experiment: Experiment) -> tuple[int, int]:
    """Scheduled messages of the step, and doctors who have none of it yet."""
    deliveries = MessageDelivery.objects.filter(campaign_message=experiment.step_id)
    under_way = CampaignEnrollment.objects.filter(
        campaign=experiment.campaign_id, status=EnrollmentStatus.ACTIVE, is_holdout=False
    )
    planned = deliveries.filter(status=DeliveryStatus.SCHEDULED)
    if experiment.kind == ExperimentKind.SEND_TIME:
        planned = planned.none()  # these have their time
    to_come = under_way.exclude(pk__in=deliveries.values("enrollment"))
    return planned.count(), to_come.count()


@transaction.atomic
def promote(experiment: Experiment, now: datetime, user: User | None) -> str:
    """The step takes over the winner for what is still to be sent; returns what changed.

    Nothing that was sent changes. The text of a message is read when it is sent, so a message that
    is planned already gets the new one, too. `user`: None where the experiment does it by itself.
    """
    _lock(experiment)
    change = change_of(experiment)
    if change is None:
        raise NotReady(["There is nothing to take over: no winner, or the step is like it."])
    _change_step(experiment, change, now, user)
    _save(experiment, promoted_at=now)
    said = f"Step {experiment.step.sequence_order} took over variant {experiment.winner}. "
    said += " ".join(change.words)
    _log(experiment, user, said if user else f"{said} By itself, as set before its start.")
    return said


def _change_step(experiment: Experiment, change: Change, now: datetime, user: User | None) -> None:
    """By the one way in which a campaign under way is edited; NotReady where it could not send."""
    campaign = experiment.campaign
    if campaign.status not in UNDER_WAY:
        CampaignMessage.objects.filter(pk=experiment.step_id).update(**change.fields)
        return
    own = dict(change.fields)
    if "template_id" in own:
        own["template_key"] = own.pop("template_id")
    if "subject_line" in own:
        own["subject_line"] = own["subject_line"] or ""
    steps = tuple(
        replace(step, **own) if step.id == experiment.step_id else step
        for step in as_it_is(campaign)
    )
    proposed = Proposed({}, steps)
    apply_revision(campaign, proposed, token_of(campaign, proposed), now, user)


def _log(experiment: Experiment, user: User | None, said: str) -> None:
    """On the campaign, too: it is about its step. Django's log needs somebody's name."""
    by = user or experiment.started_by
    if by is None:
        return
    for row in (experiment, experiment.campaign):
        LogEntry.objects.log_actions(by.pk, [row], CHANGE, said, single_object=True)


def _save(experiment: Experiment, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(experiment, name, value)
    experiment.save(update_fields=list(fields))
